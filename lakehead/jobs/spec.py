"""Compile a stream's contract and its models into one Flink job."""

import hashlib
import json
from dataclasses import dataclass

from lakehead.contracts import flink as contract_flink
from lakehead.contracts.model import Contract
from lakehead.contracts.sql import literal
from lakehead.lake.catalog import CATALOG, jdbc_properties
from lakehead.models import flink as model_flink
from lakehead.models.model import Model
from lakehead.settings import Settings
from lakehead.streams import registry


@dataclass(frozen=True)
class JobSpec:
    """All that ``jobs/flink/run_statements.py`` needs; plain enough for JSON."""

    name: str
    models: tuple[str, ...]
    config: dict[str, str]
    declare: tuple[str, ...]
    inserts: tuple[str, ...]

    def fingerprint(self) -> str:
        """Equal for equal jobs."""
        text = json.dumps([self.config, self.declare, self.inserts], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def consumer_group(stream: str) -> str:
    """The Kafka consumer group in which a stream's job commits the offsets it has landed."""
    return f"lakehead-{stream}"


def compile_job(settings: Settings, contract: Contract, models: list[Model]) -> JobSpec:
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
    inserts = [contract_flink.landing_insert(contract), contract_flink.dead_insert(contract)]
    for model in models:
        *views, insert = model_flink.insert(model)
        declare += views
        inserts.append(insert)
    return JobSpec(
        name=contract.stream,
        models=tuple(m.name for m in models),
        config=_config(settings, contract.stream),
        declare=tuple(declare),
        inserts=tuple(inserts),
    )


def _config(settings: Settings, name: str) -> dict[str, str]:
    tuning = settings.tuning
    return {
        "execution.target": "remote",
        "rest.address": "127.0.0.1",
        "rest.port": str(settings.ports.flink_rest),
        "pipeline.name": name,
        "pipeline.object-reuse": "true",
        "parallelism.default": str(tuning.parallelism),
        "table.local-time-zone": "UTC",
        "table.exec.iceberg.use-v2-sink": "true",
        "execution.checkpointing.interval": f"{int(tuning.checkpoint_seconds * 1000)} ms",
        "execution.checkpointing.timeout": "2 min",
        "execution.checkpointing.tolerable-failed-checkpoints": "10",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
    }
