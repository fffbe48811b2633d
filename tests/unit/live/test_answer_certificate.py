"""What an answer was made of, in JSON."""

import json
from datetime import UTC, datetime

import pytest
from live_lake import Shop

from lakehead.lake.ops import append
from lakehead.live.certificate import certify_answer
from lakehead.proof.certificate import certify
from lakehead.proof.ledger import LEDGER
from lakehead.proof.parity import parity
from lakehead.query.engine import run
from tests.small_lake import at, window

SQL = "SELECT * FROM landing.orders, marts.m"


@pytest.fixture
def answered(shop: Shop) -> Shop:
    """Two rows landed, one window closed, a ledger."""
    shop.lake.model()
    shop.valid(seconds=1)
    shop.valid(1, seconds=12)
    shop.checkpoint()
    shop.commit(dead=False)
    shop.lake.answer(window(0, 1), checkpoint=1)
    row = {"stream": "orders", "checkpoint": 1, "committed_at": at(60), "landing_snapshot": 1}
    counts = {"landed": 1, "late": 0, "dead": 0, "redriven": 0, "empty": 2}
    ends = {"first_offset": 0, "next_offset": 4, "dead_snapshot": None}
    append(shop.settings, LEDGER, [{**row, **counts, **ends, "kafka_partition": p} for p in (0, 1)])
    return shop


def test_of_the_lake_alone(answered: Shop) -> None:
    with run(answered.settings, SQL) as result:
        said = certify_answer(answered.settings, SQL, result).as_json()
        states = result.tables
    assert json.loads(json.dumps(said)) == said
    assert said["sql"] == SQL
    landing, mart = said["tables"]["landing.orders"], said["tables"]["marts.m"]
    assert landing["snapshot"] == states["landing.orders"].snapshot_id
    assert (landing["live"], landing["model"], landing["parity"]) == (False, None, None)
    fresh = landing["freshness"]
    assert fresh["offsets"] == {"0": 0, "1": 0}
    assert fresh["newest_event_time"] == at(12).isoformat()
    assert fresh["age_seconds"] > 0
    [audit] = landing["audit"]
    # What is missing from eight offsets.
    assert audit["lost"] == 2
    assert audit["upto"] == {"0": 4, "1": 4}
    assert audit["committed_at"] == at(60).isoformat()
    assert mart["audit"] == [audit]
    assert mart["freshness"]["closed_until"] == at(10).isoformat()
    assert (mart["model"], mart["parity"]) == ("m", None)


def test_parity_is_that_of_the_snapshot_or_of_another(answered: Shop) -> None:
    settings = answered.settings
    certify(settings, "m", parity(settings, "m"))
    answered.lake.answer(window(10, 5), checkpoint=2)
    answered.lake.land(checkpoint=2)
    certify(settings, "m", parity(settings, "m"))

    def certified() -> dict[str, object]:
        with run(settings, SQL) as result:
            found = certify_answer(settings, SQL, result).as_json()["tables"]["marts.m"]["parity"]
            assert isinstance(found, dict)
            return found

    # The newest, and it is told that it found a window that no row accounts for.
    assert certified()["result"] == "unexplained"
    assert certified()["of_this_snapshot"] is True
    answered.lake.answer(window(20, 1), checkpoint=3)
    assert certified()["of_this_snapshot"] is False


def test_of_a_live_answer(answered: Shop) -> None:
    answered.valid(1, seconds=25)
    before = datetime.now(UTC)
    with answered.live() as live, live.run(SQL) as result:
        said = certify_answer(answered.settings, SQL, result).as_json()["tables"]
    # The dead table was read for the fence, and is none of the answer's.
    assert said["landing.orders_dead"]["live"] is False
    landing, mart = said["landing.orders"], said["marts.m"]
    assert landing["live"] and mart["live"]
    assert landing["freshness"]["offsets"] == {"0": 0, "1": 1} == mart["freshness"]["offsets"]
    assert datetime.fromisoformat(landing["freshness"]["read_at"]) >= before
    assert mart["freshness"]["open_rows"] == 2
