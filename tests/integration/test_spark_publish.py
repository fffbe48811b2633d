"""What Spark answers is written to branches, judged, and published; that needs no stream."""

import json
from pathlib import Path

import pytest

from lakehead.lake.snapshots import table_state
from lakehead.lineage.run_events import events_path
from lakehead.proof.publish import BRANCH
from lakehead.proof.reconcile import reconcile
from lakehead.quality.publish import gates
from lakehead.settings import Settings
from tests.small_lake import TUMBLE, at, event, make_lake, window

pytestmark = pytest.mark.integration


def ended(settings: Settings) -> dict[str, str]:
    """How the lineage says that each run ended."""
    lines = map(json.loads, events_path(settings).read_text().splitlines())
    return {e["job"]["name"]: e["eventType"] for e in lines if e["eventType"] != "START"}


def test_what_spark_answers_passes_the_gate(tmp_path: Path) -> None:
    """One session does them all: what is refused does not hold up the others."""
    lake = make_lake(tmp_path)
    lake.model(name="kept", **TUMBLE, expect=["n <= 3"])
    lake.model(name="broken", **TUMBLE, expect=["n <= 2"])
    lake.model("SELECT id FROM orders", {"id": "string"}, "plain", kind="rows")
    lake.land(event(0, 1), event(1, 11), checkpoint=1)
    for name in ("kept", "broken"):
        lake.answer(window(0, 1), window(10, 1), name=name, checkpoint=1)
    row = {"event_time": at(1), "kafka_partition": 0, "kafka_offset": 0, "id": "b"}
    lake.answer(row, name="plain", checkpoint=1)
    lake.land(event(2, 2, 25), event(3, 3, 25), checkpoint=2)
    names = ["kept", "broken", "plain"]
    asked = gates(lake.settings, names)
    judge = asked["kept"]

    def meanwhile(snapshot: int) -> str | None:
        """The stream commits a window that closes while the batch is judged."""
        lake.answer(window(20, 7), name="kept", checkpoint=3)
        return judge(snapshot)

    def more_rows(snapshot: int) -> None:
        """A row that was not landed yet when the batch was computed."""
        lake.answer({**row, "kafka_offset": 4, "id": "c"}, name="plain", checkpoint=3)

    before = lake.mart("broken")
    done = reconcile(
        lake.settings, names, engine="spark", gates={**asked, "kept": meanwhile, "plain": more_rows}
    )

    kept, broken, plain = done
    assert (kept.refused, kept.windows, kept.changed, kept.settled) == (None, 2, 1, 1)
    assert [r["n"] for r in lake.mart("kept")] == [3, 1, 7]
    assert [r["settled_offsets"] for r in lake.mart("kept")] == ['{"0": 3}', '{"0": 3}', None]
    assert broken.refused
    assert "n <= 2: 1 rows" in broken.refused
    assert lake.mart("broken") == before
    assert (plain.refused, plain.changed) == (None, 1)
    assert [(r["kafka_offset"], r["id"]) for r in lake.mart("plain")] == [(0, "a"), (4, "c")]
    for name, refs in (("kept", {"main"}), ("broken", {"main", BRANCH}), ("plain", {"main"})):
        assert set(table_state(lake.settings, f"marts.{name}").refs) == refs
    assert ended(lake.settings) == {
        "reconcile.kept": "COMPLETE",
        "reconcile.broken": "FAIL",
        "reconcile.plain": "COMPLETE",
    }
