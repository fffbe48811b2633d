"""A project with a stream of every kind of rule and a model, and a lake to check."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyiceberg.table import Table

from lakehead.contracts.iceberg import by_day, landing_schema
from lakehead.contracts.load import load_contract
from lakehead.lake.catalog import open_catalog
from lakehead.lake.tables import ensure_table
from lakehead.models.iceberg import mart_schema
from lakehead.models.model import load_model
from lakehead.settings import Settings

START = datetime(2026, 1, 1, tzinfo=UTC)
# Hostile to format strings, to SQL, to SQLAlchemy's :names, to GX's $names and to HTML.
HOSTILE = "it's {batch} :x $y \\:z <b>%s</b> {"
CONTRACT = """\
apiVersion: v3.2.0
kind: DataContract
id: sales
name: sales
version: 1.0.0
status: active
schema:
  - name: sales
    physicalType: topic
    properties:
      - name: id
        logicalType: string
        required: true
        logicalTypeOptions: {pattern: '^[a-z:{}]+'}
        unique: true
        customProperties:
          - {property: uniqueWithin, value: 1 hour}
      - name: qualify
        logicalType: string
        enum:
          - {value: open}
          - {value: "HOSTILE"}
      - name: amount
        logicalType: number
        physicalType: decimal(12,3)
        logicalTypeOptions: {minimum: -5, maximum: 100}
      - name: rate
        logicalType: number
        physicalType: decimal(38,18)
        logicalTypeOptions: {minimum: 0, maximum: 1}
      - name: note
        logicalType: string
        logicalTypeOptions: {minLength: 1, maxLength: 3}
      - name: tags
        logicalType: array
        items: {logicalType: string}
        logicalTypeOptions: {maxItems: 2}
      - name: day
        logicalType: date
        logicalTypeOptions: {minimum: '2026-01-01'}
      - name: place
        logicalType: object
        properties:
          - {name: zip, logicalType: string, required: true, logicalTypeOptions: {maxLength: 3}}
      - name: event_time
        logicalType: timestamp
        required: true
    quality:
      - name: large_ones_have_a_note
        type: custom
        engine: lakehead
        implementation: amount < 50 OR note <> 'a:b {x}' OR note IS NULL
customProperties:
  - {property: eventTime, value: event_time}
  - {property: key, value: id}
""".replace("HOSTILE", HOSTILE.replace("\\", "\\\\"))
MODEL = """/*
model: totals
stream: sales
window: {tumble: 1 minute}
keys: [id]
expect: [n > 0, total is not null, "id <> 'it''s: {not}'", window_end > window_start,
  n < 9 AND TRUE, n < 9 and true]
output:
  table: marts.totals
  columns: {id: string, n: long, total: "decimal(38,3)"}
*/
SELECT id, COUNT(*) AS n, SUM(amount) AS total FROM sales GROUP BY id
"""
Row = dict[str, Any]


def make_project(folder: Path) -> Settings:
    for name, file, text in (
        ("schemas", "sales.yaml", CONTRACT),
        ("pipelines", "totals.sql", MODEL),
    ):
        (folder / name).mkdir()
        (folder / name / file).write_text(text)
    return Settings(home=folder / "home", project=folder)


def sale(offset: int, **changed: Any) -> Row:
    """A row of ``landing.sales`` that keeps the contract, but for what is ``changed``."""
    return {
        "id": "abcdefghij"[offset % 10] * (1 + offset // 10),
        "qualify": "open",
        "amount": Decimal("1.5"),
        "rate": Decimal("0.5"),
        "note": "ok",
        "tags": ["x"],
        "day": START.date(),
        "place": {"zip": "123"},
        "event_time": START,
        "kafka_partition": 0,
        "kafka_offset": offset,
        "kafka_timestamp": START,
        "late": False,
        **changed,
    }


def total(minute: int, id: str | None, **changed: Any) -> Row:
    """A row of ``marts.totals`` that keeps what the model promises, but for what is ``changed``."""
    start = START + timedelta(minutes=minute)
    return {
        "window_start": start,
        "window_end": start + timedelta(minutes=1),
        "id": id,
        "n": 1,
        "total": Decimal("1.5"),
        **changed,
    }


def sales_table(settings: Settings) -> Table:
    contract = load_contract(settings.schemas, "sales")
    schema = landing_schema(contract)
    catalog = open_catalog(settings)
    ensure_table(catalog, contract.landing_table, schema, by_day(schema, contract.event_time))
    return catalog.load_table(contract.landing_table)


def totals_table(settings: Settings) -> Table:
    schema = mart_schema(load_model(settings.pipelines, "totals"))
    catalog = open_catalog(settings)
    ensure_table(catalog, "marts.totals", schema, by_day(schema, "window_start"))
    return catalog.load_table("marts.totals")


def write(table: Table, rows: Sequence[Row], branch: str = "main") -> int:
    """One commit; gives its snapshot."""
    table.append(arrow(table, rows), branch=branch)
    snapshot = table.refresh().snapshot_by_name(branch)
    assert snapshot is not None
    return snapshot.snapshot_id


def arrow(table: Table, rows: Sequence[Row]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=table.schema().as_arrow())
