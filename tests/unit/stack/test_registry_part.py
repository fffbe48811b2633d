"""The schema registry as a part of a stack: only where wanted, fetched once, checked."""

import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from lakehead.cli.stack import _with_extras
from lakehead.errors import SystemFailure, UserError
from lakehead.settings import Settings, Tuning
from lakehead.stack import doctor, lifecycle, registry

JAVA = Path("/java")


@pytest.fixture
def plain(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "home", tmp_path)


@pytest.fixture
def wanted(plain: Settings) -> Settings:
    return replace(plain, tuning=Tuning(extras=("registry",)))


@pytest.fixture
def jvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock of an archive, a folder to install it to, and an ``mvn`` that delivers it."""
    folder = tmp_path / "jvm"
    delivered = folder / "registry" / "target" / "dependency"
    (folder / "registry").mkdir(parents=True)
    runner = tmp_path / "app-1-runner.jar"
    runner.write_text("runner")
    archive = tmp_path / "app-1-all.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(runner, runner.name)
    lock = folder / "registry.lock"
    lock.write_text(f"{registry._checksum(archive)}  {archive.name}\n")
    maven = tmp_path / "bin" / "mvn"
    maven.parent.mkdir()
    maven.write_text(
        "#!/bin/sh\nprintf 'Progress (1): 5.5/109 MB\\rProgress (1): 109 MB\\r\\n'\n"
        f"mkdir -p {delivered} && cp {archive} {delivered}\n"
    )
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{maven.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(registry, "_JVM", folder)
    monkeypatch.setattr(registry, "_LOCK", lock)
    monkeypatch.setattr(registry, "_APP", folder / "target" / "registry")
    return folder


def test_it_is_supervised_only_where_wanted(
    plain: Settings, wanted: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle.flink, "library_jars", lambda _: [])
    names = [p.name for p in lifecycle.programs(plain, JAVA)]
    assert "registry" not in names
    assert [p.name for p in lifecycle.programs(wanted, JAVA)] == ["kafka", "registry", *names[1:]]


def test_it_listens_on_loopback_and_writes_into_the_home(wanted: Settings) -> None:
    words = registry.command(wanted, JAVA)
    assert "-Dquarkus.http.host=127.0.0.1" in words
    assert f"-Dquarkus.http.port={wanted.ports.registry}" in words
    folder = wanted.home / "registry"
    assert f"-Dapicurio.datasource.url=jdbc:h2:file:{folder}/schemas;WRITE_DELAY=0" in words
    assert f"-Djava.io.tmpdir={folder}/tmp" in words


def test_extras_are_added_and_taken_off(plain: Settings) -> None:
    one = _with_extras(plain, ["registry", "registry"], [])
    assert one.tuning.extras == ("registry",)
    assert _with_extras(one, [], []).tuning.extras == ("registry",)
    assert _with_extras(one, [], ["registry"]).tuning.extras == ()
    assert _with_extras(plain, [], ["registry"]).tuning.extras == ()


def test_extras_that_cannot_be(plain: Settings) -> None:
    with pytest.raises(UserError, match="there is no part 'spark'"):
        _with_extras(plain, ["spark"], [])
    with pytest.raises(UserError, match="both --with and --without registry"):
        _with_extras(plain, ["registry"], ["registry"])


def test_it_is_fetched_once(wanted: Settings, jvm: Path) -> None:
    said: list[str] = []
    registry.prepare(wanted, said.append)
    title = "fetching the schema registry, once (109 MB)"
    assert said == [
        title,
        f"{title}: 5.5/109 MB",
        f"{title}: 109 MB",
        "unpacking the schema registry",
    ]
    assert (jvm / "target" / "registry" / "app-1-runner.jar").read_text() == "runner"
    assert not (jvm / "registry" / "target").exists()
    registry.prepare(wanted, said.append)
    assert len(said) == 4


def test_another_version_replaces_the_old(wanted: Settings, jvm: Path) -> None:
    old = jvm / "target" / "registry" / "app-0-runner.jar"
    old.parent.mkdir(parents=True)
    old.write_text("old")
    assert not registry.installed()
    registry.prepare(wanted, print)
    assert [p.name for p in old.parent.iterdir()] == ["app-1-runner.jar"]


def test_another_checksum_is_refused(wanted: Settings, jvm: Path) -> None:
    (jvm / "registry.lock").write_text(f"{'0' * 64}  app-1-all.tar.gz\n")
    with pytest.raises(SystemFailure, match="has the checksum"):
        registry.prepare(wanted, print)
    assert not registry.installed()


def test_a_download_that_fails_says_why(wanted: Settings, jvm: Path) -> None:
    maven = jvm.parent / "bin" / "mvn"
    maven.write_text("#!/bin/sh\necho '[ERROR] no route to host'\nexit 1\n")
    with pytest.raises(UserError, match=r"cannot be fetched: .*no route to host") as caught:
        registry.prepare(wanted, print)
    assert caught.value.hint
    assert not registry.installed()


def test_doctor_tells_what_is_wanted_and_there(
    plain: Settings, wanted: Settings, jvm: Path
) -> None:
    assert doctor._registry(plain).detail == "not wanted"
    assert doctor._registry(wanted).status == "warning"
    registry.prepare(wanted, print)
    assert doctor._registry(wanted).detail == "fetched, down"


def test_the_version_is_said_once() -> None:
    """The lock names the archive of the version in ``jvm/pom.xml``."""
    pom = (registry._JVM / "pom.xml").read_text()
    version = pom.split("<apicurio.version>")[1].split("<")[0]
    assert registry._locked()[1] == f"apicurio-registry-app-{version}-all.tar.gz"
