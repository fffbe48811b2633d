"""What each landed row was too late for, as the stream's answer had it.

A row was missed by the stream when its window had closed by the watermark that the row was landed
with, by an earlier checkpoint, or by an earlier reconcile: after a restart the source's watermark
begins anew, while the window operator's does not. All three say *closed up to a time*; the latest
of them is the column ``late$ms``, in milliseconds since the epoch.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from lakehead.lake.plan import plan_files
from lakehead.lake.snapshots import TableState
from lakehead.models.batch import LATE, millis
from lakehead.models.bind import Bound
from lakehead.models.duckdb import DuckDB
from lakehead.models.header import SETTLED
from lakehead.models.model import Model
from lakehead.models.windows import Cumulate, Hop, Session
from lakehead.query.types import quoted
from lakehead.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CHECKPOINT = "flink.max-committed-checkpoint-id"
_LATE = quoted(LATE)


def load_checkpoints(
    lake: "DuckDBPyConnection", settings: Settings, state: TableState, table: str
) -> None:
    """Which checkpoint each data file was committed with; NULL where it was not the stream's."""
    by_snapshot = {s.id: s.summary.get(CHECKPOINT) for s in state.snapshots}
    files = plan_files(settings, state).files
    lake.execute(f"CREATE TABLE {table} (lake_file VARCHAR, checkpoint BIGINT)")
    rows = [(f.path, by_snapshot.get(f.snapshot_id)) for f in files]
    if rows:
        lake.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows)


def judge_rows(lake: "DuckDBPyConnection", model: Model, mart: str, landing: str) -> None:
    """Makes ``judged_rows``: the rows of ``landing`` with ``late$ms``.

    Needs the tables ``mart_files`` and ``landing_files`` of ``load_checkpoints``.
    """
    _closings(lake, model, mart)
    watermark = "epoch_ms(watermark)"
    if model.judged_by_window or isinstance(model.window, Session):
        # A window closes as the watermark reaches its last millisecond.
        watermark += " + 1"
    back = millis(model.window.gap) if isinstance(model.window, Session) else 0
    marks = [watermark]
    if model.window is not None:
        marks += [f"f.closed_ms - {back}", f"s.closed_ms - {back}"]
    lake.execute(
        f"CREATE TABLE judged_rows AS SELECT l.* EXCLUDE (lake_file),"
        f" greatest({', '.join(marks)}) AS {_LATE}"
        f" FROM {landing} l LEFT JOIN landing_files USING (lake_file)"
        # Closed by an earlier checkpoint than the one that the row was landed with.
        " ASOF LEFT JOIN fired f ON landing_files.checkpoint > f.checkpoint"
        " ASOF LEFT JOIN settled_upto s ON l.kafka_partition = s.p AND l.kafka_offset > s.upto"
    )


def judge_second(lake: "DuckDBPyConnection", model: Model, landing: str, left_out: str) -> None:
    """Makes ``judged_second``: the rows of a model's second stream with ``late$ms``, as its own
    scan found them."""
    lake.execute(
        f"CREATE TABLE judged_second AS SELECT l.* EXCLUDE (lake_file),"
        f" epoch_ms(o.watermark) AS {_LATE} FROM {landing} l"
        f" LEFT JOIN (SELECT DISTINCT ON (kafka_partition, kafka_offset) * FROM {left_out}"
        " WHERE model = ? AND stream = ?) o"
        " ON l.kafka_partition = o.kafka_partition AND l.kafka_offset = o.kafka_offset",
        [model.name, model.streams[1]],
    )


def _closings(lake: "DuckDBPyConnection", model: Model, mart: str) -> None:
    clock, ends = quoted(model.clock), f"greatest({', '.join(map(quoted, model.ends))})"
    lake.execute(
        # When each window had closed: the first checkpoint with a window as late, or later.
        "CREATE TABLE fired AS SELECT checkpoint,"
        f" max(max(epoch_ms({clock}))) OVER (ORDER BY checkpoint) AS closed_ms"
        f" FROM {mart} JOIN mart_files USING (lake_file)"
        f" WHERE checkpoint IS NOT NULL AND {SETTLED} IS NULL GROUP BY checkpoint"
    )
    lake.execute(
        # A reconcile took windows up to some end to be closed: what landed after it came too late.
        "CREATE TABLE reconciles AS SELECT k::INT AS p, CAST(u ->> k AS BIGINT) AS upto, covers"
        f" FROM (SELECT u, unnest(json_keys(u)) AS k, covers FROM"
        f" (SELECT CAST({SETTLED} AS JSON) AS u, max(epoch_ms({ends})) AS covers FROM {mart}"
        f" WHERE {SETTLED} IS NOT NULL GROUP BY {SETTLED}))"
        # Those of a second stream are named with it.
        " WHERE NOT contains(k, '/')"
    )
    lake.execute(
        "CREATE TABLE settled_upto AS SELECT p, upto, max(max(covers)) OVER"
        " (PARTITION BY p ORDER BY upto) AS closed_ms FROM reconciles GROUP BY p, upto"
    )


def late_rows(lake: "DuckDBPyConnection", bound: Bound, rows: str, closed: datetime | None) -> int:
    """How many rows a closed answer lacks, that is: were late, and are not settled since."""
    if bound.model.kind == "rows" or closed is None:
        return 0
    window, engine = bound.model.window, DuckDB()
    micros = engine.micros(quoted(bound.root.event_time))
    end = engine.divided(engine.floor(micros, 1000), 1000)
    if isinstance(window, Hop | Cumulate):
        step = millis(window.every if isinstance(window, Hop) else window.step)
        # The first of the row's windows to close.
        end = f"{engine.floor(end, step)} + {step}"
    counted = lake.execute(
        f"SELECT count(*) FROM (SELECT *, {end} AS ends FROM {rows}) r"
        f" WHERE ends <= {_LATE} AND ends <= epoch_ms($1::TIMESTAMPTZ)"
        " AND NOT EXISTS (SELECT 1 FROM reconciles s WHERE s.p = r.kafka_partition"
        " AND s.upto >= r.kafka_offset AND s.covers >= r.ends)",
        [closed],
    ).fetchone()
    assert counted
    return int(counted[0])
