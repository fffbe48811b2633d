"""Sample streams of one shop that belong together, made from its real invoice lines.

``orders`` is the file as it stands: real lines in the file's own order. The others follow from it
and are partly invented (sample-data/README.md says what): every payment has its invoice, every
parcel its lines, every product and customer is known before it is used.

Whatever is drawn is drawn from a hash of the invoice's number, so that a stream has the same events
from run to run, and alone the same as together with others.

Source: UCI "Online Retail II", Daqing Chen, https://doi.org/10.24432/C5CG6D, CC BY 4.0.
Its times have no zone and are taken as UTC.
"""

from lakehead.streams.retail.sample import Sample, sample_of
from lakehead.streams.retail.source import RETAIL_STREAMS, retail_source

__all__ = ["RETAIL_STREAMS", "Sample", "retail_source", "sample_of"]
