"""A lake as strangers find it: a table that evolved, an empty one, a nested one."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from every_type import every_type_schema
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import DayTransform
from pyiceberg.types import (
    BinaryType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    NestedField,
    StringType,
    StructType,
    TimestamptzType,
)

from lakehead.lake.catalog import open_catalog
from lakehead.query.engine import run
from lakehead.settings import Settings

Rows = list[dict[str, Any]]
JAN1 = datetime(2024, 1, 1, 12, tzinfo=UTC)


def append(table: Table, rows: Rows) -> None:
    table.append(pa.Table.from_pylist(rows, schema=table.schema().as_arrow()))


def _orders(catalog: Any) -> None:
    """Two files of five columns; then a rename, wider types, a reused and a new name; one more."""
    table = catalog.create_table(
        "landing.orders",
        Schema(
            NestedField(1, "id", IntegerType()),
            NestedField(2, "amt", DecimalType(10, 2)),
            NestedField(3, "at", TimestamptzType()),
            NestedField(4, "ratio", FloatType()),
            NestedField(5, "raw", BinaryType()),
        ),
        partition_spec=PartitionSpec(PartitionField(3, 1000, DayTransform(), "at_day")),
    )
    old = {"amt": Decimal("1.10"), "ratio": 1.5, "raw": b"\x00\xff"}
    append(table, [{"id": i, "at": JAN1.replace(day=1 + i % 2), **old} for i in range(4)])
    with table.update_schema() as update:
        update.rename_column("amt", "amount")
        update.update_column("amt", DecimalType(20, 2))
        update.update_column("id", LongType())
        update.update_column("ratio", DoubleType())
        update.delete_column("raw")
    with table.update_schema() as update:
        update.add_column("raw", StringType())
        update.add_column("country", StringType())
    new = {"amount": Decimal("2.20"), "at": JAN1, "ratio": 0.1, "raw": "text", "country": "FI"}
    append(table, [{"id": 2**40, **new}])


def _nested(catalog: Any) -> None:
    table = catalog.create_table(
        "ops.nested",
        Schema(
            NestedField(1, "id", LongType()),
            NestedField(2, "pos", StructType(NestedField(3, "x", LongType()))),
        ),
    )
    append(table, [{"id": 1, "pos": {"x": 10}}])
    with table.update_schema() as update:
        update.rename_column("pos.x", "across")
    append(table, [{"id": 2, "pos": {"across": 20}}])


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    # The odd name: DuckDB takes paths for patterns, and SQL quotes matter.
    home = tmp_path_factory.mktemp("lake") / "it's [1]*"
    settings = Settings(home=home, project=home)
    catalog = open_catalog(settings)
    for namespace in ("landing", "marts", "ops"):
        catalog.create_namespace(namespace)
    _orders(catalog)
    catalog.create_table("marts.every_type", every_type_schema())
    _nested(catalog)
    return settings


@pytest.fixture
def ask(lake: Settings) -> Callable[..., list[tuple[Any, ...]]]:
    """SQL to rows."""

    def rows(sql: str, **more: Any) -> list[tuple[Any, ...]]:
        with run(lake, sql, **more) as result:
            return result.fetchall()

    return rows


def files_under(folder: Path) -> dict[Path, bytes]:
    """Every file and its bytes, but for the caches that a query may write."""
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "cache" not in path.parts
    }


@pytest.fixture
def untouched(lake: Settings, tmp_path: Path) -> Any:
    """Fails the test if it changed the lake, or wrote beside it."""
    before = files_under(lake.home)
    yield
    assert files_under(lake.home) == before
    assert list(tmp_path.iterdir()) == []
