"""Tails that are kept decoded, so that who asks next finds them so.

A thread takes in records as they come, and looks every second which of them the lake has by now.
It changes nothing in what an answer is made of: each answer reads its own snapshots, fences them
and asks for its own end (`rows.make_live`). What is warm is only there already.

A stream is kept warm while it is asked for, and some minutes longer. Of a tail's limits the thread
takes half; where a stream's job is further behind, the rest is read by who asks.
"""

import logging
import threading
import time
from typing import TYPE_CHECKING

from lakehead.contracts.model import Contract
from lakehead.errors import LakeheadError
from lakehead.lake.snapshots import again_where_gone, list_tables, table_states
from lakehead.live.rows import fenced, lowest
from lakehead.live.tails import Asked, Tails
from lakehead.proof.evidence import LEDGER
from lakehead.query.engine import connect
from lakehead.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

WARM_SECONDS = 300.0
_FENCE_SECONDS = 1.0
# Between two looks at what has come; also after a look that found much, so that others have a turn.
_PAUSE_SECONDS = 0.02
# After a failure, and after a tail that grew too long to be kept.
_AGAIN_SECONDS = 5.0
log = logging.getLogger("lakehead.live")


class Warmer:
    """Keeps the tails that were asked for warm, until it is closed."""

    def __init__(self, settings: Settings, tails: Tails) -> None:
        self._settings = settings
        self._tails = tails
        self._con: DuckDBPyConnection | None = None
        self._stop = threading.Event()
        # By stream: when its fence is looked for next, and until when it is left alone.
        self._fence_at: dict[str, float] = {}
        self._again_at: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, name="warm", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def round(self) -> None:
        """Look at each stream once."""
        for stream, asked in self._tails.asked().items():
            self._one(stream, asked)

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._con is not None:
            self._con.close()

    def _run(self) -> None:
        while not self._stop.wait(_PAUSE_SECONDS):
            self.round()

    def _one(self, stream: str, asked: Asked) -> None:
        now = time.monotonic()
        if now - asked.at > WARM_SECONDS:
            self._tails.drop(stream, now - WARM_SECONDS)
            return
        if now < self._again_at.get(stream, now):
            return
        try:
            asked.tail.ahead()
            if now >= self._fence_at.get(stream, now):
                self._settle(asked, now)
                self._fence_at[stream] = time.monotonic() + _FENCE_SECONDS
        except LakeheadError as error:
            # Whoever asks is told.
            log.info("the tail of %s is not kept warm: %s", stream, error.message)
            self._again_at[stream] = time.monotonic() + _AGAIN_SECONDS
        except RuntimeError:
            # The consumer was closed: another contract is in force.
            self._again_at[stream] = time.monotonic() + _FENCE_SECONDS

    def _settle(self, asked: Asked, now: float) -> None:
        if self._con is None:
            self._con = connect(self._settings, {})
        tail = asked.tail
        with_dead = now - asked.dead_at <= WARM_SECONDS
        tail.settle(fence_now(self._con, self._settings, tail.contract, with_dead))
        asked.behind = tail.behind({p: high for p, (_, high) in tail.topic.bounds().items()})


def fence_now(
    con: "DuckDBPyConnection", settings: Settings, contract: Contract, with_dead: bool
) -> dict[int, int]:
    """Where the tail of a stream begins, by the newest snapshots."""

    def found() -> dict[int, int]:
        wanted = {contract.landing_table, contract.dead_table}
        wanted |= {LEDGER} if with_dead else set()
        known = wanted & set(list_tables(settings))
        states = table_states(settings, dict.fromkeys(sorted(known)))
        fences, _ = fenced(con, settings, contract, states, with_dead)
        return lowest(fences, with_dead)

    return again_where_gone(found)
