"""Kafka's record batch, version 2, and the partition of a key.

Source: https://kafka.apache.org/43/implementation/message-format/
"""

import struct

from lakehead.deadletters.log import ORIGIN_HEADER, Batch, Outgoing

_HEADER = ORIGIN_HEADER.encode()
_LEADER_EPOCH_UNKNOWN = -1
_MAGIC = 2
_CASTAGNOLI = 0x82F63B78


def encode(batch: Batch) -> bytes:
    """The batch, not compressed; the same bytes each time."""
    milliseconds = int(batch.claimed_at * 1000)
    last = len(batch.records) - 1
    after_crc = struct.pack(
        ">hiqqqhii",
        0,
        last,
        milliseconds,
        milliseconds,
        batch.producer.id,
        batch.producer.epoch,
        batch.sequence,
        last + 1,
    ) + b"".join(_record(i, r) for i, r in enumerate(batch.records))
    before_crc = struct.pack(">iB", _LEADER_EPOCH_UNKNOWN, _MAGIC)
    rest = before_crc + struct.pack(">I", crc32c(after_crc)) + after_crc
    return struct.pack(">qi", 0, len(rest)) + rest


def _record(delta: int, record: Outgoing) -> bytes:
    origin = b"%d:%d" % record.origin
    body = b"".join(
        (
            b"\0",
            varint(0),
            varint(delta),
            _sized(record.key),
            _sized(record.value),
            varint(1),
            _sized(_HEADER),
            _sized(origin),
        )
    )
    return varint(len(body)) + body


def _sized(data: bytes | None) -> bytes:
    return varint(-1) if data is None else varint(len(data)) + data


def varint(number: int) -> bytes:
    """Zigzag, seven bits a byte, the lowest first."""
    rest = (number << 1) ^ (number >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def _table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (_CASTAGNOLI if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """CRC-32C, which Python's ``zlib`` does not have."""
    table, crc = _TABLE, 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """The partition that Java's clients choose for a key, and librdkafka's ``murmur2``."""
    return (_murmur2(key) & 0x7FFFFFFF) % partitions


def _murmur2(data: bytes) -> int:
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    if rest := data[whole:]:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15
