import pytest

from lakehead.streams.sinks import Delivered, MemorySink

T = "topic"


def test_a_key_keeps_its_partition_and_offsets_count_up() -> None:
    sink = MemorySink(partitions=3)
    for number in range(50):
        sink.produce(T, b"abc"[number % 3 : number % 3 + 1], b"%d" % number, lambda e, r: None)
    for key in (b"a", b"b", b"c"):
        assert len({r.at_partition for r in sink.records if r.key == key}) == 1
    for partition in range(3):
        offsets = [r.at_offset for r in sink.records if r.at_partition == partition]
        assert offsets == list(range(len(offsets)))


def test_deliveries_are_reported_once_and_from_within_poll() -> None:
    sink = MemorySink(refuse=lambda n: "no" if n == 1 else None)
    seen: list[tuple[object, int | None]] = []

    def note(error: object, record: Delivered) -> None:
        seen.append((error, record.offset()))

    for _ in range(3):
        sink.produce(T, None, b"", note)
    assert seen == []
    assert sink.poll(0) == 3
    assert sink.flush(0) == 0
    assert seen == [(None, 0), ("no", -1), (None, 1)]


def test_a_full_queue_refuses_until_polled() -> None:
    sink = MemorySink(capacity=1)
    sink.produce(T, None, b"", lambda e, r: None)
    with pytest.raises(BufferError):
        sink.produce(T, None, b"", lambda e, r: None)
    sink.poll(0)
    sink.produce(T, None, b"", lambda e, r: None)
    assert len(sink.records) == 2


def test_each_topic_has_its_own_offsets_and_a_partition_can_be_asked_for() -> None:
    sink = MemorySink(partitions=2)
    for topic in ("a", "b", "a"):
        sink.produce(topic, b"k", b"", lambda e, r: None, 1)
    assert [(r.topic, r.at_partition, r.at_offset) for r in sink.records] == [
        ("a", 1, 0),
        ("b", 1, 0),
        ("a", 1, 1),
    ]
