"""What must hold before a stack may start. Each failure has an error of its own."""

import shutil
import socket
import time

from lakehead.errors import UserError
from lakehead.settings import Settings

MINIMUM_DISK_MB = 1024
_UNFIT = set(" \t\r\n\"'\\#;%?*,:")


def check_home(settings: Settings) -> None:
    """Raises UserError when the home's path cannot stand in every part's configuration.

    It becomes an INI value of supervisord, a JDBC address of SQLite, a URI of Hadoop, and a
    property of Kafka, which is read as Latin-1.
    """
    if strange := sorted(c for c in set(str(settings.home)) if c in _UNFIT or not c.isascii()):
        raise UserError(
            f"the home {str(settings.home)!r} has {' '.join(map(repr, strange))} in its path, "
            "which a part's configuration cannot hold",
            "choose another with --home or LAKEHEAD_HOME",
        )


def check_disk(settings: Settings) -> None:
    """Raises UserError when the home cannot be written or its disk is nearly full."""
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        probe = settings.home / ".writable"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"the home {settings.home} cannot be written: {error.strerror}",
            "choose another with --home or LAKEHEAD_HOME",
        ) from error
    free = shutil.disk_usage(settings.home).free // 2**20
    if free < MINIMUM_DISK_MB:
        raise UserError(
            f"{settings.home} has {free} MB of disk left, expected {MINIMUM_DISK_MB} MB or more",
            "free some, or choose another disk with --home",
        )


def check_jars(settings: Settings) -> None:
    """Raises UserError when the jars were not fetched."""
    for group in ("kafka", "flink"):
        if not any((settings.jars / group).glob("*.jar")):
            raise UserError(f"the jars are missing from {settings.jars / group}", "make setup")


def check_ports(settings: Settings, patience_seconds: float = 0) -> None:
    """Wait until all ports are free.

    Raises:
        UserError: some are taken after ``patience_seconds``; names them.
    """
    end = time.monotonic() + patience_seconds
    while taken := _taken(settings):
        if time.monotonic() < end:
            time.sleep(0.1)
            continue
        other = other_base(settings.tuning.port_base)
        raise UserError(
            f"ports on 127.0.0.1 are taken: {', '.join(taken)}",
            f"lakehead up --port-base {other}, or stop what listens there (ss -ltnp)",
        )


def _taken(settings: Settings) -> list[str]:
    return [f"{port} ({name})" for name, port in settings.ports.all().items() if not is_free(port)]


def other_base(base: int) -> int:
    """A port base that is far from ``base``, and that can be."""
    return base + 1000 if base <= 64_000 else base - 1000


def check_port(settings: Settings, name: str) -> None:
    """Raises UserError when the port of a part that joins a running stack is taken."""
    port = settings.ports.all()[name]
    if not is_free(port):
        raise UserError(
            f"the port {port} on 127.0.0.1, for the {name}, is taken",
            f"stop what listens there (ss -ltnp | grep {port})",
        )


def is_free(port: int) -> bool:
    """Whether a listener could bind ``port`` on loopback now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
        return True
