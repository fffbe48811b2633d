"""Whether something answers on loopback."""

import json
import socket
import urllib.request
from typing import Any

_TIMEOUT_SECONDS = 2


def answer(url: str) -> Any:
    """What is said there in JSON; None where nothing is."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as said:
            return json.load(said)
    except (OSError, ValueError):
        return None


def accepts(port: int) -> bool:
    """Whether a connection to the port is taken."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_SECONDS).close()
    except OSError:
        return False
    return True
