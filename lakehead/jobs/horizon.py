"""From which moment on a new version of a model has seen all, and until when the batch must answer.

A version that begins in a job that has run sees no row that was landed before. Windows that begin
after each of those rows are its own from their first row on. All others are the batch's.
"""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lakehead.contracts.model import Contract
from lakehead.errors import UserError
from lakehead.lake.plan import DataFile, plan_files
from lakehead.lake.snapshots import TableState, local_path, table_state
from lakehead.models.bind import Bound
from lakehead.models.windows import Cumulate, Hop, Session
from lakehead.settings import Settings

if TYPE_CHECKING:
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

_JOB = "flink.job-id"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Nothing was landed before: there is nothing for the batch to answer.
BEGINNING = _EPOCH


def newest_landed(
    settings: Settings, contract: Contract, not_by: Collection[str] = ()
) -> datetime | None:
    """The newest event time of the rows that are landed; None where there are none.

    Rows committed by the Flink jobs ``not_by`` are left out.
    """
    try:
        state = table_state(settings, contract.landing_table)
    except UserError:
        return None
    theirs = {s.id for s in state.snapshots if s.summary.get(_JOB) in not_by}
    files = [f for f in plan_files(settings, state).files if f.snapshot_id not in theirs]
    return _newest(files, _field_id(state, contract.event_time))


def next_begin(bound: Bound, newest: datetime) -> datetime:
    """The first moment at which answers begin that no event up to ``newest`` is part of."""
    match bound.model.window:
        case Hop(every=step) | Cumulate(size=step):
            return _EPOCH + ((newest - _EPOCH) // step + 1) * step
        case Session(gap=gap):
            return _ceiling(newest + gap)
    return _ceiling(newest)


def closes(bound: Bound, horizon: datetime, longest_session: datetime | None = None) -> datetime:
    """The end of the last answer that could lack something which was landed before the horizon.

    ``longest_session`` is the end of the last session that begins before the horizon.
    """
    match bound.model.window:
        case Hop(size=size, every=every):
            return horizon + size - every
        case Cumulate():
            return horizon
        case Session(gap=gap):
            return max(horizon + gap, longest_session or horizon)
    reach = timedelta()
    if bound.model.kind == "join" and bound.on and bound.on.lower is not None:
        reach = max(abs(bound.on.lower), abs(bound.on.upper or timedelta()))
    if bound.model.sequence:
        reach = bound.model.sequence.within
    return horizon + reach


def _ceiling(moment: datetime) -> datetime:
    """The next whole millisecond, which is what the stream reckons in."""
    step = timedelta(milliseconds=1)
    return _EPOCH + ((moment - _EPOCH) // step + 1) * step


def _field_id(state: TableState, name: str) -> int:
    return next(f.id for f in state.fields if f.name == name)


def _newest(files: Iterable[DataFile], field_id: int) -> datetime | None:
    import pyarrow.parquet as pq

    listed = list(files)
    days = [day for f in listed for day in f.partition.values() if day is not None]
    last = max(days, key=_number, default=None)
    found = [
        _maximum(pq.ParquetFile(local_path(f.path)), field_id)
        for f in listed
        if last is None or last in f.partition.values()
    ]
    return max((m for m in found if m is not None), default=None)


def _number(day: str) -> tuple[int, str]:
    # Iceberg states a day as a number, or as a date.
    return (int(day), "") if day.lstrip("-").isdigit() else (0, day)


def _maximum(file: "pq.ParquetFile", field_id: int) -> datetime | None:
    names = [f.name for f in file.schema_arrow if _id(f) == field_id]
    [name] = names
    moments: list[Any] = []
    for i in range(file.metadata.num_row_groups):
        chunks = file.metadata.row_group(i)
        [chunk] = [
            chunks.column(j)
            for j in range(chunks.num_columns)
            if chunks.column(j).path_in_schema == name
        ]
        statistics = chunk.statistics
        if statistics is not None and statistics.has_min_max:
            moments.append(statistics.max)
        else:
            values = file.read_row_group(i, columns=[name]).column(0).to_pylist()
            moments += [v for v in values if v is not None]
    aware = [m if m.tzinfo else m.replace(tzinfo=UTC) for m in moments]
    return max(aware, default=None)


def _id(arrow_field: Any) -> int | None:
    found = (arrow_field.metadata or {}).get(b"PARQUET:field_id")
    return int(found) if found else None
