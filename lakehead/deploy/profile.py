"""A cluster profile: where things are on a cluster, and how large. Secrets by their names alone.

``deploy/cluster.example.yaml`` is one, with what each setting means.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from lakehead.contracts.document import parse_document, read_text
from lakehead.errors import UserError
from lakehead.settings import INSTALL_ROOT

_EXAMPLE = INSTALL_ROOT / "deploy" / "cluster.example.yaml"
_LABEL = r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$"
_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
# No user information: a password in an address would be one by value.
_ADDRESS = r"^https?://[^\s@/]+(/[^\s@]*)?$"
_SERVERS = r"^[^\s:,@]+:\d{1,5}(,[^\s:,@]+:\d{1,5})*$"
_IMAGE = r"^[^\s@]+:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"

Label = Annotated[str, Meta(pattern=_LABEL)]
Name = Annotated[str, Meta(pattern=_NAME, max_length=253)]
Key = Annotated[str, Meta(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)]
Address = Annotated[str, Meta(pattern=_ADDRESS)]
Image = Annotated[str, Meta(pattern=_IMAGE)]
Count = Annotated[int, Meta(ge=1, le=10_000)]
Megabytes = Annotated[int, Meta(ge=256, le=4_000_000)]
Cores = Annotated[int, Meta(ge=1, le=512)]


class _Part(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a profile: a setting that it does not know is refused."""


class Namespaces(_Part, frozen=True):
    """The Kubernetes namespace of each part; one may be all four."""

    kafka: Label = "lakehead"
    flink: Label = "lakehead"
    spark: Label = "lakehead"
    airflow: Label = "lakehead"


class Images(_Part, frozen=True):
    """``REPOSITORY:TAG``; what must be in each is in docs/cluster.md."""

    flink: Image
    spark: Image
    airflow: Image


class Kafka(_Part, frozen=True):
    """``create`` is whether the brokers are rendered too, or are there under the profile's name.

    ``ca_secret`` holds the certificate by which clients know the brokers, under ``ca_key``.
    ``replicas`` is of each topic. Sizes are those of one broker.
    """

    create: bool = True
    bootstrap: Annotated[str, Meta(pattern=_SERVERS)] | None = None
    ca_secret: Name | None = None
    ca_key: Key = "ca.crt"
    version: Annotated[str, Meta(pattern=r"^\d+\.\d+\.\d+$")] = "4.3.1"
    controllers: Literal[1, 3, 5] = 3
    brokers: Count = 3
    replicas: Annotated[int, Meta(ge=1, le=9)] = 3
    storage_gb: Count = 500
    storage_class: Name | None = None
    memory_mb: Megabytes = 8192
    cores: Cores = 2

    def __post_init__(self) -> None:
        if self.replicas > self.brokers:
            raise ValueError(
                f"replicas is {self.replicas}, expected at most the {self.brokers} brokers"
            )

    @property
    def in_sync(self) -> int:
        """How many replicas acknowledge a record, so that one broker may be away."""
        return max(1, self.replicas - 1)


class OAuth2(_Part, frozen=True):
    """``secret`` holds ``CLIENT_ID:CLIENT_SECRET`` under ``key``."""

    secret: Name
    key: Key = "credential"
    server_uri: Address | None = None
    scope: Annotated[str, Meta(pattern=r"^[^\s'\"]+$")] | None = None


class Catalog(_Part, frozen=True):
    """An Iceberg REST catalog."""

    uri: Address
    warehouse: Annotated[str, Meta(min_length=1)]
    oauth2: OAuth2 | None = None


class S3(_Part, frozen=True):
    """Where data, checkpoints and savepoints are.

    ``secret`` holds the keys; None: the pods' own identity has access.
    """

    bucket: Annotated[str, Meta(pattern=r"^[a-z0-9][-a-z0-9.]{1,61}[a-z0-9]$")]
    region: Annotated[str, Meta(pattern=r"^[a-z0-9-]+$")] = "us-east-1"
    endpoint: Address | None = None
    path_style: bool = False
    secret: Name | None = None
    access_key: Key = "access_key"
    secret_key: Key = "secret_key"


