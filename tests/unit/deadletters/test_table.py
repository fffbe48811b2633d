"""What the dead table says: by rule, by record, by condition."""

from datetime import timedelta

import duckdb
import pytest

from lakehead.contracts.model import Contract
from lakehead.deadletters.causes import later_rule, rules_of, rules_sql
from lakehead.deadletters.ledger import opened
from lakehead.deadletters.listing import list_dead, streams_with_dead_tables
from lakehead.deadletters.log import Outgoing, Producer
from lakehead.deadletters.showing import show_dead
from lakehead.deadletters.table import Choice, dead_table
from lakehead.errors import UserError
from lakehead.settings import Settings
from tests.unit.deadletters.conftest import NOW, STREAM, Bury, grave_of, project_in

EVENT = b'{"refund_id": "R%d", "amount": -1, "number": %d, "till": 3, "address": {"city": "Wien"}}'
AMOUNT = "amount.minimum: is -1, expected at least 0"
CAUSES = {
    AMOUNT: ["amount.minimum"],
    f"{AMOUNT}; small_is_noted: is amount -1, note NULL, expected amount > 1": [
        "amount.minimum",
        "small_is_noted",
    ],
    'number.type: is "x; amount.minimum: is 1", expected long': ["number.type", "amount.minimum"],
    'number.type: is "x; said: is", expected long': ["number.type"],
    'tags["a: b"].type: is 1.5, expected long; tags["c"].type: is 2.5, expected long': [
        "tags[].type"
    ],
    "address.city.required: is missing, and required; number.required: is missing, and required": [
        "address.city.required",
        "number.required",
    ],
    "amount.type: is 1, expected x; and 3 more": ["amount.type"],
    "malformed JSON: Unexpected end-of-input at byte 7": ["malformed JSON"],
    "tombstone: the record has no value": ["tombstone"],
    "the schema registry knows no schema with the id 17": [
        "the schema registry knows no schema with the id N"
    ],
    "": [""],
}


@pytest.mark.parametrize("cause", CAUSES)
def test_rules_are_what_stands_before_the_values(cause: str, contract: Contract) -> None:
    later = later_rule(contract)
    assert rules_of(cause, later) == CAUSES[cause]
    with duckdb.connect() as con:
        sql = f"SELECT {rules_sql(later)} FROM (SELECT ?::VARCHAR AS cause)"
        row = con.execute(sql, [cause]).fetchone()
    assert row and sorted(row[0]) == sorted(CAUSES[cause])


