"""The gate between what was written and what is published: audit a snapshot, say yes or no.

It needs no engine but DuckDB: the caller wrote the snapshot, to a branch, and publishes it.
"""

from dataclasses import dataclass

from lakehead.errors import UserError
from lakehead.quality.check import CheckResult, Outcome, check
from lakehead.quality.expectation import Suite
from lakehead.quality.quarantine import quarantine, quarantine_table
from lakehead.settings import Settings


@dataclass(frozen=True)
class GateResult:
    """``passed``: the snapshot may be published. Where not, ``quarantined`` rows of it are in
    ``quarantine_table``, one for each expectation that a row breaks; ``check`` is all that was
    found."""

    passed: bool
    check: CheckResult
    quarantine_table: str | None = None
    quarantined: int = 0

    @property
    def failures(self) -> list[Outcome]:
        """The expectations that fail."""
        return [o for o in self.check.outcomes if not o.success]


def gate(settings: Settings, table: str, snapshot_id: int, suite: Suite) -> GateResult:
    """Audit one snapshot of ``table``, such as a branch's; what breaks the suite is quarantined.

    Everything is judged over the whole snapshot, recorded in ``ops.quality``, and, on failure,
    the rows at fault are written to ``quarantine.<table>``. Asked twice, it answers the same.

    Raises:
        UserError: the suite is another table's; no such table or snapshot.
        SystemFailure: the lake cannot be read, or Great Expectations failed.
    """
    if suite.table != table:
        raise UserError(f"the suite {suite.name} is of {suite.table}, expected one of {table}")
    result = check(settings, suite, snapshot_id)
    if result.success:
        return GateResult(True, result)
    rows = quarantine(settings, suite, result)
    return GateResult(False, result, quarantine_table(table), rows)
