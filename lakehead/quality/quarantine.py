"""``quarantine.<table>``: the rows that a gate did not let through, each with what it breaks."""

from datetime import datetime
from typing import TYPE_CHECKING

from lakehead.contracts.types import FieldType
from lakehead.errors import SystemFailure
from lakehead.lake.ops import Records, append
from lakehead.lake.snapshots import list_tables
from lakehead.quality.batch import failing_rows, open_batch
from lakehead.quality.expectation import Suite
from lakehead.query.engine import run
from lakehead.query.text import json_text
from lakehead.query.types import quoted
from lakehead.settings import Settings

if TYPE_CHECKING:
    from lakehead.quality.check import CheckResult

NAMESPACE = "quarantine"
# Of one expectation. The snapshot has them all; what is kept here is to be looked at.
MOST_ROWS = 100_000
_TEXT = FieldType("string")
_COLUMNS = (
    ("quarantined_at", FieldType("timestamp")),
    ("table", _TEXT),
    ("snapshot_id", FieldType("long")),
    ("branch", _TEXT),
    ("expectation", _TEXT),
    ("row", _TEXT),
)


def quarantine_table(table: str) -> str:
    """Where the rows of ``marts.x`` go: ``quarantine.x``."""
    return f"{NAMESPACE}.{table.rpartition('.')[2]}"


def quarantine(settings: Settings, suite: Suite, result: "CheckResult") -> int:
    """Write the rows that break an expectation of a check, in one commit; gives how many are there
    of its snapshot.

    A row that breaks two is there twice. Rows of an expectation and a snapshot that are there
    already are not written again.

    Raises:
        SystemFailure: the rows found are not as many as GX counted.
    """
    target = quarantine_table(suite.table)
    there = _rows_there(settings, target, result)
    failed = {o.expectation: o.failed for o in result.outcomes if not o.success}
    rows: list[dict[str, object]] = []
    with open_batch(settings, suite, result.snapshot_id) as batch:
        for expectation in suite.expectations:
            if expectation.name not in failed or expectation.name in there:
                continue
            found: list[dict[str, object]] = [
                {
                    "quarantined_at": datetime.fromisoformat(result.checked_at),
                    "table": result.table,
                    "snapshot_id": result.snapshot_id,
                    "branch": result.branch,
                    "expectation": expectation.name,
                    "row": json_text(row),
                }
                for row in failing_rows(batch, suite, expectation, MOST_ROWS)
            ]
            wanted = min(failed[expectation.name], MOST_ROWS)
            if len(found) != wanted:
                raise SystemFailure(
                    f"{suite.table}: Great Expectations counts {wanted} rows that break "
                    f"{expectation.name}, and SQL finds {len(found)}; nothing was published"
                )
            rows += found
    append(settings, Records(target, _COLUMNS, "quarantined_at"), rows)
    return sum(there.values()) + len(rows)


def _rows_there(settings: Settings, target: str, result: "CheckResult") -> dict[str, int]:
    """How many rows of the check's snapshot are there, by expectation."""
    if target not in list_tables(settings):
        return {}
    name = ".".join(map(quoted, target.split(".")))
    sql = (
        f'SELECT expectation, count(*) FROM {name} WHERE "table" = $table '
        "AND snapshot_id = $snapshot GROUP BY ALL"
    )
    with run(settings, sql, {"table": result.table, "snapshot": result.snapshot_id}) as found:
        return dict(found.fetchall())
