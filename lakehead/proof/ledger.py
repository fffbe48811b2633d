"""The ledger: what became of every offset, kept for ever.

``ops.ledger`` has a row for each stream, partition and checkpoint that brought records. Its ranges
``first_offset`` up to, and not with, ``next_offset`` lie end to end from 0, and for each holds

    next_offset - first_offset = landed + dead + empty + lost

``late`` are those of the landed that came after the watermark, ``redriven`` are records that were
dead before and were sent again. ``empty`` are offsets without a record: Kafka's marks of
transactions, and what these took back.
``ops.closings`` says up to when the windows of a mart had closed by each checkpoint.

Written are checkpoints that the landing and the dead table both hold, so that a row is final. An
audit of last year, and parity, need neither Kafka's records nor the snapshots of then.
"""

from dataclasses import dataclass
from typing import Any

from lakehead.contracts.applied import contract_in_force
from lakehead.contracts.types import FieldType
from lakehead.deadletters.ledger import redriven_of
from lakehead.files import locked
from lakehead.jobs.live import fed_models
from lakehead.jobs.records import read_observed
from lakehead.lake.ops import Records, append
from lakehead.lake.snapshots import TableState, list_tables, table_state, table_states
from lakehead.models.model import Model
from lakehead.proof import evidence
from lakehead.proof.evidence import Added, added_files, newest_checkpoint
from lakehead.query.engine import connect_plans
from lakehead.query.types import quoted_table
from lakehead.settings import Settings
from lakehead.streams.empty import count_empty

_STRING, _INT, _LONG, _TIME = map(FieldType, ("string", "int", "long", "timestamp"))
LEDGER = Records(
    evidence.LEDGER,
    (
        ("stream", _STRING),
        ("kafka_partition", _INT),
        ("checkpoint", _LONG),
        ("first_offset", _LONG),
        ("next_offset", _LONG),
        ("landed", _LONG),
        ("late", _LONG),
        ("dead", _LONG),
        ("redriven", _LONG),
        ("empty", _LONG),
        ("first_timestamp", _TIME),
        ("last_timestamp", _TIME),
        ("committed_at", _TIME),
        ("landing_snapshot", _LONG),
        ("dead_snapshot", _LONG),
    ),
    "committed_at",
)
CLOSINGS = Records(
    evidence.CLOSINGS,
    (
        ("model", _STRING),
        ("table_uuid", _STRING),
        ("checkpoint", _LONG),
        ("closed_until", _TIME),
        ("committed_at", _TIME),
    ),
    "committed_at",
)


@dataclass(frozen=True)
class Recorded:
    """Rows that were added, and the checkpoint up to which the ledger of the stream is written."""

    stream: str
    ranges: int
    closings: int
    checkpoint: int


def record(settings: Settings, stream: str) -> Recorded:
    """Write down what the commits since the last time brought. Done twice, it is done once.

    Raises:
        UserError: no such stream, or it has no tables yet.
        NotRunning: an offset is in neither table, and Kafka does not answer what it was.
        SystemFailure: a manifest or a file cannot be read.
    """
    # Two that write down the same would both add it.
    with locked(settings.run / "ledger.lock"):
        ranges = _ranges(settings, stream)
        append(settings, LEDGER, ranges)
        # A version that is just taking over has no table for a moment.
        there = list_tables(settings)
        marts = [m for m in fed_models(settings, stream) if m.table in there]
        closings = [row for model in marts for row in _closings(settings, model)]
        append(settings, CLOSINGS, closings)
    reached = evidence.recorded_checkpoint(settings, stream)
    return Recorded(stream, len(ranges), len(closings), reached)


def inherit_closings(settings: Settings, table: str, heir: str) -> None:
    """Write down what closed in ``table`` as what closed in ``heir`` too, which has its answers.
    Done twice, it is done once."""
    with locked(settings.run / "ledger.lock"):
        theirs, own = (table_state(settings, name) for name in (table, heir))
        known = {row["checkpoint"] for row in evidence.recorded_closings(settings, own)}
        rows = [
            row | {"table_uuid": own.uuid}
            for row in evidence.recorded_closings(settings, theirs)
            if row["checkpoint"] not in known
        ]
        append(settings, CLOSINGS, rows)


