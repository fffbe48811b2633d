"""Hold new snapshots against their suites, as they come."""

from collections.abc import Iterator, Sequence

from lakehead.lake.snapshots import SnapshotGone, table_state
from lakehead.quality.batch import MAIN_BRANCH
from lakehead.quality.check import CheckResult, check
from lakehead.quality.expectation import Suite
from lakehead.quality.records import last_check
from lakehead.settings import Settings


def check_new(settings: Settings, suites: Sequence[Suite]) -> Iterator[CheckResult]:
    """One pass: check each table whose newest snapshot is not the one that was checked last.

    What can be told of each row by itself is told of the files that are new since that check;
    the rest of the whole snapshot. The first check of a table is of all of it.

    Raises as `check`; tables to which nothing was committed yet are passed over.
    """
    for suite in suites:
        state = table_state(settings, suite.table)
        if state.snapshot is None:
            continue
        last = last_check(settings, suite.table, MAIN_BRANCH)
        if last is None or last.snapshot_id != state.snapshot.id:
            try:
                yield check(settings, suite, state.snapshot.id, last=last)
            except SnapshotGone:
                # Expired meanwhile; the next pass finds a newer one.
                continue
