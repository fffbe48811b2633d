import json
import os
import re
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from lakehead.contracts.model import Contract
from lakehead.errors import SystemFailure, UserError
from lakehead.settings import Settings
from lakehead.streams.manifest import Manifest, read_manifests
from lakehead.streams.produce import Faults, ProduceOptions, Progress, produce, produce_streams
from lakehead.streams.sinks import MemorySink
from tests.draws import draws

NOW = 1_750_000_000.0
Refusal = Callable[[bytes | None, float], str | None]
Judge = Callable[[Contract, bytes | None, float], str | None]
NewClock = Callable[..., Any]

plans = st.builds(
    ProduceOptions,
    events=st.integers(1, 1500),
    seed=st.integers(0, 1000),
    pace=st.booleans(),
    faults=st.builds(
        Faults,
        poison=st.sampled_from([0.0, 0.02, 0.2]),
        poison_kinds=st.just(()),
        late=st.sampled_from([0.0, 0.02, 0.2]),
        late_by=st.none(),
        out_of_order=st.sampled_from([0.0, 0.2]),
        out_of_order_by=st.sampled_from([None, 60.0]),
        duplicates=st.sampled_from([0.0, 0.2]),
        hot_keys=st.sampled_from([0.0, 0.3]),
        null_keys=st.sampled_from([0.0, 0.3]),
        idle_partitions=st.sampled_from([0, 1, 3]),
    ),
)
timed_plans = st.one_of(
    plans,
    st.builds(replace, plans, rate=st.floats(1, 1e5)),
    st.builds(replace, plans, speed=st.floats(1e3, 1e7)),
    st.builds(replace, plans, original_time=st.just(True)),
)


