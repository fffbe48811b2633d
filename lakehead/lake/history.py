"""Which snapshot a table's main branch was at, at any moment.

It goes by the table's own log of it (Iceberg spec, "Snapshot log"), not by when snapshots were
committed: after a rollback main is at an older one, and a branch's snapshots were never main's.
"""

from datetime import datetime

from lakehead.errors import UserError
from lakehead.lake.snapshots import TableState


def snapshot_at(state: TableState, moment: datetime) -> int | None:
    """The snapshot that main was at, None where that was before its first, or is not known."""
    # Expiry takes all that is older than a snapshot that it removes out of the log.
    return next((s for at, s in reversed(state.log) if at <= moment), None)


def earliest(state: TableState) -> datetime | None:
    """The first moment that ``snapshot_at`` knows of."""
    return state.log[0][0] if state.log else None


def require_snapshot_at(state: TableState, moment: datetime) -> int:
    """As ``snapshot_at``.

    Raises:
        UserError: there was none; names the earliest moment that can be asked.
    """
    found = snapshot_at(state, moment)
    if found is not None:
        return found
    first = earliest(state)
    if first is None:
        raise UserError(f"{state.name} has no snapshot: nothing was ever committed to it")
    known = first.isoformat(timespec="milliseconds")
    raise UserError(
        f"{state.name} has no snapshot of {moment.isoformat()}; the earliest moment that can be "
        f"asked is {known}",
        f"ask as of {known} or later",
    )
