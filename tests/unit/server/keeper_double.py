"""The tails' keeper over a topic that a test writes as a file, in Kafka's place.

Each line of ``HOME/topic`` is a record of partition 0; a file ``HOME/broken`` ends the process.

python keeper_double.py HOME PROJECT
"""

import os
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from lakehead.live.tails import Tails
from lakehead.live.topic import Record
from lakehead.server.keeper import Keeper, folder_of
from lakehead.settings import Settings, load_settings

APPENDED_MS = 1_767_229_200_000


class FileTopic:
    """Kafka's double."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._home = settings.home

    def _lines(self) -> list[bytes]:
        if (self._home / "broken").exists():
            os._exit(1)
        return (self._home / "topic").read_bytes().splitlines()

    def bounds(self) -> dict[int, tuple[int, int]]:
        return {0: (0, len(self._lines()))}

    def read(self, begin: Mapping[int, int], end: Mapping[int, int]) -> Iterator[list[Record]]:
        lines = self._lines()[begin[0] : end[0]]
        yield [Record(0, o, APPENDED_MS, v) for o, v in enumerate(lines, begin[0])]

    def ahead(self, begin: Mapping[int, int]) -> list[Record]:
        return [r for records in self.read(begin, self._ends()) for r in records]

    def _ends(self) -> dict[int, int]:
        return {p: end for p, (_, end) in self.bounds().items()}

    def close(self) -> None:
        pass


def main() -> None:
    settings = replace(load_settings(Path(sys.argv[1])), project=Path(sys.argv[2]))
    folder_of(settings).mkdir(parents=True, exist_ok=True)
    Keeper(settings, socket.socket(fileno=0), Tails(settings, topic=FileTopic)).serve()


if __name__ == "__main__":
    main()
