"""Values in PostgreSQL's forms: what is encoded is what was there."""

import struct
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lakehead.server.postgres import encode, parameters, types

MICROS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=6).filter(
    lambda n: len(n.as_tuple().digits) < 38
)


def fields(data: bytes) -> list[list[bytes | None]]:
    """The values of DataRow messages."""
    rows = []
    while data:
        assert data[:1] == b"D"
        size = struct.unpack(">I", data[1:5])[0]
        body, data = data[5 : size + 1], data[size + 1 :]
        count, body = struct.unpack(">h", body[:2])[0], body[2:]
        row: list[bytes | None] = []
        for _ in range(count):
            length, body = struct.unpack(">i", body[:4])[0], body[4:]
            row.append(None if length < 0 else body[:length])
            body = body[max(0, length) :]
        assert not body
        rows.append(row)
    return rows


@given(
    st.lists(st.tuples(st.none() | st.integers(-(2**63), 2**63 - 1), st.none() | st.text())),
    st.integers(0, 3),
    st.booleans(),
)
def test_rows_are_framed_as_they_were(
    values: list[tuple[int | None, str | None]], skipped: int, binary: bool
) -> None:
    schema = pa.schema([("n", pa.int64()), ("s", pa.string())])
    columns = [pa.array([v[i] for v in values], schema.types[i]) for i in range(2)]
    batch = pa.record_batch(columns, schema=schema).slice(skipped)
    found = fields(encode.rows(batch, ["BIGINT", "VARCHAR"], [int(binary), 0], False))
    for (number, text), (n, s) in zip(values[skipped:], found, strict=True):
        assert s == (None if text is None else text.encode())
        packed = None if number is None else struct.pack(">q", number)
        assert n == (packed if binary or number is None else str(number).encode())


@given(NUMBERS)
def test_numeric_goes_and_comes_back(number: Decimal) -> None:
    encoded = encode.numeric(number)
    assert Decimal(str(parameters.decoded([encoded], [1], [types.NUMERIC])[0])) == number


@given(MICROS)
def test_timestamps_go_and_come_back(moment: datetime) -> None:
    batch = pa.record_batch([pa.array([moment], pa.timestamp("us", "UTC"))], names=["t"])
    name = "TIMESTAMP WITH TIME ZONE"
    [[binary]] = fields(encode.rows(batch, [name], [1], False))
    [[text]] = fields(encode.rows(batch, [name], [0], False))
    assert binary and text
    found = parameters.decoded([binary], [1], [types.TIMESTAMPTZ])[0]
    assert datetime.fromisoformat(str(found)) == moment.replace(tzinfo=UTC)
    assert datetime.fromisoformat(text.decode()) == moment.replace(tzinfo=UTC)


def test_a_row_without_columns_is_a_row() -> None:
    batch = pa.record_batch([pa.array([1])], names=["a"]).select([])
    assert encode.rows(batch, [], [], False) in (b"", b"D\0\0\0\x06\0\0")
