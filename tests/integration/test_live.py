"""Live answers while events flow, commits land and files are rewritten: each record once."""

import json
import random
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import Producer

from lakehead.live.live import Live
from lakehead.query.engine import run
from tests.conftest import Stack, wait_until

pytestmark = pytest.mark.integration
STREAM = "probes"
ASKED = 120
MODEL = """/*
model: by_probe
stream: probes
window: {tumble: 2 seconds}
keys: [id]
output: {table: marts.by_probe, columns: {id: string, events: long}}
*/
SELECT id, COUNT(*) AS events FROM probes GROUP BY id
"""
BY_PARTITION = """
SELECT kafka_partition::VARCHAR AS p, count(*) AS rows, count(DISTINCT kafka_offset) AS once
FROM (
  SELECT kafka_partition, kafka_offset FROM landing.probes
  UNION ALL SELECT kafka_partition, kafka_offset FROM landing.probes_dead)
GROUP BY 1
"""
LANDED = "SELECT count(*) AS rows FROM landing.probes"
IN_WINDOWS = """
SELECT (SELECT sum(events)::BIGINT FROM marts.by_probe), count(*), count(*) FILTER (late)
FROM landing.probes
"""


@pytest.fixture(scope="module")
def plant(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The shared stack, asked from a project with a stream and a model of its own."""
    project = tmp_path_factory.mktemp("live")
    for folder in ("schemas", "pipelines"):
        (project / folder).mkdir()
    (project / "pipelines" / "by_probe.sql").write_text(MODEL)
    asked = stack.of(project)
    asked.ok("contract", "new", STREAM)
    asked.ok("submit", STREAM)
    asked.ok("produce", STREAM, "--events", "2000", "--rate", "1000", "--poison", "0.01")
    asked.audit(STREAM)
    yield asked
    asked.ok("stop", STREAM)


def ended(process: "subprocess.Popen[str]") -> None:
    _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said


class Asked:
    """What was seen over many answers; ``wrong`` are those that do not add up."""

    def __init__(self) -> None:
        self.answers = 0
        self.wrong: list[str] = []
        self.ends: set[tuple[tuple[str, int], ...]] = set()
        self.snapshots: set[int | None] = set()
        self.with_tail = 0
        self.with_open = 0

    def every_record(self, live: Live) -> None:
        """Landed and dead together are all offsets that the answer names."""
        with live.run(BY_PARTITION) as result:
            found = {p: (rows, distinct) for p, rows, distinct in result.fetchall()}
            fresh = result.freshness["landing.probes"]
            self.snapshots.add(result.tables["landing.probes"].snapshot_id)
        named = {p: (newest + 1, newest + 1) for p, newest in fresh.offsets.items()}
        if found != named:
            self.wrong.append(f"{found} of {named}, fence {dict(fresh.fence)}")
        self.ends.add(tuple(sorted(fresh.offsets.items())))
        self.with_tail += fresh.tail_rows > 0
        self.answers += 1

    def windows(self, live: Live) -> None:
        """Every event is in a window, but for those that came too late for theirs."""
        with live.run(IN_WINDOWS) as result:
            [(events, landed, late)] = result.fetchall()
            self.with_open += (result.freshness["marts.by_probe"].open_rows or 0) > 0
        if not landed - late <= events <= landed:
            self.wrong.append(f"{events} events in windows, {landed} landed, {late} late")
        self.answers += 1


def test_each_record_is_there_once_at_any_moment(plant: Stack) -> None:
    flowing = plant.start(
        "produce", STREAM, "--events", "30000", "--rate", "500", "--poison", "0.01"
    )
    rewriting = plant.start("maintain", f"landing.{STREAM}", f"landing.{STREAM}_dead")
    draw = random.Random(8)
    asked = Asked()
    try:
        with Live(plant.settings, warm=True) as warm:
            for i in range(ASKED):
                time.sleep(draw.uniform(0, 0.1))
                if i % 10 == 9:
                    # As the command line asks: nothing is known from before.
                    with Live(plant.settings) as cold:
                        asked.every_record(cold)
                elif i % 3 == 2:
                    asked.windows(warm)
                else:
                    asked.every_record(warm)
    finally:
        ended(rewriting)
        ended(flowing)
    assert asked.wrong == []
    assert asked.answers == ASKED
    # It was asked while all of this went on, of which a slow machine sees less.
    assert len(asked.ends) > 5
    assert len(asked.snapshots) > 2
    assert asked.with_tail > 5
    assert asked.with_open > 2


def test_a_live_answer_is_what_will_be_landed(plant: Stack) -> None:
    """Judged by the same rules: what the tail had is in the lake later, value by value."""
    plant.ok("produce", STREAM, "--events", "3000", "--rate", "3000", "--poison", "0.05")
    rows = "SELECT * EXCLUDE (watermark, late) FROM landing.probes ORDER BY ALL"
    dead = (
        "SELECT kafka_partition, kafka_offset, kafka_timestamp, record"
        " FROM landing.probes_dead ORDER BY ALL"
    )
    with Live(plant.settings) as live, live.run(rows) as landed, live.run(dead) as died:
        seen = (landed.fetchall(), died.fetchall())
    plant.audit(STREAM)
    with run(plant.settings, rows) as landed, run(plant.settings, dead) as died:
        assert (landed.fetchall(), died.fetchall()) == seen


def test_open_windows_close_as_they_were(plant: Stack) -> None:
    sql = "SELECT window_start, id, events FROM marts.by_probe"
    plant.audit(STREAM)
    with Live(plant.settings) as live, live.run(sql) as result:
        before = {(start, id): events for start, id, events in result.fetchall()}
        closed = result.freshness["marts.by_probe"].closed_until
    assert closed is not None
    were_open = {k: n for k, n in before.items() if k[0] >= closed}
    assert were_open
    # Later events close them, and are in none of them.
    last = max(start for start, _ in were_open)
    over = last + timedelta(seconds=2)
    wait_until(lambda: datetime.now(UTC) > over, "the last open window to be over")

    def closes() -> bool:
        plant.ok("produce", STREAM, "--events", "50", "--rate", "50")
        with run(plant.settings, "SELECT max(window_start) FROM marts.by_probe") as result:
            return bool(result.fetchall()[0][0] > last)

    wait_until(closes, "the windows that were open to close")
    with run(plant.settings, sql) as result:
        after = {(start, id): events for start, id, events in result.fetchall()}
    assert {k: after[k] for k in were_open} == were_open


def said(plant: Stack, sql: str) -> Any:
    return json.loads(plant.ok("query", sql, "--live", "--json", "--certificate"))


def test_without_a_job_all_is_tail(plant: Stack) -> None:
    plant.ok("stop", STREAM)
    plant.ok("produce", STREAM, "--events", "500", "--rate", "5000")
    both = said(plant, LANDED)
    fresh = both["certificate"]["tables"]["landing.probes"]["freshness"]
    assert fresh["tail_rows"] == 500
    whole = said(plant, BY_PARTITION)["rows"]
    assert {row["p"]: row["rows"] for row in whole} == {
        p: newest + 1 for p, newest in fresh["offsets"].items()
    }


def test_what_is_not_committed_is_not_seen(plant: Stack) -> None:
    producer = Producer(
        {"bootstrap.servers": plant.settings.bootstrap, "transactional.id": "probes"}
    )
    producer.init_transactions(30)
    with Live(plant.settings) as demand, Live(plant.settings, warm=True) as warm:

        def counted() -> int:
            found = set()
            for live in (demand, warm):
                with live.run("SELECT count(*) FROM landing.probes") as result:
                    found.add(int(result.fetchall()[0][0]))
            [count] = found
            return count

        before = counted()
        for kept in (True, False):
            producer.begin_transaction()
            for i in range(20):
                event = {"id": f"t{i}", "event_time": datetime.now(UTC).isoformat()}
                producer.produce(STREAM, json.dumps(event).encode(), partition=0)
            producer.flush(30)
            assert counted() == before + (0 if kept else 20)
            if kept:
                producer.commit_transaction(30)
            else:
                producer.abort_transaction(30)
            assert counted() == before + 20
    plant.ok("submit", STREAM)
    assert plant.audit(STREAM)["lost"] == 0
