"""Whether an event keeps its contract, told before it is sent, by the rules that Flink enforces.

``validator`` is what others use; it takes the ``fast`` way, and where that says no the full one:
``values`` (types), ``rules`` (of fields), ``condition`` (the contract's own).
"""

from lakehead.contracts.validate.event_type import event_type
from lakehead.contracts.validate.validator import InvalidEvent, Validator

__all__ = ["InvalidEvent", "Validator", "event_type"]
