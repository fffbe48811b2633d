"""Dead records are mended and sent again, each once: by two calls at a time, and after kill -9."""

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lakehead.deadletters.kafka_log import KafkaLog
from lakehead.deadletters.log import Batch, Outgoing, OutOfSequence, Refused
from lakehead.streams.sinks import KafkaSink
from tests.conftest import Stack, wait_until

pytestmark = pytest.mark.integration
STREAM = "refunds"
ROWS = 10_000
VALID = 100
ODD: list[bytes | None] = [b'{"refund_id": "R', b'{"refund_id": "K\xf6ln"}', b"[1]", b"", None]
MEND = ("--cause", "amount.minimum", "--merge", '{"amount": "12.50"}')
CONTRACT = f"""\
apiVersion: v3.2.0
kind: DataContract
id: {STREAM}
name: {STREAM}
version: 1.0.0
status: active
description: {{purpose: Money that goes back.}}
schema:
  - name: {STREAM}
    physicalType: topic
    properties:
      - {{name: refund_id, logicalType: string, required: true}}
      - name: amount
        logicalType: number
        physicalType: decimal(12,2)
        required: true
        logicalTypeOptions: {{minimum: 0}}
      - {{name: number, logicalType: integer, required: true}}
      - {{name: event_time, logicalType: timestamp, required: true}}
customProperties:
  - {{property: eventTime, value: event_time}}
  - {{property: watermarkDelay, value: 2 seconds}}
  - {{property: idleTimeout, value: 5 seconds}}
  - {{property: clockSkew, value: 60 seconds}}
  - {{property: key, value: refund_id}}
  - {{property: partitions, value: 4}}
  - {{property: retention, value: 7 days}}
  - {{property: encoding, value: json}}
"""


def refund(number: int, amount: str) -> bytes:
    event = {
        "refund_id": f"R{number}",
        "amount": amount,
        "number": number,
        "event_time": datetime.now(UTC).isoformat(),
        "till": number % 10,
    }
    return json.dumps(event).encode()


def send(stack: Stack, records: list[bytes | None]) -> None:
    sink, failed = KafkaSink(stack.settings), list[Any]()

    def note(error: Any, record: Any) -> None:
        if error is not None:
            failed.append(error)

    for i, record in enumerate(records):
        sink.produce(STREAM, b"%d" % i, record, note)
    assert sink.flush(30) == 0
    assert not failed


def audited(stack: Stack) -> dict[str, int]:
    found = stack.audit(STREAM)
    names = ("produced", "landed", "dead", "in_flight", "lost", "duplicated")
    return {name: found[name] for name in names}


def account(landed: int, dead: int) -> dict[str, int]:
    none = {"in_flight": 0, "lost": 0, "duplicated": 0}
    return {"produced": landed + dead, "landed": landed, "dead": dead} | none


