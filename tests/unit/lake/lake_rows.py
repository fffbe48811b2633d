"""Rows for the small lake of these tests."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
from pyiceberg.table import Table


def some_rows(table: Table, first: int, count: int) -> pa.Table:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    rows = [
        {"id": i, "at": start + timedelta(hours=7 * i), "note": f"n{i}"}
        for i in range(first, first + count)
    ]
    return pa.Table.from_pylist(rows, schema=table.schema().as_arrow())
