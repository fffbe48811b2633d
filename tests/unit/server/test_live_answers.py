"""Live answers of the server: by both protocols, within a token's rights, and counted."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import keeper_double
import psycopg
import pytest
from running_server import LIMITS, Running, running

from lakehead.contracts.iceberg import dead_schema
from lakehead.contracts.scaffold import scaffold
from lakehead.server import tokens, wire
from lakehead.server.serve import Listening
from lakehead.server.tails import Tails
from tests.small_lake import at, event, make_lake, window

COUNT = "SELECT count(*) AS n FROM landing.orders"
DOUBLE = (str(Path(keeper_double.__file__)),)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Two orders landed, and two more in the topic, of which one is dead."""
    lake = make_lake(tmp_path_factory.mktemp("live"))
    lake.table("landing.orders_dead", dead_schema())
    lake.model()
    lake.land(event(0, 1), event(1, 2), checkpoint=1)
    lake.answer(window(0, 1), checkpoint=1)
    lines = [json.dumps({"id": "a", "event_time": at(s).isoformat()}) for s in (1, 2, 12)]
    (lake.settings.home / "topic").write_text("".join(f"{x}\n" for x in [*lines, '{"id": 7}']))
    with running(lake, Listening(port=0, http_port=0, limits=LIMITS)) as up:
        up.server.desk.tails = Tails(lake.settings, DOUBLE)
        yield up


def test_over_http(live: Running) -> None:
    assert live.ask(COUNT).json() == {"n": 2}
    assert "lakehead-freshness" not in live.ask(COUNT).headers
    answer = live.ask(COUNT, live=True)
    assert answer.json() == {"n": 3}
    fresh = json.loads(answer.headers["lakehead-freshness"])["landing.orders"]
    assert (fresh["tail_rows"], fresh["offsets"]) == (1, {"0": 3})
    assert fresh["newest_event_time"] == at(12).isoformat()
    got = live.http("GET", "/query", params={"sql": COUNT, "live": "true"})
    assert got.json() == {"n": 3}
    dead = live.ask("SELECT kafka_offset AS o FROM landing.orders_dead", live=True)
    assert dead.json() == {"o": 3}


def test_a_mart_has_its_open_windows(live: Running) -> None:
    sql = "SELECT window_start, n FROM marts.m ORDER BY 1"
    assert len(live.ask(sql).text.splitlines()) == 1
    answer = live.ask(sql, live=True)
    assert [json.loads(line)["n"] for line in answer.text.splitlines()] == [1, 1]
    fresh = json.loads(answer.headers["lakehead-freshness"])["marts.m"]
    assert (fresh["open_rows"], fresh["closed_until"]) == (1, at(10).isoformat())


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"live": "perhaps"}, "live is 'perhaps', expected true or false"),
        ({"live": 1}, "live is 1, expected true or false"),
        ({"live": True, "as_of": "1 hour ago"}, "one of live and as_of"),
    ],
)
def test_what_is_no_live_question(live: Running, asked: dict[str, object], said: str) -> None:
    answer = live.ask(COUNT, **asked)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_over_postgres(live: Running) -> None:
    with psycopg.connect(live.url(), autocommit=True) as con:

        def counted() -> int:
            row = con.execute(COUNT).fetchone()
            assert row
            return int(row[0])

        assert con.execute("SHOW lakehead.live").fetchall() == [("off",)]
        assert counted() == 2
        con.execute("SET lakehead.live = on")
        assert con.execute("SHOW lakehead.live").fetchall() == [("on",)]
        assert counted() == 3
        assert con.execute(COUNT, prepare=True).fetchall() == [(3,)]
        assert con.execute(f"{COUNT} WHERE kafka_offset > %s", [1]).fetchall() == [(1,)]
        # What a driver asks of the catalog has no tail.
        assert con.execute("SELECT relname FROM pg_catalog.pg_class").fetchall()
        con.execute("RESET statement_timeout")
        assert counted() == 3
        con.execute("RESET lakehead.live")
        assert counted() == 2
        con.execute("SET lakehead.live TO 'on'")
        con.execute("DISCARD ALL")
        assert counted() == 2
        with pytest.raises(psycopg.Error, match="expected on or off"):
            con.execute("SET lakehead.live = maybe")


