"""Compile a stream's contract and its models into one Flink job."""

import hashlib
import json
from dataclasses import dataclass

from lakehead.contracts import flink as contract_flink
from lakehead.contracts.load import load_contract
from lakehead.contracts.model import Contract
from lakehead.contracts.sql import literal
from lakehead.jobs.versions import version
from lakehead.lake.catalog import CATALOG, jdbc_properties
from lakehead.models import flink as model_flink
from lakehead.models.bind import Bound
from lakehead.settings import Settings
from lakehead.streams import registry


@dataclass(frozen=True)
class Insert:
    """One INSERT. Its operators find their state by ``uid``, whatever else the job does.

    ``landing.STREAM``, ``dead.STREAM`` or ``model.NAME.VERSION``; after a ``/``, another sink of
    the same model.
    """

    uid: str
    sql: str


@dataclass(frozen=True)
class JobSpec:
    """All that ``jobs/flink/run_statements.py`` needs; plain enough for JSON."""

    name: str
    models: tuple[str, ...]
    config: dict[str, str]
    declare: tuple[str, ...]
    inserts: tuple[Insert, ...]

    def fingerprint(self) -> str:
        """Equal for equal jobs."""
        inserts = [[i.uid, i.sql] for i in self.inserts]
        text = json.dumps([self.config, self.declare, inserts], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def consumer_group(stream: str) -> str:
    """The Kafka consumer group in which a stream's job commits the offsets it has landed."""
    return f"lakehead-{stream}"


def compile_job(settings: Settings, contract: Contract, models: list[Bound]) -> JobSpec:
    """One source scan; landing, dead letters and every model's windows as one statement set."""
    options = {"type": "iceberg", **jdbc_properties(settings)}
    catalog = ", ".join(f"{literal(k)} = {literal(v)}" for k, v in options.items())
    declare = [
        f"CREATE CATALOG `{CATALOG}` WITH ({catalog})",
        contract_flink.source_table(
            contract,
            settings.bootstrap,
            consumer_group(contract.stream),
            registry.url(settings),
        ),
    ]
    # Landing first: what all share is its own, whatever models there are.
    inserts = [
        Insert(f"landing.{contract.stream}", contract_flink.landing_insert(contract)),
        Insert(f"dead.{contract.stream}", contract_flink.dead_insert(contract)),
    ]
    for bound in models:
        declared, sinks = _statements(settings, bound, contract)
        declare += declared
        inserts += sinks
    return JobSpec(
        name=contract.stream,
        models=tuple(b.model.name for b in models),
        config=_config(settings, contract.stream),
        declare=tuple(declare),
        inserts=tuple(inserts),
    )


def _statements(
    settings: Settings, bound: Bound, contract: Contract
) -> tuple[list[str], list[Insert]]:
    """What a model declares and inserts, under ids of this version."""
    model = bound.model
    uid = f"model.{model.name}.{version(model, contract)}"
    written = model_flink.statements(bound)
    declare = _second_stream(settings, bound)
    if model.alert_topic:
        declare.append(model_flink.alert_table(model, model.alert_topic, settings.bootstrap))
    declare += [_apart(view, uid) for view in written.views]
    sinks = [
        Insert(f"{uid}/{i}" if i else uid, f"INSERT INTO {table}\n{select}")
        for i, (table, select) in enumerate(written.inserts.items())
    ]
    return declare, sinks


def _second_stream(settings: Settings, bound: Bound) -> list[str]:
    """The source table of the other stream of a model that joins."""
    side = model_flink.side(bound.model)
    if side is None:
        return []
    contract = load_contract(settings.schemas, side.stream)
    group = f"{consumer_group(bound.model.stream)}-{bound.model.name}"
    url = registry.url(settings)
    return [contract_flink.source_table(contract, settings.bootstrap, group, url, side.table)]


def _apart(view: str, uid: str) -> str:
    """The view with a condition that always holds and that no other model has.

    Flink gives one operator to two models where they compute the same; the state of one would then
    go when the other is taken away.
    """
    number = int(hashlib.sha256(uid.encode()).hexdigest()[:7], 16)
    valid = "WHERE `rowtime` IS NOT NULL"
    return view.replace(valid, f"WHERE `kafka_offset` > -{number} AND `rowtime` IS NOT NULL", 1)


def _config(settings: Settings, name: str) -> dict[str, str]:
    tuning = settings.tuning
    return {
        "execution.target": "remote",
        "rest.address": "127.0.0.1",
        "rest.port": str(settings.ports.flink_rest),
        "pipeline.name": name,
        "pipeline.object-reuse": "true",
        "parallelism.default": str(tuning.parallelism),
        "pipeline.auto-watermark-interval": f"{tuning.watermark_ms} ms",
        "table.local-time-zone": "UTC",
        "table.exec.iceberg.use-v2-sink": "true",
        "execution.checkpointing.interval": f"{int(tuning.checkpoint_seconds * 1000)} ms",
        "execution.checkpointing.timeout": "2 min",
        "execution.checkpointing.tolerable-failed-checkpoints": "10",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
    }
