"""SQL from strangers who mean harm: refused, or stopped within the limits; others are answered."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from running_server import ROWS, Running, Together, filled, running

from lakehead.lake.plan import plan_files
from lakehead.lake.snapshots import table_state
from lakehead.server.limits import Limits
from lakehead.server.serve import Listening

CORPUS = yaml.safe_load((Path(__file__).parent / "hostile.yaml").read_text())
SECRET = "canary-d41d8cd98f"
TIMEOUT_SECONDS = 2.5
# For the others: that they are answered is the point, how fast is the machine's.
PATIENCE_SECONDS = 30
MEMORY = 300 * 2**20
# How far a worker may get past its memory between two looks at it.
OVERSHOOT = 400 * 2**20
COUNT = "SELECT count(*) AS n FROM landing.orders"
WORKERS = 6


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outside")
    (folder / "canary.csv").write_text(f"a,b\n{SECRET},1\n")
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    limits = Limits(
        workers=WORKERS,
        timeout_seconds=PATIENCE_SECONDS,
        memory_bytes=MEMORY,
        max_bytes=64 * 2**20,
        waiting_each=200,
        waiting=400,
    )
    lake = filled(tmp_path_factory.mktemp("hostile"))
    with running(lake, Listening(port=0, http_port=0, limits=limits)) as up:
        yield up


def statements(server: Running, outside: Path, kind: str) -> list[str]:
    state = table_state(server.settings, "landing.orders")
    names = {
        "{canary}": str(outside / "canary.csv"),
        "{out}": str(outside / "out"),
        "{data}": plan_files(server.settings, state).files[0].path,
        "{home}": str(server.settings.home),
    }
    found = []
    for sql in CORPUS[kind]:
        for name, path in names.items():
            sql = sql.replace(name, path)
        found.append(sql)
    return found


def test_the_corpus_is_large() -> None:
    assert len(set(CORPUS["refused"])) >= 150
    assert len(set(CORPUS["limited"])) >= 30


def test_all_that_could_do_harm_is_refused(
    server: Running, outside: Path, together: Together
) -> None:
    asked = statements(server, outside, "refused")
    parts = [asked[i::WORKERS] for i in range(WORKERS)]
    answers = together([lambda part=part: [(s, server.ask(s)) for s in part] for part in parts])
    for sql, answer in (pair for part in answers for pair in part):
        assert answer.status_code == 400, (sql, answer.status_code, answer.text)
        assert answer.json()["error"], sql
        assert SECRET not in answer.text, sql
    assert [path.name for path in outside.iterdir()] == ["canary.csv"]
    assert server.ask(COUNT).json() == {"n": ROWS}


def test_what_takes_too_much_is_stopped_while_others_are_answered(
    server: Running, outside: Path, together: Together
) -> None:
    asked = statements(server, outside, "limited")
    done = threading.Event()
    seen = {"most": 0, "slowest": 0.0, "answered": 0}

    def hostile(sql: str) -> tuple[str, Any]:
        try:
            return sql, server.ask(sql, timeout_seconds=TIMEOUT_SECONDS)
        except Exception as error:
            # An answer that went past its size is cut off, and never looks whole.
            return sql, error

    def attack() -> list[tuple[str, Any]]:
        try:
            return list(together([lambda sql=sql: hostile(sql) for sql in asked]))
        finally:
            done.set()

    def others() -> None:
        while not done.is_set():
            began = time.monotonic()
            answer = server.ask(COUNT, user="operator")
            assert answer.json() == {"n": ROWS}, answer.text
            seen["slowest"] = max(seen["slowest"], time.monotonic() - began)
            seen["answered"] += 1

    def watch() -> None:
        while not done.wait(0.05):
            held = [w.resident_bytes() - w._idle_bytes for w in server.server.desk.pool.workers]
            seen["most"] = max(seen["most"], *held, 0)

    answers, _, _ = together([attack, others, watch])
    for sql, answer in answers:
        if isinstance(answer, Exception):
            assert "peer closed" in str(answer) or "disconnected" in str(answer), (sql, answer)
        else:
            assert answer.status_code in (200, 400, 408, 413), (sql, answer.text[:300])
            assert answer.status_code != 200 or len(answer.content) < 10**6, sql
    assert seen["answered"] >= 5
    assert seen["most"] < MEMORY + OVERSHOOT
    assert server.ask(COUNT).json() == {"n": ROWS}
    spilt = server.settings.home / "cache" / "spill"
    assert not spilt.exists() or not list(spilt.iterdir())