@pytest.fixture(scope="module")
def refunds(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The shared stack with a stream of its own, of which 10,000 records and a few are dead."""
    project = tmp_path_factory.mktemp("refunds")
    (project / "schemas").mkdir()
    (project / "pipelines").mkdir()
    (project / "schemas" / f"{STREAM}.yaml").write_text(CONTRACT)
    here = stack.of(project)
    here.ok("contract", "apply", STREAM)
    send(here, [refund(-n, "1.00") for n in range(1, VALID + 1)])
    send(here, [refund(n, "-1.00") for n in range(ROWS)])
    send(here, ODD)
    assert audited(here) == account(VALID, ROWS + len(ODD))
    yield here
    here.ok("stop", STREAM)


def listed(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = stack.json("dead", "list", STREAM)["streams"][STREAM]
    return found


def test_the_list_counts_by_rule(refunds: Stack) -> None:
    found = listed(refunds)
    assert (found["dead"], found["redriven"], found["open"]) == (ROWS + len(ODD), 0, 10_005)
    groups = {group["rule"]: group["dead"] for group in found["causes"]}
    assert groups == {
        "amount.minimum": ROWS,
        "malformed JSON": 1,
        "not UTF-8": 1,
        "not a JSON object": 1,
        "empty": 1,
        "tombstone": 1,
    }
    assert found["rates"]["day"] == sum(found["rates"]["hours"]) == ROWS + len(ODD)


def test_a_dry_run_shows_before_and_after(refunds: Stack) -> None:
    where = ("--where", "number < 1000 AND (event->>'till') = '3'")
    tried = refunds.json("dead", "redrive", STREAM, *where, *MEND, "--dry-run")
    assert (tried["chosen"], tried["valid"], tried["sent"]) == (100, 100, 100)
    for example in tried["examples"]:
        assert (example["before"]["amount"], example["after"]["amount"]) == ("-1.00", "12.50")
        assert example["problems"] == []
    unmended = refunds.run("dead", "redrive", STREAM, "--dry-run", "--json")
    assert unmended.returncode == 1
    report = json.loads(unmended.stdout)
    assert (report["failing"], report["sent"]) == (ROWS + len(ODD), 0)
    assert report["failures"]["amount.minimum"] == ROWS


def test_two_redrives_at_once_land_each_record_once(refunds: Stack) -> None:
    calls = [refunds.start("dead", "redrive", STREAM, *MEND, "--json") for _ in range(2)]
    reports = []
    for call in calls:
        out, err = call.communicate(timeout=120)
        assert call.returncode == 0, err
        reports.append(json.loads(out))
    assert sorted(report["sent"] for report in reports) == [0, ROWS]
    assert audited(refunds) == account(VALID + ROWS, ROWS + len(ODD))
    assert landed(refunds, 0, ROWS) == {"n": ROWS, "different": ROWS, "mended": ROWS}
    found = listed(refunds)
    assert (found["dead"], found["redriven"]) == (ROWS + len(ODD), ROWS)
    third = refunds.json("dead", "redrive", STREAM, *MEND)
    assert (third["chosen"], third["already"], third["sent"]) == (ROWS, ROWS, 0)
    assert audited(refunds)["produced"] == VALID + 2 * ROWS + len(ODD)
    shown = refunds.json("dead", "show", STREAM, "--cause", "amount.minimum", "--limit", "1")
    [record] = shown["records"]
    at = record["redriven"]
    [row] = refunds.json(
        "query",
        f"SELECT number FROM landing.{STREAM} WHERE kafka_partition = {at['partition']}"
        f" AND kafka_offset = {at['offset']}",
    )
    assert row["number"] == record["event"]["number"]


def test_kafka_drops_a_batch_that_it_has_and_tells_where_it_is(refunds: Stack) -> None:
    before = audited(refunds)
    log = KafkaLog(refunds.settings, STREAM)
    ends = log.ends()
    records = [Outgoing(0, 10**9 + n, b"same", refund(n, "1.00")) for n in (10**6, 10**6 + 1)]
    batch = Batch(0, STREAM, 2, log.new_producer(), 0, ends[2], time.time(), tuple(records))
    assert log.find(batch) is None
    base = log.append(batch)
    log.close()
    assert log.append(batch) == base == ends[2]
    assert log.find(batch) == base
    following = replace(batch, sequence=2, records=tuple(r._replace(offset=1) for r in records))
    assert log.append(following) == base + 2
    assert log.append(following) == base + 2
    assert log.ends() == ends | {2: base + 4}
    with pytest.raises(OutOfSequence):
        log.append(replace(batch, sequence=9))
    with pytest.raises(Refused, match="larger"):
        log.append(replace(batch, sequence=4, records=(Outgoing(0, 7, None, b" " * 2**21),)))
    log.close()
    assert audited(refunds) == account(before["landed"] + 4, before["dead"])


def landed(stack: Stack, first: int, count: int) -> dict[str, int]:
    [row] = stack.json(
        "query",
        "SELECT count(*) AS n, count(DISTINCT number) AS different,"
        f" count(*) FILTER (amount = 12.50) AS mended FROM landing.{STREAM}"
        f" WHERE number >= {first} AND number < {first + count}",
    )
    return {name: int(value) for name, value in row.items()}


def batches(home: Path, settled: bool) -> int:
    con = sqlite3.connect(home / "ledger" / "redriven.db", timeout=30)
    try:
        state = "IS NOT NULL" if settled else "IS NULL"
        [count] = con.execute(f"SELECT count(*) FROM batch WHERE base_offset {state}").fetchone()
        return int(count)
    finally:
        con.close()


def settled(home: Path, count: int) -> Callable[[], bool]:
    return lambda: batches(home, settled=True) >= count


def killed_when(call: "subprocess.Popen[str]", condition: Callable[[], bool], what: str) -> None:
    wait_until(lambda: condition() or call.poll() is not None, what)
    assert call.poll() is None, f"the redrive ended before {what}"
    call.kill()
    call.communicate(timeout=30)
    assert call.returncode == -signal.SIGKILL


def test_a_killed_redrive_is_finished_by_the_next(refunds: Stack) -> None:
    before = audited(refunds)
    send(refunds, [refund(n, "-2.00") for n in range(ROWS, 2 * ROWS)])
    after = account(before["landed"], before["dead"] + ROWS)
    assert audited(refunds) == after
    had = batches(refunds.home, settled=True)
    for goal in (had + 1, had + 6):
        call = refunds.start("dead", "redrive", STREAM, *MEND)
        killed_when(call, settled(refunds.home, goal), f"batch {goal}")
    # The broker stands still, with a batch on the way to it that the process never hears of.
    broker = refunds.pid("kafka")
    # What the second call left comes first; three more are the third call's own.
    some_more = settled(refunds.home, batches(refunds.home, settled=True) + 4)
    call = refunds.start("dead", "redrive", STREAM, *MEND)
    wait_until(some_more, "batches of the third call")
    os.kill(broker, signal.SIGSTOP)
    try:
        killed_when(call, lambda: batches(refunds.home, False) == 1, "a batch on the way")
        last = refunds.start("dead", "redrive", STREAM, *MEND, "--json")
    finally:
        os.kill(broker, signal.SIGCONT)
    out, err = last.communicate(timeout=120)
    assert last.returncode == 0, err
    report = json.loads(out)
    assert report["finished"] > 0
    assert report["sent"] < ROWS
    assert batches(refunds.home, settled=False) == 0
    assert audited(refunds) == account(before["landed"] + ROWS, before["dead"] + ROWS)
    assert landed(refunds, ROWS, ROWS) == {"n": ROWS, "different": ROWS, "mended": ROWS}


def test_what_still_breaks_is_sent_only_by_force_and_dies_again(refunds: Stack) -> None:
    before = audited(refunds)
    odd = ("--where", "cause LIKE 'not a JSON object%'")
    refused = refunds.run("dead", "redrive", STREAM, *odd, "--merge", '{"a": 1}', "--force")
    assert refused.returncode == 1
    assert audited(refunds) == before
    forced = refunds.json("dead", "redrive", STREAM, *odd, "--force")
    assert (forced["sent"], forced["forced"]) == (1, 1)
    assert audited(refunds) == account(before["landed"], before["dead"] + 1)
    assert refunds.json("dead", "redrive", STREAM, *odd, "--force", "--limit", "9")["sent"] == 1
