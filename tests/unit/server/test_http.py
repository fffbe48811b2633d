"""HTTP: rows as Arrow and JSON lines, errors by status, limits, health and metrics."""

import json

import httpx
import pyarrow as pa
import pytest
from running_server import ROWS, Running

from lakehead.server import tokens

COUNT = "SELECT count(*) AS n FROM landing.orders"


def test_json_lines(served: Running) -> None:
    answer = served.ask("SELECT id, n FROM marts.m ORDER BY window_start")
    assert answer.headers["content-type"] == "application/x-ndjson"
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert rows == [{"id": "a", "n": 3}, {"id": "a", "n": 4}]
    assert set(json.loads(answer.headers["lakehead-snapshots"])) == {"marts.m"}


@pytest.mark.parametrize(
    "more", [{"format": "arrow"}, {"headers": {"Accept": "application/vnd.apache.arrow.stream"}}]
)
def test_arrow(served: Running, more: dict[str, object]) -> None:
    headers = more.pop("headers", {})
    sql = "SELECT * FROM landing.orders"
    answer = served.http("POST", "/query", json={"sql": sql, **more}, headers=headers)
    table = pa.ipc.open_stream(answer.content).read_all()
    assert table.num_rows == ROWS
    assert table.schema.field("event_time").type == pa.timestamp("us", "UTC")


def test_ways_to_ask(served: Running) -> None:
    assert served.http("GET", "/query", params={"sql": COUNT}).json() == {"n": ROWS}
    assert served.http("POST", "/query", content=COUNT).json() == {"n": ROWS}
    some = "SELECT count(*) AS n FROM landing.orders WHERE kafka_offset < ? AND id = ?"
    assert served.ask(some, params=[5, "a"]).json() == {"n": 5}
    later = served.ask(COUNT, as_of="1 second ago")
    assert later.status_code in (200, 400)
    assert served.ask(COUNT, as_of="no time").status_code == 400


def test_no_rows_is_an_answer(served: Running) -> None:
    assert served.ask("SELECT 1 WHERE false").text == ""
    arrow = served.ask("SELECT 1 AS a WHERE false", format="arrow")
    assert pa.ipc.open_stream(arrow.content).read_all().to_pydict() == {"a": []}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"sql": ""}, "expected SQL"),
        ({"sql": 1}, "expected SQL"),
        ({"sql": "SELECT 1", "format": "xml"}, "there is no format 'xml'"),
        ({"sql": "SELECT 1", "rows": 1}, "there is no rows"),
        ({"sql": "SELECT ?", "params": 1}, "params is no list"),
        ({"sql": "SELECT ?", "params": []}, "expected 1 parameters, got 0"),
        ({"sql": "SELECT 1", "timeout_seconds": -1}, "must be above 0"),
        ({"sql": "SELECT 1", "timeout_seconds": "nan"}, "must be above 0"),
        ({"sql": "SELEC 1"}, "syntax error"),
    ],
)
def test_what_is_no_question(served: Running, asked: dict[str, object], said: str) -> None:
    answer = served.http("POST", "/query", json=asked)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"x"', b"\xff", b"[" * 100_000])
def test_a_body_that_is_none(served: Running, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = served.http("POST", "/query", content=body, headers=headers)
    assert answer.status_code == 400 and answer.json()["error"]


def test_without_a_token_only_health(served: Running) -> None:
    base = f"http://127.0.0.1:{served.server.http_port}"
    with httpx.Client(base_url=base, trust_env=False) as client:
        assert client.get("/health").json() == {"healthy": True}
        for path in ("/query?sql=SELECT+1", "/queries", "/metrics"):
            assert client.get(path).status_code == 401
            bad = {"Authorization": "Bearer lh_x"}
            assert client.get(path, headers=bad).status_code == 401


def test_what_only_an_operator_may(served: Running) -> None:
    for method, path in (("GET", "/queries"), ("DELETE", "/queries/1"), ("GET", "/metrics")):
        assert served.http(method, path).status_code == 403
    assert served.http("GET", "/queries", "operator").json() == []
    assert served.http("DELETE", "/queries/999999", "operator").status_code == 404


def test_metrics_count_what_happened(served: Running) -> None:
    def counted(name: str) -> float:
        text = served.http("GET", "/metrics", "operator").text
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return sum(float(value) for key, _, value in lines if key == name)

    ok = 'lakehead_server_queries_total{protocol="http",outcome="ok"}'
    refused = 'lakehead_server_queries_total{protocol="http",outcome="refused"}'
    before = counted(ok), counted(refused), counted("lakehead_server_rows_total")
    assert served.ask("SELECT * FROM range(7)").status_code == 200
    assert served.ask("DROP TABLE x").status_code == 400
    after = counted(ok), counted(refused), counted("lakehead_server_rows_total")
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 7]
    assert counted("lakehead_server_query_seconds_count") > 0
    assert counted("lakehead_server_workers") > 0


def test_rows_are_limited_by_token(served: Running) -> None:
    secret = tokens.new(served.settings, "small", "reader", max_rows=10)
    headers = {"Authorization": f"Bearer {secret}"}
    ten = served.http("POST", "/query", content="FROM range(10)", headers=headers)
    assert len(ten.text.splitlines()) == 10
    more = served.http("POST", "/query", content="FROM range(11)", headers=headers)
    assert more.status_code == 413
    assert "more than 10 rows" in more.json()["error"]
    tokens.revoke(served.settings, "small")
    assert served.http("POST", "/query", content="SELECT 1", headers=headers).status_code == 401


def test_an_answer_that_fails_on_the_way_never_looks_whole(served: Running) -> None:
    secret = tokens.new(served.settings, "some", "reader", max_rows=20_000)
    headers = {"Authorization": f"Bearer {secret}"}
    with pytest.raises(httpx.RemoteProtocolError):
        served.http("POST", "/query", content="FROM range(10000000)", headers=headers)
    tokens.revoke(served.settings, "some")


def test_a_time_out(served: Running) -> None:
    sql = "SELECT count(*) FROM range(100000000) a, range(100000000) b"
    answer = served.ask(sql, timeout_seconds=0.4)
    assert answer.status_code == 408
    assert "longer than 0.4 s" in answer.json()["error"]
