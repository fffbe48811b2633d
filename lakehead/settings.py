"""Where things are, and the few numbers that differ from stack to stack.

A *home* is the state directory of one stack; two homes on two port bases run side by side.
A *project* is the folder that holds ``schemas/`` and ``pipelines/``.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from lakehead.errors import UserError
from lakehead.files import write_whole
from lakehead.kafka_access import KafkaAccess, Secret, read_access

INSTALL_ROOT = Path(__file__).resolve().parent.parent
DEFAULT_PORT_BASE = 19092
# What one TaskManager runs side by side; a job needs as many as its parallelism.
TASK_SLOTS = 16
_MAXIMUM = 10**9
# All ports must fit; Flink refuses checkpoints closer than 10 ms.
_RANGES = {
    "port_base": (1024, 65_000),
    "checkpoint_seconds": (0.01, _MAXIMUM),
    "watermark_ms": (1, _MAXIMUM),
    "parallelism": (1, TASK_SLOTS),
}
_PORT_NAMES = (
    "kafka",
    "kafka_quorum",
    "flink_rest",
    "jobmanager_rpc",
    "jobmanager_blob",
    "taskmanager_rpc",
    "taskmanager_data",
    "registry",
    "query",
    "query_http",
    "airflow",
)
# Whom the stack itself is to its own broker, where that is secured.
STACK_USER = "lakehead"
# Parts of a stack that run only where the home wants them.
EXTRAS = ("registry", "query", "airflow")


@dataclass(frozen=True)
class Ports:
    """Every port a stack listens on, counted up from one base."""

    base: int = DEFAULT_PORT_BASE

    def __getattr__(self, name: str) -> int:
        try:
            return self.base + _PORT_NAMES.index(name)
        except ValueError:
            raise AttributeError(name) from None

    def all(self) -> dict[str, int]:
        """Port by name of the listener."""
        return {name: self.base + i for i, name in enumerate(_PORT_NAMES)}


@dataclass(frozen=True)
class Tuning:
    """What a person may set once for a home; kept in ``settings.json``.

    Memory sizes are those of the whole process, but for ``kafka_heap_mb`` (the JVM heap).
    ``watermark_ms`` is how often a source says how far its event time has come.
    ``extras`` are those of ``EXTRAS`` that the home wants. ``spark_master`` is where Spark runs,
    such as ``spark://host:7077``; empty: in the driver's own process. ``spark_conf`` are settings
    of Spark's that go before lakehead's. ``kafka_security`` secures the home's own broker;
    ``kafka_client`` says how to reach another, as ``kafka_access.read_access`` takes it.
    """

    port_base: int = DEFAULT_PORT_BASE
    parallelism: int = 2
    checkpoint_seconds: float = 1.0
    watermark_ms: int = 200
    kafka_heap_mb: int = 384
    jobmanager_mb: int = 1024
    taskmanager_mb: int = 2560
    spark_driver_mb: int = 2048
    extras: tuple[str, ...] = ()
    spark_master: str = ""
    spark_conf: Mapping[str, str] = field(default_factory=dict)
    kafka_security: bool = False
    kafka_client: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """One stack: its home, its project, its tuning."""

    home: Path
    project: Path
    tuning: Tuning = field(default_factory=Tuning)

    @property
    def ports(self) -> Ports:
        return Ports(self.tuning.port_base)

    @property
    def bootstrap(self) -> str:
        """Kafka's ``bootstrap.servers``."""
        if self.tuning.kafka_client:
            return str(self.tuning.kafka_client["bootstrap"])
        return f"127.0.0.1:{self.ports.kafka}"

    @property
    def runs_kafka(self) -> bool:
        """Whether the broker is the home's own."""
        return not self.tuning.kafka_client

    @property
    def kafka_access(self) -> KafkaAccess | None:
        """How a secured Kafka is reached; None where it asks nothing of its clients."""
        if self.tuning.kafka_client:
            return read_access("kafka_client", self.tuning.kafka_client, self.home)
        if not self.tuning.kafka_security:
            return None
        return KafkaAccess(
            bootstrap=self.bootstrap,
            sasl_mechanism="PLAIN",
            username=STACK_USER,
            password=Secret(file=self.secrets / "kafka-password"),
            ca=self.secrets / "kafka-ca.pem",
        )

    @property
    def secrets(self) -> Path:
        """Keys and passwords of the stack's own, for nobody but the owner."""
        return self.home / "secrets"

    @property
    def flink_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.flink_rest}"

    @property
    def registry_url(self) -> str:
        """Where the schema registry answers in Confluent's interface, if the home wants one."""
        return f"http://127.0.0.1:{self.ports.registry}/apis/ccompat/v7"

    @property
    def airflow_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.airflow}"

    @property
    def catalog_db(self) -> Path:
        return self.home / "lake" / "catalog.db"

    @property
    def warehouse(self) -> Path:
        return self.home / "lake" / "warehouse"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def run(self) -> Path:
        return self.home / "run"

    @property
    def kafka(self) -> Path:
        return self.home / "kafka"

    @property
    def registry(self) -> Path:
        return self.home / "registry"

    @property
    def flink(self) -> Path:
        return self.home / "flink"

    @property
    def checkpoints(self) -> Path:
        return self.flink / "checkpoints"

    @property
    def savepoints(self) -> Path:
        return self.flink / "savepoints"

    @property
    def job_records(self) -> Path:
        return self.home / "jobs"

    @property
    def contracts(self) -> Path:
        return self.home / "contracts"

    @property
    def manifests(self) -> Path:
        return self.home / "manifests"

    @property
    def schemas(self) -> Path:
        return self.project / "schemas"

    @property
    def pipelines(self) -> Path:
        return self.project / "pipelines"

    @property
    def jars(self) -> Path:
        return INSTALL_ROOT / "jvm" / "target" / "jars"

    def save(self) -> None:
        """Write ``settings.json``, whole or not at all."""
        self.home.mkdir(parents=True, exist_ok=True)
        write_whole(self.home / "settings.json", json.dumps(asdict(self.tuning), indent=2) + "\n")


