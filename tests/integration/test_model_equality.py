"""The same rows from Flink, Spark and DuckDB, for every kind of model, over generated sequences.

Each sequence is a few events in the order in which they arrive: late, out of order, doubled, with
null keys, at equal times, at the edges of windows, in the night in which the clocks go back. They
are laid end to end in event time, so that one job answers them all, and each begins before any of
its windows has closed.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lakehead.proof.parity import closed_until
from tests.conftest import Stack, wait_until

pytestmark = pytest.mark.integration
SEQUENCES = 500
APART = timedelta(minutes=10)
# In Europe the clocks go back in the middle of them; America's do a week later.
FIRST = datetime(2025, 10, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
END = FIRST + (SEQUENCES + 10) * APART
ENDING = [
    (0, "things", 1),
    *((i, "events", v) for i, v in enumerate([-1, -1, 5, 5])),
    (4, "others", 1),
    *((600, stream, 1) for stream in ("things", "others", "events")),
]
PROJECT = Path(__file__).parent / "projects" / "sequences"
MODELS = sorted(path.stem for path in (PROJECT / "pipelines").glob("*.sql"))
UPDATED = ("updated", "updated_of_positive")

# Edges of the windows, a millisecond on either side, and the microsecond that Flink does not see.
EDGES = [b * 10_000_000 + d for b in range(12) for d in (-1000, -1, 0, 1, 999, 1000, 5_000_000)]
TIMES = st.one_of(st.sampled_from([max(0, edge) for edge in EDGES]), st.integers(0, 120_000_000))
NUMBERS = st.one_of(
    st.none(), st.integers(-3, 3), st.sampled_from([7, -(2**31), 2**31 - 1, 1_000_000])
)
DECIMALS = st.one_of(
    st.none(),
    st.decimals(-10, 10, places=4),
    st.sampled_from(["99999999999999.9999", "-99999999999999.9999", "0.0001"]),
)
EVENTS = st.fixed_dictionaries(
    {
        "stream": st.sampled_from(["events", "events", "events", "others", "things"]),
        "k": st.sampled_from(["a", "b", "ü", "", None]),
        "v": NUMBERS,
        "d": DECIMALS,
        "micros": TIMES,
    }
)
# Mostly in order, so that some come late and not all.
IN_ORDER = st.lists(EVENTS, min_size=1, max_size=25).map(
    lambda events: sorted(events, key=lambda e: e["micros"])
)
SHUFFLED = st.lists(EVENTS, min_size=1, max_size=15)
MIXED = st.tuples(IN_ORDER, SHUFFLED).map(lambda both: both[0] + both[1])
# What the sequence looks for, and nearly so.
STEPS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from([-1, -2, 0, 3]), st.integers(0, 9_000_000)),
    min_size=3,
    max_size=12,
).map(
    lambda steps: [
        {"stream": "events", "k": k, "v": v, "d": None, "micros": sum(s[2] for s in steps[:i])}
        for i, (k, v, _) in enumerate(steps)
    ]
)
DOUBLED = IN_ORDER.map(lambda events: [e for event in events for e in (event, event)])


@dataclass(frozen=True)
class Record:
    stream: str
    key: str | None
    value: bytes


def generated() -> list[list[dict[str, Any]]]:
    """The sequences: the same at each run."""
    found: list[list[dict[str, Any]]] = []

    @settings(
        max_examples=SEQUENCES,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(IN_ORDER, SHUFFLED, MIXED, DOUBLED, STEPS, STEPS))
    def collect(sequence: list[dict[str, Any]]) -> None:
        found.append(sequence)

    collect()
    return found


def records(sequences: list[list[dict[str, Any]]]) -> Iterator[Record]:
    """All sequences in Kafka's order."""
    number = 0
    for i, sequence in enumerate(sequences):
        base = FIRST + i * APART
        for event in sequence:
            number += 1
            if event["stream"] == "things" and event["k"] is None:
                continue
            yield record(event, base + timedelta(microseconds=event["micros"]), number)