class Timed(MemorySink):
    """Notes when each record came."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__(capacity=300)
        self.came: list[float] = []
        self._now = now

    def produce(self, *record: Any) -> None:
        super().produce(*record)
        self.came.append(self._now())


class Breaking(MemorySink):
    """Raises an error on the record ``at``."""

    def __init__(self, at: int, error: BaseException) -> None:
        super().__init__()
        self._at, self._failing = at, error

    def produce(self, *record: Any) -> None:
        if len(self.records) == self._at:
            raise self._failing
        super().produce(*record)


def when(value: bytes | None) -> float:
    return datetime.fromisoformat(json.loads(value or b"")["event_time"]).timestamp()


def split(value: bytes | None) -> tuple[bytes | None, float | None]:
    """A record without its event time, and that time; poison too."""
    found = re.search(rb'"event_time":"([^"]+)"', value or b"")
    if value is None or found is None:
        return value, None
    rest = value[: found.start()] + value[found.end() :]
    return rest, datetime.fromisoformat(found[1].decode()).timestamp()


def coordinates(manifest: Manifest) -> set[tuple[int, int]]:
    return {(p, o) for p, o, _ in manifest.poison.coordinates}


@examples(max_examples=draws(10), deadline=None)
@given(options=timed_plans)
def test_the_manifest_is_what_the_sink_holds(
    options: ProduceOptions,
    settings: Settings,
    contract: Contract,
    refusal: Refusal,
    new_clock: NewClock,
) -> None:
    clock = new_clock(drift=1e-5)
    sink = Timed(lambda: clock.time)
    manifest = produce(settings, contract, options, sink=sink, clock=clock)

    assert manifest.events == manifest.acknowledged == len(sink.records)
    assert manifest.events == options.events + manifest.duplicates.count
    assert manifest.failed.count == manifest.unacknowledged == 0
    assert not manifest.interrupted
    for partition, found in manifest.partitions.items():
        held = [r.at_offset for r in sink.records if r.at_partition == partition]
        assert (found.count, found.first, found.last) == (len(held), held[0], held[-1])

    dead = {r.at_partition: set[int]() for r in sink.records}
    for record, came in zip(sink.records, sink.came, strict=True):
        if refusal(record.value, came) is not None:
            dead[record.at_partition].add(record.at_offset)
    assert coordinates(manifest) == {(p, o) for p, offsets in dead.items() for o in offsets}
    assert manifest.poison.count == len(manifest.poison.coordinates)
    assert sum(manifest.poison.by_kind.values()) == manifest.poison.count
    late = set(manifest.late.coordinates)
    assert manifest.late.count == len(late)
    assert not late & coordinates(manifest)

    valid = [
        (r, came)
        for r, came in zip(sink.records, sink.came, strict=True)
        if (r.at_partition, r.at_offset) not in coordinates(manifest)
    ]
    assert all(when(r.value) <= came for r, came in valid)
    copies = set(manifest.duplicates.coordinates)
    events = [
        json.loads(r.value or b"") for r, _ in valid if (r.at_partition, r.at_offset) not in copies
    ]
    nulls = Counter(name for e in events for name, value in e.items() if value is None)
    assert manifest.natural.nulls == nulls
    times = [e["event_time"] for e in events]
    assert manifest.event_time == ((min(times), max(times)) if times else None)


@examples(max_examples=draws(10), deadline=None)
@given(options=timed_plans)
def test_every_fault_is_at_its_coordinates(
    options: ProduceOptions, settings: Settings, contract: Contract, new_clock: NewClock
) -> None:
    clean, faulty = MemorySink(), MemorySink()
    produce(settings, contract, replace(options, faults=Faults()), sink=clean, clock=new_clock())
    manifest = produce(settings, contract, options, sink=faulty, clock=new_clock())
    at = {(r.at_partition, r.at_offset): r for r in faulty.records}
    asked, keys = options.faults, manifest.keys

    copies = [at[c] for c in manifest.duplicates.coordinates]
    assert len(copies) == manifest.duplicates.count
    for copy in copies:
        twins = [r for r in faulty.records if (r.key, r.value) == (copy.key, copy.value)]
        assert len(twins) >= 2
    # But for the copies there is what there would be without faults, some of it spoilt or moved.
    bodies = Counter(split(r.value)[0] for r in faulty.records) - Counter(
        split(r.value)[0] for r in copies
    )
    poisoned = Counter(split(at[p, o].value)[0] for p, o, _ in manifest.poison.coordinates)
    assert not (bodies - poisoned) - Counter(split(r.value)[0] for r in clean.records)
    assert (bodies - poisoned).total() == options.events - manifest.poison.count

    assert manifest.out_of_order.count == len(manifest.out_of_order.coordinates)
    assert manifest.out_of_order.beyond_delay <= manifest.out_of_order.count
    if asked.out_of_order_by is None:
        assert manifest.out_of_order.beyond_delay == 0
    own_nulls = sum(r.key is None for r in clean.records)
    assert own_nulls == 0
    assert sum(r.key is None for r in faulty.records) >= keys.null
    if not asked.null_keys:
        assert all(r.key is not None for r in faulty.records)
    if asked.hot_keys and keys.hot:
        assert sum(r.key == (keys.hot_key or "").encode() for r in faulty.records) >= keys.hot
    assert keys.idle_partitions == list(range(4 - asked.idle_partitions, 4))
    assert not {r.at_partition for r in faulty.records} & set(keys.idle_partitions)


@examples(max_examples=draws(10), deadline=None)
@given(options=timed_plans, shift=st.integers(1, 10**8))
def test_the_same_seed_gives_the_same_bytes_but_for_the_shift(
    options: ProduceOptions,
    shift: int,
    settings: Settings,
    contract: Contract,
    new_clock: NewClock,
) -> None:
    def run(moved: int) -> MemorySink:
        clock, sink = new_clock(), MemorySink()
        clock.time += moved
        produce(settings, contract, options, sink=sink, clock=clock)
        return sink

    first, again, later = run(0), run(0), run(shift)
    assert first.records == again.records
    moved = 0 if options.original_time else shift
    for one, other in zip(first.records, later.records, strict=True):
        assert one.key == other.key
        rest, time = split(one.value)
        other_rest, other_time = split(other.value)
        assert rest == other_rest
        # A clock from before 1970 is the same in every run.
        if time is not None and other_time is not None and time > 0:
            assert other_time - time == pytest.approx(moved, abs=1e-6)


def test_steps_back_are_counted_as_in_the_file(
    settings: Settings, contract: Contract, clock: Any
) -> None:
    sink = MemorySink()
    options = ProduceOptions(events=1800, original_time=True)
    manifest = produce(settings, contract, options, sink=sink, clock=clock)
    times = [when(r.value) for r in sink.records]
    behind = sum(t < max(times[: i + 1]) for i, t in enumerate(times))
    assert manifest.natural.backward == behind > 0


def test_what_is_out_of_order_comes_after_later_events_and_within_bounds(
    settings: Settings, contract: Contract, clock: Any
) -> None:
    faults = Faults(out_of_order=0.1, out_of_order_by=5.0)
    options = ProduceOptions(events=900, rate=50.0, faults=faults)
    sink = MemorySink()
    manifest = produce(settings, contract, options, sink=sink, clock=clock)
    moved = set(manifest.out_of_order.coordinates)
    assert len(moved) > 50
    newest = 0.0
    far = 0
    for record in sink.records:
        time = when(record.value)
        if (record.at_partition, record.at_offset) in moved:
            assert 0 < newest - time <= 5.0
            far += newest - time > 2.0
        newest = max(newest, time)
    assert manifest.out_of_order.beyond_delay == far > 0


def test_records_are_keyed_as_the_contract_says(
    settings: Settings, contract: Contract, clock: Any
) -> None:
    options = ProduceOptions(events=500, pace=False)
    for field in ("invoice", "customer_id"):
        sink = MemorySink()
        produce(settings, replace(contract, key=field), options, sink=sink, clock=clock)
        for record in sink.records:
            value = json.loads(record.value or b"")[field]
            assert record.key == (None if value is None else str(value).encode())


def test_a_live_stream_takes_the_time_that_its_rate_says(
    settings: Settings, contract: Contract, clock: Any
) -> None:
    sink = Timed(lambda: clock.time)
    produce(settings, contract, ProduceOptions(events=501, rate=50.0), sink=sink, clock=clock)
    assert sink.came[-1] - NOW == pytest.approx(10, abs=0.01)
    for index, came in enumerate(sink.came):
        assert -1e-6 < came - NOW - index / 50 < 0.006
    assert max(clock.slept) <= 0.1


def test_without_pace_nobody_sleeps(settings: Settings, contract: Contract, clock: Any) -> None:
    produce(
        settings, contract, ProduceOptions(events=500, pace=False), sink=MemorySink(), clock=clock
    )
    assert clock.slept == []


def test_late_events_are_moved_back_by_what_was_asked(
    settings: Settings, contract: Contract, new_clock: NewClock
) -> None:
    clean, faulty = MemorySink(), MemorySink()
    options = ProduceOptions(events=1500, pace=False, seed=3)
    produce(settings, contract, options, sink=clean, clock=new_clock())
    options = replace(options, faults=Faults(late=0.2, late_by=45.0))
    manifest = produce(settings, contract, options, sink=faulty, clock=new_clock())
    assert manifest.late.count > 50
    assert manifest.late.late_by_seconds == 45.0
    late = set(manifest.late.coordinates)
    for one, other in zip(clean.records, faulty.records, strict=True):
        moved = 45 if (one.at_partition, one.at_offset) in late else 0
        assert when(one.value) - when(other.value) == pytest.approx(moved, abs=1e-6)


def test_progress_ends_with_everything_acknowledged(
    settings: Settings, contract: Contract, clock: Any
) -> None:
    seen: list[Progress] = []
    options = ProduceOptions(events=1000, rate=500.0)
    produce(settings, contract, options, seen.append, sink=MemorySink(capacity=64), clock=clock)
    assert (seen[-1].sent, seen[-1].acknowledged, seen[-1].total) == (1000, 1000, 1000)
    assert seen[-1].rate == pytest.approx(500, rel=0.02)
    assert [p.sent for p in seen] == sorted(p.sent for p in seen)
    assert 6 <= len(seen) <= 10


def test_refused_deliveries_fail_the_run_after_the_manifest(
    fresh: Settings, contract: Contract, clock: Any
) -> None:
    sink = MemorySink(refuse=lambda n: f"no room for {n}" if n in (3, 5) else None)
    options = ProduceOptions(events=10)
    with pytest.raises(SystemFailure, match=r"did not take 2 of 10 events .no room for 3"):
        produce(fresh, contract, options, sink=sink, clock=clock)
    [manifest] = read_manifests(fresh, "orders")
    assert (manifest.events, manifest.acknowledged, manifest.failed.count) == (10, 8, 2)
    assert manifest.failed.first_error == "no room for 3"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemFailure("broken"), OSError("disk")])
def test_what_was_sent_before_a_failure_is_on_record(
    error: BaseException, fresh: Settings, contract: Contract, clock: Any
) -> None:
    sink = Breaking(321, error)
    with pytest.raises(type(error)):
        produce(
            fresh,
            contract,
            ProduceOptions(events=900, faults=Faults(poison=0.1)),
            sink=sink,
            clock=clock,
        )
    [manifest] = read_manifests(fresh, "orders")
    assert manifest.interrupted
    assert manifest.events == manifest.acknowledged == len(sink.records) == 321


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_signal_stops_between_records_and_keeps_the_account(
    number: int, raised: type[BaseException], fresh: Settings, contract: Contract, clock: Any
) -> None:
    before = signal.getsignal(number)

    class Signalling(MemorySink):
        def produce(self, *record: Any) -> None:
            super().produce(*record)
            if len(self.records) == 100:
                os.kill(os.getpid(), number)

    sink = Signalling()
    with pytest.raises(raised):
        produce(fresh, contract, ProduceOptions(events=900), sink=sink, clock=clock)
    [manifest] = read_manifests(fresh, "orders")
    assert manifest.interrupted
    assert manifest.events == manifest.acknowledged == len(sink.records) == 100
    assert signal.getsignal(number) == before


def test_a_stop_with_a_dead_broker_ends_and_says_what_is_unknown(
    fresh: Settings, contract: Contract, clock: Any
) -> None:
    class Dead(MemorySink):
        def poll(self, timeout: float) -> int:
            clock.sleep(timeout)
            if len(self.records) == 50 and timeout:
                os.kill(os.getpid(), signal.SIGINT)
            return 0

        def flush(self, timeout: float) -> int:
            clock.sleep(timeout)
            return len(self.records)

    with pytest.raises(KeyboardInterrupt):
        produce(fresh, contract, ProduceOptions(events=90), sink=Dead(capacity=50), clock=clock)
    [manifest] = read_manifests(fresh, "orders")
    assert (manifest.events, manifest.acknowledged, manifest.unacknowledged) == (50, 0, 50)


def test_a_contract_that_requires_what_the_sample_lacks_is_refused(
    fresh: Settings, contract: Contract
) -> None:
    more = replace(contract.field("country"), name="shop")
    wider = replace(contract, fields=(*contract.fields, more))
    with pytest.raises(UserError, match="the sample of orders has no field 'shop'") as caught:
        produce(fresh, wider, ProduceOptions(events=1), sink=MemorySink())
    assert "--from" in caught.value.hint


def test_what_no_stream_can_have_is_refused_before_anything_is_sent(
    fresh: Settings, contract: Contract
) -> None:
    def refused(contract: Contract, faults: Faults) -> str:
        sink = MemorySink()
        with pytest.raises(UserError) as caught:
            produce(fresh, contract, ProduceOptions(events=9, faults=faults), sink=sink)
        assert sink.records == []
        return caught.value.message

    free = replace(contract, fields=tuple(replace(f, enum=()) for f in contract.fields))
    said = refused(free, Faults(poison=0.1, poison_kinds=("bad_enum",)))
    assert said == "bad_enum cannot be had of orders: no field has an enum"
    said = refused(contract, Faults(idle_partitions=4))
    assert said == "idle_partitions cannot be had of orders: it has 4 partitions"
    said = refused(replace(contract, cleanup="compact"), Faults(null_keys=0.1))
    assert "a compacted topic takes no record without a key" in said


def test_several_streams_go_out_together_each_with_its_manifest(
    fresh: Settings, contract: Contract, everything: Contract, clock: Any, judge: Judge
) -> None:
    sink = Timed(lambda: clock.time)
    seen: list[Progress] = []
    faults = Faults(poison=0.05, late=0.05, poison_kinds=("bad_enum", "empty"))
    options = ProduceOptions(events=3000, rate=500.0, faults=faults)
    contracts = [contract, everything]
    manifests = produce_streams(fresh, contracts, options, seen.append, sink=sink, clock=clock)
    assert [m.stream for m in manifests] == ["orders", "everything"]
    assert sum(m.events for m in manifests) == len(sink.records) == seen[-1].sent == 3000
    assert manifests[0].events == manifests[1].events
    arrived = dict(zip(map(id, sink.records), sink.came, strict=True))
    for made, manifest in zip(contracts, manifests, strict=True):
        records = [r for r in sink.records if r.topic == made.topic]
        assert len(records) == manifest.events
        dead = {
            (r.at_partition, r.at_offset)
            for r in records
            if judge(made, r.value, arrived[id(r)]) is not None
        }
        assert dead == coordinates(manifest)
        assert manifest.late.count > 0
        assert read_manifests(fresh, made.stream) == [manifest]


def test_the_failed_are_told_while_it_runs(fresh: Settings, contract: Contract, clock: Any) -> None:
    seen: list[Progress] = []
    sink = MemorySink(refuse=lambda n: "no" if n % 10 == 0 else None)
    with pytest.raises(SystemFailure):
        produce(fresh, contract, ProduceOptions(events=100), seen.append, sink=sink, clock=clock)
    assert seen[-1].failed == 10
