"""A lake with a dead table, as a job would have written it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakehead.contracts.iceberg import by_day, dead_schema
from lakehead.contracts.load import load_contract
from lakehead.contracts.model import Contract
from lakehead.lake.catalog import open_catalog
from lakehead.settings import Settings

STREAM = "refunds"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONTRACT = """\
apiVersion: v3.2.0
kind: DataContract
id: refunds
name: refunds
version: 1.0.0
status: active
description: {purpose: Money that goes back.}
schema:
  - name: refunds
    physicalType: topic
    properties:
      - name: refund_id
        logicalType: string
        required: true
        customProperties: [{property: aliases, value: [refund]}]
      - name: amount
        logicalType: number
        physicalType: decimal(12,2)
        required: true
        logicalTypeOptions: {minimum: 0}
      - {name: number, logicalType: integer, required: true}
      - {name: ratio, logicalType: number}
      - {name: note, logicalType: string}
      - name: address
        logicalType: object
        properties:
          - {name: city, logicalType: string, required: true}
          - {name: zip, logicalType: string}
      - {name: tags, logicalType: map, map: {value: {logicalType: integer}}}
      - {name: photo, logicalType: string, physicalType: binary}
      - {name: event_time, logicalType: timestamp, required: true}
    quality:
      - type: custom
        engine: lakehead
        name: small_is_noted
        implementation: amount > 1 OR note IS NOT NULL
customProperties:
  - {property: eventTime, value: event_time}
  - {property: watermarkDelay, value: 2 seconds}
  - {property: idleTimeout, value: 5 seconds}
  - {property: clockSkew, value: 60 seconds}
  - {property: key, value: refund_id}
  - {property: partitions, value: 4}
  - {property: retention, value: 7 days}
  - {property: encoding, value: json}
"""
# Record, cause, offset, and how long before NOW it died.
Dead = tuple[bytes | None, str, int, timedelta]


Bury = Callable[[list[Dead]], None]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return project_in(tmp_path)


@pytest.fixture
def contract(settings: Settings) -> Contract:
    return load_contract(settings.schemas, STREAM)


@pytest.fixture
def bury(settings: Settings) -> Bury:
    return grave_of(settings)


def project_in(folder: Path) -> Settings:
    """A project with the stream, and a home that has nothing."""
    (folder / "schemas").mkdir()
    (folder / "pipelines").mkdir()
    (folder / "schemas" / f"{STREAM}.yaml").write_text(CONTRACT)
    return Settings(home=folder / "home", project=folder)


def grave_of(settings: Settings) -> Bury:
    """Makes the dead table; what it gives adds rows to it, in partition 1."""
    catalog = open_catalog(settings)
    catalog.create_namespace("landing")
    schema = dead_schema()
    table = catalog.create_table(
        f"landing.{STREAM}_dead", schema, partition_spec=by_day(schema, "kafka_timestamp")
    )

    def add(dead: list[Dead]) -> None:
        rows: list[dict[str, Any]] = [
            {
                "record": record,
                "cause": cause,
                "kafka_partition": 1,
                "kafka_offset": offset,
                "kafka_timestamp": NOW - ago,
            }
            for record, cause, offset, ago in dead
        ]
        table.append(pa.Table.from_pylist(rows, schema=table.schema().as_arrow()))

    return add
