"""Send sample events as live streams, and keep account of every record.

The order of a run:

1. check the options and the source, create the topics where they are missing;
2. hand records to the sink, each when its moment comes;
3. wait until each has been acknowledged or refused, after Ctrl-C or a failure too;
4. write a manifest a stream;
5. only then raise what happened.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from lakehead.contracts.model import Contract
from lakehead.errors import SystemFailure, UserError
from lakehead.settings import Settings
from lakehead.streams.encode import encoder_of
from lakehead.streams.events import Source
from lakehead.streams.interrupt import Stop
from lakehead.streams.manifest import Manifest, Rejected
from lakehead.streams.produce.account import told
from lakehead.streams.produce.faults import warm_up
from lakehead.streams.produce.lane import Lane
from lakehead.streams.produce.options import Faults, ProduceOptions
from lakehead.streams.produce.sending import Clock, OnProgress, Sending, WallClock
from lakehead.streams.produce.sources import source_of
from lakehead.streams.produce.timeline import Timeline, timeline_of
from lakehead.streams.sinks import KafkaSink, Sink
from lakehead.streams.topics import ensure_topic


def produce(
    settings: Settings,
    contract: Contract,
    options: ProduceOptions,
    progress: OnProgress | None = None,
    *,
    sink: Sink | None = None,
    clock: Clock | None = None,
) -> Manifest:
    """As `produce_streams`, of one stream."""
    [manifest] = produce_streams(settings, [contract], options, progress, sink=sink, clock=clock)
    return manifest


def produce_streams(
    settings: Settings,
    contracts: Sequence[Contract],
    options: ProduceOptions,
    progress: OnProgress | None = None,
    *,
    sink: Sink | None = None,
    clock: Clock | None = None,
) -> list[Manifest]:
    """Send ``options.events`` sample events of the contracts' streams, in time order.

    Returns a manifest a stream, in the contracts' order. ``sink`` and ``clock`` are for tests; by
    default they are Kafka and the wall clock. On KeyboardInterrupt and on any failure, what was
    queued is flushed and the manifests written before the exception goes on.

    Raises:
        UserError: the options fit no stream, or the source does not fit a contract.
        NotRunning: the broker does not answer.
        SystemFailure: some events were not delivered; the manifests say how many.
    """
    clock = clock or WallClock()
    source = source_of(settings, contracts, options.seed)
    timeline = timeline_of(options, source, int(clock.now() * 1000))
    if sink is None:
        for contract in contracts:
            ensure_topic(settings, contract)
        sink = KafkaSink(settings)
    # Each stream's share of the warm-up, as if all had as many events.
    first_late = warm_up(options.events) // len(contracts)
    lanes = {c.stream: Lane(c, encoder_of(settings, c), options, first_late) for c in contracts}
    _check_possible(options.faults, lanes)
    with Stop() as stop:
        deliveries = [lane.deliveries for lane in lanes.values()]
        sending = Sending(sink, clock, stop, deliveries, options.events, progress)
        try:
            _send(sending, stop, lanes, source, timeline, options)
        finally:
            try:
                sending.drain()
            finally:
                manifests = [_manifest(lane, sending, clock, options) for lane in lanes.values()]
                paths = [manifest.write(settings) for manifest in manifests]
    stop.resume()
    check_delivered(settings, manifests, paths)
    return manifests


def _check_possible(faults: Faults, lanes: Mapping[str, Lane]) -> None:
    """Raises UserError where something is asked for that none of the streams can have."""
    listed = ", ".join(lanes)
    kinds: dict[str, str] = {}
    for lane in lanes.values():
        kinds |= lane.left_out
    for name, reason in kinds.items():
        asked = name in faults.poison_kinds or name in ("null_keys", "idle_partitions")
        if asked and all(name in lane.left_out for lane in lanes.values()):
            raise UserError(f"{name} cannot be had of {listed}: {reason}")


def _send(
    sending: Sending,
    stop: Stop,
    lanes: Mapping[str, Lane],
    source: Source,
    timeline: Timeline,
    options: ProduceOptions,
) -> None:
    """Hand all records to the sink, each when it is due, until asked to stop."""
    newest = source.first
    pace, at, future = options.pace, timeline.at, timeline.future
    for index, event in enumerate(source.events(options.events)):
        seconds = event.seconds
        if seconds > newest:
            newest = seconds
        due, moment = at(index, seconds, newest)
        if pace:
            sending.wait(due / 1000)
        if stop.requested:
            return
        lane = lanes[event.stream]
        for outgoing in lane.records(event, moment, future(due)):
            if not sending.hand_over(lane.deliveries, outgoing):
                return
    for lane in lanes.values():
        for outgoing in lane.rest():
            if not sending.hand_over(lane.deliveries, outgoing):
                return
    sending.whole = True


def _manifest(lane: Lane, sending: Sending, clock: Clock, options: ProduceOptions) -> Manifest:
    return Manifest(
        stream=lane.contract.stream,
        source="sample",
        seed=options.seed,
        started=stamp(sending.started),
        finished=stamp(clock.now()),
        interrupted=sending.interrupted,
        options=options.recorded(),
        poison=lane.poison(),
        late=lane.late(),
        out_of_order=lane.out_of_order(),
        duplicates=lane.duplicates(),
        keys=lane.keys(),
        rejected=Rejected(),
        **told(lane.deliveries, lane.tally),
    )


def check_delivered(
    settings: Settings, manifests: Sequence[Manifest], paths: Sequence[Path]
) -> None:
    """Raises SystemFailure where Kafka did not take every record of the manifests."""
    short = [m for m in manifests if m.failed.count + m.unacknowledged]
    if not short:
        return
    lost = sum(m.failed.count + m.unacknowledged for m in short)
    events = sum(m.events for m in manifests)
    reason = next((m.failed.first_error for m in short if m.failed.first_error), "no answer")
    at = ", ".join(str(p) for m, p in zip(manifests, paths, strict=True) if m in short)
    raise SystemFailure(
        f"Kafka did not take {lost} of {events} events ({reason}); the others are safe",
        f"{at} has the account; the broker's log is under {settings.logs}",
    )


def stamp(seconds: float) -> str:
    """Epoch seconds as ISO-8601 in UTC, with microseconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
