"""Sample events of one or many streams, with faults on demand, and an account of every record.

``run`` is what others use. It takes events from ``sources``, gives them times by a ``timeline``,
lets each stream's ``lane`` make records of them, spoilt where ``faults`` say so, and hands them
over by ``sending``; ``account`` counts what became of each.
"""

from lakehead.streams.produce.options import Faults, ProduceOptions
from lakehead.streams.produce.run import produce, produce_streams
from lakehead.streams.produce.sending import Clock, Progress

__all__ = ["Clock", "Faults", "ProduceOptions", "Progress", "produce", "produce_streams"]
