"""Rows for the small home of these tests."""

import pyarrow as pa

from lakehead.lake.catalog import open_catalog
from lakehead.settings import Settings


def land(settings: Settings, number: int) -> None:
    """One commit to ``landing.orders``, of one row."""
    table = open_catalog(settings).load_table("landing.orders")
    table.append(pa.Table.from_pylist([{"id": number}], table.schema().as_arrow()))
