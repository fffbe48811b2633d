"""Write, audit, publish: what a batch has answered goes to a branch of the mart, and to main only
once it has passed its gate. Whoever computed it, it is published here.

The stream goes on committing to main meanwhile. Its rows are of other windows; where the rows that
are replaced have changed since they were read, nothing is published, and all begins anew.
"""

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from lakehead.errors import SystemFailure
from lakehead.lake import staging
from lakehead.lake.plan import Plan, plan_files
from lakehead.lake.snapshots import TableState, table_state
from lakehead.query.engine import connect_plans
from lakehead.query.types import quoted_table
from lakehead.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Say = Callable[[str], None]
BRANCH = "reconcile"
# How often a batch is computed before it is given up.
TRIES = 20


class Busy(SystemFailure):
    """Another process is replacing rows of the mart."""


# Is asked about a snapshot of the mart, and says why it is not to be published; None where it is.
Gate = Callable[[int], str | None]


@dataclass(frozen=True)
class Rows:
    """The rows of a mart that are replaced: a condition in DuckDB with its parameters. ``prepare``
    makes the tables that it reads; no other rows of the mart than those in ``files`` meet it."""

    condition: str
    given: dict[str, object]
    prepare: Callable[["DuckDBPyConnection"], None] = lambda _: None
    files: Callable[[Settings, TableState], Plan] = plan_files


def audit(
    settings: Settings, mart: TableState, gate: Gate | None, say: Say = lambda _: None
) -> str | None:
    """Why what is on the mart's branch is not to be published; None where it is."""
    if gate is None:
        return None
    say(f"auditing the branch {BRANCH} of {mart.name}")
    return gate(table_state(settings, mart.name).refs[BRANCH])


def publish(
    settings: Settings, mart: TableState, replaced: Rows, say: Say = lambda _: None
) -> bool:
    """Publish the mart's branch, begun at ``mart``. False, with nothing changed, where the rows
    that it replaces are not what they were any more.

    Raises:
        SystemFailure: others kept committing; nothing was changed.
    """
    was = None

    def holds(now: TableState) -> bool:
        nonlocal was
        was = was or _told(settings, mart, replaced)
        return _told(settings, now, replaced) == was

    say(f"publishing to {mart.name}")
    return staging.publish(settings, mart, BRANCH, holds)


def given_up(mart: TableState, model: str) -> SystemFailure:
    """The failure of a batch whose rows others have changed, again and again."""
    return SystemFailure(
        f"{mart.name} was committed to {TRIES} times while windows were being replaced",
        f"lakehead reconcile {model}",
    )


@contextmanager
def alone(
    settings: Settings, models: Sequence[str], say: Say | None = None
) -> Iterator[list[IO[str]]]:
    """Be the only one that replaces rows in the marts of these models; gives the files that are
    locked. The kernel gives the locks back when they are closed, or their processes end.

    Raises:
        Busy: another one does, and there is no ``say`` to be told that it is waited for.
    """
    settings.run.mkdir(parents=True, exist_ok=True)
    files: list[IO[str]] = []
    try:
        # In one order, so that two never wait for each other.
        for name in sorted(models):
            files.append((settings.run / f"replace-{name}.lock").open("w"))
            _lock(files[-1], name, say)
        yield files
    finally:
        for file in files:
            file.close()


def _lock(file: IO[str], model: str, say: Say | None) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if say is None:
            raise Busy(f"another process is replacing windows of {model}") from None
        say(f"waiting for another process that is replacing windows of {model}")
        fcntl.flock(file, fcntl.LOCK_EX)


def _told(settings: Settings, mart: TableState, rows: Rows) -> tuple[Any, ...]:
    """What tells these rows of the mart from others."""
    there = table_state(settings, mart.name, mart.snapshot_id)
    with connect_plans(settings, [(there, rows.files(settings, there))]) as lake:
        rows.prepare(lake)
        sql = f"SELECT count(*), sum(hash(m)) FROM {quoted_table(mart.name)} m"
        found = lake.execute(f"{sql} WHERE {rows.condition}", rows.given).fetchone()
    assert found
    return found
