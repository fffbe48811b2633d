"""``maintain``: do what is due to the tables of the lake, while the stream goes on writing.

1. The ledger reads what was committed, so that no evidence goes with a snapshot.
2. What is due is planned, table by table.
3. One Spark session does it by Iceberg's procedures. Each is one commit of its table, or none: a
   run that is killed leaves nothing half done, and the next one goes on.
4. What was done is recorded in ``ops.maintenance``.
"""

import json
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lakehead.contracts.types import FieldType
from lakehead.errors import LakeheadError
from lakehead.jobs.records import job_names
from lakehead.jobs.spark import run_spark, session
from lakehead.lake.catalog import CATALOG
from lakehead.lake.leases import expiring, held
from lakehead.lake.ops import Records, append
from lakehead.lake.plan import plan_files
from lakehead.lake.snapshots import list_tables, table_states, unknown_table
from lakehead.lineage.run_events import recorded
from lakehead.maintenance.layout import layouts
from lakehead.maintenance.plan import (
    LEAST_FILES,
    NOTHING_MORE,
    TARGET_BYTES,
    TableWork,
    Wanted,
    plan_table,
)
from lakehead.proof.ledger import record
from lakehead.settings import Settings

Say = Callable[[str], None]
_STRING, _LONG, _TIME = map(FieldType, ("string", "long", "timestamp"))
HISTORY = Records(
    "ops.maintenance",
    (
        ("done_at", _TIME),
        ("table_name", _STRING),
        ("action", _STRING),
        ("why", _STRING),
        ("seconds", FieldType("double")),
        ("files_before", _LONG),
        ("files_after", _LONG),
        ("bytes_before", _LONG),
        ("bytes_after", _LONG),
        ("snapshots_before", _LONG),
        ("snapshots_after", _LONG),
        ("details", _STRING),
    ),
    "done_at",
)
# What Spark's grammar of a sort order takes unquoted.
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True)
class Action:
    """What one procedure did; ``details`` are its own counts."""

    action: str
    seconds: float
    details: dict[str, int]


@dataclass(frozen=True)
class Maintained:
    """A table before and after; as planned where nothing was done yet."""

    work: TableWork
    files: int
    bytes: int
    snapshots: int
    actions: list[Action] = field(default_factory=list)


def plan(
    settings: Settings,
    tables: Sequence[str] = (),
    wanted: Wanted = NOTHING_MORE,
    say: Say = lambda _: None,
) -> list[TableWork]:
    """What is due, by table; of all tables where none is named. The ledger is written first.

    Raises:
        UserError: there is no lake, or no such table.
        SystemFailure: the catalog or a manifest cannot be read.
    """
    known = list_tables(settings)
    for name in tables:
        if name not in known:
            raise unknown_table(name, known)
    for stream in job_names(settings):
        try:
            record(settings, stream)
        except LakeheadError as error:
            # What is not recorded is not expired.
            say(f"the ledger of {stream} is not written: {error.message}")
    states = table_states(settings, dict.fromkeys(tables or list_tables(settings)))
    planned, read = layouts(settings, states), held(settings)
    now = datetime.now(UTC)
    return [
        plan_table(
            state,
            plan_files(settings, state),
            planned[name],
            now,
            read.get(state.uuid, ()),
            wanted,
        )
        for name, state in states.items()
    ]


def maintain(
    settings: Settings, works: Sequence[TableWork], say: Say = lambda _: None
) -> list[Maintained]:
    """Do what was planned.

    Raises:
        SystemFailure: Spark failed; what was done before is done, and nothing is half done.
    """
    due = [work for work in works if work.due]
    if not due:
        return []
    job = {"session": session(settings), "catalog": CATALOG}
    with ExitStack() as runs, expiring(settings, {w.uuid: w.expire for w in due}) as may:
        for name in (work.table for work in due):
            runs.enter_context(recorded(settings, f"maintain.{name}", {name: None}, [name]))
        spec = {**job, "tables": [_specification(work, may[work.uuid]) for work in due]}
        done = run_spark(settings, "maintain.py", spec, say)
    states = table_states(settings, {work.table: None for work in due})
    found = []
    for work in due:
        state = states[work.table]
        files = plan_files(settings, state).files
        actions = [Action(**a) for a in done[work.table]]
        size = sum(f.bytes for f in files)
        found.append(Maintained(work, len(files), size, len(state.snapshots), actions))
    append(settings, HISTORY, [row for each in found for row in _history(each)])
    return found


def _specification(work: TableWork, may_expire: set[int]) -> dict[str, Any]:
    """What Spark is given of a table."""
    plain = all(map(_PLAIN.match, work.sort))
    return {
        "table": work.table,
        "compact": {
            "sort": ", ".join(f"{c} ASC NULLS LAST" for c in work.sort) if plain else "",
            "options": {
                "target-file-size-bytes": str(TARGET_BYTES),
                "min-input-files": str(LEAST_FILES),
            },
        }
        if work.compaction
        else None,
        "expire": sorted(may_expire),
        "rewrite_manifests": work.rewrite_manifests or work.compaction is not None,
        "orphans_before": work.orphans_before and work.orphans_before.isoformat(),
        "statistics": work.statistics,
    }


def _history(each: Maintained) -> list[dict[str, Any]]:
    return [
        {
            "done_at": datetime.now(UTC),
            "table_name": each.work.table,
            "action": action.action,
            "why": "; ".join(each.work.why),
            "seconds": action.seconds,
            "files_before": each.work.files,
            "files_after": each.files,
            "bytes_before": each.work.bytes,
            "bytes_after": each.bytes,
            "snapshots_before": each.work.snapshots,
            "snapshots_after": each.snapshots,
            "details": json.dumps(action.details),
        }
        for action in each.actions
    ]
