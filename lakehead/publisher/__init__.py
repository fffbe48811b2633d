"""Publish events of a stream from a service: each is checked before it is sent.

    with publisher.open("orders") as orders:
        orders.publish({"invoice": "536365", ...})

An event that breaks the contract raises InvalidEvent and is not sent. The others are sent once and
in order (idempotent, acknowledged by all replicas), to the partition that Java's clients choose for
the same key. What Kafka refuses is raised by ``flush`` and ``close``. ``open_async`` is the same
for asyncio, where publishing waits for the acknowledgement.
"""

from lakehead.contracts.validate import InvalidEvent
from lakehead.publisher.channel import BufferFull, Counts, Delivery, PublishFailed
from lakehead.publisher.connect import open, open_async
from lakehead.publisher.publish import Publisher
from lakehead.publisher.publish_async import AsyncPublisher

__all__ = [
    "AsyncPublisher",
    "BufferFull",
    "Counts",
    "Delivery",
    "InvalidEvent",
    "PublishFailed",
    "Publisher",
    "open",
    "open_async",
]
