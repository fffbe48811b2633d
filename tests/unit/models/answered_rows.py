"""Events, and what DuckDB answers over them: times as whole microseconds since the epoch."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
from hypothesis import strategies as st
from written_models import CONTRACTS

from lakehead.models import duckdb as model_duckdb
from lakehead.models.bind import Bound
from lakehead.models.testing import sql_value

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Answer = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Row:
    """A landed row: its time in microseconds, where it lay, and ``late$ms``."""

    us: int
    partition: int
    offset: int
    values: dict[str, Any] = field(default_factory=dict)
    late: int | None = None

    @property
    def ms(self) -> int:
        return self.us // 1000

    @property
    def place(self) -> tuple[int, int, int]:
        """What rows are put in order by."""
        return self.ms, self.partition, self.offset

    @property
    def late_itself(self) -> bool:
        return self.late is not None and self.ms <= self.late


@contextmanager
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute("SET threads = 1")
        yield con


def land(
    con: duckdb.DuckDBPyConnection, stream: str, rows: Sequence[Row], table: str | None = None
) -> str:
    """The table that holds the rows."""
    contract = CONTRACTS[stream]
    kinds = {f.name: f.type for f in contract.fields}
    declared = [f'"{n}" {t.duckdb()}' for n, t in kinds.items()]
    declared += ["kafka_partition INT", "kafka_offset BIGINT", '"late$ms" BIGINT']
    table = table or f"landed_{stream}"
    con.execute(f"CREATE OR REPLACE TABLE {table} ({', '.join(declared)})")
    written = []
    for row in rows:
        given = {**row.values, contract.event_time: EPOCH + timedelta(microseconds=row.us)}
        values = [sql_value(t, given.get(n)) for n, t in kinds.items()]
        values += [
            str(row.partition),
            str(row.offset),
            "NULL" if row.late is None else f"{row.late}",
        ]
        written.append(f"({', '.join(values)})")
    if written:
        con.execute(f"INSERT INTO {table} VALUES {', '.join(written)}")
    return table


def answer(
    con: duckdb.DuckDBPyConnection,
    bound: Bound,
    rows: Mapping[str, Sequence[Row]],
    late: bool = False,
) -> Answer:
    """The model's answer over the rows of each stream, in the order of the mart's columns."""
    relations = {stream: land(con, stream, given) for stream, given in rows.items()}
    found = con.execute(model_duckdb.answer(bound, relations, late))
    assert [d[0] for d in found.description or []] == list(bound.model.mart_columns)[:-1]
    return ordered([tuple(_plain(v) for v in row) for row in found.fetchall()])


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(microseconds=1)
    return value


def ordered(rows: Answer) -> Answer:
    """In an order that does not mind nulls."""
    return sorted(rows, key=lambda row: [(v is not None, v) for v in row])


# On the edges of windows of 10 seconds and beside them, before the epoch and after it.
MILLIS = st.builds(
    lambda edge, beside: edge * 5_000 + beside,
    st.integers(-8, 8),
    st.sampled_from([-1, 0, 1, 2_500]),
)
TIMES = st.builds(lambda ms, us: ms * 1000 + us, MILLIS, st.sampled_from([0, 1, 999]))


def rows_of(values: st.SearchStrategy[dict[str, Any]], size: int = 12) -> st.SearchStrategy[Any]:
    """Rows with offsets of their own, in any order of time."""
    parts = st.tuples(TIMES, st.integers(0, 1), values, st.none() | MILLIS)
    return st.lists(parts, max_size=size).map(
        lambda given: [Row(us, p, i, v, late) for i, (us, p, v, late) in enumerate(given)]
    )


ORDERS = rows_of(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from(["a", "b", None]),
            "customer": st.sampled_from(["x", "y", None]),
            "country": st.sampled_from(["A", "B", "C", None]),
            "quantity": st.sampled_from([-7, -1, 0, 0, 1, 2, None]),
        }
    )
)
