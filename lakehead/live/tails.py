"""The tails of all streams that are asked for."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lakehead.contracts.model import Contract
from lakehead.deadletters.codec import judge_of
from lakehead.errors import SystemFailure
from lakehead.live.tail import Limits, Tail, Upto
from lakehead.live.topic import KafkaTopic, Topic
from lakehead.settings import Settings
from lakehead.streams import registry

MakeTopic = Callable[[Settings, str], Topic]


@dataclass
class Asked:
    """A tail, and when it was asked for last: ``at``, and ``dead_at`` with the dead table.

    ``behind`` is how many offsets it had not taken in as that was looked at last.
    """

    tail: Tail
    at: float = field(default_factory=time.monotonic)
    dead_at: float = float("-inf")
    behind: int = 0


class Tails:
    """A `Source` that keeps what it has read, by stream. Threads may share it; close it after.

    ``limits`` are of each stream's tail. ``topic`` makes what records are read from: Kafka.
    """

    def __init__(
        self, settings: Settings, limits: Limits | None = None, topic: MakeTopic = KafkaTopic
    ) -> None:
        self._settings = settings
        self._limits = limits
        self._topic = topic
        self._lock = threading.Lock()
        self._asked: dict[str, Asked] = {}

    def upto(self, contract: Contract, fence: Mapping[int, int], with_dead: bool) -> Upto:
        if contract.encoding == "avro":
            # What cannot be decoded only because nobody says how is not dead.
            registry.probe(self._settings)
        try:
            return self._tail(contract, with_dead).upto(fence)
        except RuntimeError as error:
            # Confluent's client says so where a consumer was closed by another thread.
            text = f"the tail of {contract.stream} was begun anew meanwhile: {error}"
            raise SystemFailure(text, "run it again") from error

    def asked(self) -> dict[str, Asked]:
        """By stream."""
        with self._lock:
            return dict(self._asked)

    def drop(self, stream: str, since: float) -> None:
        """Forget a stream's tail, unless somebody has asked for it after ``since``."""
        with self._lock:
            if stream in self._asked and self._asked[stream].at <= since:
                self._asked.pop(stream).tail.close()

    def close(self) -> None:
        with self._lock:
            for asked in self._asked.values():
                asked.tail.close()
            self._asked = {}

    def _tail(self, contract: Contract, with_dead: bool) -> Tail:
        with self._lock:
            asked = self._asked.get(contract.stream)
            if asked is None or asked.tail.contract != contract:
                if asked is not None:
                    asked.tail.close()
                topic = self._topic(self._settings, contract.topic)
                judge = judge_of(self._settings, contract)
                asked = Asked(Tail(contract, judge, topic, self._limits))
                self._asked[contract.stream] = asked
            asked.at = time.monotonic()
            if with_dead:
                asked.dead_at = asked.at
            return asked.tail
