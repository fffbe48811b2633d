"""What each landed row was too late for, as the stream's answer had it.

A row was missed by the stream when its window had closed by the watermark that the row was landed
with, by an earlier checkpoint, or by an earlier reconcile: after a restart the source's watermark
begins anew, while the window operator's does not. All three say *closed up to a time*; the latest
of them is the column ``late$ms``, in milliseconds since the epoch.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa  # type: ignore[import-untyped]

from lakehead.models.batch import LATE, millis
from lakehead.models.bind import Bound
from lakehead.models.duckdb import DuckDB
from lakehead.models.header import SETTLED
from lakehead.models.model import Model
from lakehead.models.windows import Cumulate, Hop, Session
from lakehead.proof.evidence import Closed, Landed
from lakehead.query.types import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_LATE = quoted(LATE)


def load_evidence(
    lake: "DuckDBPyConnection", landed: Iterable[Landed], closed: Iterable[Closed]
) -> None:
    """Makes ``landed_by``: when rows were landed; and ``fired``: when each window had closed, by
    the first checkpoint that brought one as late, or later."""
    offsets = {"partition": pa.int32(), "first": pa.int64(), "last": pa.int64()}
    checkpoint = {"checkpoint": pa.int64()}
    lake.register("landings", _arrow(landed, {**offsets, **checkpoint}))
    lake.register("closings", _arrow(closed, {**checkpoint, "until": pa.timestamp("us", "UTC")}))
    lake.execute("CREATE TABLE landed_by AS FROM landings")
    lake.execute(
        "CREATE TABLE fired AS SELECT checkpoint,"
        " max(max(epoch_ms(until))) OVER (ORDER BY checkpoint) AS closed_ms"
        " FROM closings GROUP BY checkpoint"
    )


def _arrow(rows: Iterable[Landed | Closed], columns: dict[str, "pa.DataType"]) -> "pa.Table":
    return pa.Table.from_pylist([row._asdict() for row in rows], pa.schema(columns))


def judge_rows(lake: "DuckDBPyConnection", model: Model, mart: str, landing: str) -> None:
    """Makes ``judged_rows``: the rows of ``landing`` with ``late$ms``.

    Needs the tables of ``load_evidence``.
    """
    _reconciles(lake, model, mart)
    watermark = "epoch_ms(watermark)"
    if model.judged_by_window or isinstance(model.window, Session):
        # A window closes as the watermark reaches its last millisecond.
        watermark += " + 1"
    back = millis(model.window.gap) if isinstance(model.window, Session) else 0
    marks = [watermark]
    if model.window is not None:
        marks += [
            f"CASE WHEN l.kafka_offset <= c.last THEN c.closed_ms - {back} END",
            f"s.closed_ms - {back}",
        ]
    lake.execute(
        # Closed by an earlier checkpoint than the one that the row was landed with.
        "CREATE TABLE closed_before AS SELECT partition, first, last, closed_ms"
        " FROM landed_by b ASOF JOIN fired f ON b.checkpoint > f.checkpoint"
    )
    lake.execute(
        f"CREATE TABLE judged_rows AS SELECT l.*, greatest({', '.join(marks)}) AS {_LATE}"
        f" FROM {landing} l"
        " ASOF LEFT JOIN closed_before c"
        " ON l.kafka_partition = c.partition AND l.kafka_offset >= c.first"
        " ASOF LEFT JOIN settled_upto s ON l.kafka_partition = s.p AND l.kafka_offset > s.upto"
    )


def judge_second(
    lake: "DuckDBPyConnection", model: Model, version: str | None, landing: str, left_out: str
) -> None:
    """Makes ``judged_second``: the rows of a model's second stream with ``late$ms``, as the own
    scan of that version found them; of any version if None."""
    lake.execute(
        f"CREATE TABLE judged_second AS SELECT l.*, epoch_ms(o.watermark) AS {_LATE}"
        f" FROM {landing} l"
        f" LEFT JOIN (SELECT DISTINCT ON (kafka_partition, kafka_offset) * FROM {left_out}"
        " WHERE model = $1 AND stream = $2 AND version = coalesce($3, version)) o"
        " ON l.kafka_partition = o.kafka_partition AND l.kafka_offset = o.kafka_offset",
        [model.name, model.streams[1], version],
    )


def _reconciles(lake: "DuckDBPyConnection", model: Model, mart: str) -> None:
    ends = f"greatest({', '.join(map(quoted, model.ends))})"
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
        step = millis(window.slice)
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
