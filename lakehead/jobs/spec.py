"""Compile a stream's contract and its models into one Flink job."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lakehead.contracts import flink as contract_flink
from lakehead.contracts.load import load_contract
from lakehead.contracts.model import Contract
from lakehead.contracts.sql import identifier, literal, table_identifier
from lakehead.jobs.site import Site, home_site
from lakehead.jobs.versions import Part
from lakehead.lake.catalog import CATALOG
from lakehead.models import flink as model_flink
from lakehead.models.bind import Bound
from lakehead.settings import Settings


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
    """All that ``jobs/flink/run_statements.py`` needs; plain enough for JSON.

    ``declare`` is the catalog and the tables; ``streams`` are SELECTs of them by the name under
    which ``views`` and ``inserts`` read their rows.
    """

    name: str
    models: tuple[str, ...]
    config: dict[str, str]
    declare: tuple[str, ...]
    streams: dict[str, str]
    views: tuple[str, ...]
    inserts: tuple[Insert, ...]

    def statements(self) -> Iterator[str]:
        """All of it as SQL, for a person to read."""
        yield from self.declare
        for name, select in self.streams.items():
            yield f"CREATE TEMPORARY VIEW {identifier(name)} AS\n{select}"
        yield from self.views
        yield from (i.sql for i in self.inserts)

    def fingerprint(self) -> str:
        """Equal for equal jobs."""
        inserts = [[i.uid, i.sql] for i in self.inserts]
        parts = [self.config, self.declare, self.streams, self.views, inserts]
        text = json.dumps(parts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def consumer_group(stream: str) -> str:
    """The Kafka consumer group in which a stream's job commits the offsets it has landed."""
    return f"lakehead-{stream}"


def side_group(bound: Bound) -> str:
    """The group in which a model reads its second stream."""
    return f"{consumer_group(bound.model.stream)}-{bound.model.name}"


def compile_job(
    settings: Settings,
    contract: Contract,
    parts: Sequence[Part],
    parallelism: int | None = None,
    site: Site | None = None,
) -> JobSpec:
    """One source scan; landing, dead letters and every model's answers as one statement set.

    ``site`` is the home where None, ``parallelism`` the site's.
    """
    site = site or home_site(settings)
    options = {"type": "iceberg", **site.catalog}
    catalog = ", ".join(f"{literal(k)} = {literal(v)}" for k, v in options.items())
    sources = [_source(site, contract, consumer_group(contract.stream))]
    tables: list[str] = []
    views: list[str] = []
    # Landing first: what all share is its own, whatever models there are.
    inserts = [
        Insert(f"landing.{contract.stream}", contract_flink.landing_insert(contract)),
        Insert(f"dead.{contract.stream}", contract_flink.dead_insert(contract)),
    ]
    for part in parts:
        written = _statements(settings, site, part)
        sources += written.sources
        tables += written.tables
        views += written.views
        inserts += written.inserts
    return JobSpec(
        name=contract.stream,
        models=tuple(dict.fromkeys(p.version.name for p in parts)),
        config=_config(site, contract.stream, parallelism),
        declare=(
            f"CREATE CATALOG `{CATALOG}` WITH ({catalog})",
            *(source.table for source in sources),
            *tables,
        ),
        streams={source.name: source.select for source in sources},
        views=tuple(views),
        inserts=tuple(inserts),
    )


@dataclass(frozen=True)
class _Written:
    sources: list[contract_flink.Source]
    tables: list[str]
    views: list[str]
    inserts: list[Insert]


def _statements(settings: Settings, site: Site, part: Part) -> _Written:
    """What a version of a model declares and inserts, under ids of its own."""
    version, model = part.version, part.bound.model
    if not version.live:
        # Beside the one that it will take over from. It alerts nobody before.
        name = f"{model.name}${version.version}"
        model = replace(model, name=name, alert_topic=None)
    bound = replace(part.bound, model=model)
    side = model_flink.side(model)
    alerts = model.alert_topic
    written = model_flink.statements(bound, version.table, version.begins, version.version)
    roles = {
        identifier(model_flink.alert_table_name(model)): "/alert",
        f"`lake`.{table_identifier(model_flink.LEFT_OUT)}": "/left_out",
    }
    return _Written(
        sources=[_side_source(settings, site, bound, side)] if side else [],
        tables=(
            [model_flink.alert_table(model, alerts, site.bootstrap, site.kafka)] if alerts else []
        ),
        views=[_apart(view, version.uid) for view in written.views],
        inserts=[
            Insert(version.uid + roles.get(target, ""), f"INSERT INTO {target}\n{select}")
            for target, select in written.inserts.items()
        ],
    )


def _source(
    site: Site, contract: Contract, group: str, name: str | None = None
) -> contract_flink.Source:
    return contract_flink.source(
        contract, site.bootstrap, group, site.registry_url, name, site.kafka
    )


def _side_source(
    settings: Settings, site: Site, bound: Bound, side: model_flink.Side
) -> contract_flink.Source:
    """Each model reads its other stream by a scan of its own, from the first offset on."""
    contract = load_contract(settings.schemas, side.stream)
    return _source(site, contract, side_group(bound), side.name)


def _apart(view: str, uid: str) -> str:
    """The view with a condition that always holds and that no other model has.

    Flink gives one operator to two models where they compute the same; the state of one would then
    go when the other is taken away.
    """
    number = int(hashlib.sha256(uid.encode()).hexdigest()[:7], 16)
    valid = "WHERE `rowtime` IS NOT NULL"
    return view.replace(valid, f"WHERE `kafka_offset` > -{number} AND `rowtime` IS NOT NULL", 1)


def _config(site: Site, name: str, parallelism: int | None) -> dict[str, str]:
    return {
        **site.flink,
        "pipeline.name": name,
        "pipeline.object-reuse": "true",
        "parallelism.default": str(parallelism or site.parallelism),
        "pipeline.auto-watermark-interval": f"{site.watermark_ms} ms",
        "table.local-time-zone": "UTC",
        # Two models may write one table, of rows left out: each has a sink of its own, and its id.
        "table.optimizer.reuse-sink-enabled": "false",
        "table.exec.iceberg.use-v2-sink": "true",
        "execution.checkpointing.interval": f"{int(site.checkpoint_seconds * 1000)} ms",
        # Where checkpoints take long, events get no less of the time than they do.
        "execution.checkpointing.min-pause": f"{int(site.checkpoint_seconds * 1000)} ms",
        "execution.checkpointing.timeout": "2 min",
        "execution.checkpointing.tolerable-failed-checkpoints": "10",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
    }
