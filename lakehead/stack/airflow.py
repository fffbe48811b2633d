"""Airflow: a scheduler, a DAG processor and an API server on a SQLite file of the home.

All that Airflow is told comes from the environment that its processes get, so that one place says
it, and ``dag run`` can say the same. Secrets are made at the first start, in files that only their
owner reads; Airflow reads them by a command, so that no environment holds them.
"""

import base64
import importlib.util
import json
import os
import secrets
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from lakehead.errors import SystemFailure, UserError
from lakehead.files import locked, write_private, write_whole
from lakehead.settings import INSTALL_ROOT, Settings
from lakehead.stack.probe import answer
from lakehead.stack.supervisor import Program

NAME = "airflow"
API = "airflow-api"
SCHEDULER = "airflow-scheduler"
PROCESSOR = "airflow-dags"
USER = "lakehead"
# Tasks at a time; one that starts Spark takes all of them (lakehead/schedules/operator.py).
TASK_SLOTS = 2
# Option, file, and how many random bytes: Fernet takes 32 of them, SHA-512 wants 64.
_SECRETS = (
    ("AIRFLOW__CORE__FERNET_KEY_CMD", "fernet.key", 32),
    ("AIRFLOW__API_AUTH__JWT_SECRET_CMD", "jwt.key", 64),
    ("AIRFLOW__API__SECRET_KEY_CMD", "session.key", 64),
)
_LOCK_WAIT_SECONDS = 60
Say = Callable[[str], None]


def folder(settings: Settings) -> Path:
    return settings.home / "airflow"


def dags_folder(settings: Settings) -> Path:
    """The project's own ``dags/``, else those that lakehead ships."""
    own = settings.project / "dags"
    return own if own.is_dir() else INSTALL_ROOT / "dags"


def installed() -> bool:
    return importlib.util.find_spec("airflow") is not None


def require() -> None:
    """Raises UserError where Airflow is not installed."""
    if not installed():
        raise UserError(
            "Airflow is not installed",
            "uv sync --extra airflow   (or pip install lakehead[airflow])",
        )


def environment(settings: Settings, database: str = "airflow.db") -> dict[str, str]:
    """All that Airflow is told. ``database`` is a file's name in ``airflow/`` of the home."""
    place = folder(settings)
    # Readers and the writer take turns on the file: whoever comes second waits.
    connection = f"sqlite:///{place / database}?timeout={_LOCK_WAIT_SECONDS}"
    said = {
        "CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple."
        "simple_auth_manager.SimpleAuthManager",
        "CORE__DAGS_FOLDER": str(dags_folder(settings)),
        "CORE__DEFAULT_POOL_TASK_SLOT_COUNT": str(TASK_SLOTS),
        "CORE__EXECUTION_API_SERVER_URL": f"{settings.airflow_url}/execution/",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__PARALLELISM": str(TASK_SLOTS),
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(place / "passwords.json"),
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "API__BASE_URL": settings.airflow_url,
        "API__HOST": "127.0.0.1",
        "API__PORT": str(settings.ports.airflow),
        "API__WORKERS": "1",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
        "DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "DATABASE__SQL_ALCHEMY_CONN": connection,
        "LOGGING__BASE_LOG_FOLDER": str(place / "logs"),
        # A task whose process was killed, or its scheduler's, is tried again after a minute or so.
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "45",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "10",
        "USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    return {
        "AIRFLOW_HOME": str(place),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), _no_proxy()),
        "LAKEHEAD_HOME": str(settings.home),
        "PYTHONPATH": str(INSTALL_ROOT),
        **{f"AIRFLOW__{name}": value for name, value in said.items()},
        **{name: f"cat {shlex.quote(str(place / file))}" for name, file, _ in _SECRETS},
    }


def prepare(settings: Settings, say: Say, database: str = "airflow.db") -> None:
    """Make secrets and a login where they are missing, and bring the database up to date.

    Raises:
        UserError: Airflow is not installed.
        SystemFailure: its database cannot be made; names the log.
    """
    require()
    place = folder(settings)
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    # `up` and `dag` may come at once.
    with locked(place / "prepare.lock"):
        _make_secrets(place)
        _migrate(settings, say, database)


def programs(settings: Settings, java: Path) -> list[Program]:
    """The three processes. Logs are files of the home, so none serves them over the network."""
    variables = environment(settings)
    return [
        Program(API, _command("api-server"), variables),
        Program(SCHEDULER, _command("scheduler", "--skip-serve-logs"), variables, stop_seconds=40),
        Program(PROCESSOR, _command("dag-processor"), variables),
    ]


def ready(settings: Settings) -> Mapping[str, bool]:
    """What the API server says of all three, by their heartbeats."""
    health = answer(f"{settings.airflow_url}/api/v2/monitor/health")

    def well(part: str) -> bool:
        said = health.get(part) if isinstance(health, dict) else None
        return isinstance(said, dict) and said.get("status") == "healthy"

    return {
        API: well("metadatabase"),
        SCHEDULER: well("scheduler"),
        PROCESSOR: well("dag_processor"),
    }


def login(settings: Settings) -> tuple[str, str] | None:
    """User and password, the first time that it is asked for; None ever after."""
    shown = folder(settings) / "login.shown"
    if shown.exists():
        return None
    passwords = json.loads((folder(settings) / "passwords.json").read_text())
    shown.touch()
    return USER, passwords[USER]


def _make_secrets(place: Path) -> None:
    for _, key, size in _SECRETS:
        if not (place / key).exists():
            write_private(place / key, _random(size))
    if not (place / "passwords.json").exists():
        write_private(place / "passwords.json", json.dumps({USER: secrets.token_urlsafe(12)}))


def _migrate(settings: Settings, say: Say, database: str) -> None:
    stamp = folder(settings) / f"{database}.version"
    if stamp.exists() and stamp.read_text() == _version():
        return
    say("preparing Airflow's database")
    settings.logs.mkdir(parents=True, exist_ok=True)
    log = settings.logs / "airflow-database.log"
    with log.open("w") as file:
        done = subprocess.run(
            _command("db", "migrate"),
            env=dict(os.environ) | environment(settings, database),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        raise SystemFailure("Airflow's database cannot be made", f"see {log}")
    write_whole(stamp, _version())


def _no_proxy() -> str:
    """Tasks talk to the API server, which no proxy reaches, whatever the environment names."""
    said = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    return f"{said},127.0.0.1" if said else "127.0.0.1"


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *words]


def _version() -> str:
    from importlib.metadata import version

    return version("apache-airflow-core")


def _random(size: int) -> str:
    """So many random bytes in URL-safe base64, with its padding, which Fernet wants."""
    return base64.urlsafe_b64encode(secrets.token_bytes(size)).decode()
