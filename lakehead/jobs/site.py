"""Where a job runs: what its statements say of the catalog and of Kafka, and what Flink is told."""

from collections.abc import Mapping
from dataclasses import dataclass

from lakehead.lake.catalog import jdbc_properties
from lakehead.settings import Settings
from lakehead.streams import registry


@dataclass(frozen=True)
class Site:
    """A home, or a cluster: a stream's job has the same statements in each.

    ``catalog`` are Iceberg's properties of the catalog; ``kafka`` settings of Kafka's clients
    beside the servers, such as ``security.protocol``; ``flink`` where the client finds Flink.
    """

    bootstrap: str
    catalog: Mapping[str, str]
    kafka: Mapping[str, str]
    registry_url: str | None
    flink: Mapping[str, str]
    parallelism: int
    checkpoint_seconds: float
    watermark_ms: int


def home_site(settings: Settings) -> Site:
    """The home's own Flink and catalog file on this machine, and the Kafka that it uses."""
    tuning, access = settings.tuning, settings.kafka_access
    return Site(
        bootstrap=settings.bootstrap,
        catalog=jdbc_properties(settings),
        kafka=access.java() if access else {},
        registry_url=registry.url(settings),
        flink={
            "execution.target": "remote",
            "rest.address": "127.0.0.1",
            "rest.port": str(settings.ports.flink_rest),
        },
        parallelism=tuning.parallelism,
        checkpoint_seconds=tuning.checkpoint_seconds,
        watermark_ms=tuning.watermark_ms,
    )
