"""docs/notebook.ipynb runs from top to bottom, over a lake of the shop's own tables."""

import ast
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.schema import Schema

from lakehead.contracts.iceberg import landing_schema
from lakehead.contracts.load import load_contract
from lakehead.lake.catalog import open_catalog
from lakehead.models.iceberg import mart_schema
from lakehead.models.model import load_model
from lakehead.settings import Settings
from tests.conftest import ROOT

NOTEBOOK = ROOT / "docs" / "notebook.ipynb"
START = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Two orders from Britain, one from France, and the answer of the model."""
    settings = Settings(home=tmp_path, project=ROOT)
    catalog = open_catalog(settings)
    orders = [
        {"invoice": "1", "quantity": q, "price": Decimal("2.5"), "country": c, "event_time": START}
        for q, c in ((10, "United Kingdom"), (1, "United Kingdom"), (4, "France"))
    ]
    written(
        catalog, "landing.orders", landing_schema(load_contract(settings.schemas, "orders")), orders
    )
    end = START + timedelta(seconds=10)
    window = {"window_start": START, "window_end": end, "lines": 1, "units": 1}
    answers = [
        {**window, "country": "United Kingdom", "revenue": Decimal("27.5")},
        {**window, "country": "France", "revenue": Decimal(10)},
    ]
    model = load_model(settings.pipelines, "revenue_by_country")
    written(catalog, model.table, mart_schema(model), answers)
    monkeypatch.setenv("LAKEHEAD_HOME", str(tmp_path))
    return settings


def written(catalog: Catalog, name: str, schema: Schema, rows: list[dict[str, Any]]) -> None:
    catalog.create_namespace(name.partition(".")[0])
    table = catalog.create_table(name, schema)
    table.append(pa.Table.from_pylist(rows, schema=table.schema().as_arrow()))


def run_cell(source: str, names: dict[str, Any]) -> str:
    """Run it as Jupyter does; gives how the value of its last line shows."""
    parsed = ast.parse(source)
    last = parsed.body.pop() if isinstance(parsed.body[-1], ast.Expr) else None
    exec(compile(parsed, "cell", "exec"), names)
    if not isinstance(last, ast.Expr):
        return ""
    return repr(eval(compile(ast.Expression(last.value), "cell", "eval"), names))


def test_every_cell(shop: Settings) -> None:
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    names: dict[str, Any] = {}
    shown = [run_cell("".join(c["source"]), names) for c in cells if c["cell_type"] == "code"]
    tables, revenue, polars, arrow, counted, joined, refreshed, _ = shown
    assert "revenue_by_country" in tables and "orders" in tables
    assert revenue.splitlines()[1].split()[-2:] == ["27.5", "1"]
    assert "count" in polars and "quantity" in polars
    assert "price: decimal128" in arrow
    assert counted == "(1,)"
    assert joined.splitlines()[1].split()[1:] == ["continent", "1"]
    assert refreshed == "[]"


def test_it_is_kept_without_output() -> None:
    """What a run leaves in it would differ each time."""
    for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None
