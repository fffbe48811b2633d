"""Write to a branch of a table, look at it, and publish it: to main, while others commit to main.

A branch begins at main as it was then. Main goes to where the branch is, and the branch away, in
one commit of the catalog that holds main against what the branch stands on. Where others have
committed to main meanwhile, what the branch did to files is first done once more on top of that, on
a branch beside it: the files are those that were looked at, and no row of the others is lost or
overwritten.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from lakehead.errors import SystemFailure
from lakehead.lake.catalog import open_catalog
from lakehead.lake.refs import Change, DropRef, SetRef, change_refs
from lakehead.lake.retention import MAIN
from lakehead.lake.snapshots import TableState, table_state
from lakehead.settings import Settings

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile, ManifestFile
    from pyiceberg.table import Table

_TRIES = 20
# Where changes are done once more. The first branch stays meanwhile, so that nobody takes its files
# to be forgotten.
_AGAIN = "-again"
# By this Iceberg knows that files of a snapshot that is on no branch any more are in use
# (SnapshotSummary.SOURCE_SNAPSHOT_ID_PROP).
_SOURCE = "source-snapshot-id"


class _Moved(Exception):
    """Main is not what the branch stands on."""


def begin(settings: Settings, state: TableState, branch: str) -> None:
    """Let the branch begin at the snapshot of ``state``, wherever it was."""
    assert state.snapshot
    start = SetRef(branch, state.snapshot.id, "branch")
    change_refs(
        settings,
        lambda states: {state.name: [start, *_gone(states[state.name], branch + _AGAIN)]},
        {state.name},
    )


def write(settings: Settings, name: str, branch: str, change: Callable[["Table"], None]) -> int:
    """Let ``change`` commit to the branch, of the table as it is given; gives the snapshot there.

    Raises what ``change`` does, and:
        SystemFailure: others kept committing to the table; the branch is as it was.
    """
    for _ in range(_TRIES):
        table = open_catalog(settings).load_table(name)
        try:
            change(table)
        except ValueError as error:
            # What pyiceberg says where another branch was committed to: it does not try again.
            if "older than last sequence number" not in str(error):
                raise
            continue
        return table_state(settings, name).refs[branch]
    raise _outrun(name)


def drop(settings: Settings, name: str, branch: str) -> None:
    """Take the branch of a table away, if it is there."""
    change_refs(
        settings,
        lambda states: {name: _gone(states[name], branch, branch + _AGAIN)},
        {name},
    )


def publish(
    settings: Settings, base: TableState, branch: str, holds: Callable[[TableState], bool]
) -> bool:
    """Let main take over what the branch, begun at ``base``, has changed; the branch is gone then.

    ``holds`` says of main, where it has moved since ``base``, whether the change still fits it.
    Gives False, with main as it was, where it does not, or where a file that the branch replaces is
    not there any more.

    Raises:
        SystemFailure: others kept committing; main is as they left it.
    """
    staged = table_state(settings, base.name).refs[branch]
    onto, head = base, staged
    for _ in range(_TRIES):
        now = table_state(settings, base.name)
        if now.snapshot_id != onto.snapshot_id:
            if now.uuid != base.uuid or not holds(now):
                return False
            moved = _do_again(settings, base, staged, now, branch + _AGAIN)
            if moved is None:
                return False
            onto, head = now, moved
        if _go(settings, onto, head, branch):
            return True
    raise _outrun(base.name)


def _outrun(name: str) -> SystemFailure:
    return SystemFailure(
        f"{name} was committed to {_TRIES} times while a batch was to be published",
        "do it again when less is written to it",
    )


def _go(settings: Settings, onto: TableState, head: int, branch: str) -> bool:
    """Main goes to ``head`` if it is at ``onto``."""

    def decide(states: dict[str, TableState]) -> dict[str, list[Change]]:
        if states[onto.name].snapshot_id != onto.snapshot_id:
            raise _Moved
        gone = _gone(states[onto.name], branch, branch + _AGAIN)
        return {onto.name: [SetRef(MAIN, head, "branch"), *gone]}

    try:
        change_refs(settings, decide, {onto.name})
    except _Moved:
        return False
    return True


def _gone(state: TableState, *branches: str) -> list[Change]:
    return [DropRef(branch) for branch in branches if branch in state.refs]


def _do_again(
    settings: Settings, base: TableState, staged: int, now: TableState, branch: str
) -> int | None:
    """Do on top of ``now`` what led from ``base`` to ``staged``; gives the snapshot, on the branch.
    None where a file that is replaced is not there any more."""
    from pyiceberg.exceptions import ValidationException

    assert base.snapshot
    before = base.snapshot.id

    def change(table: "Table") -> None:
        added, removed = _changes(table, before, staged)
        with table.transaction() as transaction:
            properties = {_SOURCE: str(staged)}
            with transaction.update_snapshot(properties, branch).overwrite() as files:
                for file in removed:
                    files.delete_data_file(file)
                for file in added:
                    files.append_data_file(file)

    begin(settings, now, branch)
    try:
        return write(settings, base.name, branch, change)
    except ValidationException:
        return None


def _changes(table: "Table", before: int, after: int) -> tuple[set["DataFile"], set["DataFile"]]:
    """The data files that ``after`` has and ``before`` has not, and the other way round."""
    old, new = (_manifests(table, snapshot) for snapshot in (before, after))
    was, is_now = _files(table, old - new), _files(table, new - old)
    return is_now - was, was - is_now


def _manifests(table: "Table", snapshot_id: int) -> set["ManifestFile"]:
    snapshot = table.snapshot_by_id(snapshot_id)
    assert snapshot
    return set(snapshot.manifests(table.io))


def _files(table: "Table", manifests: set["ManifestFile"]) -> set["DataFile"]:
    return {
        entry.data_file
        for manifest in manifests
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    }
