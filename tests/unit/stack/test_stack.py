import configparser
import os
import socket
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from fake_jars import jar

from lakehead.errors import UserError
from lakehead.settings import Ports, Settings, Tuning
from lakehead.stack import doctor, flink, jars, kafka, preflight
from lakehead.stack.java import java_major
from lakehead.stack.supervisor import (
    HOME_VARIABLE,
    Program,
    Supervisor,
    end_processes,
    leftover_processes,
)


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, project=tmp_path)


def test_kafka_listens_on_loopback_alone(home: Settings) -> None:
    text = kafka.server_properties(home)
    listeners = [line for line in text.splitlines() if "listeners=" in line]
    assert listeners
    assert all("127.0.0.1:" in line and "0.0.0.0" not in line for line in listeners)


def test_flink_listens_on_loopback_alone(home: Settings) -> None:
    config = flink.configuration(home)
    bound = [k for k in config if k.endswith(("bind-host", "bind-address", "host", ".address"))]
    assert {config[k] for k in bound} == {"127.0.0.1"}
    assert len(bound) >= 5


def test_supervisor_configuration_survives_hostile_paths(tmp_path: Path) -> None:
    home = Settings(home=tmp_path / 'a %b "c"', project=tmp_path)
    program = Program("p", ["/bin/echo", "100%", 'say "x"'], {"KEY": "50% of, it"})
    text = Supervisor(home)._configuration([program])
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    command = parser["program:p"]["command"]
    assert command == r'"/bin/echo" "100%%" "say \"x\""'
    assert 'KEY="50%% of, it"' in parser["program:p"]["environment"]


def test_a_long_home_has_its_socket_elsewhere(tmp_path: Path) -> None:
    short = Supervisor(Settings(home=Path("/tmp/h"), project=tmp_path))._socket()
    assert short == Path("/tmp/h/run/supervisor.sock")
    long = Supervisor(Settings(home=Path("/tmp") / ("x" * 120), project=tmp_path))._socket()
    assert len(str(long)) < 108
    assert long.parent.stat().st_mode & 0o077 == 0


def test_a_stale_pid_file_counts_for_nothing(home: Settings) -> None:
    home.run.mkdir()
    (home.run / "supervisord.pid").write_text(str(os.getpid()))
    assert Supervisor(home).pid is None
    assert Supervisor(home).states() == []


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        base = taken.getsockname()[1]
        settings = Settings(tmp_path, tmp_path, Tuning(port_base=base))
        with pytest.raises(UserError, match=rf"{base} \(kafka\)"):
            preflight.check_ports(settings)


def test_a_full_disk_is_named(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "MINIMUM_DISK_MB", 10**12)
    with pytest.raises(UserError, match="MB of disk left"):
        preflight.check_disk(home)


@pytest.mark.parametrize("name", ["a b", "50%", 'say "x"', "a#b", "a;b", "a?b", "a\\b", "a\nb"])
def test_a_home_that_a_configuration_cannot_hold_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="in its path"):
        preflight.check_home(Settings(tmp_path / name, tmp_path))


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        preflight.check_disk(Settings(tmp_path / "file" / "home", tmp_path))


@pytest.mark.parametrize(
    ("says", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_402"', 8),
        ('openjdk version "21" 2023-09-19', 21),
        ("command not understood", 0),
    ],
)
def test_java_versions(tmp_path: Path, says: str, major: int) -> None:
    java = tmp_path / "java"
    java.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    java.chmod(0o755)
    assert java_major(java) == major


def test_clashes_are_classes_of_one_name_that_differ(tmp_path: Path) -> None:
    a = jar(tmp_path / "a.jar", X="1", Same="s")
    b = jar(tmp_path / "b.jar", X="2", Same="s")
    [clash] = jars.clashes([a, b])
    assert clash == "a.jar and b.jar differ in 1 classes, such as X.class"
    assert jars.clashes([a]) == []


def test_the_lock_finds_missing_extra_and_changed_jars(tmp_path: Path) -> None:
    good, changed = jar(tmp_path / "k" / "good.jar", A="1"), jar(tmp_path / "k" / "new.jar", A="2")
    jar(tmp_path / "k" / "extra.jar", A="3")
    jar(tmp_path / "k" / "lakehead-safe-format.jar", A="4")
    lock = tmp_path / "jars.lock"
    lines = [
        f"{sha256(good.read_bytes()).hexdigest()}  k/good.jar",
        f"{'0' * 64}  k/{changed.name}",
        f"{'0' * 64}  k/gone.jar",
    ]
    lock.write_text("\n".join(lines) + "\n")
    assert jars.check_lock(tmp_path, lock) == [
        "k/gone.jar is missing",
        "k/extra.jar is not in the lock",
        "k/new.jar has another checksum than the lock",
    ]


def test_processes_of_a_home_are_found_and_ended(tmp_path: Path) -> None:
    environment = os.environ | {HOME_VARIABLE: str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", "input()"], env=environment, stdin=-1) as child:
        found = leftover_processes(tmp_path)
        assert [p.pid for p in found] == [child.pid]
        end_processes(found)
        child.wait(10)
    assert leftover_processes(tmp_path) == []


def test_doctor_has_a_word_on_everything(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "clashes", lambda _: [])  # reads every jar there is
    monkeypatch.setattr(jars, "check_lock", lambda *_: [])
    findings = doctor.examine(home)
    assert [f.name for f in findings] == [
        "Python",
        "Java",
        "Python packages",
        "Jars",
        "Class paths",
        "Stack",
        "Schema registry",
        "Ports",
        "Memory",
        "Disk",
    ]
    assert all(f.fix for f in findings if f.status != "ok")


def test_ports_count_up_from_their_base() -> None:
    ports = Ports(100)
    assert (ports.kafka, ports.flink_rest) == (100, 102)
    assert len(set(ports.all().values())) == 11
    with pytest.raises(AttributeError):
        _ = ports.nothing
