"""Whose turn it is: fair shares of the workers, by token.

Who has the fewest queries running is next, and among those who waited longest since their last
turn. One token never holds all workers, so that a new one is answered at once.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lakehead.errors import LakeheadError
from lakehead.server.limits import Limits


class Busy(LakeheadError):
    """The queue is full."""


class FairQueue:
    """Turns, of which ``limits.workers`` are out at once."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.running: dict[str, int] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    @asynccontextmanager
    async def turn(self, who: str) -> AsyncIterator[None]:
        """Wait for a turn, and hold it.

        Raises:
            Busy: too many wait already, in all or of this token.
        """
        await self._take(who)
        try:
            yield
        finally:
            self._give_back(who)

    async def _take(self, who: str) -> None:
        mine = self._waiting.setdefault(who, deque())
        if not mine and self._free(who):
            self._start(who)
            return
        if len(mine) >= self._limits.waiting_each or self.waiting >= self._limits.waiting:
            raise Busy(f"{len(mine)} queries of {who} wait, {self.waiting} in all; try again later")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        mine.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                mine.remove(turn)
            else:
                # It was given the turn in the same moment.
                self._give_back(who)
            raise

    def _free(self, who: str) -> bool:
        running = self.running.get(who, 0)
        return (
            sum(self.running.values()) < self._limits.workers
            and running < self._limits.workers_each
        )

    def _start(self, who: str) -> None:
        self.running[who] = self.running.get(who, 0) + 1

    def _give_back(self, who: str) -> None:
        self.running[who] -= 1
        if not self.running[who]:
            del self.running[who]
        while (next_one := self._next()) is not None:
            turn = self._waiting[next_one].popleft()
            # Who had a turn goes to the end of those with as many.
            self._waiting[next_one] = self._waiting.pop(next_one)
            self._start(next_one)
            turn.set_result(None)
        for name in [name for name, turns in self._waiting.items() if not turns]:
            del self._waiting[name]

    def _next(self) -> str | None:
        for turns in self._waiting.values():
            while turns and turns[0].cancelled():
                turns.popleft()
        able = [name for name, turns in self._waiting.items() if turns and self._free(name)]
        return min(able, key=lambda name: self.running.get(name, 0), default=None)