def test_from_the_start_of_a_connection(live: Running) -> None:
    for options in ("-c lakehead.live=on", "-c search_path=x --lakehead.live=on"):
        with psycopg.connect(live.url(), options=options) as con:
            assert con.execute(COUNT).fetchall() == [(3,)]
    for options in ("-c lakehead.live=perhaps", "-c lakehead.other=1"):
        with pytest.raises(psycopg.OperationalError, match="lakehead"):
            psycopg.connect(live.url(), options=options)


def of_token(live: Running, name: str, tables: list[str], sql: str) -> httpx.Response:
    secret = tokens.new(live.settings, name, "reader", tables)
    headers = {"Authorization": f"Bearer {secret}"}
    try:
        return live.http("POST", "/query", headers=headers, json={"sql": sql, "live": True})
    finally:
        tokens.revoke(live.settings, name)


def test_a_token_sees_no_tail_of_what_it_may_not_see(live: Running) -> None:
    """Nor by a mart, nor where its dead rows would have to be read."""
    mart = of_token(live, "shop", ["marts.*"], "FROM marts.m")
    assert mart.status_code == 400
    assert "landing.orders, landing.orders_dead as well, which this token may not" in mart.text
    landing = of_token(live, "valid", ["landing.orders"], COUNT)
    assert landing.status_code == 400 and "landing.orders_dead" in landing.text
    both = of_token(live, "both", ["landing.orders*"], COUNT)
    assert both.json() == {"n": 3}
    none = of_token(live, "none", ["marts.*"], COUNT)
    assert none.status_code == 400 and "there is no table" in none.text


def test_the_server_gives_a_worker_no_tail_beyond_its_token(live: Running) -> None:
    """Whatever a worker asks for."""
    import asyncio

    import msgspec

    desk = live.server.desk
    names = ("orders", "../orders", "other\n", "")
    secret = tokens.new(live.settings, "narrow", "reader", ["landing.other*"])
    token = desk.doorkeeper.admit(secret)
    assert token
    for name in names:
        ask = msgspec.msgpack.encode(wire.TailAsk(name, {0: 0}, True))
        asked = asyncio.wait_for(desk._tail(token, ask), 20)
        given = asyncio.run(asked)
        assert given.failure and "may not see" in given.failure.message
    tokens.revoke(live.settings, "narrow")


def test_what_is_counted(live: Running) -> None:
    live.ask(COUNT, live=True)
    text = live.http("GET", "/metrics", "operator").text
    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(found['lakehead_server_live_queries_total{outcome="ok"}']) >= 1
    assert float(found["lakehead_server_live_query_seconds_count"]) >= 1
    assert float(found['lakehead_server_tail_records{stream="orders"}']) >= 1
    assert float(found['lakehead_server_tail_bytes{stream="orders"}']) > 0
    assert float(found['lakehead_server_tail_behind{stream="orders"}']) == 0


def test_no_file_is_left(live: Running) -> None:
    assert live.ask(COUNT, live=True).status_code == 200
    assert live.ask("SELECT nothing FROM landing.orders", live=True).status_code == 400
    assert list((live.settings.home / "cache" / "tails").iterdir()) == []


def test_what_has_no_tail_is_refused(live: Running) -> None:
    answer = live.ask("FROM ops.left_out", user="operator", live=True)
    assert answer.status_code == 400
    assert "SET lakehead.live = off" in answer.json()["hint"]
    assert live.ask("SELECT 1 AS a", live=True).json() == {"a": 1}


def test_a_keeper_that_ends_is_started_again(live: Running) -> None:
    broken = live.settings.home / "broken"
    broken.touch()
    answer = live.ask(COUNT, live=True)
    assert answer.status_code == 500
    assert "the process that keeps the tails has ended" in answer.json()["error"]
    broken.unlink()
    assert live.ask(COUNT, live=True).json() == {"n": 3}


def test_a_tail_of_no_contract(live: Running) -> None:
    """The keeper's refusal is the answer."""
    path = live.settings.schemas / "orders.yaml"
    path.write_text("name: [")
    try:
        assert live.ask(COUNT, live=True).status_code == 400
    finally:
        path.write_text(scaffold("orders"))
    assert live.ask(COUNT, live=True).json() == {"n": 3}
