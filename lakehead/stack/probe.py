"""Whether something answers on loopback."""

import json
import socket
from http.client import HTTPException
from typing import Any
from urllib.request import ProxyHandler, build_opener

_TIMEOUT_SECONDS = 2
# No proxy, whatever the environment names: it would not reach this machine.
_DIRECT = build_opener(ProxyHandler({}))


def answer(url: str) -> Any:
    """What is said there in JSON; None where nothing is, or something else."""
    try:
        with _DIRECT.open(url, timeout=_TIMEOUT_SECONDS) as said:
            return json.load(said)
    except (OSError, HTTPException, ValueError):
        return None


def accepts(port: int) -> bool:
    """Whether a connection to the port is taken."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_SECONDS).close()
    except OSError:
        return False
    return True
