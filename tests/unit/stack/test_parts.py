"""Settings of the parts, and what is looked at before they start."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fake_jars import jar

from lakehead.errors import UserError
from lakehead.settings import INSTALL_ROOT, Settings, Tuning
from lakehead.stack import doctor, flink, jars, kafka, preflight
from lakehead.stack.java import java_home, java_major
from lakehead.stack.supervisor import HOME_VARIABLE, end_processes, leftover_processes


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, project=tmp_path)


def properties(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


# Kafka


def test_every_address_of_kafka_is_loopback_and_of_the_port_base(tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path, Tuning(port_base=30_000))
    found = properties(kafka.server_properties(settings))
    assert found["listeners"] == "PLAINTEXT://127.0.0.1:30000,CONTROLLER://127.0.0.1:30001"
    assert found["advertised.listeners"] == "PLAINTEXT://127.0.0.1:30000"
    assert found["controller.quorum.voters"] == "1@127.0.0.1:30001"


def test_kafka_makes_no_topic_that_was_only_mistyped(home: Settings) -> None:
    assert properties(kafka.server_properties(home))["auto.create.topics.enable"] == "false"


def test_kafka_keeps_its_data_in_the_home(home: Settings) -> None:
    data = Path(properties(kafka.server_properties(home))["log.dirs"])
    assert data.is_relative_to(home.home)


def test_kafka_is_not_formatted_twice(home: Settings) -> None:
    (home.kafka / "data").mkdir(parents=True)
    (home.kafka / "data" / "meta.properties").touch()
    kafka.prepare(home, Path("no-java-here"))
    assert (home.kafka / "server.properties").exists()


def test_the_cluster_id_belongs_to_the_home(tmp_path: Path) -> None:
    one, two = (kafka._cluster_id(Settings(tmp_path / n, tmp_path)) for n in "ab")
    assert one != two
    assert len(one) == len(two) == 22


def test_the_heap_of_kafka_is_that_of_the_settings(tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path, Tuning(kafka_heap_mb=777))
    assert "-Xmx777m" in kafka.command(settings, Path("java"))


# Flink


def test_every_host_and_address_of_flink_is_loopback(home: Settings) -> None:
    config = flink.configuration(home)
    hosts = {k: v for k, v in config.items() if k.endswith(("host", "address"))}
    assert set(hosts.values()) == {"127.0.0.1"}
    assert {"rest.bind-address", "jobmanager.bind-host", "taskmanager.bind-host"} <= set(hosts)


def test_the_ports_of_flink_are_those_of_the_stack(tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path, Tuning(port_base=30_000))
    config = flink.configuration(settings)
    found = {v for k, v in config.items() if k.endswith(".port")}
    assert found == set(settings.ports.all().values()) - {
        *(30_000, 30_001),
        *range(30_007, 30_011),
    }


def test_nothing_is_submitted_or_cancelled_in_the_web_page(home: Settings) -> None:
    config = flink.configuration(home)
    assert config["web.submit.enable"] is False
    assert config["web.cancel.enable"] is False


def test_the_configuration_is_yaml_that_comes_back(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "a: b #c", tmp_path)
    config = flink.configuration(settings)
    assert yaml.safe_load(yaml.safe_dump(config, width=10_000)) == config


@pytest.mark.parametrize("size", [2048, 2560, 4096])
def test_the_taskmanager_uses_the_whole_of_its_size(size: int) -> None:
    memory = flink._taskmanager_memory(Tuning(taskmanager_mb=size))
    parts = [v for k, v in memory.items() if k.endswith((".size", ".max"))]
    assert sum(int(str(p).removesuffix("m")) for p in parts) == size


@pytest.mark.parametrize("size", [768, 1024, 4096])
def test_the_jobmanager_fits_its_size(size: int) -> None:
    heap = flink.jobmanager_heap_mb(Tuning(jobmanager_mb=size))
    assert 256 <= heap < size - flink._METASPACE_MB


def test_a_class_path_is_the_links_of_the_jars_and_no_others(tmp_path: Path) -> None:
    jar, other = tmp_path / "a.jar", tmp_path / "sub" / "a.jar"
    other.parent.mkdir()
    for path in (jar, other):
        path.touch()
    folder = tmp_path / "lib"
    flink._link(folder, [jar])
    (folder / "old.jar").symlink_to(jar)
    flink._link(folder, [other])
    assert {p.name: os.readlink(p) for p in folder.iterdir()} == {"a.jar": str(other)}


# Before a start


def test_every_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        base = one.getsockname()[1] - 2
        settings = Settings(tmp_path, tmp_path, Tuning(port_base=base))
        with pytest.raises(UserError, match=rf"{base + 2} \(flink_rest\)") as caught:
            preflight.check_ports(settings)
    assert f"--port-base {base + 1000}" in caught.value.hint


def test_a_port_is_free_again_when_its_listener_has_closed() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        port = one.getsockname()[1]
        assert not preflight.is_free(port)
    assert preflight.is_free(port)


def test_ports_of_a_process_that_dies_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([["1 (kafka)"], ["1 (kafka)"], []])
    monkeypatch.setattr(preflight, "_taken", lambda settings: next(looks))
    preflight.check_ports(Settings(tmp_path, tmp_path), patience_seconds=60)
    assert next(looks, None) is None


@pytest.mark.parametrize("port", [65_536, 70_000])
def test_a_port_that_cannot_be_is_not_free(port: int) -> None:
    assert not preflight.is_free(port)


def test_a_hint_never_names_a_port_base_that_cannot_be() -> None:
    with socket.socket() as one:
        for base in range(64_500, 64_900):
            try:
                one.bind(("127.0.0.1", base))
                break
            except OSError:
                continue
        one.listen()
        settings = Settings(Path("h"), Path("p"), Tuning(port_base=base))
        with pytest.raises(UserError) as caught:
            preflight.check_ports(settings)
    suggested = int(caught.value.hint.split("--port-base ")[1].split(",")[0])
    assert 1024 <= suggested <= 65_000


def test_a_disk_check_leaves_nothing_behind(home: Settings) -> None:
    preflight.check_disk(home)
    assert list(home.home.iterdir()) == []


def test_missing_jars_are_named(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "jars", property(lambda s: s.home / "jars"))
    with pytest.raises(UserError, match="jars are missing") as caught:
        preflight.check_jars(home)
    assert caught.value.hint == "make setup"


# Java


def java(folder: Path, says: str) -> Path:
    """A ``java`` that only states its version."""
    binary = folder / "bin" / "java"
    binary.parent.mkdir(parents=True)
    binary.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    binary.chmod(0o755)
    return binary


@pytest.mark.parametrize(
    ("says", "major"),
    [
        ('openjdk version "17" 2021-09-14', 17),
        ('openjdk version "17-ea" 2021-09-14', 17),
        ('java version "1.7.0_80"', 7),
        ('openjdk version "24.0.1" 2025-04-15', 24),
        ('Picked up _JAVA_OPTIONS: -Xmx1g\nopenjdk version "21.0.7" 2025-04-15', 21),
        ("version 17", 0),
        ("", 0),
    ],
)
def test_java_states_its_version_in_many_ways(tmp_path: Path, says: str, major: int) -> None:
    assert java_major(java(tmp_path, says)) == major


def test_a_file_that_does_not_run_is_no_java(tmp_path: Path) -> None:
    binary = tmp_path / "java"
    binary.write_bytes(b"\0 not a program")
    binary.chmod(0o755)
    assert java_major(binary) == 0
    binary.chmod(0o644)
    assert java_major(binary) == 0


def test_java_home_is_that_of_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java(tmp_path, 'openjdk version "17.0.15"')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert java_home() == tmp_path


def test_java_home_is_that_of_the_path_with_links_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = java(tmp_path / "jdk", 'openjdk version "21"')
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "java").symlink_to(binary)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:{os.environ['PATH']}")
    assert java_home() == tmp_path / "jdk"


def test_an_old_java_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java(tmp_path, 'java version "1.8.0_402"')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(UserError, match="is Java 8, expected 17"):
        java_home()


def test_a_java_home_without_java_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(UserError, match="has no bin/java"):
        java_home()


def test_no_java_at_all_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="Java is missing") as caught:
        java_home()
    assert "JAVA_HOME" in caught.value.hint


# Jars


def test_a_lock_that_fits_finds_nothing(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("")
    assert jars.check_lock(tmp_path, tmp_path / "lock") == []


def test_equal_copies_of_a_class_do_not_clash(tmp_path: Path) -> None:
    pair = [jar(tmp_path / f"{n}.jar", X="same") for n in "ab"]
    assert jars.clashes(pair) == []


def test_three_jars_that_differ_are_named_together(tmp_path: Path) -> None:
    three = [jar(tmp_path / f"{n}.jar", X=n) for n in "abc"]
    assert jars.clashes(three) == ["a.jar and b.jar and c.jar differ in 1 classes, such as X.class"]


def test_descriptors_of_modules_and_versions_do_not_clash(tmp_path: Path) -> None:
    names = ("module-info", "META-INF/versions/9/X", "p/package-info")
    pair = [jar(tmp_path / f"{n}.jar", **dict.fromkeys(names, n)) for n in "ab"]
    assert jars.clashes(pair) == []


def test_pairs_that_are_known_to_be_harmless_are_passed_over(tmp_path: Path) -> None:
    pair = [jar(tmp_path / f"{n}.jar", X=n) for n in ("hive-common-2.3.10", "hive-storage-api-2.8")]
    assert jars.clashes(pair) == []


def test_a_jar_beside_a_known_pair_still_clashes(tmp_path: Path) -> None:
    names = ("hive-common-2.3.10", "hive-storage-api-2.8", "other")
    assert len(jars.clashes([jar(tmp_path / f"{n}.jar", X=n) for n in names])) == 1


def test_the_lock_of_the_project_is_readable() -> None:
    lines = (INSTALL_ROOT / "jvm" / "jars.lock").read_text().splitlines()
    assert all(len(line.split("  ")[0]) == 64 for line in lines)


# Processes


def test_a_process_of_another_home_is_left_alone(tmp_path: Path) -> None:
    environment = os.environ | {HOME_VARIABLE: str(tmp_path / "other")}
    with subprocess.Popen([sys.executable, "-c", "input()"], env=environment, stdin=-1) as child:
        try:
            assert leftover_processes(tmp_path) == []
        finally:
            child.kill()


def test_a_process_that_ignores_the_polite_signal_is_killed(tmp_path: Path) -> None:
    code = (
        "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); "
        "sys.stdin.read()"
    )
    environment = os.environ | {HOME_VARIABLE: str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdin=-1, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout
        child.stdout.readline()
        [process] = leftover_processes(tmp_path)
        end_processes([process], grace_seconds=0.2)
        child.wait(10)
    assert process.returncode == -signal.SIGKILL  # type: ignore[attr-defined]


def test_ending_nothing_is_no_trouble() -> None:
    end_processes([])


# The doctor


def test_doctor_names_a_stale_pid_file(home: Settings) -> None:
    home.run.mkdir()
    (home.run / "supervisord.pid").write_text("99999999")
    assert doctor._processes(home).status == "warning"


def test_doctor_names_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        port = one.getsockname()[1]
        finding = doctor._ports(Settings(tmp_path, tmp_path, Tuning(port_base=port)))
    assert finding.status == "problem"
    assert f"{port} (kafka)" in finding.detail


def test_doctor_looks_at_the_disk_of_a_home_that_is_not_there_yet(tmp_path: Path) -> None:
    finding = doctor._disk(Settings(tmp_path / "not" / "yet", tmp_path))
    assert str(tmp_path) in finding.detail
    assert list(tmp_path.iterdir()) == []


def test_doctor_has_a_hint_for_a_missing_java(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(home.home))
    finding = doctor._java(home)
    assert finding.status == "problem"
    assert finding.fix
