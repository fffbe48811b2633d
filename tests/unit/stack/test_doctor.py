"""Each thing that the doctor looks at, when it is wrong: what is said, and what to do."""

import fcntl
import os
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest

from lakehead.errors import UserError
from lakehead.settings import Settings, Tuning
from lakehead.stack import doctor, flink, preflight
from lakehead.stack.doctor import Finding
from lakehead.stack.supervisor import HOME_VARIABLE

JAR_FOLDERS = ("kafka", "flink", "spark")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", project=tmp_path)


@pytest.fixture
def install(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A good installation of small jars, one in each folder, whose lock agrees with them."""
    root = tmp_path / "install"
    monkeypatch.setattr(doctor, "INSTALL_ROOT", root)
    monkeypatch.setattr("lakehead.settings.INSTALL_ROOT", root)
    monkeypatch.setattr(flink, "spark_jars", lambda: [])
    monkeypatch.setattr(flink, "library_jars", lambda s: sorted((s.jars / "flink").glob("*.jar")))
    lines = []
    for folder in JAR_FOLDERS:
        jar = write_jar(settings.jars / folder / "one.jar", **{f"{folder}/Main": "1"})
        lines.append(f"{sha256(jar.read_bytes()).hexdigest()}  {folder}/one.jar\n")
    (root / "jvm" / "jars.lock").write_text("".join(lines))
    return root


def write_jar(path: Path, **classes: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in classes.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.class"), content)
    return path


def check(name: str, settings: Settings) -> Finding:
    one: Callable[[Settings], Finding] = getattr(doctor, f"_{name}")
    return one(settings)


def is_well(finding: Finding) -> bool:
    return finding.status == "ok" and finding.fix == ""


@pytest.mark.parametrize(
    ("version", "status"), [("3.11.2", "ok"), ("3.12.1", "problem"), ("3.110.0", "problem")]
)
def test_python(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, version: str, status: str
) -> None:
    monkeypatch.setattr("platform.python_version", lambda: version)
    finding = check("python", settings)
    assert finding.status == status
    assert version in finding.detail


@pytest.mark.parametrize(("major", "status"), [(17, "ok"), (25, "warning")])
def test_java_is_what_was_tested(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, major: int, status: str
) -> None:
    monkeypatch.setattr(doctor, "java_home", lambda: Path("/java"))
    monkeypatch.setattr(doctor, "java_major", lambda _: major)
    finding = check("java", settings)
    assert finding.status == status
    assert finding.detail.startswith(f"{major} at /java")


def test_java_home_without_java(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    finding = check("java", settings)
    assert finding.status == "problem"
    assert str(tmp_path) in finding.detail
    assert "openjdk-17" in finding.fix


def test_a_package_that_is_not_as_locked(
    settings: Settings, install: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [f'[[package]]\nname = "{name}"\nversion = "1.0"\n' for name in doctor._PACKAGES]
    (install / "uv.lock").write_text("\n".join(entries))
    monkeypatch.setattr(doctor, "version", lambda _: "1.0")
    assert is_well(check("packages", settings))
    monkeypatch.setattr(doctor, "version", lambda name: "2.0" if name == "duckdb" else "1.0")
    finding = check("packages", settings)
    assert finding.status == "problem"
    assert finding.detail == "duckdb is 2.0, the lock says 1.0"
    assert finding.fix == "make distclean setup"


@pytest.mark.parametrize("text", [None, "not [toml", "package = []\nversion = 1\n"])
def test_a_lock_that_is_gone_spoilt_or_empty(
    settings: Settings, install: Path, text: str | None
) -> None:
    if text is not None:
        (install / "uv.lock").write_text(text)
    finding = check("packages", settings)
    assert finding.status == "problem"
    assert finding.fix


def test_jars_missing_changed_and_extra_are_each_named(settings: Settings, install: Path) -> None:
    assert is_well(check("jars", settings))
    (settings.jars / "kafka" / "one.jar").unlink()
    write_jar(settings.jars / "flink" / "one.jar", Other="2")
    write_jar(settings.jars / "spark" / "two.jar", Other="2")
    finding = check("jars", settings)
    assert finding.status == "problem"
    assert "kafka/one.jar is missing" in finding.detail
    assert "flink/one.jar has another checksum" in finding.detail
    assert "spark/two.jar is not in the lock" in finding.detail
    assert finding.fix == "make clean setup"


def test_jars_that_were_never_fetched(settings: Settings, install: Path) -> None:
    for jar in settings.jars.rglob("*.jar"):
        jar.unlink()
    for folder in JAR_FOLDERS:
        (settings.jars / folder).rmdir()
    settings.jars.rmdir()
    assert check("jars", settings).fix == "make setup"


@pytest.mark.parametrize(
    ("folder", "engine"), [("kafka", "Kafka"), ("flink", "Flink"), ("spark", "Spark")]
)
def test_one_class_in_two_jars(settings: Settings, install: Path, folder: str, engine: str) -> None:
    assert is_well(check("class_paths", settings))
    write_jar(settings.jars / folder / "two.jar", **{f"{folder}/Main": "2"})
    finding = check("class_paths", settings)
    assert finding.status == "problem"
    assert finding.detail == (
        f"{engine}: one.jar and two.jar differ in 1 classes, such as {folder}/Main.class"
    )


def test_two_engines_may_have_a_class_each(settings: Settings, install: Path) -> None:
    write_jar(settings.jars / "kafka" / "two.jar", **{"flink/Main": "2"})
    assert is_well(check("class_paths", settings))


@pytest.mark.parametrize("name", ["module-info", "a/package-info", "META-INF/versions/9/a/B"])
def test_classes_that_every_jar_has_are_no_clash(
    settings: Settings, install: Path, name: str
) -> None:
    write_jar(settings.jars / "kafka" / "two.jar", **{name: "2"})
    write_jar(settings.jars / "kafka" / "three.jar", **{name: "3"})
    assert is_well(check("class_paths", settings))


def test_a_jar_cut_short_is_named(settings: Settings, install: Path) -> None:
    jar = settings.jars / "kafka" / "one.jar"
    jar.write_bytes(jar.read_bytes()[:40])
    finding = check("class_paths", settings)
    assert finding.status == "problem"
    assert str(jar) in finding.detail


def test_no_jars_for_flink(
    settings: Settings, install: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: Settings) -> list[Path]:
        raise UserError("the jars are missing", "make setup")

    monkeypatch.setattr(flink, "library_jars", missing)
    assert check("class_paths", settings) == Finding(
        "Class paths", "problem", "the jars are missing", "make setup"
    )


def test_a_stack_that_is_down_is_well(settings: Settings) -> None:
    assert check("processes", settings) == Finding("Stack", "ok", "down")


def test_a_stale_pid_file(settings: Settings) -> None:
    settings.run.mkdir(parents=True)
    (settings.run / "supervisord.pid").write_text(str(os.getpid()))
    finding = check("processes", settings)
    assert (finding.status, finding.fix) == ("warning", "lakehead up")


def test_processes_without_a_supervisor(settings: Settings) -> None:
    environment = os.environ | {HOME_VARIABLE: str(settings.home)}
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE) as left:
        finding = check("processes", settings)
        left.kill()
    assert finding.status == "problem"
    assert str(left.pid) in finding.detail
    assert finding.fix == "lakehead down"


def stand_in_supervisor(settings: Settings) -> "subprocess.Popen[bytes]":
    """A process that looks like this home's supervisord."""
    settings.run.mkdir(parents=True)
    command = [sys.executable, "-c", "input()", str(settings.run / "supervisord.conf")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    (settings.run / "supervisord.pid").write_text(str(process.pid))
    deadline = time.monotonic() + 10
    while check("processes", settings).status != "ok" and time.monotonic() < deadline:
        time.sleep(0.01)  # until the child has become the command
    return process


def test_a_port_held_by_another_and_by_this_stack(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        base = taken.getsockname()[1]
        settings = Settings(tmp_path, tmp_path, Tuning(port_base=base))
        finding = check("ports", settings)
        assert finding.status == "problem"
        assert f"{base} (kafka)" in finding.detail
        assert "--port-base" in finding.fix
        with stand_in_supervisor(settings) as supervisor:
            held = check("ports", settings)
            supervisor.kill()
        assert is_well(held)
        assert "held by this stack" in held.detail


@pytest.mark.parametrize(("base", "other"), [(19092, 20092), (63000, 64000), (64999, 63999)])
def test_the_ports_that_it_proposes_exist(base: int, other: int) -> None:
    assert preflight.other_base(base) == other


def test_parts_that_run_by_themselves_are_a_stack(settings: Settings) -> None:
    settings.run.mkdir(parents=True)
    with (settings.run / "kafka.held").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        found = check("processes", settings)
        assert is_well(found)
        assert found.detail == "up, each part by itself: kafka"
        assert "held by this stack" in check("ports", settings).detail
    assert check("processes", settings).detail == "down"


def test_little_memory_matters_only_to_a_stack_that_is_down(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = SimpleNamespace(available=1000 * 2**20)
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    finding = check("memory", settings)
    assert finding.status == "warning"
    assert finding.detail == "1,000 MB available, 2,560 wanted"
    with stand_in_supervisor(settings) as supervisor:
        up = check("memory", settings)
        supervisor.kill()
    assert is_well(up)


def test_little_disk_for_a_home_that_is_not_made_yet(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_well(check("disk", settings))
    usage = SimpleNamespace(free=10 * 2**20)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    finding = check("disk", settings)
    assert finding.status == "problem"
    assert finding.detail.startswith("10 MB free at")
    assert not settings.home.exists()