@pytest.fixture(scope="module")
def buried(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Ten records of one rule, an hour apart; one of two rules; one that is not UTF-8."""
    settings = project_in(tmp_path_factory.mktemp("buried"))
    bury = grave_of(settings)
    bury([(EVENT % (i, i), AMOUNT, i, timedelta(hours=i, seconds=30)) for i in range(10)])
    both = f"{AMOUNT}; number.required: is missing, and required"
    bury(
        [
            (b'{"amount": -1}', both, 20, timedelta(days=2)),
            (b"\xf6", "not UTF-8: byte 0 of the record is 0xf6", 21, timedelta(days=3)),
        ]
    )
    with opened(settings) as ledger:
        batch = ledger.claim(
            STREAM, 3, Producer(1, 0), 0, 0, NOW.timestamp(), [Outgoing(1, 4, b"k", b"v")]
        )
        ledger.settle(batch, 77)
        ledger.claim(STREAM, 2, Producer(1, 0), 0, 0, 5.0, [Outgoing(1, 5, b"k", b"v")])
    return settings


def test_the_list_counts_once_for_the_stream_and_once_for_each_rule(buried: Settings) -> None:
    found = list_dead(buried, STREAM, NOW)
    assert (found.dead, found.redriven, found.open) == (12, 2, 10)
    assert [(g.rule, g.dead, g.redriven) for g in found.causes] == [
        ("amount.minimum", 11, 2),
        ("not UTF-8", 1, 0),
        ("number.required", 1, 0),
    ]
    rates = found.rates
    assert (rates.minute, rates.hour, rates.day) == (1, 1, 10)
    assert rates.hours == [0] * 14 + [1] * 10
    assert found.first == (NOW - timedelta(days=3)).isoformat()
    assert found.last == (NOW - timedelta(seconds=30)).isoformat()
    assert streams_with_dead_tables(buried) == [STREAM]


def test_a_stream_without_dead_records(settings: Settings, bury: Bury) -> None:
    found = list_dead(settings, STREAM, NOW)
    assert (found.dead, found.first, found.causes) == (0, None, [])
    assert not (settings.home / "ledger").exists()


def chosen(settings: Settings, choice: Choice) -> list[int]:
    return [r.offset for r in show_dead(settings, STREAM, choice, 100).records]


@pytest.mark.parametrize(
    ("where", "offsets"),
    [
        ("kafka_offset < 3", [0, 1, 2]),
        ("number BETWEEN 2 AND 3", [2, 3]),
        ("amount = -1.00", [*range(10), 20]),
        ("refund_id = 'R7' AND (event->>'till') = '3'", [7]),
        ("address->>'city' = 'Wien' AND number > 8", [9]),
        ("cause LIKE 'not UTF-8%'", [21]),
        ("event IS NULL", [21]),
        ("record = '\\xF6'::BLOB", [21]),
        ("list_contains(rules, 'number.required')", [20]),
        ("is_redriven", [4, 5]),
        ("number = (SELECT 3)", [3]),
        ("NULL", []),
    ],
)
def test_conditions_are_over_the_table_and_the_event(
    buried: Settings, where: str, offsets: list[int]
) -> None:
    assert chosen(buried, Choice(where=where)) == offsets


@pytest.mark.parametrize(
    "where",
    [
        "",
        "number >",
        "numbr = 1",
        "1 = 1; DROP VIEW dead",
        "1 = 1) OR (1 = 1",
        "number, amount",
        "number IN (SELECT number FROM read_csv('/etc/hosts'))",
        "number IN (SELECT 1 FROM '/etc/hosts')",
        "cause::BIGINT = 1",
        "count(*) > 1",
        "number = 7 AND event->>'till' = '3'",
    ],
)
def test_a_condition_that_is_none_is_named_with_the_columns(buried: Settings, where: str) -> None:
    with pytest.raises(UserError) as failed:
        chosen(buried, Choice(where=where))
    assert f"{where!r} cannot be used" in failed.value.message
    assert ("put -> and ->> into parentheses" in failed.value.message) == ("->" in where)
    assert "refund_id" in failed.value.message


def test_a_cause_that_is_none_is_named_with_those_there_are(buried: Settings) -> None:
    assert chosen(buried, Choice(cause="number.required")) == [20]
    with pytest.raises(UserError, match=r"'amount.min'; its causes are amount.minimum, not UTF-8"):
        chosen(buried, Choice(cause="amount.min"))


def test_records_are_shown_newest_first_with_where_they_are_now(buried: Settings) -> None:
    shown = show_dead(buried, STREAM, Choice(), 6)
    assert (shown.chosen, shown.redriven, len(shown.records)) == (12, 2, 6)
    assert [r.offset for r in shown.records] == [0, 1, 2, 3, 4, 5]
    first, *_, settled, claimed = shown.records
    assert (first.partition, first.rules, first.redriven) == (1, ["amount.minimum"], None)
    assert first.text and first.event and first.event["till"] == 3
    assert first.hex == first.text.encode().hex()
    assert settled.redriven and (settled.redriven.partition, settled.redriven.offset) == (3, 77)
    assert claimed.redriven and claimed.redriven.offset is None
    [odd] = show_dead(buried, STREAM, Choice(offset=21), 1).records
    assert (odd.text, odd.hex, odd.event) == (None, "f6", None)
    assert odd.unreadable == ["not UTF-8: byte 0 of the record is 0xf6"]
    with pytest.raises(UserError, match="at offset 22 of partition 1"):
        show_dead(buried, STREAM, Choice(partition=1, offset=22), 1)


def test_it_is_locked_to_its_own_files(buried: Settings) -> None:
    with dead_table(buried, STREAM, []) as table:
        with pytest.raises(duckdb.PermissionException):
            table.con.execute("FROM read_text('/etc/hosts')")
        with pytest.raises(duckdb.Error):
            table.con.execute("SET enable_external_access = true")
