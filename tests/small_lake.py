"""A project with a stream and models, and a lake that pyiceberg wrote as the engines would."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml
from pyiceberg.schema import Schema
from pyiceberg.table import Table

from lakehead.contracts.iceberg import dead_schema, landing_schema
from lakehead.contracts.load import load_contract
from lakehead.contracts.scaffold import scaffold
from lakehead.jobs import records
from lakehead.jobs.records import Desired, Observed
from lakehead.jobs.spec import JobSpec
from lakehead.jobs.versions import Version, meaning
from lakehead.lake.catalog import open_catalog
from lakehead.lake.retention import CHECKPOINT
from lakehead.models.iceberg import left_out_schema, mart_schema
from lakehead.models.load import bound_model
from lakehead.models.model import load_model
from lakehead.settings import Settings

START = datetime(2026, 1, 1, tzinfo=UTC)
COUNT = "SELECT id, COUNT(*) AS n FROM orders GROUP BY id"
TUMBLE = {"window": {"tumble": "10 seconds"}, "keys": ["id"]}
Row = dict[str, Any]


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@dataclass(frozen=True)
class Lake:
    """``land`` and ``answer`` each make one commit, of a checkpoint where one is given."""

    settings: Settings

    def model(
        self,
        select: str = COUNT,
        columns: dict[str, str] | None = None,
        name: str = "m",
        **header: Any,
    ) -> None:
        """Write a model, and make its mart."""
        header = header or dict(TUMBLE)
        whole = {
            "model": name,
            **({} if "streams" in header else {"stream": "orders"}),
            **header,
            "output": {
                "table": f"marts.{name}",
                "columns": columns or {"id": "string", "n": "long"},
            },
        }
        path = self.settings.pipelines / f"{name}.sql"
        path.write_text(f"/*\n{yaml.safe_dump(whole, sort_keys=False)}*/\n{select}")
        schema = mart_schema(load_model(self.settings.pipelines, name))
        self.table(f"marts.{name}", schema)

    def table(self, name: str, schema: Schema) -> Table:
        return open_catalog(self.settings).create_table_if_not_exists(name, schema)

    def feed(self, name: str = "m", state: str = "running") -> None:
        """Let a job of orders feed the model, as records say, and make its dead table."""
        self.table("landing.orders_dead", dead_schema())
        parts = meaning(bound_model(self.settings, name))
        text = (self.settings.pipelines / f"{name}.sql").read_text()
        version = Version(name, "1", parts, {name: text}, f"marts.{name}")
        spec = JobSpec("orders", (name,), {}, (), {}, (), ())
        records.write_desired(self.settings, Desired("orders", True, 1, spec, (version,)))
        records.write_observed(self.settings, Observed("orders", state=state))

    def land(self, *rows: Row, stream: str = "orders", checkpoint: int | None = None) -> None:
        """Rows of ``id``, ``event_time``, ``kafka_offset``, in the end ``watermark``."""
        whole = []
        for row in rows:
            mark = row.get("watermark")
            late = mark is not None and row["event_time"] <= mark
            whole.append({"id": "a", "kafka_partition": 0, "late": late, **row})
        self.append(f"landing.{stream}", whole, checkpoint)

    def answer(self, *rows: Row, name: str = "m", checkpoint: int | None = None) -> None:
        self.append(f"marts.{name}", rows, checkpoint)

    def leave_out(self, offset: int, mark: float) -> None:
        """A row of payments that the job of ``m`` found late."""
        row = {"model": "m", "version": "1", "stream": "payments", "kafka_partition": 0}
        self.append("ops.left_out", [{**row, "kafka_offset": offset, "watermark": at(mark)}], None)

    def append(self, table: str, rows: Sequence[Row], checkpoint: int | None) -> None:
        """One commit, as Flink marks it."""
        loaded = open_catalog(self.settings).load_table(table)
        arrow = pa.Table.from_pylist(list(rows), schema=loaded.schema().as_arrow())
        loaded.append(arrow, {} if checkpoint is None else {CHECKPOINT: str(checkpoint)})

    def mart(self, name: str = "m") -> list[Row]:
        found = open_catalog(self.settings).load_table(f"marts.{name}").scan().to_arrow()
        rows: list[Row] = found.to_pylist()
        return sorted(rows, key=lambda row: [str(value) for value in row.values()])

    def snapshots(self, name: str = "m") -> int:
        return len(open_catalog(self.settings).load_table(f"marts.{name}").metadata.snapshots)


def event(offset: int, seconds: float, mark: float | None = None, **values: Any) -> Row:
    """A landed row; ``mark`` is the watermark that it was landed with."""
    watermark = None if mark is None else at(mark)
    return {"kafka_offset": offset, "event_time": at(seconds), "watermark": watermark, **values}


def window(start: float, n: int, settled: str | None = None, **values: Any) -> Row:
    """A row of the mart of ``COUNT`` by ten seconds."""
    ends = {"window_start": at(start), "window_end": at(start + 10)}
    return {**ends, "id": "a", "n": n, "settled_offsets": settled, **values}


def make_lake(folder: Path, *streams: str) -> Lake:
    for name in ("schemas", "pipelines"):
        (folder / name).mkdir()
    lake = Lake(Settings(home=folder / "home", project=folder))
    catalog = open_catalog(lake.settings)
    for namespace in ("landing", "marts", "ops"):
        catalog.create_namespace(namespace)
    for stream in streams or ("orders",):
        (lake.settings.schemas / f"{stream}.yaml").write_text(scaffold(stream))
        contract = load_contract(lake.settings.schemas, stream)
        lake.table(contract.landing_table, landing_schema(contract))
    lake.table("ops.left_out", left_out_schema())
    return lake
