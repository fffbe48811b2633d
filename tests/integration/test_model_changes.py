"""Models change while events go on: readers see whole tables, and the batch says the same."""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from lakehead.query.engine import connect
from tests.conftest import ROOT, Stack, wait_until

pytestmark = pytest.mark.integration
STREAM = "clicks"
RATE = 200
PAGES = 5
CHANGED = ("by_filter", "by_key", "by_total", "by_window")


def model(
    name: str,
    window: int = 2,
    keys: str = "page",
    more: dict[str, str] | None = None,
    where: str = "",
    description: str = "",
) -> str:
    """A model of clicks by key and tumbling window of ``window`` seconds."""
    columns = dict.fromkeys(keys.split(", "), "string") | {"clicks": "long"}
    columns |= dict.fromkeys(more or {}, "long")
    listed = "".join(f"    {k}: {v}\n" for k, v in columns.items())
    selected = "".join(f", {v} AS {k}" for k, v in (more or {}).items())
    return (
        f"/*\nmodel: {name}\ndescription: {description}\nstream: {STREAM}\n"
        f"window: {{tumble: {window} seconds}}\nkeys: [{keys}]\n"
        f"output:\n  table: marts.{name}\n  columns:\n{listed}*/\n"
        f"SELECT {keys}, COUNT(*) AS clicks{selected}\nFROM {STREAM}\n{where}\nGROUP BY {keys}\n"
    )


class Visitors(threading.Thread):
    """Clicks on every page, in event time as they are sent, until stopped."""

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.sent = 0
        self._stop_wanted = threading.Event()
        self._producer = Producer(
            {"bootstrap.servers": stack.settings.bootstrap, "enable.idempotence": True}
        )

    def run(self) -> None:
        begun = time.monotonic()
        while not self._stop_wanted.is_set():
            while self.sent < (time.monotonic() - begun) * RATE:
                number = self.sent
                event = {
                    "page": f"p{number % PAGES}",
                    "visitor": f"v{number % 3}",
                    "weight": 1 + number // PAGES % 3,
                    "clicked_at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
                }
                page = number % PAGES
                self._producer.produce(
                    STREAM, json.dumps(event).encode(), f"p{page}", partition=page % 2
                )
                self.sent += 1
            self._producer.poll(0.01)
        self._producer.flush()

    def stop(self) -> None:
        self._stop_wanted.set()
        self.join()


class Reader(threading.Thread):
    """Asks every mart for its rows of windows that closed long ago, again and again."""

    def __init__(self, stack: Stack, models: tuple[str, ...], long_ago: datetime) -> None:
        super().__init__()
        self.reads = 0
        self.wrong: list[str] = []
        self._settings = stack.settings
        self._least = dict.fromkeys(models, 1)
        self._long_ago = long_ago
        self._stop_wanted = threading.Event()

    def run(self) -> None:
        while not self._stop_wanted.is_set():
            for name in self._least:
                try:
                    self._read(name)
                except Exception as error:
                    self.wrong.append(f"{name}: {error!r}")
            self.reads += 1
            self._stop_wanted.wait(0.3)

    def _read(self, name: str) -> None:
        table = f"marts.{name}"
        with connect(self._settings, {table: None}) as lake:
            found = lake.execute(
                f"SELECT count(*), count(DISTINCT page) FROM {table} WHERE window_end < ?",
                [self._long_ago],
            ).fetchone()
        assert found
        rows, pages = found
        if rows < self._least[name] or pages < PAGES:
            self.wrong.append(f"{name}: {rows} rows of {pages} pages, had {self._least[name]}")
        self._least[name] = max(rows, self._least[name])

    def stop(self) -> None:
        self._stop_wanted.set()
        self.join()


