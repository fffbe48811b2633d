"""The publisher for threads."""

import atexit
import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Self

from lakehead.contracts.model import Contract
from lakehead.contracts.validate import InvalidEvent
from lakehead.errors import UserError
from lakehead.publisher.channel import (
    LIMITS,
    Channel,
    Client,
    Counts,
    Delivery,
    Encode,
    Limits,
    OnReport,
    PublishFailed,
    outcome,
    reason,
)
from lakehead.streams.client import ANY_PARTITION

_LOG = logging.getLogger("lakehead.publisher")
# Reports of deliveries are taken this often, in seconds.
_POLL = 0.05
# How long the client may take to give up what it was told to.
_PURGE = 5.0


class Publisher:
    """Publishes events of one stream; any number of threads may share it. Made by ``open``."""

    def __init__(
        self,
        contract: Contract,
        client: Client,
        limits: Limits = LIMITS,
        reports: bool = False,
        encode: Encode | None = None,
    ) -> None:
        self._channel = Channel(contract, client, encode)
        self._client = client
        self._limits = limits
        self._reports = reports
        # Held while a record is handed over: so none is after close, and the count is exact.
        self._lock = threading.Lock()
        self._sent = self._delivered = self._failed = self._untold = 0
        self._reason = ""
        self._poll_at = 0.0
        self._is_closed = False
        self._closed = threading.Event()

    @property
    def Event(self) -> type[Any]:
        """The class of the stream's events, with a typed attribute for each field."""
        return self._channel.validator.type

    @property
    def counts(self) -> Counts:
        """Events so far; exact after ``flush``."""
        with self._lock:
            delivered = self._delivered
            if not self._reports:
                delivered = max(self._sent - self._failed - len(self._client), 0)
            return Counts(self._sent, delivered, self._failed, self._channel.invalid)

    def publish(self, event: Any, on_delivery: Callable[[Delivery], None] | None = None) -> None:
        """Check an event, a dict or an ``Event``, and queue it; waits where the buffer is full.

        ``on_delivery`` is called once with what became of it, in whichever thread hears of it. What
        it raises is logged and goes no further.

        Raises:
            InvalidEvent: it breaks the contract; nothing is sent.
            BufferFull: there was no room in time; nothing is sent.
            UserError: the publisher is closed, or was opened without ``reports``.
            SystemFailure: the client is broken for good.
        """
        report = self._report if on_delivery is None else self._reporting(on_delivery)
        self._publish((event,), report, None)

    def publish_many(
        self,
        events: Iterable[Any],
        on_invalid: Callable[[Any, InvalidEvent], None] | None = None,
    ) -> int:
        """Publish events one after the other; how many were sent.

        Raises:
            InvalidEvent: for the first that is invalid, unless ``on_invalid`` is given, which is
                called with each of them; those before it are sent.
            Others as ``publish``.
        """
        return self._publish(events, self._report, on_invalid)

    def _publish(
        self,
        events: Iterable[Any],
        report: OnReport,
        on_invalid: Callable[[Any, InvalidEvent], None] | None,
    ) -> int:
        # At hand, for this is the loop that every event goes through.
        channel, lock, produce = self._channel, self._lock, self._client.produce
        topic, encode, key_field = channel.topic, channel.encode, channel.contract.key
        sent = 0
        for event in events:
            now = time.time()
            try:
                value = encode(event, now)
            except InvalidEvent as error:
                self._count_invalid()
                if on_invalid is None:
                    raise
                on_invalid(event, error)
                continue
            key = event.get(key_field) if type(event) is dict else None
            if type(key) is not str:
                key = channel.key(event)
            try:
                with lock:
                    if self._is_closed:
                        raise channel.closed()
                    produce(topic, value, key, ANY_PARTITION, report)
                    self._sent += 1
            except BufferError:
                self._wait_for_room(value, key, report)
            except channel.client_error as error:
                raise self._refusal(error, value) from error
            sent += 1
            if now >= self._poll_at:
                self._poll_at = now + _POLL
                self._client.poll(0)
        return sent

    def flush(self, timeout: float | None = None) -> None:
        """Wait until Kafka has all events; by default for as long as it may take to deliver.

        Raises:
            PublishFailed: it refused some since the last time, or has not all within ``timeout``
                seconds (then they are still being sent).
        """
        seconds = self._limits.deliver + _PURGE if timeout is None else timeout
        waiting = self._client.flush(seconds)
        self._raise_failed()
        if waiting:
            raise self._channel.failed(waiting, f"not acknowledged within {seconds:g} s")

    def close(self, timeout: float | None = None) -> None:
        """Flush, and give up what Kafka has not taken by then. A second time does nothing.

        Raises:
            PublishFailed: as ``flush``.
        """
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        self._closed.set()
        atexit.unregister(self._close_at_exit)
        seconds = self._limits.deliver + _PURGE if timeout is None else timeout
        if self._client.flush(seconds):
            self._client.purge(True, True)
            self._client.flush(_PURGE)
        self._raise_failed()

    def start(self) -> None:
        """From now on deliveries are reported while nothing is published, and exit flushes."""
        atexit.register(self._close_at_exit)
        threading.Thread(target=self._poll_idle, name="lakehead-publisher", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            self.close()
        except PublishFailed as failure:
            if error is None:
                raise
            error.add_note(str(failure))

    def _wait_for_room(self, value: bytes, key: str | None, report: OnReport) -> None:
        """Queue a record that there was no room for."""
        end = time.monotonic() + self._limits.block
        while (left := end - time.monotonic()) > 0:
            self._client.poll(min(_POLL, left))
            try:
                with self._lock:
                    if self._is_closed:
                        raise self._channel.closed()
                    self._client.produce(self._channel.topic, value, key, ANY_PARTITION, report)
                    self._sent += 1
                return
            except BufferError:
                pass
        raise self._channel.full(self._limits) from None

    def _refusal(self, error: Exception, value: bytes) -> Exception:
        refusal = self._channel.refusal(error, value)
        if isinstance(refusal, InvalidEvent):
            self._count_invalid()
        return refusal

    def _count_invalid(self) -> None:
        with self._lock:
            self._channel.invalid += 1

    def _report(self, error: Any, record: Any) -> None:
        """Called by the client, of each failure, and with ``reports`` of each delivery."""
        with self._lock:
            if error is None:
                self._delivered += 1
                return
            self._failed += 1
            self._untold += 1
            self._reason = self._reason or reason(error)

    def _reporting(self, on_delivery: Callable[[Delivery], None]) -> OnReport:
        if not self._reports:
            raise UserError(
                "on_delivery needs a publisher that reports each delivery",
                f'publisher.open("{self._channel.topic}", reports=True)',
            )

        def report(error: Any, record: Any) -> None:
            self._report(error, record)
            try:
                on_delivery(outcome(error, record))
            except Exception:
                _LOG.exception("on_delivery failed")

        return report

    def _raise_failed(self) -> None:
        with self._lock:
            count, reason = self._untold, self._reason
            self._untold, self._reason = 0, ""
        if count:
            raise self._channel.failed(count, reason)

    def _poll_idle(self) -> None:
        """Polls only while no one publishes: else it would fight for Python's lock."""
        before = -1
        while not self._closed.wait(_POLL):
            if before == self._sent and len(self._client):
                self._client.poll(0)
            before = self._sent

    def _close_at_exit(self) -> None:
        try:
            self.close()
        except PublishFailed as failure:
            _LOG.error("%s", failure)
