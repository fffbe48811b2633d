"""A redrive from the dead table to the topic, and what the command says of it."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from lakehead.cli.main import app
from lakehead.deadletters.codec import Judge
from lakehead.deadletters.json_codec import JsonCodec
from lakehead.deadletters.ledger import opened
from lakehead.deadletters.log import Batch, MemoryLog
from lakehead.deadletters.patch import Patch, read_patch
from lakehead.deadletters.record_batch import partition_of
from lakehead.deadletters.redrive import RedriveOptions, mend, redrive
from lakehead.deadletters.table import Choice
from lakehead.errors import LakeheadError, UserError
from lakehead.settings import Settings
from tests.unit.deadletters.conftest import CONTRACT, STREAM, Bury

AMOUNT = "amount.minimum: is -1, expected at least 0"
MEND = read_patch('{"amount": "12.50"}')
ODD: list[tuple[bytes | None, str]] = [
    (b'{"refund_id"', "malformed JSON: Unexpected end-of-input at byte 12"),
    (None, "tombstone: the record has no value"),
]


def event(number: int, **changes: Any) -> bytes:
    now = datetime.now(UTC).isoformat()
    fields = {"refund_id": f"R{number}", "amount": -1, "number": number, "event_time": now}
    return json.dumps(fields | changes).encode()


@pytest.fixture
def buried(settings: Settings, bury: Bury) -> Settings:
    """Twenty records that a patch can mend, and two that none can."""
    rows = [(event(i), AMOUNT) for i in range(20)] + ODD
    bury([(record, cause, i, timedelta(minutes=5)) for i, (record, cause) in enumerate(rows)])
    return settings


def run(settings: Settings, log: MemoryLog, patch: Patch = MEND, **more: Any) -> Any:
    return redrive(settings, STREAM, RedriveOptions(patch=patch, **more), log=log)


def origins(log: MemoryLog) -> Counter[tuple[int, int]]:
    return Counter(record.origin for records in log.records for record in records)


def test_what_is_valid_now_is_sent_once_to_the_partition_of_its_key(buried: Settings) -> None:
    log = MemoryLog(4)
    report = run(buried, log)
    assert (report.chosen, report.valid, report.failing, report.sent) == (22, 20, 2, 20)
    assert report.failures == {"malformed JSON": 1, "tombstone": 1}
    assert not report.whole
    for partition, records in enumerate(log.records):
        for record in records:
            assert record.key and partition_of(record.key, 4) == partition
            assert json.loads(record.value or b"")["amount"] == "12.50"
    assert origins(log) == Counter({(1, i): 1 for i in range(20)})
    again = run(buried, log)
    assert (again.chosen, again.already, again.sent, again.failing) == (22, 20, 0, 2)
    assert sum(origins(log).values()) == 20


def test_a_choice_and_a_limit(buried: Settings) -> None:
    log = MemoryLog(4)
    few = run(buried, log, choice=Choice(where="number >= 15"), limit=2)
    assert (few.chosen, few.sent) == (5, 2)
    assert set(origins(log)) == {(1, 15), (1, 16)}
    rest = run(buried, log, choice=Choice(cause="amount.minimum"))
    assert (rest.chosen, rest.already, rest.sent, rest.whole) == (20, 2, 18, True)
    with pytest.raises(UserError, match="limit is 0"):
        RedriveOptions(limit=0)


def test_a_dry_run_shows_and_changes_nothing(buried: Settings) -> None:
    report = run(buried, MemoryLog(4), dry_run=True)
    assert (report.dry_run, report.valid, report.sent) == (True, 20, 20)
    good, *_, bad = report.examples
    assert (good.before["amount"], good.after["amount"], good.problems) == (-1, "12.50", [])
    assert (bad.before, bad.after, bad.problems) == (
        None,
        None,
        ["tombstone: the record has no value"],
    )
    assert not (buried.home / "ledger").exists()


def test_force_sends_what_is_still_broken_as_far_as_it_can_be_patched(buried: Settings) -> None:
    log = MemoryLog(4)
    assert run(buried, log, Patch()).sent == 0
    forced = run(buried, log, read_patch('{"note": "x"}'), force=True)
    assert (forced.failing, forced.forced, forced.sent, forced.whole) == (22, 20, 20, False)
    rest = run(buried, log, Patch(), force=True)
    assert (rest.forced, rest.sent, rest.whole) == (2, 2, True)
    # Without a key they stay in their own partition.
    assert {r.value for r in log.records[1] if r.key is None} == {b'{"refund_id"', None}


def test_a_record_without_a_patch_is_sent_byte_by_byte(settings: Settings, bury: Bury) -> None:
    record = event(1, amount=20).replace(b": ", b" :  ")
    bury([(record, "event_time.clock: is ahead", 0, timedelta(0))])
    log = MemoryLog(4)
    assert run(settings, log, Patch()).sent == 1
    assert [r.value for records in log.records for r in records] == [record]


def test_a_compacted_topic_takes_nothing_without_a_key(settings: Settings, bury: Bury) -> None:
    compacted = CONTRACT + "  - {property: cleanup, value: compact}\n"
    (settings.schemas / f"{STREAM}.yaml").write_text(compacted)
    bury([(None, "tombstone: the record has no value", 0, timedelta(0))])
    report = run(settings, MemoryLog(4), Patch(), force=True)
    assert (report.sent, report.failing, report.failures["key"]) == (0, 1, 1)


def test_of_a_key_given_twice_only_a_patch_decides(contract: Any) -> None:
    judge = Judge(contract, JsonCodec(contract))
    record = event(1, amount=20)[:-1] + b', "number": 2}'
    now = datetime.now(UTC).timestamp()
    left, _ = mend(judge, read_patch('{"note": "x"}'), record, now)
    assert [p.partition(": ")[0] for p in left.problems] == ["number.repeated"]
    decided, _ = mend(judge, read_patch('{"number": 2}'), record, now)
    assert decided.problems == []


def test_calls_that_overlap_land_each_record_once(buried: Settings) -> None:
    """The second waits for the first, then finds nothing left to do."""
    log, told, first_is_in = MemoryLog(4), list[str](), threading.Event()
    reports: list[Any] = []

    def arrives(batch: Batch) -> None:
        if not first_is_in.is_set():
            first_is_in.set()
            second.start()
            assert waits.wait(30)

    def go(waiting: Callable[[str], None]) -> None:
        options = RedriveOptions(patch=MEND)
        reports.append(redrive(buried, STREAM, options, waiting=waiting, log=log))

    def note(holder: str) -> None:
        told.append(holder)
        waits.set()

    waits = threading.Event()
    log.arrives = arrives
    second = threading.Thread(target=go, args=[note])
    go(told.append)
    second.join(30)
    assert sorted(report.sent for report in reports) == [0, 20]
    assert len(told) == 1 and told[0].isdecimal()
    assert origins(log) == Counter({(1, i): 1 for i in range(20)})


def test_what_a_killed_call_claimed_is_sent_as_it_was_mended_then(buried: Settings) -> None:
    class Killed(BaseException):
        pass

    def dies(batch: Batch) -> None:
        raise Killed

    log = MemoryLog(4, dies)
    with pytest.raises(Killed):
        run(buried, log, read_patch('{"amount": 99}'))
    log.arrives = lambda batch: None
    report = run(buried, log)
    assert report.finished > 0 and report.finished + report.sent == 20
    amounts = Counter(json.loads(r.value or b"")["amount"] for rs in log.records for r in rs)
    assert amounts == {99: report.finished, "12.50": report.sent}
    with opened(buried) as ledger:
        assert ledger.unsettled(STREAM) == []
        assert len(ledger.all(STREAM)) == 20


RUN = CliRunner()


@pytest.fixture
def here(buried: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(buried.project)
    monkeypatch.setenv("LAKEHEAD_HOME", str(buried.home))
    monkeypatch.setenv("COLUMNS", "200")
    return buried


def test_the_commands_say_what_was_found(here: Settings) -> None:
    listed = RUN.invoke(app, ["dead", "list"])
    assert listed.exit_code == 0 and "amount.minimum" in listed.output
    shown = RUN.invoke(app, ["dead", "show", STREAM, "--offset", "0"])
    assert AMOUNT in shown.output and event(0)[:20].hex() in shown.output
    none = RUN.invoke(app, ["dead", "show", STREAM, "--cause", "tombstone"])
    assert "no value" in none.output
    tried = RUN.invoke(
        app, ["dead", "redrive", STREAM, "--merge", '{"amount": "12.50"}', "--dry-run"]
    )
    assert tried.exit_code == 1
    for words in ('"amount": "12.50"', "still breaks its contract", "would be sent", "tombstone"):
        assert words in tried.output
    cause = ["--cause", "amount.minimum", "--merge", '{"amount": 2}', "--dry-run", "--json"]
    as_json = RUN.invoke(app, ["dead", "redrive", STREAM, *cause])
    assert as_json.exit_code == 0
    assert json.loads(as_json.stdout)["valid"] == 20


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["redrive", STREAM, "--cause", "amount.minimun"], "amount.minimum"),
        (["redrive", STREAM, "--where", "amont < 0"], "amont"),
        (["redrive", STREAM, "--merge", "[1]"], "JSON object"),
        (["redrive", STREAM, "--cast", "amount=money"], "money"),
        (["redrive", STREAM, "--rename", "amount"], "old=new"),
        (["redrive", "refund"], "refund"),
        (["list", "refund"], "refund"),
        (["show", STREAM, "--offset", "99999999"], "99999999"),
        (["show", STREAM, "--limit", "0"], "0"),
    ],
)
def test_mistakes_are_named_with_the_next_command(
    here: Settings, args: list[str], said: str
) -> None:
    if args[0] == "redrive":
        args = [*args, "--dry-run"]
    error = RUN.invoke(app, ["dead", *args]).exception
    assert isinstance(error, LakeheadError)
    assert error.exit_code == 2
    assert said in error.message
    assert error.hint.startswith("lakehead ")


def test_without_kafka_nothing_is_claimed(here: Settings) -> None:
    settings = replace(here, tuning=replace(here.tuning, port_base=1024))
    with pytest.raises(LakeheadError, match="Kafka does not answer"):
        redrive(settings, STREAM, RedriveOptions(patch=MEND))
    assert not (here.home / "ledger").exists()
