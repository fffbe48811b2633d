"""The process that keeps tails warm for the workers, which never talk to Kafka themselves.

Over the socket that is its standard input it is asked for a stream's tail from a fence on. It asks
Kafka for the end, writes the rows to a file of the home, and answers with the file's name.

python -m lakehead.server.keeper HOME PROJECT
"""

import itertools
import logging
import os
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import msgspec

from lakehead.contracts.applied import contract_in_force
from lakehead.errors import LakeheadError, UserError
from lakehead.live import handed
from lakehead.live.tail import Rows
from lakehead.live.tails import Tails
from lakehead.live.topic import KafkaTopic
from lakehead.live.warm import Warmer
from lakehead.server import wire
from lakehead.settings import Settings, load_settings

_THREADS = 8
_FILES = "tails"


def folder_of(settings: Settings) -> Path:
    """Where files are handed over; each is removed by the server once its worker has it."""
    return settings.home / "cache" / _FILES


class Keeper:
    """Answers what the server asks, each in a thread, until the server hangs up."""

    def __init__(self, settings: Settings, server: socket.socket, tails: Tails) -> None:
        self._settings = settings
        self._server = server
        self._tails = tails
        self._warmer = Warmer(settings, tails)
        self._sending = threading.Lock()
        self._numbers = itertools.count(1)

    def serve(self) -> None:
        self._warmer.start()
        with ThreadPoolExecutor(_THREADS) as threads:
            while (body := wire.received(self._server)) is not None:
                threads.submit(self._answer, msgspec.msgpack.decode(body, type=wire.KeeperAsk))
        self._warmer.close()
        self._tails.close()

    def _answer(self, asked: wire.KeeperAsk) -> None:
        if asked.tail is None:
            said = wire.KeeperSaid(asked.id, sizes=self._sizes())
        else:
            said = wire.KeeperSaid(asked.id, tail=self._given(asked.tail))
        with self._sending:
            self._server.sendall(wire.packed(wire.TAIL, said))

    def _given(self, ask: wire.TailAsk) -> wire.TailGiven:
        try:
            contract = contract_in_force(self._settings, ask.stream)
            found = self._tails.upto(contract, ask.fence, ask.with_dead)
            rows = found.rows
            if not ask.with_dead:
                rows = Rows(rows.landed, rows.dead.slice(0, 0))
            path = folder_of(self._settings) / f"{os.getpid()}-{next(self._numbers)}"
            handed.write(path, rows)
            return wire.TailGiven(str(path), dict(found.bounds))
        except LakeheadError as error:
            kind = "user" if isinstance(error, UserError) else "system"
            return wire.TailGiven(failure=wire.Failure(kind, error.message, error.hint))
        except Exception as error:
            logging.getLogger("lakehead.server").exception("a tail cannot be given")
            text = f"{type(error).__name__}: {error}"
            return wire.TailGiven(failure=wire.Failure("system", text))

    def _sizes(self) -> list[wire.TailSize]:
        found = []
        for stream, asked in self._tails.asked().items():
            size = asked.tail.size()
            found.append(wire.TailSize(stream, size.records, size.bytes, asked.behind))
        return found


def main() -> None:
    home, project = sys.argv[1:]
    settings = replace(load_settings(Path(home)), project=Path(project))
    folder = folder_of(settings)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    server = socket.socket(fileno=0)
    Keeper(settings, server, Tails(settings, topic=KafkaTopic)).serve()


if __name__ == "__main__":
    main()
