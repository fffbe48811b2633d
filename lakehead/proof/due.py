"""Which windows a reconcile has to look at: the closed ones that nothing has settled yet, or that
rows have come late to since.

Both are known from what commits say (``evidence``), not by scanning the mart: windows that closed
since the last reconcile end after the time up to which that one settled, and late rows are those of
commits since the one that it read.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from lakehead.contracts.model import LANDING
from lakehead.jobs.reconcile import ALL, Range
from lakehead.lake.snapshots import TableState
from lakehead.models import duckdb as model_duckdb
from lakehead.models.batch import LATE
from lakehead.models.bind import Bound
from lakehead.models.windows import Cumulate, Hop
from lakehead.proof.evidence import added_files, plan
from lakehead.query.engine import connect_plans
from lakehead.query.types import quoted
from lakehead.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Window = tuple[datetime, datetime]
_LATE = quoted(LATE)
_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Due:
    """Windows that end after ``after`` and at or before ``upto``, and those in ``late``, which had
    closed by ``after``; of all these the ones that begin in ``within``. None is no bound.

    Its conditions are DuckDB's, and read tables that ``prepare`` makes.
    """

    upto: datetime
    after: datetime | None = None
    late: tuple[Window, ...] = ()
    within: Range = ALL

    def prepare(self, lake: "DuckDBPyConnection", bound: Bound) -> None:
        """Make ``late_windows``, and ``late_slices``: the starts, in microseconds since the epoch,
        of the slices of time that these windows are made of."""
        moments = "unnest($1::TIMESTAMPTZ[]) AS s, unnest($2::TIMESTAMPTZ[]) AS e"
        lake.execute(f"CREATE TABLE late_windows AS SELECT {moments}", _sides(self.late))
        lake.execute(
            "CREATE TABLE late_slices AS SELECT unnest(range(epoch_us(s), epoch_us(e), $3))"
            f" FROM (SELECT {moments})",
            [*_sides(_merged(self.late)), _micros(_window(bound).slice)],
        )

    def windows(self) -> tuple[str, dict[str, object]]:
        """The condition on ``window_start`` and ``window_end``, with its parameters."""
        parts, given = ["window_end <= $upto"], dict[str, object](upto=self.upto)
        if self.within.start:
            parts.append("window_start >= $start")
            given["start"] = self.within.start
        if self.within.end:
            parts.append("window_start < $end")
            given["end"] = self.within.end
        if self.after:
            parts.append(
                "(window_end > $after OR (window_start, window_end) IN (FROM late_windows))"
            )
            given["after"] = self.after
        return " AND ".join(parts), given

    def spans(self, bound: Bound) -> list[Window]:
        """The spans of event time that all rows of these windows are in: in order, and apart."""
        size = _window(bound).size
        begin, end = self.within.start or _BEGINNING, self.upto
        if self.within.end:
            end = min(end, self.within.end + size)
        wanted = [(begin, end)]
        if self.after:
            closed_since = [(self.after - size, self.upto)] if self.after < self.upto else []
            wanted = _merged([*self.late, *closed_since])
        cut = [(max(start, begin), min(until, end)) for start, until in wanted]
        return [(start, until) for start, until in cut if start < until]

    def rows(self, bound: Bound) -> tuple[str, dict[str, object]]:
        """The condition on landed rows that may be in one of these windows, likewise."""
        spans = self.spans(bound)
        if not spans:
            return "FALSE", {}
        time = quoted(bound.root.event_time)
        condition = f"{time} >= $first AND {time} < $last"
        given: dict[str, object] = {"first": spans[0][0], "last": spans[-1][1]}
        if self.after:
            # One look-up a row, however many windows are late.
            starts = model_duckdb.DuckDB().floor(f"epoch_us({time})", _micros(_window(bound).slice))
            condition += f" AND ({time} >= $begin OR {starts} IN (FROM late_slices))"
            given["begin"] = (
                self.after - _window(bound).size if self.after < self.upto else self.upto
            )
        return condition, given


def _window(bound: Bound) -> Hop | Cumulate:
    window = bound.model.window
    assert isinstance(window, Hop | Cumulate)
    return window


def _micros(length: timedelta) -> int:
    return length // timedelta(microseconds=1)


def _sides(windows: Sequence[Window]) -> list[list[datetime]]:
    return [[w[i] for w in windows] for i in (0, 1)]


def late_windows(
    settings: Settings, bound: Bound, landing: TableState, above: int
) -> tuple[int, list[Window]]:
    """The rows that commits of checkpoints after ``above`` landed late, and the windows that had
    closed without them: by the watermark that a row was landed with. Others it was counted in."""
    with _added(settings, bound, landing, above) as lake:
        if lake is None:
            return 0, []
        lake.execute(
            f"CREATE TABLE late_rows AS SELECT *, epoch_ms(watermark) + 1 AS {_LATE}"
            " FROM added WHERE late"
        )
        lake.execute(
            "CREATE TABLE missed AS SELECT window_start, window_end, kafka_partition, kafka_offset"
            f" FROM ({model_duckdb.in_windows(bound, {bound.root.stream: 'late_rows'})})"
            f" WHERE epoch_ms(window_end) <= {_LATE}"
        )
        found = lake.execute("SELECT DISTINCT window_start, window_end FROM missed").fetchall()
        counted = lake.execute(
            "SELECT count(DISTINCT (kafka_partition, kafka_offset)) FROM missed"
        ).fetchone()
    assert counted
    return int(counted[0]), found


def touched_windows(
    settings: Settings, bound: Bound, landing: TableState, above: int, before: datetime
) -> list[Window]:
    """The windows that had closed ``before``, of all rows of commits after ``above``.

    Where a reconcile settled up to then, from what commits up to ``above`` had landed, it is these
    that it has not settled, whatever the rows were taken to be as they were landed.
    """
    with _added(settings, bound, landing, above) as lake:
        if lake is None:
            return []
        time = quoted(bound.root.event_time)
        lake.execute(
            f"CREATE TABLE late_rows AS SELECT *, 0::BIGINT AS {_LATE}"
            f" FROM added WHERE {time} < $1",
            [before],
        )
        windows = model_duckdb.in_windows(bound, {bound.root.stream: "late_rows"})
        return lake.execute(
            f"SELECT DISTINCT window_start, window_end FROM ({windows}) WHERE window_end <= $1",
            [before],
        ).fetchall()


@contextmanager
def _added(
    settings: Settings, bound: Bound, landing: TableState, above: int
) -> Iterator["DuckDBPyConnection | None"]:
    """The rows that commits after ``above`` landed, as ``added``; None where there were none."""
    files = added_files(settings, landing, above)
    if not files:
        yield None
        return
    with connect_plans(settings, [(landing, plan(files))]) as lake:
        landed = f'"{LANDING}".{quoted(bound.root.stream)}'
        lake.execute(f"CREATE VIEW added AS SELECT * FROM {landed}")
        yield lake


def _merged(windows: Sequence[Window]) -> list[Window]:
    """The same time, in spans that are in order and apart."""
    spans: list[Window] = []
    for start, end in sorted(windows):
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans
