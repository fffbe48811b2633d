"""The REST client against answers like Flink's, without a network."""

from typing import Any

import httpx
import pytest

from lakehead.errors import NotRunning, SystemFailure
from lakehead.jobs.flink_rest import Failure, FlinkRest

JOB = "a" * 32


def flink(answers: dict[str, httpx.Response]) -> tuple[FlinkRest, list[httpx.Request]]:
    """A client whose requests are answered by path; any other gets Flink's 404."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return answers.get(request.url.path, httpx.Response(404, json={"errors": ["Not found"]}))

    client = FlinkRest("http://127.0.0.1:1")
    client._client.close()
    client._client = httpx.Client(
        base_url="http://127.0.0.1:1", transport=httpx.MockTransport(answer)
    )
    return client, asked


def said(data: Any, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=data)


def test_a_state_is_flinks_own_word() -> None:
    client, _ = flink({f"/jobs/{JOB}/status": said({"status": "RUNNING"})})
    assert client.state(JOB) == "RUNNING"


@pytest.mark.parametrize("status", [404, 500])
def test_a_job_that_flink_does_not_know_has_no_state(status: int) -> None:
    unknown = said({"errors": ["org.apache.flink.FlinkJobNotFoundException: a"]}, status)
    client, _ = flink({f"/jobs/{JOB}/status": unknown})
    assert client.state(JOB) is None


def test_another_refusal_is_not_taken_for_an_unknown_job() -> None:
    client, _ = flink({f"/jobs/{JOB}/status": said({"errors": ["Internal server error"]}, 500)})
    with pytest.raises(SystemFailure, match="Internal server error"):
        client.state(JOB)


def test_a_flink_that_does_not_answer_is_not_running() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    client = FlinkRest("http://127.0.0.1:1")
    client._client.close()
    client._client = httpx.Client(
        base_url="http://127.0.0.1:1", transport=httpx.MockTransport(refuse)
    )
    with pytest.raises(NotRunning, match="does not answer"):
        client.state(JOB)


def test_a_cause_is_the_root_of_the_last_failure() -> None:
    entries = [{"stacktrace": "a.B: x\nCaused by: c.D: new"}, {"stacktrace": "c.D: old"}]
    client, _ = flink({f"/jobs/{JOB}/exceptions": said({"exceptionHistory": {"entries": entries}})})
    assert client.cause(JOB) == "c.D: new"


def test_our_own_failures_are_told_without_the_name_of_their_class() -> None:
    trace = "a.B: x\nCaused by: io.lakehead.flink.avro.Gone: no registry\n\tat a.B\n"
    trace += "\tSuppressed: java.net.ConnectException: refused"
    entries = [{"stacktrace": trace, "timestamp": 1}]
    client, _ = flink({f"/jobs/{JOB}/exceptions": said({"exceptionHistory": {"entries": entries}})})
    assert client.last_failure(JOB) == Failure("no registry", 1, overcome=False)
    assert client.cause(JOB) == "io.lakehead.flink.avro.Gone: no registry"


@pytest.mark.parametrize(
    ("latest", "overcome"),
    [
        ({}, False),
        ({"completed": None}, False),
        ({"completed": {"trigger_timestamp": 1000}}, False),
        ({"completed": {"trigger_timestamp": 1001}}, True),
    ],
)
def test_a_failure_is_overcome_by_a_checkpoint_since(latest: Any, overcome: bool) -> None:
    entries = [{"stacktrace": "Caused by: c.D: new", "timestamp": 1000}]
    client, _ = flink(
        {
            f"/jobs/{JOB}/exceptions": said({"exceptionHistory": {"entries": entries}}),
            f"/jobs/{JOB}/checkpoints": said({"latest": latest}),
        }
    )
    assert client.last_failure(JOB) == Failure("c.D: new", 1000, overcome)


def test_a_job_that_never_failed_has_no_failure() -> None:
    client, _ = flink({f"/jobs/{JOB}/exceptions": said({"exceptionHistory": {"entries": []}})})
    assert client.last_failure(JOB) is None
    assert flink({})[0].last_failure(JOB) is None


def test_a_job_without_exceptions_has_no_cause() -> None:
    client, _ = flink({})
    assert client.cause(JOB) == "no cause given"


def test_the_watermark_is_the_lowest_of_all_that_have_one() -> None:
    marks = [{"value": "2000"}, {"value": "1000"}, {"value": "-9223372036854775808"}]
    client, _ = flink(
        {
            f"/jobs/{JOB}": said({"vertices": [{"id": "v"}]}),
            f"/jobs/{JOB}/vertices/v/watermarks": said(marks),
        }
    )
    assert client.watermark_ms(JOB) == 1000


def test_before_the_first_watermark_there_is_none() -> None:
    client, _ = flink({f"/jobs/{JOB}": said({"vertices": []})})
    assert client.watermark_ms(JOB) is None


def test_a_stop_asks_for_a_savepoint_without_draining() -> None:
    client, asked = flink({f"/jobs/{JOB}/stop": said({"request-id": "t"}, 202)})
    assert client.stop_with_savepoint(JOB, "/home/x/savepoints") == "t"
    (request,) = asked
    assert request.method == "POST"
    assert b'"drain":false' in request.content.replace(b" ", b"")
    assert b"file:///home/x/savepoints" in request.content


def test_a_savepoint_under_way_has_not_failed() -> None:
    under_way = {"status": {"id": "IN_PROGRESS"}, "operation": None}
    client, _ = flink({f"/jobs/{JOB}/savepoints/t": said(under_way)})
    assert client.savepoint_failure(JOB, "t") is None


def test_a_savepoint_that_failed_says_why() -> None:
    failure = {"operation": {"failure-cause": {"stack-trace": "Caused by: a.B: disk full"}}}
    client, _ = flink({f"/jobs/{JOB}/savepoints/t": said(failure)})
    assert client.savepoint_failure(JOB, "t") == "a.B: disk full"


def vertices(*names: str) -> dict[str, httpx.Response]:
    listed = [{"id": str(i), "name": name} for i, name in enumerate(names)]
    return {f"/jobs/{JOB}": said({"vertices": listed})}


def lows(vertex: int, *values: int) -> dict[str, httpx.Response]:
    found = [{"id": f"{i}.w", "value": str(value)} for i, value in enumerate(values)]
    return {f"/jobs/{JOB}/vertices/{vertex}/watermarks": said(found)}


def test_the_stream_has_passed_what_every_operator_has_received() -> None:
    job = vertices("Source: orders[1] -> Calc[2]", "Windows[3]", "Committer")
    client, _ = flink(job | lows(0) | lows(1, 7000, 5000) | lows(2, 6000))
    assert client.passed_ms(JOB) == 5000


@pytest.mark.parametrize("none_yet", [(), (-(2**63),)])
def test_it_has_passed_nothing_while_one_operator_has_received_none(
    none_yet: tuple[int, ...],
) -> None:
    job = vertices("Source: orders[1]", "Windows[3]", "Join[4]")
    client, _ = flink(job | lows(1, 7000) | lows(2, *none_yet))
    assert client.passed_ms(JOB) is None


def test_records_are_counted_where_they_are_read() -> None:
    metrics = f"/jobs/{JOB}/vertices/0/subtasks/metrics"
    answers = {
        "": [{"id": "numRecordsOut"}, {"id": "Source__orders[1].numRecordsIn"}],
        "agg=sum": [{"id": "Source__orders[1].numRecordsIn", "sum": 250.0}],
    }

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == f"/jobs/{JOB}":
            names = ("Source: orders[1]", "Windows[3]")
            listed = [{"id": str(i), "name": n} for i, n in enumerate(names)]
            return said({"vertices": listed})
        assert request.url.path == metrics
        return said(answers["agg=sum" if "agg=sum" in str(request.url.query) else ""])

    client, _ = flink({})
    client._client = httpx.Client(
        base_url="http://127.0.0.1:1", transport=httpx.MockTransport(answer)
    )
    assert client.records_read(JOB) == 250
