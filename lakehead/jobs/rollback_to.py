"""Set a model's mart back to what it was: at a tag, a snapshot or a time.

The job that feeds the mart is stopped with a savepoint, main is moved, and the job goes on from
there: it commits nothing twice (``lakehead.lake.rewind``), and gives no answer again that it has
given. So the answers since are missing until a reconcile settles them from the landed rows.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from lakehead.errors import UserError
from lakehead.jobs import records
from lakehead.jobs.records import Desired
from lakehead.jobs.rollback import live_version
from lakehead.jobs.submit import Say, stop, wait_for
from lakehead.lake.as_of import AsOf, Snapshots, choose
from lakehead.lake.given_up import GivenUp, given_up
from lakehead.lake.snapshots import table_state
from lakehead.settings import Settings


@dataclass(frozen=True)
class RolledBackTo:
    """What was given up, or would be; ``kept`` is the tag that keeps it, None where nothing is.

    Times are ISO-8601 in UTC. ``closed_until`` is up to when the mart's answers had been closed.
    ``restarts`` is whether the job has to stand still for it.
    """

    model: str
    table: str
    job: str
    restarts: bool
    snapshot_now: int
    committed_now: str
    snapshot_then: int
    committed_then: str
    commits: int
    rows_now: int
    rows_then: int
    closed_until: str | None = None
    kept: str | None = None


# The time up to which the answers in a model's mart are closed.
Closed = Callable[[Settings, str], datetime | None]


def plan_rollback(settings: Settings, model: str, as_of: AsOf) -> RolledBackTo:
    """What `roll_back_to` would do by now. While the job runs it goes on committing.

    Raises:
        UserError: no job has the model, its mart had no such snapshot, or is there already.
    """
    if isinstance(as_of, Snapshots):
        raise UserError(
            "a rollback is of one table, so a snapshot needs no table's name",
            f"lakehead rollback {model} --to ID",
        )
    desired, version = live_version(settings, model)
    state = table_state(settings, version.table)
    found = given_up(state, choose(as_of, state))
    if found is None:
        raise UserError(
            f"{version.table} is as of {as_of} already",
            f"what is missing since is settled by: lakehead reconcile {model}",
        )
    return _described(model, version.table, desired, found)


def roll_back_to(
    settings: Settings, model: str, as_of: AsOf, closed_until: Closed, say: Say = lambda _: None
) -> RolledBackTo:
    """Set the mart back, and let its job go on, where it ran, whatever fails in between.

    Killed in between, the job stays stopped: a submit lets it go on.

    Raises:
        UserError: as `plan_rollback`.
        SystemFailure: the job did not stop, or the mart was committed to; nothing was changed.
        LakeheadError: the job does not run again; says the cause.
    """
    # Late: it imports pyiceberg.
    from lakehead.lake.rewind import rewind

    planned = plan_rollback(settings, model, as_of)
    desired, _ = live_version(settings, model)
    with _standing_still(settings, desired, say):
        # What was committed until the job stopped is given up too.
        state = table_state(settings, planned.table)
        found = given_up(state, planned.snapshot_then)
        assert found
        closed = closed_until(settings, model)
        say(f"setting {planned.table} back")
        kept = rewind(settings, state, planned.snapshot_then, closed)
    done = _described(model, planned.table, desired, found)
    return replace(done, kept=kept, closed_until=closed.isoformat() if closed else None)


@contextmanager
def _standing_still(settings: Settings, desired: Desired, say: Say) -> Iterator[None]:
    """The job does not run within; where it should run, it goes on from its savepoint after."""
    if not desired.run:
        yield
        return
    name = desired.name
    say(f"stopping {name} with a savepoint")
    try:
        stop(settings, name)
        yield
    finally:
        stopped = records.read_desired(settings, name)
        assert stopped
        again = replace(stopped, run=True, generation=stopped.generation + 1)
        records.write_desired(settings, again)
    say(f"waiting for Flink to run {name}")
    wait_for(settings, name, "running", again)


def _described(model: str, table: str, desired: Desired, found: GivenUp) -> RolledBackTo:
    return RolledBackTo(
        model=model,
        table=table,
        job=desired.name,
        restarts=desired.run,
        snapshot_now=found.now.id,
        committed_now=found.now.committed_at.isoformat(),
        snapshot_then=found.then.id,
        committed_then=found.then.committed_at.isoformat(),
        commits=found.commits,
        rows_now=found.rows_now,
        rows_then=found.rows_then,
    )
