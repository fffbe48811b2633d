"""``late: update``: a late row has its windows recomputed from the lake within seconds.

The rows that a commit landed late name the windows that had closed without them. These, and no
others, are computed anew by DuckDB over all landed rows, and put in the stream's place in one
commit of the mart. What was looked at is recorded by landing snapshot; done twice, it changes
nothing.
"""

import json
import warnings
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lakehead.contracts.model import LANDING
from lakehead.errors import SystemFailure
from lakehead.jobs.live import live_bound
from lakehead.lake.catalog import open_catalog
from lakehead.lake.plan import plan_files
from lakehead.lake.snapshots import TableState, table_state
from lakehead.models import duckdb as model_duckdb
from lakehead.models.batch import LATE
from lakehead.models.bind import Bound
from lakehead.models.header import SETTLED
from lakehead.proof.parity import closed_until
from lakehead.query.engine import connect
from lakehead.query.types import quoted
from lakehead.settings import Settings, write_whole

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TRIES = 20
_LATE = quoted(LATE)


@dataclass(frozen=True)
class Settled:
    """``windows`` were recomputed; ``late_rows`` had asked for it."""

    model: str
    windows: int
    late_rows: int
    landing_snapshot: int | None


def settle_late(settings: Settings, name: str) -> Settled:
    """Recompute the closed windows of a model that rows landed late since the last time are in.

    Raises:
        UserError: no such model, or its tables were never made.
        SystemFailure: others kept committing to the mart; nothing was changed.
    """
    bound = live_bound(settings, name)
    landing = table_state(settings, f"{LANDING}.{bound.root.stream}")
    seen = _seen(settings, name)
    if landing.snapshot_id is None or seen.get("snapshot") == landing.snapshot_id:
        return Settled(name, 0, 0, landing.snapshot_id)
    closed = closed_until(settings, name)
    pins: dict[str, int | None] = {f"{LANDING}.{bound.root.stream}": landing.snapshot_id}
    with connect(settings, pins, with_file=True) as lake:
        late, windows, waiting = _late_windows(lake, settings, bound, landing, seen, closed)
        # While one window is waited for, the others of its files are not replaced at each look.
        done = seen.get("done", []) if seen.get("landing") == landing.snapshot_id else []
        windows = [w for w in windows if _shown(w) not in done]
        if windows:
            _replace(settings, lake, bound, windows)
    _remember(settings, name, landing, waiting, [*done, *map(_shown, windows)])
    return Settled(name, len(windows), late, landing.snapshot_id)


def _late_windows(
    lake: "DuckDBPyConnection",
    settings: Settings,
    bound: Bound,
    landing: TableState,
    seen: dict[str, Any],
    closed: datetime | None,
) -> tuple[int, list[tuple[datetime, datetime]], list[str]]:
    """The late rows of files that are new, their closed windows, and the files to look at again."""
    known = set(seen.get("files", []))
    files = [f.path for f in plan_files(settings, landing).files if f.path not in known]
    if not files or closed is None:
        return 0, [], files
    lake.execute("CREATE TABLE new_files AS SELECT unnest($1::VARCHAR[]) AS lake_file", [files])
    landed = f'"{LANDING}".{quoted(bound.root.stream)}'
    lake.execute(
        "CREATE TABLE late_rows AS SELECT * EXCLUDE (lake_file),"
        f" epoch_ms(watermark) + 1 AS {_LATE}"
        f" FROM {landed} WHERE late AND lake_file IN (FROM new_files)"
    )
    # Those whose window had closed by the watermark they were landed with; others were counted.
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
    # Closed for the stream, and not committed to the mart yet: look again.
    waiting = files if any(end > closed for _, end in found) else []
    return counted[0], [(a, b) for a, b in found if b <= closed], waiting


def _replace(
    settings: Settings,
    lake: "DuckDBPyConnection",
    bound: Bound,
    windows: list[tuple[datetime, datetime]],
) -> None:
    """Put the batch answer of ``windows`` into the mart, in one commit."""
    from pyiceberg.exceptions import CommitFailedException, ValidationException
    from pyiceberg.expressions import And, EqualTo, Or, Reference
    from pyiceberg.expressions.literals import literal

    stream = bound.root.stream
    landed = f'"{LANDING}".{quoted(stream)}'
    lake.execute("CREATE TABLE wanted (window_start TIMESTAMPTZ, window_end TIMESTAMPTZ)")
    lake.executemany("INSERT INTO wanted VALUES (?, ?)", [list(w) for w in windows])
    fence = lake.execute(
        f"SELECT kafka_partition::VARCHAR, max(kafka_offset) FROM {landed} GROUP BY 1 ORDER BY 1"
    ).fetchall()
    time = quoted(bound.root.event_time)
    # Rows of other windows are not read: a window holds what lies between its ends.
    rows = (
        f"(SELECT * EXCLUDE (lake_file) FROM {landed}"
        f" WHERE {time} >= (SELECT min(window_start) FROM wanted)"
        f" AND {time} < (SELECT max(window_end) FROM wanted))"
    )
    answer = model_duckdb.answer(bound, {stream: rows})
    columns = ", ".join(quoted(c) for c in bound.model.mart_columns if c != SETTLED)
    batch = lake.execute(
        f"SELECT {columns}, $1 AS {SETTLED} FROM ({answer}) SEMI JOIN wanted"
        " USING (window_start, window_end)",
        [json.dumps(dict(fence))],
    ).to_arrow_table()
    where = [
        And(
            EqualTo(term=Reference("window_start"), value=literal(start.isoformat())),
            EqualTo(term=Reference("window_end"), value=literal(end.isoformat())),
        )
        for start, end in windows
    ]
    condition = Or(*where) if len(where) > 1 else where[0]
    for _ in range(_TRIES):
        table = open_catalog(settings).load_table(bound.model.table)
        try:
            with warnings.catch_warnings():
                # A window that only late rows are in is not there yet.
                warnings.filterwarnings("ignore", "Delete operation did not match", UserWarning)
                table.overwrite(batch.cast(table.schema().as_arrow()), overwrite_filter=condition)
            return
        except (CommitFailedException, ValidationException):
            # The stream committed meanwhile: its rows are of other windows, and stay.
            continue
    raise SystemFailure(
        f"{bound.model.table} was committed to {_TRIES} times while windows were being replaced",
        f"lakehead reconcile {bound.model.name}",
    )


def _path(settings: Settings, name: str) -> Any:
    return settings.home / "settle" / f"{name}.json"


def _seen(settings: Settings, name: str) -> dict[str, Any]:
    path = _path(settings, name)
    try:
        seen: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        # A file that cannot be read is as none: what was settled is settled to the same again.
        return {}
    return seen


def _shown(window: tuple[datetime, datetime]) -> list[str]:
    return [moment.isoformat() for moment in window]


def _remember(
    settings: Settings, name: str, landing: TableState, waiting: list[str], done: list[list[str]]
) -> None:
    files = {f.path for f in plan_files(settings, landing).files} - set(waiting)
    seen: dict[str, Any] = {"snapshot": landing.snapshot_id, "files": sorted(files)}
    if waiting:
        seen |= {"snapshot": None, "landing": landing.snapshot_id, "done": done}
    write_whole(_path(settings, name), json.dumps(seen))
