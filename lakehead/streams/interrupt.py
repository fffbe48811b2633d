"""Ctrl-C as a question and not as a blow, so that no record is sent but not counted."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self


def ends_by_signal() -> threading.Event:
    """SIGTERM ends the process: at once, by SystemExit. Where other code swallows that, as a bare
    ``except`` around an import does, the event is set, and the caller's loop ends by it."""
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)
    return ended


class Stop:
    """While entered, SIGINT and SIGTERM only set ``requested``; a second one sets ``urgent``.

    Outside the main thread, where signals cannot be caught, it does nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self.urgent = False
        self._signal = signal.SIGINT
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def resume(self) -> None:
        """Do what the signal would have done: KeyboardInterrupt, or exit with 143 on SIGTERM."""
        if self.requested and self._signal == signal.SIGTERM:
            raise SystemExit(128 + signal.SIGTERM)
        if self.requested:
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.urgent = self.requested
        if not self.requested:
            self._signal = signal.Signals(number)
        self.requested = True
