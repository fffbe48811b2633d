"""Which files may hold what is due, as the bounds in the manifests say: the others are not opened.

A file whose bounds are not known may hold anything.
"""

from bisect import bisect_left, bisect_right
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from lakehead.lake.plan import DataFile, Plan, plan_files
from lakehead.lake.snapshots import TableState
from lakehead.models.bind import Bound
from lakehead.proof.due import Due
from lakehead.settings import Settings

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES = {"timestamp", "timestamptz"}


def landed_files(settings: Settings, landing: TableState, bound: Bound, due: Due) -> Plan:
    """The files of the landing table that may hold rows of windows that are due.

    Raises:
        SystemFailure: a manifest cannot be read.
    """
    spans = [(_micros(start), _micros(end)) for start, end in due.spans(bound)]
    return plan_files(settings, landing).within(_time(landing, bound.root.event_time), spans)


def mart_files(settings: Settings, mart: TableState, due: Due) -> Plan:
    """The files of the mart that may hold rows of windows that are due.

    Raises:
        SystemFailure: a manifest cannot be read.
    """
    start, end = (_time(mart, name) for name in ("window_start", "window_end"))
    late = sorted((_micros(s), _micros(e)) for s, e in due.late)
    late_starts = [s for s, _ in late]
    upto = _micros(due.upto)
    after = None if due.after is None else _micros(due.after)
    begin, before = (None if t is None else _micros(t) for t in (due.within.start, due.within.end))

    def may_hold(file: DataFile) -> bool:
        if start not in file.bounds or end not in file.bounds:
            return True
        (first, last), (least, greatest) = file.bounds[start], file.bounds[end]
        if least > upto:
            return False
        if (begin is not None and last < begin) or (before is not None and first >= before):
            return False
        if after is None or greatest > after:
            return True
        near = late[bisect_left(late_starts, first) : bisect_right(late_starts, last)]
        return any(least <= e <= greatest for _, e in near)

    plan = plan_files(settings, mart)
    return replace(plan, files=tuple(filter(may_hold, plan.files)))


def _time(state: TableState, column: str) -> int:
    """The id of a column whose bounds are times; one that no column has where they are not."""
    return next((f.id for f in state.fields if f.name == column and f.type in _TIMES), -1)


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
