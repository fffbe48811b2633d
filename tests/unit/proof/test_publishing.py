"""A batch goes to a branch first, and to main only if it keeps what is expected of the mart."""

import json
import threading
import time
from pathlib import Path

import pytest

from lakehead.lake.catalog import open_catalog
from lakehead.lake.snapshots import table_state
from lakehead.proof.publish import BRANCH, Busy, Gate, alone
from lakehead.proof.reconcile import reconcile
from lakehead.proof.settle import settle_late
from lakehead.quality.publish import gates
from lakehead.query.engine import run
from tests.small_lake import TUMBLE, Lake, Row, at, event, make_lake, window


def expecting(folder: Path, *expect: str) -> Lake:
    """Two windows of the stream's, and two rows that came too late for the first."""
    lake = make_lake(folder)
    lake.model(**TUMBLE, expect=list(expect))
    lake.land(event(0, 1), event(1, 11), checkpoint=1)
    lake.answer(window(0, 1), window(10, 1), checkpoint=1)
    lake.land(event(2, 2, 25), event(3, 3, 25), checkpoint=2)
    return lake


def publish(lake: Lake, gate: Gate | None = None) -> str | None:
    """Why it was not published."""
    asked = gates(lake.settings, ["m"]) if gate is None else {"m": gate}
    [done] = reconcile(lake.settings, ["m"], gates=asked)
    return done.refused


def counted(rows: list[Row]) -> list[int]:
    return [row["n"] for row in rows]


def refs(lake: Lake) -> set[str]:
    return set(table_state(lake.settings, "marts.m").refs)


class Reader(threading.Thread):
    """Looks at the mart all the time."""

    def __init__(self, lake: Lake) -> None:
        super().__init__()
        self.seen: set[tuple[int, ...]] = set()
        self._lake = lake
        self._stop_wanted = threading.Event()

    def run(self) -> None:
        while not self._stop_wanted.wait(0.01):
            with run(self._lake.settings, "SELECT n FROM marts.m ORDER BY window_start") as found:
                self.seen.add(tuple(n for (n,) in found.fetchall()))

    def stop(self) -> None:
        self._stop_wanted.set()
        self.join()


def test_what_breaks_an_expectation_is_never_seen_and_each_row_of_it_is_named(
    tmp_path: Path,
) -> None:
    lake = expecting(tmp_path, "n <= 2", "id is not null")
    reader = Reader(lake)
    reader.start()
    try:
        refused = publish(lake)
    finally:
        reader.stop()
    assert reader.seen == {(1, 1)}
    assert refused
    assert "1 expectations fail" in refused
    assert "n <= 2" in refused
    assert refs(lake) == {"main", BRANCH}
    with run(lake.settings, "SELECT expectation, branch, row FROM quarantine.m") as found:
        [(expectation, branch, row)] = found.fetchall()
    assert (expectation, branch) == ("expect.n <= 2", BRANCH)
    assert (json.loads(row)["id"], json.loads(row)["n"]) == ("a", 3)
    with run(lake.settings, "SELECT count(*) FILTER (NOT success) FROM ops.quality") as found:
        assert found.fetchall() == [(1,)]


def test_once_it_is_kept_it_is_published(tmp_path: Path) -> None:
    lake = expecting(tmp_path, "n <= 2")
    assert publish(lake)
    path = lake.settings.pipelines / "m.sql"
    path.write_text(path.read_text().replace("n <= 2", "n <= 3"))
    assert publish(lake) is None
    assert counted(lake.mart()) == [3, 1]
    assert refs(lake) == {"main"}


def test_what_the_stream_commits_meanwhile_stays(tmp_path: Path) -> None:
    lake = expecting(tmp_path)

    def gate(snapshot: int) -> None:
        lake.answer(window(20, 7), checkpoint=3)

    publish(lake, gate)
    assert counted(lake.mart()) == [3, 1, 7]


def test_windows_that_changed_meanwhile_are_computed_and_asked_about_anew(tmp_path: Path) -> None:
    lake = expecting(tmp_path)
    asked = []

    def gate(snapshot: int) -> None:
        asked.append(snapshot)
        if len(asked) == 1:
            lake.answer(window(10, 1, id="b"), checkpoint=3)

    publish(lake, gate)
    assert len(asked) == 2
    # The stream's row of a key that no landed row has is taken out, as always.
    assert counted(lake.mart()) == [3, 1]
    assert {row["window_start"] for row in lake.mart()} == {at(0), at(10)}


def refuse(snapshot: int) -> str:
    return "not good enough"


def test_one_that_is_refused_does_not_hold_up_the_others_and_stays_due(tmp_path: Path) -> None:
    lake = expecting(tmp_path)
    lake.model(name="other")
    lake.answer(window(0, 1), window(10, 1), name="other", checkpoint=1)
    first, other = reconcile(lake.settings, ["m", "other"], gates={"m": refuse})
    assert (first.refused, first.changed, other.refused) == ("not good enough", 1, None)
    assert counted(lake.mart()) == [1, 1]
    assert counted(lake.mart("other")) == [3, 1]
    first, other = reconcile(lake.settings, ["m", "other"])
    assert (first.changed, other.windows) == (1, 0)
    assert counted(lake.mart()) == [3, 1]


def test_a_branch_that_was_refused_goes_when_the_mart_is_right(tmp_path: Path) -> None:
    lake = expecting(tmp_path)
    publish(lake, refuse)
    assert refs(lake) == {"main", BRANCH}
    table = open_catalog(lake.settings).load_table("marts.m")
    table.delete()
    lake.answer(window(0, 3, '{"0": 3}'), window(10, 1, '{"0": 3}'))
    assert publish(lake) is None
    assert refs(lake) == {"main"}


def test_late_rows_pass_the_gate_too_and_what_is_refused_is_left_to_reconcile(
    tmp_path: Path,
) -> None:
    lake = expecting(tmp_path)
    asked = []

    def gate(snapshot: int) -> str:
        asked.append(snapshot)
        return refuse(snapshot)

    assert settle_late(lake.settings, "m", gate).refused == "not good enough"
    assert counted(lake.mart()) == [1, 1]
    assert settle_late(lake.settings, "m", gate).windows == 0
    assert len(asked) == 1
    publish(lake)
    assert counted(lake.mart()) == [3, 1]


def test_one_at_a_time_replaces_rows_of_a_mart(tmp_path: Path) -> None:
    lake = expecting(tmp_path)
    said: list[str] = []
    with alone(lake.settings, ["m"]):
        with pytest.raises(Busy, match="another process is replacing windows of m"):
            settle_late(lake.settings, "m")
        waiting = threading.Thread(
            target=reconcile, args=[lake.settings, ["m"]], kwargs={"say": said.append}
        )
        waiting.start()
        end = time.monotonic() + 60
        while not any(text.startswith("waiting for another") for text in said):
            assert time.monotonic() < end, said
            time.sleep(0.01)
        assert counted(lake.mart()) == [1, 1]
    waiting.join()
    assert counted(lake.mart()) == [3, 1]
    # The next one finds the lock free.
    assert settle_late(lake.settings, "m").refused is None


def test_a_model_that_expects_nothing_has_no_gate(tmp_path: Path) -> None:
    lake = expecting(tmp_path)
    assert gates(lake.settings, ["m"]) == {}
