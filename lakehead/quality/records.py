"""``ops.quality``: a row for each expectation of each check, and what the last check was."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lakehead.contracts.types import FieldType
from lakehead.lake.ops import Records, append
from lakehead.lake.snapshots import list_tables
from lakehead.query.engine import run
from lakehead.settings import Settings

if TYPE_CHECKING:
    from lakehead.quality.check import CheckResult

TABLE = "ops.quality"
_TEXT, _NUMBER, _TIME = FieldType("string"), FieldType("long"), FieldType("timestamp")
QUALITY = Records(
    TABLE,
    (
        ("checked_at", _TIME),
        ("table", _TEXT),
        ("snapshot_id", _NUMBER),
        ("branch", _TEXT),
        ("expectation", _TEXT),
        ("column", _TEXT),
        ("checked", _NUMBER),
        ("failed", _NUMBER),
        ("success", FieldType("boolean")),
        ("details", _TEXT),
    ),
    "checked_at",
)


@dataclass(frozen=True)
class LastCheck:
    """``said`` is name -> words of each expectation that was checked."""

    snapshot_id: int
    said: dict[str, str]


def record(settings: Settings, result: "CheckResult") -> None:
    """Add a check's rows, in one commit."""
    rows = []
    for outcome in result.outcomes:
        details = {
            "says": outcome.says,
            "since": outcome.since,
            "percent": outcome.percent,
            "examples": outcome.examples,
        }
        row: dict[str, Any] = {
            "checked_at": datetime.fromisoformat(result.checked_at),
            "table": result.table,
            "snapshot_id": result.snapshot_id,
            "branch": result.branch,
            "expectation": outcome.expectation,
            "column": outcome.column,
            "checked": outcome.checked,
            "failed": outcome.failed,
            "success": outcome.success,
            "details": json.dumps(details, ensure_ascii=False),
        }
        rows.append(row)
    append(settings, QUALITY, rows)


def last_check(settings: Settings, table: str, branch: str) -> LastCheck | None:
    """The newest recorded check of a branch of a table; None where there is none."""
    if TABLE not in list_tables(settings):
        return None
    sql = (
        f'SELECT snapshot_id, expectation, details FROM {TABLE} WHERE "table" = $table '
        "AND branch = $branch QUALIFY checked_at = max(checked_at) OVER ()"
    )
    with run(settings, sql, {"table": table, "branch": branch}) as result:
        rows = result.fetchall()
    if not rows:
        return None
    return LastCheck(rows[0][0], {name: json.loads(details)["says"] for _, name, details in rows})
