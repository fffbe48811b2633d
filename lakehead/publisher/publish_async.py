"""The publisher for asyncio."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Self

from lakehead.contracts.validate import InvalidEvent
from lakehead.errors import UserError
from lakehead.publisher.channel import (
    LIMITS,
    Channel,
    Counts,
    Delivery,
    Limits,
    OnReport,
    outcome,
)
from lakehead.streams.client import ANY_PARTITION

# The client's reports are taken this often, in seconds, while there are any to come.
_POLL_ASYNC = 0.002


class AsyncPublisher:
    """Publishes events of one stream from one event loop. Made by ``open_async``."""

    def __init__(self, connect: Callable[[], Channel], limits: Limits = LIMITS) -> None:
        self._connect = connect
        self._limits = limits
        self._opened: Channel | None = None
        self._polling: asyncio.Task[None] | None = None
        self._sent = self._delivered = self._failed = 0

    @property
    def Event(self) -> type[Any]:
        """The class of the stream's events, with a typed attribute for each field."""
        return self._channel.validator.type

    @property
    def counts(self) -> Counts:
        """Events so far."""
        return Counts(self._sent, self._delivered, self._failed, self._channel.invalid)

    async def publish(self, event: Any) -> Delivery:
        """Check an event and send it; where it is once Kafka has it. Waits for room too.

        Many at once: ``await asyncio.gather(*(p.publish(e) for e in events))``. Whoever stops
        waiting does not stop the event.

        Raises:
            InvalidEvent: it breaks the contract; nothing is sent.
            BufferFull: there was no room in time; nothing is sent.
            PublishFailed: Kafka refused it.
            UserError: the publisher is closed.
        """
        channel = self._channel
        try:
            value = channel.encode(event, time.time())
        except InvalidEvent:
            channel.invalid += 1
            raise
        answer: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()

        def report(error: Any, record: Any) -> None:
            if error is None:
                self._delivered += 1
            else:
                self._failed += 1
            if answer.done():
                return
            delivery = outcome(error, record)
            if delivery.error is None:
                answer.set_result(delivery)
            else:
                answer.set_exception(channel.failed(1, delivery.error))

        await self._hand_over(value, channel.key(event), report)
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll())
        return await answer

    async def flush(self) -> None:
        """Wait until Kafka has taken or refused all events."""
        while len(self._channel.client):
            self._channel.client.poll(0)
            await asyncio.sleep(_POLL_ASYNC)

    async def __aenter__(self) -> Self:
        self._opened = await asyncio.to_thread(self._connect)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.flush()
        if self._polling:
            await self._polling
        self._opened = None

    @property
    def _channel(self) -> Channel:
        if self._opened is None:
            raise UserError("the publisher is not open", "async with publisher.open_async(...)")
        return self._opened

    async def _hand_over(self, value: bytes, key: str | None, report: OnReport) -> None:
        channel = self._channel
        deadline = time.monotonic() + self._limits.block
        while True:
            try:
                channel.client.produce(channel.topic, value, key, ANY_PARTITION, report)
                self._sent += 1
                return
            except BufferError:
                if time.monotonic() >= deadline:
                    raise channel.full(self._limits) from None
                channel.client.poll(0)
                await asyncio.sleep(_POLL_ASYNC)
            except channel.client_error as error:
                refusal = channel.refusal(error, value)
                channel.invalid += isinstance(refusal, InvalidEvent)
                raise refusal from error

    async def _poll(self) -> None:
        channel = self._channel
        while len(channel.client):
            channel.client.poll(0)
            await asyncio.sleep(_POLL_ASYNC)
