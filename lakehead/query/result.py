"""A running query: its columns at once, its rows as they come."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from lakehead.lake.leases import Lease
from lakehead.lake.snapshots import TableState
from lakehead.query.failures import translated
from lakehead.query.freshness import Freshness

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]
    from duckdb import DuckDBPyConnection

T = TypeVar("T")
BATCH_ROWS = 10_000


@dataclass(frozen=True)
class Column:
    """A column of an answer; ``type`` as DuckDB writes it, such as ``DECIMAL(10,2)``."""

    name: str
    type: str


class Result:
    """The answer to one query. Read it once, by `rows` or by `batches`; close it after.

    ``columns`` have different names: a second ``n`` is ``n_1``. ``tables`` says what was read:
    table name -> its state at the start of the query. ``freshness`` is by table, of those that were
    read up to the last event. ``lease`` is given back as it is closed.
    """

    def __init__(
        self,
        con: "DuckDBPyConnection",
        sql: str,
        params: object = None,
        tables: Mapping[str, TableState] | None = None,
        lease: Lease | None = None,
    ) -> None:
        self._lease = lease or Lease()
        self.tables = dict(tables or {})
        self.freshness: Mapping[str, Freshness] = {}
        self._con = con
        self._worker = ThreadPoolExecutor(1, "duckdb")
        try:
            self._wait(lambda: con.execute(sql, params))
        except BaseException:
            self.close()
            raise
        described = con.description or []
        names = _unique([str(d[0]) for d in described])
        self.columns = [Column(n, str(d[1])) for n, d in zip(names, described, strict=True)]

    def rows(self, size: int = BATCH_ROWS) -> Iterator[list[tuple[Any, ...]]]:
        """Lists of up to ``size`` rows of Python values.

        Python's types are narrower than SQL's: an interval's month is 30 days, and nanoseconds
        are cut to microseconds; `batches` keeps both. A date beyond Python's years is text.
        """
        while chunk := self._wait(lambda: self._con.fetchmany(size)):
            yield chunk

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows at once, for answers known to be small."""
        return [row for chunk in self.rows() for row in chunk]

    def batches(self, size: int = BATCH_ROWS * 10) -> "tuple[pa.Schema, Iterator[pa.RecordBatch]]":
        """The Arrow schema, and record batches of up to ``size`` rows."""
        reader = self._wait(lambda: self._con.to_arrow_reader(size))
        names = [column.name for column in self.columns]
        schema = reader.schema
        for i, name in enumerate(names):
            schema = schema.set(i, schema.field(i).with_name(name))

        def read() -> "Iterator[pa.RecordBatch]":
            while (batch := self._wait(lambda: next(reader, None))) is not None:
                yield batch.rename_columns(names)

        return schema, read()

    def close(self) -> None:
        self._worker.shutdown()
        self._con.close()
        self._lease.close()

    def __enter__(self) -> "Result":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _wait(self, work: "Callable[[], T]") -> T:
        return _waited(self._worker, self._con, work)


def interruptible(con: "DuckDBPyConnection", work: "Callable[[], T]") -> T:
    """What ``work`` gives, whose statements Ctrl-C stops.

    Raises:
        KeyboardInterrupt: after they have stopped.
        LakeheadError: in the place of DuckDB's own errors.
    """
    with ThreadPoolExecutor(1, "duckdb") as worker:
        return _waited(worker, con, work)


def _waited(worker: ThreadPoolExecutor, con: "DuckDBPyConnection", work: "Callable[[], T]") -> T:
    # DuckDB does not look for signals while it works, so it does so in another thread.
    future = worker.submit(work)
    try:
        with translated():
            return future.result()
    except KeyboardInterrupt:
        con.interrupt()
        future.exception()
        raise


def _unique(names: list[str]) -> list[str]:
    taken = set(names)
    seen: set[str] = set()
    unique = []
    for name in names:
        new, count = name, 0
        while new in seen or (count and new in taken):
            count += 1
            new = f"{name}_{count}"
        seen.add(new)
        unique.append(new)
    return unique
