"""The schema registry: Apicurio, with its schemas in a database file of the home.

It runs only where the home wants it. It is fetched the first time that is so, since it is 109 MB.
"""

import hashlib
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

from lakehead.errors import SystemFailure, UserError
from lakehead.files import locked
from lakehead.settings import INSTALL_ROOT, Settings

NAME = "registry"
SIZE_MB = 109
_JVM = INSTALL_ROOT / "jvm"
_APP = _JVM / "target" / "registry"
_LOCK = _JVM / "registry.lock"
_HEAP_MB = 192
_METASPACE_MB = 160
_PROGRESS = re.compile(r"Progress \(\d+\): ([\d./]+ ?[kM]B)")
Say = Callable[[str], None]


def command(settings: Settings, java: Path) -> list[str]:
    """The registry's command line.

    A new schema of a subject must be able to read what all its earlier ones wrote, since a topic
    holds records of all of them. ``WRITE_DELAY=0``: an id that was given out survives a kill.
    """
    folder = settings.registry
    options = {
        "java.io.tmpdir": folder / "tmp",
        "quarkus.http.host": "127.0.0.1",
        "quarkus.http.port": settings.ports.registry,
        "quarkus.http.cors": "false",
        "quarkus.http.access-log.enabled": "false",
        "quarkus.log.console.format": "%d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %c - %m%n",
        "apicurio.storage.kind": "sql",
        "apicurio.storage.sql.kind": "h2",
        "apicurio.datasource.url": f"jdbc:h2:file:{folder / 'schemas'};WRITE_DELAY=0",
        "apicurio.datasource.jdbc.initial-size": 1,
        "apicurio.datasource.jdbc.min-size": 1,
        "apicurio.datasource.jdbc.max-size": 8,
        "apicurio.import.work-dir": folder / "tmp",
        "apicurio.rules.global.compatibility": "BACKWARD_TRANSITIVE",
    }
    return [
        str(java / "bin" / "java"),
        f"-Xmx{_HEAP_MB}m",
        f"-Xms{_HEAP_MB // 4}m",
        f"-XX:MaxMetaspaceSize={_METASPACE_MB}m",
        "-XX:+UseSerialGC",
        # It serves a schema now and then: a fast start is worth more than fast code.
        "-XX:TieredStopAtLevel=1",
        *(f"-D{key}={value}" for key, value in options.items()),
        "-jar",
        str(_APP / _runner()),
    ]


def prepare(settings: Settings, say: Say) -> None:
    """Fetch the registry if it is not there yet, and make its folders.

    Raises:
        UserError: Maven is missing, or the download failed.
        SystemFailure: what was downloaded is not what ``jvm/registry.lock`` says.
    """
    (settings.registry / "tmp").mkdir(parents=True, exist_ok=True)
    if installed():
        return
    # Two homes that want it at once take turns.
    with locked(_APP.with_suffix(".lock")):
        if not installed():
            _install(say)


def installed() -> bool:
    """Whether the version that ``jvm/registry.lock`` names is there, whole."""
    return (_APP / _runner()).exists()


def _install(say: Say) -> None:
    checksum, name = _locked()
    folder = _JVM / "registry" / "target"
    part = _APP.with_suffix(".part")
    try:
        _download(say)
        say("unpacking the schema registry")
        archive = folder / "dependency" / name
        found = _checksum(archive)
        if found != checksum:
            raise SystemFailure(
                f"{name} has the checksum {found}, {_LOCK} says {checksum}", "lakehead doctor"
            )
        shutil.rmtree(part, ignore_errors=True)
        with tarfile.open(archive) as tar:
            tar.extractall(part)
        shutil.rmtree(_APP, ignore_errors=True)
        part.rename(_APP)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def _download(say: Say) -> None:
    if shutil.which("mvn") is None:
        raise UserError("Maven, which fetches the schema registry, is missing", "make setup")
    title = f"fetching the schema registry, once ({SIZE_MB} MB)"
    say(title)
    fetch = ["mvn", "-f", str(_JVM / "registry" / "pom.xml"), "-B", "package"]
    with subprocess.Popen(
        fetch,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as maven:
        assert maven.stdout
        errors = []
        # Carriage returns, with which Maven shows how far it is, count as line ends here.
        for line in maven.stdout:
            if progress := _PROGRESS.search(line):
                say(f"{title}: {progress[1]}")
            if "ERROR" in line:
                errors.append(line.strip())
    if maven.returncode != 0:
        reason = errors[0] if errors else f"Maven gave {maven.returncode}"
        raise UserError(
            f"the schema registry cannot be fetched: {reason[:500]}",
            "look at the network, or start without: lakehead up --without registry",
        )


def _runner() -> str:
    return _locked()[1].replace("-all.tar.gz", "-runner.jar")


def _locked() -> tuple[str, str]:
    checksum, name = _LOCK.read_text().split()
    return checksum, name


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
