"""Which windows a reconcile has to look at: the closed ones that nothing has settled yet, or that
rows have come late to since.

Both are known from what commits say (``evidence``), not by scanning the mart: windows that closed
since the last reconcile end after the time up to which that one settled, and late rows are those of
commits since the one that it read.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
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


@dataclass(frozen=True)
class Due:
    """Windows that end after ``after`` and at or before ``upto``, and those in ``late``, which had
    closed by ``after``; of all these the ones that begin in ``within``. None is no bound.
    """

    upto: datetime
    after: datetime | None = None
    late: tuple[Window, ...] = ()
    within: Range = ALL

    def windows(self) -> tuple[str, dict[str, object]]:
        """The condition on ``window_start`` and ``window_end``, in DuckDB, with its parameters.

        It reads the table ``late_windows``.
        """
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

    def rows(self, bound: Bound) -> tuple[str, dict[str, object]]:
        """The condition on landed rows that may be in one of these windows, likewise."""
        time = quoted(bound.root.event_time)
        window = bound.model.window
        assert isinstance(window, Hop | Cumulate)
        parts, given = [f"{time} < $upto"], dict[str, object](upto=self.upto)
        if self.within.start:
            parts.append(f"{time} >= $start")
            given["start"] = self.within.start
        if self.within.end:
            parts.append(f"{time} < $end")
            given["end"] = self.within.end + window.size
        if self.after:
            spans = []
            if self.after < self.upto:
                given["begin"] = self.after - window.size
                spans.append(f"{time} >= $begin")
            for i, (start, end) in enumerate(_spans(self.late)):
                spans.append(f"({time} >= $start{i} AND {time} < $end{i})")
                given |= {f"start{i}": start, f"end{i}": end}
            parts.append(f"({' OR '.join(spans) or 'FALSE'})")
        return " AND ".join(parts), given


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


def _spans(windows: tuple[Window, ...], most: int = 100) -> list[Window]:
    """Spans of time that hold these windows: few, and with little else in them."""
    spans: list[Window] = []
    for start, end in sorted(windows):
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    while len(spans) > most:
        # The two with the least between them become one.
        i = min(range(len(spans) - 1), key=lambda i: spans[i + 1][0] - spans[i][1])
        spans[i : i + 2] = [(spans[i][0], spans[i + 1][1])]
    return spans
