"""A home with a small lake, which commands take to be theirs."""

from pathlib import Path

import pytest
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField
from small_home import land

from lakehead.lake.catalog import open_catalog
from lakehead.settings import Settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """``landing.orders`` with one row, and ``marts.empty``."""
    monkeypatch.setenv("LAKEHEAD_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    settings = Settings(home=tmp_path, project=tmp_path)
    catalog = open_catalog(settings)
    for name in ("landing.orders", "marts.empty"):
        catalog.create_namespace_if_not_exists(name.split(".")[0])
        catalog.create_table(name, Schema(NestedField(1, "id", LongType())))
    land(settings, 1)
    return settings
