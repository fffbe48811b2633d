"""Kafka's record batch, byte by byte, and its partitioner."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehead.deadletters.log import Batch, Outgoing, Producer
from lakehead.deadletters.record_batch import crc32c, encode, partition_of, varint


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return (number >> 1) ^ -(number & 1), at


def read_sized(data: bytes, at: int) -> tuple[bytes | None, int]:
    size, at = read_varint(data, at)
    return (None, at) if size < 0 else (data[at : at + size], at + size)


@given(st.integers(-(2**63), 2**63 - 1))
def test_varints_are_read_back(number: int) -> None:
    assert read_varint(varint(number), 0) == (number, len(varint(number)))


def test_crc32c_is_that_of_its_catalogue() -> None:
    assert crc32c(b"123456789") == 0xE3069283


# Vectors of Kafka's own test, UtilsTest.testMurmur2, without their sign.
@pytest.mark.parametrize(
    ("key", "murmur"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_keys_have_the_partition_of_javas_clients(key: bytes, murmur: int) -> None:
    assert partition_of(key, 1_000_003) == (murmur & 0x7FFFFFFF) % 1_000_003


bytes_or_none = st.none() | st.binary(max_size=300)


@given(st.lists(st.tuples(bytes_or_none, bytes_or_none), min_size=1, max_size=20))
def test_a_batch_says_who_sends_it_and_where_each_record_died(
    pairs: list[tuple[bytes | None, bytes | None]],
) -> None:
    records = tuple(Outgoing(3, i, key, value) for i, (key, value) in enumerate(pairs))
    data = encode(Batch(1, "orders", 0, Producer(77, 2), 40, 0, 1.5, records))
    (
        base,
        length,
        _,
        magic,
        crc,
        attributes,
        last,
        first_ms,
        most_ms,
        pid,
        epoch,
        sequence,
        count,
    ) = struct.unpack_from(">qiibIhiqqqhii", data)
    assert (base, length, magic) == (0, len(data) - 12, 2)
    assert crc == crc32c(data[21:])
    assert (attributes, last, count) == (0, len(records) - 1, len(records))
    assert (first_ms, most_ms, pid, epoch, sequence) == (1500, 1500, 77, 2, 40)
    at = 61
    for i, (key, value) in enumerate(pairs):
        size, at = read_varint(data, at)
        end = at + size
        assert data[at] == 0
        time, at = read_varint(data, at + 1)
        delta, at = read_varint(data, at)
        found_key, at = read_sized(data, at)
        found_value, at = read_sized(data, at)
        headers, at = read_varint(data, at)
        name, at = read_sized(data, at)
        origin, at = read_sized(data, at)
        assert (time, delta, found_key, found_value, headers) == (0, i, key, value, 1)
        assert (name, origin) == (b"lakehead-redriven-from", b"3:%d" % i)
        assert at == end
    assert at == len(data)
