"""When rows were landed and windows had closed, as the commits of the stream's job say.

A job notes its checkpoint in the snapshots that it makes. Snapshots expire and files are rewritten;
what they said is kept in two tables of the lake, to which `ledger` adds:

``ops.ledger``    by stream, partition and checkpoint: the offsets that it landed, and how many
``ops.closings``  by mart and checkpoint: up to when windows had closed

Read here is what is recorded, and what the snapshots since then say.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from lakehead.errors import UserError
from lakehead.lake.plan import DataFile, Plan, plan_files
from lakehead.lake.retention import CHECKPOINT, lineage
from lakehead.lake.snapshots import Snapshot, TableState, list_tables
from lakehead.models.header import SETTLED
from lakehead.models.model import Model
from lakehead.query.engine import connect, connect_plans
from lakehead.query.types import quoted, quoted_table
from lakehead.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LEDGER = "ops.ledger"
CLOSINGS = "ops.closings"
NONE = -1


class Landed(NamedTuple):
    """The offsets from ``first`` to ``last`` of a partition were landed by one checkpoint."""

    partition: int
    first: int
    last: int
    checkpoint: int


class LedgerEnd(NamedTuple):
    """The ledger of a partition is written up to ``end``; ``empty`` offsets hold no record."""

    end: int = 0
    empty: int = 0


class Closed(NamedTuple):
    """By this checkpoint windows had closed up to ``until``: the newest end that it brought."""

    checkpoint: int
    until: datetime


@dataclass(frozen=True)
class Added:
    """A data file, with the commit of the stream's job that added it."""

    file: DataFile
    checkpoint: int
    snapshot: Snapshot


def newest_checkpoint(state: TableState) -> int:
    """The newest of Flink's checkpoints that the table holds; `NONE` before the first."""
    return max(_checkpoints(state).values(), default=NONE)


def landed(settings: Settings, stream: str, state: TableState) -> list[Landed]:
    """What each checkpoint landed, of the table ``state``: the landing table of ``stream``.

    Raises:
        SystemFailure: a manifest or a file cannot be read.
    """
    known = [
        Landed(*row)
        for row in _recorded(
            settings,
            LEDGER,
            "SELECT kafka_partition, first_offset, next_offset - 1, checkpoint"
            f" FROM {LEDGER} WHERE stream = $1 AND landed > 0",
            stream,
        )
    ]
    added = added_files(settings, state, recorded_checkpoint(settings, stream))
    if not added:
        return known
    with _opened(settings, state, added) as lake:
        found = lake.execute(
            "SELECT kafka_partition, min(kafka_offset), max(kafka_offset), checkpoint"
            f" FROM {quoted_table(state.name)} JOIN added USING (lake_file) GROUP BY ALL"
        ).fetchall()
    return [*known, *(Landed(*row) for row in found)]


def closed(settings: Settings, model: Model, state: TableState) -> list[Closed]:
    """What each checkpoint closed, of the table ``state``: the mart of ``model``.

    Raises:
        SystemFailure: a manifest or a file cannot be read.
    """
    known = _recorded_closings(settings, state)
    above = max((c.checkpoint for c in known), default=NONE)
    return [*known, *closed_since(settings, model, state, added_files(settings, state, above))]


def closed_since(
    settings: Settings, model: Model, state: TableState, added: list[Added]
) -> list[Closed]:
    """What the checkpoints closed that added these files of the mart, in their order."""
    if not added:
        return []
    with _opened(settings, state, added) as lake:
        found = lake.execute(
            f"SELECT checkpoint, max({quoted(model.clock)}) FROM {quoted_table(state.name)}"
            f" JOIN added USING (lake_file) WHERE {SETTLED} IS NULL GROUP BY 1 ORDER BY 1"
        ).fetchall()
    return [Closed(*row) for row in found]


def _opened(settings: Settings, state: TableState, added: list[Added]) -> "DuckDBPyConnection":
    """The table with just these files, and ``added``: the checkpoint of each."""
    lake = connect_plans(settings, [(state, plan(added))], with_file=True)
    lake.execute("CREATE TABLE added (lake_file VARCHAR, checkpoint BIGINT)")
    lake.executemany(
        "INSERT INTO added VALUES (?, ?)", [[a.file.path, a.checkpoint] for a in added]
    )
    return lake