class Registry(_Part, frozen=True):
    """The schema registry, in Confluent's interface, that streams in Avro need."""

    url: Address


class Flink(_Part, frozen=True):
    """Each stream's job has a Flink of its own: one JobManager, and TaskManagers as it needs.

    ``slots`` is of a TaskManager; sizes are those of one process.
    """

    version: Annotated[str, Meta(pattern=r"^2\.[1-4]\.\d+$")] = "2.1.3"
    service_account: Name = "flink"
    parallelism: Count = 2
    slots: Annotated[int, Meta(ge=1, le=64)] = 2
    checkpoint_seconds: Annotated[float, Meta(ge=0.01, le=86_400)] = 10.0
    state_backend: Literal["rocksdb", "hashmap"] = "rocksdb"
    taskmanager_mb: Megabytes = 4096
    taskmanager_cores: Cores = 2
    jobmanager_mb: Megabytes = 2048


class Spark(_Part, frozen=True):
    """The batch. ``schedule`` is cron's, in UTC; sizes are those of one executor."""

    version: Annotated[str, Meta(pattern=r"^\d+\.\d+\.\d+$")] = "4.1.4"
    service_account: Name = "spark"
    schedule: Annotated[str, Meta(pattern=r"^\S+( \S+){4}$")] = "0 * * * *"
    executors: Count = 2
    executor_cores: Cores = 2
    executor_mb: Megabytes = 4096
    driver_mb: Megabytes = 2048


class Airflow(_Part, frozen=True):
    """The Secrets that Airflow's chart is given by name: see the chart for their keys."""

    metadata_secret: Name = "airflow-metadata"
    fernet_secret: Name = "airflow-fernet"
    api_secret: Name = "airflow-api"
    jwt_secret: Name = "airflow-jwt"
    executor: Literal["LocalExecutor", "KubernetesExecutor"] = "KubernetesExecutor"


class Profile(_Part, frozen=True, kw_only=True):
    """``name`` is that of the Kafka cluster, and of what all streams share."""

    name: Label = "lakehead"
    namespaces: Namespaces = Namespaces()
    images: Images
    kafka: Kafka = Kafka()
    catalog: Catalog
    s3: S3
    registry: Registry | None = None
    flink: Flink = Flink()
    spark: Spark = Spark()
    airflow: Airflow = Airflow()

    @property
    def bootstrap(self) -> str:
        """Kafka's servers: those given, else the service that Strimzi makes."""
        own = f"{self.name}-kafka-bootstrap.{self.namespaces.kafka}.svc:9093"
        return self.kafka.bootstrap or own

    @property
    def ca_secret(self) -> str:
        """The Secret of the brokers' certificate: that given, else the one that Strimzi makes."""
        return self.kafka.ca_secret or f"{self.name}-cluster-ca-cert"


def load_profile(path: Path) -> Profile:
    """The profile in ``path``.

    Raises:
        UserError: there is none, or it is wrong; names file and line.
    """
    if not path.is_file():
        raise UserError(
            f"there is no cluster profile {path}",
            f"mkdir -p {path.parent} && cp {_EXAMPLE} {path}   (and edit it)",
        )
    return parse_profile(read_text(path), str(path))


def parse_profile(text: str, name: str) -> Profile:
    """The profile that ``text`` is; ``name`` is what errors call it. Raises as ``load_profile``."""
    document = parse_document(text, name)
    try:
        return msgspec.convert(document.data, Profile)
    except msgspec.ValidationError as error:
        what, _, at = str(error).partition(" - at `$")
        where = tuple(re.findall(r"[^.`]+", at))
        named = f"{'.'.join(where)}: " if where else ""
        raise UserError(
            f"{name}:{document.line(where)}: {named}{what}{_found(document.data, where)}",
            f"see {_EXAMPLE} for every setting",
        ) from error


def _found(data: Any, where: tuple[str, ...]) -> str:
    """The value at fault, where it is one that may be shown."""
    for key in where:
        data = data.get(key) if isinstance(data, dict) else None
    secret = isinstance(data, str) and "@" in data
    return "" if data is None or secret or isinstance(data, dict | list) else f"; is {data!r}"