def find_project(start: Path) -> Path:
    """The nearest folder upwards that holds ``schemas/`` and ``pipelines/``, else the checkout."""
    for folder in (start, *start.parents):
        if (folder / "schemas").is_dir() and (folder / "pipelines").is_dir():
            return folder
    return INSTALL_ROOT


def load_settings(home: Path | None = None) -> Settings:
    """Settings of ``home``, else of ``LAKEHEAD_HOME``, else of ``.lakehead/`` in the project.

    Raises:
        UserError: ``settings.json`` is not readable JSON, or holds an unknown or ill-typed key.
    """
    project = find_project(Path.cwd())
    chosen = home or Path(os.environ.get("LAKEHEAD_HOME") or project / ".lakehead")
    chosen = chosen.expanduser().resolve()
    path = chosen / "settings.json"
    tuning = _read_tuning(path) if path.exists() else Tuning()
    return Settings(home=chosen, project=project, tuning=tuning)


def _read_tuning(path: Path) -> Tuning:
    known = {f.name: f.type for f in fields(Tuning)}
    try:
        values = json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise UserError(f"{path} is not readable JSON: {error}", f"rm {path}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} is {values!r}, expected an object", f"rm {path}")
    for key, value in values.items():
        if key not in known:
            raise UserError(
                f"{path} has the unknown setting {key!r}; known are {', '.join(known)}",
                f"remove that line from {path}",
            )
        if key in _READERS:
            values[key] = _READERS[key](path, value)
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise UserError(f"{path}: {key} is {value!r}, expected a number above 0")
        if known[key] is int and not isinstance(value, int):
            raise UserError(f"{path}: {key} is {value!r}, expected a whole number")
        low, high = _RANGES.get(key, (0, _MAXIMUM))
        if not low <= value <= high:
            raise UserError(f"{path}: {key} is {value!r}, expected {low} to {high}")
    if values.get("kafka_security") and values.get("kafka_client"):
        raise UserError(
            f"{path}: kafka_security secures the home's own broker, kafka_client is for another",
            f"keep one of them in {path}",
        )
    return Tuning(**values)


def _read_extras(path: Path, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or any(name not in EXTRAS for name in value):
        raise UserError(f"{path}: extras is {value!r}, expected a list of {', '.join(EXTRAS)}")
    return tuple(dict.fromkeys(value))


def _read_master(path: Path, value: object) -> str:
    if not isinstance(value, str) or any(c.isspace() for c in value):
        raise UserError(
            f"{path}: spark_master is {value!r}, expected such as 'spark://host:7077', or ''"
        )
    return value


def _read_conf(path: Path, value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(
        k.startswith("spark.") and isinstance(v, str) for k, v in value.items()
    ):
        raise UserError(
            f"{path}: spark_conf is {value!r}, expected names that begin with 'spark.' and texts"
        )
    return value


def _read_security(path: Path, value: object) -> bool:
    if not isinstance(value, bool):
        raise UserError(f"{path}: kafka_security is {value!r}, expected true or false")
    return value


def _read_client(path: Path, value: object) -> object:
    if value != {}:
        read_access(f"{path}: kafka_client", value, path.parent)
    return value


_READERS: dict[str, Callable[[Path, object], object]] = {
    "extras": _read_extras,
    "spark_master": _read_master,
    "spark_conf": _read_conf,
    "kafka_security": _read_security,
    "kafka_client": _read_client,
}
