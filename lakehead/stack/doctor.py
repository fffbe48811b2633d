"""Examine an installation and a home: what is wrong, and what to do about it."""

import platform
import shutil
import tomllib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

import psutil

from lakehead.errors import LakeheadError
from lakehead.settings import INSTALL_ROOT, Settings
from lakehead.stack import flink, health, holding, jars, preflight, registry
from lakehead.stack.java import REQUIRED_MAJOR, java_home, java_major
from lakehead.stack.supervisor import Supervisor, leftover_processes

Status = Literal["ok", "warning", "problem"]
NEEDED_MEMORY_MB = 2560
# Not "make setup": that skips what it has completed, whoever changed it since.
REINSTALL = "make distclean setup"
_PACKAGES = (
    "apache-flink",
    "pyspark",
    "duckdb",
    "pyarrow",
    "pyiceberg",
    "confluent-kafka",
    "supervisor",
    "sqlglot",
)


@dataclass(frozen=True)
class Finding:
    """``fix`` says what to do; empty when all is well."""

    name: str
    status: Status
    detail: str
    fix: str = ""


def examine(settings: Settings) -> list[Finding]:
    """All checks; takes a few seconds, changes nothing."""
    checks: list[Callable[[Settings], Finding]] = [
        _python,
        _java,
        _packages,
        _jars,
        _class_paths,
        _processes,
        _registry,
        _ports,
        _memory,
        _disk,
    ]
    return [check(settings) for check in checks]


def _python(_: Settings) -> Finding:
    found = platform.python_version()
    if found.startswith("3.11."):
        return Finding("Python", "ok", found)
    return Finding("Python", "problem", f"{found}, expected 3.11", REINSTALL)


def _java(_: Settings) -> Finding:
    try:
        home = java_home()
    except LakeheadError as error:
        return Finding("Java", "problem", error.message, error.hint)
    major = java_major(home / "bin" / "java")
    detail = f"{major} at {home}"
    if major != REQUIRED_MAJOR:
        fix = f"set JAVA_HOME to a Java {REQUIRED_MAJOR} if an engine fails to start"
        return Finding("Java", "warning", f"{detail}, tested with {REQUIRED_MAJOR}", fix)
    return Finding("Java", "ok", detail)


def _packages(_: Settings) -> Finding:
    path = INSTALL_ROOT / "uv.lock"
    try:
        lock = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        return Finding("Python packages", "problem", f"{path}: {error}", "git checkout uv.lock")
    locked = {p["name"]: p["version"] for p in lock["package"] if "version" in p}
    wrong = []
    for name in _PACKAGES:
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "missing"
        if found != (expected := locked.get(name, "nothing")):
            wrong.append(f"{name} is {found}, the lock says {expected}")
    if wrong:
        return Finding("Python packages", "problem", "; ".join(wrong), REINSTALL)
    listed = ", ".join(f"{name} {locked[name]}" for name in _PACKAGES[:4])
    return Finding("Python packages", "ok", f"as locked: {listed}, ...")


def _jars(settings: Settings) -> Finding:
    if not settings.jars.is_dir():
        return Finding("Jars", "problem", f"{settings.jars} is missing", "make setup")
    wrong = jars.check_lock(settings.jars, INSTALL_ROOT / "jvm" / "jars.lock")
    if wrong:
        return Finding("Jars", "problem", "; ".join(wrong), "make clean setup")
    return Finding("Jars", "ok", "all there, with the checksums of jvm/jars.lock")


def _class_paths(settings: Settings) -> Finding:
    try:
        spark = [*flink.spark_jars(), *(settings.jars / "spark").glob("*.jar")]
        class_paths = {
            "Kafka": list((settings.jars / "kafka").glob("*.jar")),
            "Flink": flink.library_jars(settings),
            "Spark": spark,
        }
    except LakeheadError as error:
        return Finding("Class paths", "problem", error.message, error.hint)
    broken = {str(j) for path in class_paths.values() for j in path if not zipfile.is_zipfile(j)}
    if broken:
        detail = f"cannot be read: {', '.join(sorted(broken))}"
        return Finding("Class paths", "problem", detail, REINSTALL)
    found = [f"{n}: {c}" for n, path in class_paths.items() for c in jars.clashes(path)]
    if found:
        return Finding("Class paths", "problem", "; ".join(found), "remove one of each two jars")
    return Finding("Class paths", "ok", "no class is in two jars with different content")


def _processes(settings: Settings) -> Finding:
    supervisor = Supervisor(settings)
    if (pid := supervisor.pid) is not None:
        return Finding("Stack", "ok", f"up, supervisor {pid}")
    left = leftover_processes(settings.home)
    if left:
        pids = ", ".join(str(p.pid) for p in left)
        return Finding("Stack", "problem", f"no supervisor, but processes {pids}", "lakehead down")
    if alone := [state.name for state in holding.held(settings)]:
        return Finding("Stack", "ok", f"up, each part by itself: {', '.join(alone)}")
    if supervisor.has_left_its_pid:
        return Finding("Stack", "warning", "a stale pid file; up will replace it", "lakehead up")
    return Finding("Stack", "ok", "down")


def _is_up(settings: Settings) -> bool:
    """Whether any part runs, whoever started it."""
    return Supervisor(settings).pid is not None or bool(holding.held(settings))


def _registry(settings: Settings) -> Finding:
    if registry.NAME not in settings.tuning.extras:
        return Finding("Schema registry", "ok", "not wanted")
    if not registry.installed():
        return Finding("Schema registry", "warning", "not fetched yet; up does it", "lakehead up")
    if not _is_up(settings):
        return Finding("Schema registry", "ok", "fetched, down")
    if health.answers(settings, registry.NAME):
        return Finding("Schema registry", "ok", f"answers at {settings.registry_url}")
    detail = f"does not answer at {settings.registry_url}"
    return Finding("Schema registry", "problem", detail, "lakehead logs registry")


def _ports(settings: Settings) -> Finding:
    ports = settings.ports.all()
    shown = f"{min(ports.values())} to {max(ports.values())}"
    if _is_up(settings):
        return Finding("Ports", "ok", f"{shown}, held by this stack")
    try:
        preflight.check_ports(settings)
    except LakeheadError as error:
        return Finding("Ports", "problem", error.message, error.hint)
    return Finding("Ports", "ok", f"{shown} are free")


def _memory(settings: Settings) -> Finding:
    free = psutil.virtual_memory().available // 2**20
    detail = f"{free:,} MB available"
    if free < NEEDED_MEMORY_MB and not _is_up(settings):
        fix = f"free some, or lower the sizes in {settings.home / 'settings.json'}"
        return Finding("Memory", "warning", f"{detail}, {NEEDED_MEMORY_MB:,} wanted", fix)
    return Finding("Memory", "ok", detail)


def _disk(settings: Settings) -> Finding:
    folder = settings.home
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free // 2**20
    if free < preflight.MINIMUM_DISK_MB:
        fix = "free some, or choose another disk with --home"
        return Finding("Disk", "problem", f"{free:,} MB free at {folder}", fix)
    return Finding("Disk", "ok", f"{free:,} MB free at {folder}")