@pytest.fixture(scope="module")
def site(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The shared stack, asked from a project of its own whose job has run for a while."""
    project = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "tests/integration/projects/clicks", project, dirs_exist_ok=True)
    asked = stack.of(project)
    for name in ("by_page", *CHANGED):
        write(asked, name, model(name))
    asked.ok("submit", STREAM)
    visitors = Visitors(asked)
    visitors.start()
    wait_until(lambda: closed_windows(asked, "by_page") > 5, "windows that have closed")
    yield asked
    visitors.stop()
    asked.ok("stop", STREAM)


def write(site: Stack, name: str, text: str) -> None:
    (site.project / "pipelines" / f"{name}.sql").write_text(text)


def closed_windows(site: Stack, name: str) -> int:
    sql = f"SELECT count(DISTINCT window_start) AS windows FROM marts.{name}"
    return int(json.loads(site.ok("query", sql, "--format", "json"))[0]["windows"])


def planned(site: Stack) -> dict[str, Any]:
    [job] = site.json("plan", STREAM)["jobs"]
    return {v["model"]: v for v in job["versions"]}


def nothing_lost(site: Stack) -> None:
    audited = site.audit(STREAM)
    assert (audited["lost"], audited["duplicated"], audited["dead"]) == (0, 0, 0)


def test_models_change_without_a_gap_even_when_the_submit_is_killed(site: Stack) -> None:
    write(site, "by_page", model("by_page", description="said in other words"))
    write(site, "by_filter", model("by_filter", where="WHERE weight > 1"))
    write(site, "by_key", model("by_key", keys="page, visitor"))
    write(site, "by_total", model("by_total", more={"weight": "SUM(weight)"}))
    write(site, "by_window", model("by_window", window=1))
    plan = planned(site)
    assert plan["by_page"]["change"] == "unchanged"
    assert plan["by_page"]["state"] == "kept"
    assert {plan[name]["change"] for name in CHANGED} == {"changed"}
    assert plan["by_filter"]["what"] == ["filter added: WHERE weight > 1"]
    assert plan["by_key"]["what"][0] == "keys: page becomes page, visitor"
    assert "column weight added: SUM(weight) as long" in plan["by_total"]["what"]
    assert plan["by_window"]["what"] == ["window: tumble 0:00:02 becomes tumble 0:00:01"]

    reader = Reader(site, ("by_page", *CHANGED), datetime.now(UTC) - timedelta(seconds=10))
    reader.start()
    try:
        killed = site.start("submit", STREAM)
        assert killed.stderr
        for line in killed.stderr:
            if line.startswith("filling"):
                break
        killed.kill()
        killed.communicate()
        half_way = planned(site)
        assert {half_way[name]["change"] for name in CHANGED} == {"filling"}
        [job] = site.json("submit", STREAM)["jobs"]
    finally:
        reader.stop()
    assert job["waiting"] == []
    assert reader.wrong == []
    assert reader.reads > 20

    assert {v["change"] for v in planned(site).values()} == {"unchanged"}
    compared = site.json("parity", "by_page", *CHANGED)["models"]
    assert {name: found["unexplained"] for name, found in compared.items()} == dict.fromkeys(
        ("by_page", *CHANGED), 0
    )
    assert compared["by_page"]["settled"] == 0
    assert all(compared[name]["settled"] > 0 for name in CHANGED)
    assert {plan[name]["kept"] for name in CHANGED} <= {f"marts.{t}" for t in all_tables(site)}
    nothing_lost(site)


def all_tables(site: Stack) -> list[str]:
    listed = json.loads(site.ok("query", "SHOW TABLES", "--format", "json"))
    return [str(row["table"]).removeprefix("marts.") for row in listed]


def test_a_model_is_added_and_another_removed(site: Stack) -> None:
    (site.project / "pipelines" / "by_window.sql").unlink()
    write(site, "by_visitor", model("by_visitor", keys="visitor"))
    plan = planned(site)
    assert {n: plan[n]["change"] for n in ("by_window", "by_visitor", "by_page")} == {
        "by_window": "removed",
        "by_visitor": "added",
        "by_page": "unchanged",
    }
    [job] = site.json("submit", STREAM)["jobs"]
    assert job["waiting"] == []
    compared = site.json("parity", "by_page", "by_key", "by_visitor")["models"]
    assert {found["unexplained"] for found in compared.values()} == {0}
    assert compared["by_visitor"]["windows"] >= closed_windows(site, "by_filter")
    assert {"by_visitor", "by_window"} <= set(all_tables(site))
    nothing_lost(site)


def test_a_model_is_replayed_though_kafka_has_dropped_the_records(site: Stack) -> None:
    nothing_lost(site)
    assert dropped(site) > 0
    reader = Reader(site, ("by_page",), datetime.now(UTC) - timedelta(seconds=10))
    reader.start()
    try:
        done = site.json("replay", "by_page")["rebuilt"]
    finally:
        reader.stop()
    assert reader.wrong == []
    assert (done["lacking"], done["differing"]) == (0, 0)
    assert done["answers"] > 5 * PAGES
    assert done["kept"].removeprefix("marts.") in all_tables(site)
    compared = site.json("parity", "by_page")["models"]["by_page"]
    assert (compared["different"], compared["unexplained"]) == (0, 0)
    nothing_lost(site)


def dropped(site: Stack) -> int:
    """How many records Kafka has not any more: all that had been landed."""
    admin = AdminClient({"bootstrap.servers": site.settings.bootstrap})
    reached = {p["partition"]: p["landed"] + p["dead"] for p in site.audit(STREAM)["partitions"]}
    ends = [TopicPartition(STREAM, p, end) for p, end in reached.items()]
    done = [f.result() for f in admin.delete_records(ends, request_timeout=30).values()]
    return sum(int(d.low_watermark) for d in done)


def test_a_model_is_rolled_back_to_the_table_that_was_kept(site: Stack) -> None:
    done = site.json("rollback", "by_total")
    [described] = [
        {r["column_name"] for r in json.loads(site.ok("query", sql, "--format", "json"))}
        for sql in ["DESCRIBE marts.by_total"]
    ]
    assert "weight" not in described
    assert done["aside"].removeprefix("marts.") in all_tables(site)
    assert planned(site)["by_total"]["change"] == "added"
    nothing_lost(site)