def closings_upto(settings: Settings, state: TableState) -> int:
    """The checkpoint up to which the closings of a mart are written; `NONE` before the first."""
    return max((c.checkpoint for c in _recorded_closings(settings, state)), default=NONE)


def recorded_checkpoint(settings: Settings, stream: str) -> int:
    """The checkpoint up to which the ledger of a stream is written; `NONE` before the first."""
    [(found,)] = _recorded(
        settings, LEDGER, f"SELECT max(checkpoint) FROM {LEDGER} WHERE stream = $1", stream
    ) or [(None,)]
    return NONE if found is None else int(found)


def added_files(settings: Settings, state: TableState, above: int) -> list[Added]:
    """The files that the stream's job added by checkpoints after ``above``, as it wrote them.

    A file is in the plan of its own snapshot and in all until one rewrites it: so those before each
    rewriting are looked at, and the newest.
    """
    led_here = lineage(state, state.snapshot_id)
    checkpoints = {i: c for i, c in _checkpoints(state).items() if c > above}
    if not checkpoints:
        return []
    found: dict[str, Added] = {}
    by_id = {s.id: s for s in led_here}
    for snapshot in _looked_at(led_here, set(checkpoints)):
        for file in plan_files(settings, replace(state, snapshot=snapshot)).files:
            checkpoint = checkpoints.get(file.snapshot_id)
            if checkpoint is not None and file.snapshot_id in by_id:
                found[file.path] = Added(file, checkpoint, by_id[file.snapshot_id])
    return list(found.values())


def ledger_ends(settings: Settings, stream: str) -> dict[int, LedgerEnd]:
    """By partition, what the ledger of a stream says."""
    sql = (
        "SELECT kafka_partition, max(next_offset), sum(empty)::BIGINT"
        f" FROM {LEDGER} WHERE stream = $1 GROUP BY 1"
    )
    return {p: LedgerEnd(*row) for p, *row in _recorded(settings, LEDGER, sql, stream)}


def plan(added: Iterable[Added]) -> Plan:
    """A plan of just these files."""
    return Plan(tuple(a.file for a in added))


def _looked_at(led_here: list[Snapshot], wanted: set[int]) -> list[Snapshot]:
    """Snapshots that together have every file which those of ``wanted`` added; oldest first."""
    first = next((i for i, s in enumerate(led_here) if s.id in wanted), len(led_here))
    looked = [
        before
        for before, after in zip(led_here[first:], led_here[first + 1 :], strict=False)
        if after.summary.get("operation") != "append"
    ]
    return [*looked, *led_here[first:][-1:]]


def _checkpoints(state: TableState) -> dict[int, int]:
    """Checkpoint by id of the snapshot that it made."""
    return {
        s.id: int(s.summary[CHECKPOINT])
        for s in lineage(state, state.snapshot_id)
        if CHECKPOINT in s.summary
    }


def _recorded_closings(settings: Settings, state: TableState) -> list[Closed]:
    rows = recorded_closings(settings, state)
    return [Closed(row["checkpoint"], row["closed_until"]) for row in rows]


def recorded_closings(settings: Settings, state: TableState) -> list[dict[str, Any]]:
    """The rows of ``ops.closings`` that are of this mart, by column."""
    columns = ("model", "table_uuid", "checkpoint", "closed_until", "committed_at")
    sql = f"SELECT {', '.join(columns)} FROM {CLOSINGS} WHERE table_uuid = $1"
    rows = _recorded(settings, CLOSINGS, sql, state.uuid)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _recorded(settings: Settings, table: str, sql: str, parameter: str) -> list[tuple[Any, ...]]:
    try:
        if table not in list_tables(settings):
            return []
    except UserError:
        # There is no lake yet.
        return []
    with connect(settings, {table: None}) as lake:
        return lake.execute(sql, [parameter]).fetchall()