def ending(at: datetime) -> list[Record]:
    """Something for each model to answer, and what closes its windows."""
    return [
        record({"stream": stream, "k": "end", "v": v, "d": 1}, at + seconds * SECOND, -1)
        for seconds, stream, v in ENDING
    ]


def record(event: dict[str, Any], at: datetime, number: int) -> Record:
    fields: dict[str, Any] = {"k": event["k"], "at": at.isoformat(timespec="microseconds")}
    match event["stream"]:
        case "events":
            decimal = None if event["d"] is None else str(event["d"])
            fields |= {"n": number, "v": event["v"], "d": decimal}
        case "others":
            fields |= {"v": event["v"]}
        case "things":
            fields |= {"size": event["v"]}
    return Record(event["stream"], event["k"], json.dumps(fields).encode())


@pytest.fixture(scope="module")
def answered(new_stack: Any) -> Iterator[Stack]:
    """A stack whose watermark follows each event, to which all sequences were sent."""
    stack = new_stack().of(PROJECT)
    stack.home.mkdir(exist_ok=True)
    (stack.home / "settings.json").write_text(
        json.dumps({"watermark_ms": 1, "parallelism": 1, "port_base": stack.port_base})
    )
    stack.ok("up")
    for stream in ("events", "others", "things"):
        stack.ok("submit", stream)
    sequences = generated()
    assert len(sequences) == SEQUENCES
    send(stack, list(records(sequences)))
    for stream in ("events", "others", "things"):
        audit = stack.audit(stream)
        assert (audit["dead"], audit["lost"], audit["duplicated"], audit["in_flight"]) == (0,) * 4
    ends = (END + i * timedelta(hours=1) for i in count())

    def ended() -> bool:
        # A join is known to be closed as far as the watermark had come as it last gave a pair, so
        # one ending is not enough where its records overtook the watermark.
        send(stack, ending(next(ends)))
        return not still_open(stack)

    wait_until(ended, lambda: f"an end of {still_open(stack)}", 300)
    yield stack
    stack.ok("down")


def send(stack: Stack, sent: list[Record]) -> None:
    """One after the other and not all at once: a watermark takes its time to be seen."""
    producer = Producer({"bootstrap.servers": stack.settings.bootstrap, "linger.ms": 0})
    for i, each in enumerate(sent):
        producer.produce(each.stream, each.value, each.key, partition=0)
        if i % 5 == 0:
            producer.flush()
    assert producer.flush(30) == 0


def still_open(stack: Stack) -> dict[str, datetime | None]:
    """The models whose last window has not closed, and how far they have."""
    ends = {model: closed_until(stack.settings, model) for model in MODELS}
    return {model: end for model, end in ends.items() if not end or end <= END - APART}


@pytest.mark.parametrize("model", MODELS)
def test_the_stream_equals_duckdb_over_the_rows_it_was_in_time_for(
    answered: Stack, model: str
) -> None:
    done = answered.run("parity", model, "--json")
    report = json.loads(done.stdout)["models"][model]
    assert report["windows"] > 10, report
    assert report["unexplained"] == 0, json.dumps(report, indent=1)


def test_sequences_have_late_rows(answered: Stack) -> None:
    [row] = answered.json("query", "SELECT count(*) FILTER (late) AS late FROM landing.events")
    assert row["late"] > 100


def test_late_rows_are_settled_within_seconds_where_the_model_says_so(answered: Stack) -> None:
    def settled() -> bool:
        report = answered.json("parity", *UPDATED)["models"]
        return all(r["different"] == 0 and r["settled"] > 0 for r in report.values())

    wait_until(settled, "late rows to be settled", 60)


def test_spark_equals_duckdb_over_all_rows(answered: Stack) -> None:
    answered.ok("reconcile", "--full", "--engine", "spark")
    report = answered.json("parity")["models"]
    assert set(report) == set(MODELS)
    assert {m: r["different"] for m, r in report.items()} == dict.fromkeys(MODELS, 0)
