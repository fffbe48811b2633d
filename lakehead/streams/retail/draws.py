"""Numbers that look drawn by chance, and are the same in every run."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

_ROOM = 1 << 64


class Draws:
    """Whole numbers that follow from ``text`` alone: from no clock, and from no other draws."""

    def __init__(self, text: str) -> None:
        self._text = text.encode()
        self._left = int.from_bytes(blake2b(self._text).digest())

    def below(self, limit: int) -> int:
        """From 0 to ``limit`` - 1, each as likely; ``limit`` is at most 2**32."""
        if self._left < _ROOM:
            self._text = blake2b(self._text).digest()
            self._left = int.from_bytes(blake2b(self._text).digest())
        self._left, drawn = divmod(self._left, limit)
        return drawn

    def percent(self, chance: int) -> bool:
        """True in ``chance`` of 100 cases."""
        return self.below(100) < chance

    def one_of(self, values: Sequence[T]) -> T:
        return values[self.below(len(values))]
