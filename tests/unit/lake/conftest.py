"""A small lake that pyiceberg made: appends, an overwrite, a delete, a rewritten manifest."""

from pathlib import Path

import pytest
from lake_rows import some_rows
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import DayTransform
from pyiceberg.types import LongType, NestedField, StringType, TimestamptzType

from lakehead.lake.catalog import open_catalog
from lakehead.settings import Settings

SCHEMA = Schema(
    NestedField(1, "id", LongType()),
    NestedField(2, "at", TimestamptzType()),
    NestedField(3, "note", StringType()),
)
BY_DAY = PartitionSpec(PartitionField(2, 1000, DayTransform(), "at_day"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", project=tmp_path)


@pytest.fixture
def table(settings: Settings) -> Table:
    """``landing.orders``, by day, with nothing in it."""
    catalog = open_catalog(settings)
    catalog.create_namespace("landing")
    return catalog.create_table("landing.orders", SCHEMA, partition_spec=BY_DAY)


@pytest.fixture(scope="session")
def grown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Table]:
    """``landing.orders`` after ten commits of every kind, and an empty ``marts.empty``."""
    home = tmp_path_factory.mktemp("grown")
    settings = Settings(home=home, project=home)
    catalog = open_catalog(settings)
    catalog.create_namespace("landing")
    catalog.create_namespace("marts")
    catalog.create_table("marts.empty", SCHEMA)
    table = catalog.create_table(
        "landing.orders",
        SCHEMA,
        partition_spec=BY_DAY,
        properties={
            "format-version": "2",
            "commit.manifest-merge.enabled": "true",
            "commit.manifest.min-count-to-merge": "4",
        },
    )
    for i in range(7):
        table.append(some_rows(table, 10 * i, 10))
    table.delete("id < 5")
    table.overwrite(some_rows(table, 1000, 8), overwrite_filter="id >= 60")
    return settings, catalog.load_table("landing.orders")