def _ranges(settings: Settings, stream: str) -> list[dict[str, Any]]:
    contract = contract_in_force(settings, stream)
    stopped = read_observed(settings, stream).state == "stopped"
    states = table_states(settings, {contract.landing_table: None, contract.dead_table: None})
    landing, dead = states[contract.landing_table], states[contract.dead_table]
    reached = sorted(map(newest_checkpoint, (landing, dead)))
    # A job that has stopped has committed all that it had.
    upto = reached[-1] if stopped else reached[0]
    above = evidence.recorded_checkpoint(settings, stream)
    added = {
        state.name: [a for a in added_files(settings, state, above) if a.checkpoint <= upto]
        for state in (landing, dead)
    }
    if not any(added.values()):
        return []
    ends = {p: known.end for p, known in evidence.ledger_ends(settings, stream).items()}
    mended = [(r.to_partition, r.to_offset) for r in redriven_of(settings, stream)]
    rows = []
    for row in _counted(settings, landing, dead, added):
        first = ends.get(row["kafka_partition"], 0)
        # What was there before, and came again, moves no end.
        row["first_offset"], row["next_offset"] = first, max(first, row["next_offset"])
        ends[row["kafka_partition"]] = row["next_offset"]
        partition, end = row["kafka_partition"], row["next_offset"]
        row["redriven"] = sum(
            p == partition and o is not None and first <= o < end for p, o in mended
        )
        missing = end - first - row["landed"] - row["dead"]
        row["empty"] = (
            count_empty(settings, contract.topic, partition, first, end) if missing > 0 else 0
        )
        rows.append({"stream": stream, **row})
    return rows


def _counted(
    settings: Settings, landing: TableState, dead: TableState, added: dict[str, list[Added]]
) -> list[dict[str, Any]]:
    """By partition and checkpoint, in order: how many came, and up to where."""
    plans = [(state, evidence.plan(added[state.name])) for state in (landing, dead)]
    files = [
        [a.file.path, a.checkpoint, a.snapshot.id, a.snapshot.committed_at]
        for table in added.values()
        for a in table
    ]
    columns = "kafka_partition, kafka_offset, kafka_timestamp, lake_file"
    with connect_plans(settings, plans, with_file=True) as lake:
        lake.execute(
            "CREATE TABLE added (lake_file VARCHAR, checkpoint BIGINT, snapshot BIGINT,"
            " committed_at TIMESTAMPTZ)"
        )
        lake.executemany("INSERT INTO added VALUES (?, ?, ?, ?)", files)
        found = lake.execute(
            "SELECT kafka_partition, checkpoint, max(kafka_offset) + 1 AS next_offset,"
            " count(DISTINCT kafka_offset) FILTER (NOT is_dead) AS landed,"
            " count(DISTINCT kafka_offset) FILTER (late) AS late,"
            " count(DISTINCT kafka_offset) FILTER (is_dead) AS dead,"
            " min(kafka_timestamp) AS first_timestamp, max(kafka_timestamp) AS last_timestamp,"
            " max(committed_at) AS committed_at,"
            " max(snapshot) FILTER (NOT is_dead) AS landing_snapshot,"
            " max(snapshot) FILTER (is_dead) AS dead_snapshot"
            f" FROM (SELECT {columns}, late, FALSE AS is_dead FROM {quoted_table(landing.name)}"
            f" UNION ALL SELECT {columns}, FALSE, TRUE FROM {quoted_table(dead.name)})"
            " JOIN added USING (lake_file) GROUP BY ALL ORDER BY 1, 2"
        )
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _closings(settings: Settings, model: Model) -> list[dict[str, Any]]:
    """What each checkpoint closed of a mart, since the last time."""
    state = table_state(settings, model.table)
    above = evidence.closings_upto(settings, state)
    added = added_files(settings, state, above)
    committed = {a.checkpoint: a.snapshot.committed_at for a in added}
    return [
        {
            "model": model.name,
            "table_uuid": state.uuid,
            "checkpoint": each.checkpoint,
            "closed_until": each.until,
            "committed_at": committed[each.checkpoint],
        }
        for each in evidence.closed_since(settings, model, state, added)
    ]
