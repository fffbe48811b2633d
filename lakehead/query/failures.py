"""DuckDB's exceptions as lakehead's: what the writer of the SQL can mend, and what they cannot."""

import contextlib
from collections.abc import Iterator

import duckdb

from lakehead.errors import LakeheadError, SystemFailure, UserError
from lakehead.lake.snapshots import SnapshotGone

# Through Arrow an error comes as an OSError whose text begins with DuckDB's name for its kind.
_THROUGH_ARROW = {
    "IO Error": duckdb.IOException,
    "INTERNAL Error": duckdb.InternalException,
    "FATAL Error": duckdb.FatalException,
    "INTERRUPT Error": duckdb.InterruptException,
    "Out of Memory Error": duckdb.OutOfMemoryException,
    "Permission Error": duckdb.PermissionException,
}
HINT = 'lakehead query "SHOW TABLES"'


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise a DuckDB error from inside the block as a `LakeheadError`."""
    try:
        yield
    except (duckdb.Error, RuntimeError) as error:
        raise _as_lakehead(error) from error
    except OSError as error:
        if error.errno is not None:
            raise
        kind = _THROUGH_ARROW.get(str(error).split(":", 1)[0], duckdb.Error)
        raise _as_lakehead(kind(str(error))) from error


def _as_lakehead(error: Exception) -> LakeheadError:
    text = str(error).strip()
    match error:
        case duckdb.PermissionException():
            return UserError(f"a query reads the lake's tables and nothing else\n{text}", HINT)
        case duckdb.OutOfMemoryException():
            return UserError(
                f"the query needs more memory than it may have\n{text}",
                "ask for fewer rows or columns, or aggregate",
            )
        case duckdb.IOException() if "No files found" in text or "No such file" in text:
            return SnapshotGone(
                f"a data file is gone: its snapshot was expired\n{text}", "run it again"
            )
        case duckdb.IOException() | duckdb.InternalException() | duckdb.FatalException():
            return SystemFailure(f"DuckDB failed; the lake is not touched\n{text}")
        case duckdb.InterruptException():
            return UserError("the query was interrupted")
        case duckdb.Error():
            return UserError(text, HINT)
        case _ if "interrupted" in text:
            return UserError("the query was interrupted")
        case _:
            return SystemFailure(f"DuckDB failed; the lake is not touched\n{text}")
