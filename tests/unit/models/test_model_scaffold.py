"""First models and their tests: valid as they stand, whatever the contract is."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from hypothesis import given, settings
from sqlglot import exp

from lakehead.contracts.load import contract_from_text, load_contracts
from lakehead.errors import UserError
from lakehead.models.cases import Case, parse_cases
from lakehead.models.header import KINDS
from lakehead.models.scaffold import (
    WINDOWS,
    Draft,
    bound_draft,
    draft,
    scaffold_model,
    word,
)
from lakehead.models.scaffold_cases import scaffold_cases
from lakehead.models.testing import Suite, open_runner
from lakehead.settings import INSTALL_ROOT
from tests.draws import draws
from tests.unit.contracts.strategies import MANY, STREAM, contracts, to_yaml

CONTRACTS = {c.stream: c for c in load_contracts(INSTALL_ROOT / "schemas")}
SHAPES: list[tuple[str, str | None]] = [
    *(("window", window) for window in WINDOWS),
    ("rows", None),
    ("dedup", None),
    ("sequence", None),
]


Written = Callable[[Draft], tuple[str, list[Case]]]


@pytest.fixture(scope="module")
def written() -> Iterator[Written]:
    """Gives a model's text, and its tests, which hold."""

    def write(wanted: Draft) -> tuple[str, list[Case]]:
        text = scaffold_model(wanted)
        bound = bound_draft(wanted, text)
        read = {c.stream: c for c in wanted.contracts}
        tests = scaffold_cases(wanted, bound, runner)
        cases = parse_cases(tests, Path(f"{wanted.name}.yaml"), bound, read)
        for case in cases:
            result = runner.run(Suite(bound, read, cases), case)
            assert result.passed, f"{text}\n{tests}\n{result.explanation}"
        return text, cases

    with open_runner() as runner:
        yield write


@pytest.mark.parametrize("stream", CONTRACTS)
@pytest.mark.parametrize(("kind", "window"), SHAPES)
def test_a_first_model_of_any_kind_holds(
    stream: str, kind: str, window: str | None, written: Written
) -> None:
    _, cases = written(draft("first", kind, window, [CONTRACTS[stream]]))
    assert any(case.expect for case in cases)
    if kind in ("window", "dedup"):
        late = cases[-1]
        assert late.expect != late.expect_stream


@pytest.mark.parametrize("kind", ["enrich", "join"])
@pytest.mark.parametrize(("left", "right"), list(itertools.permutations(CONTRACTS, 2)))
def test_a_first_join_holds_or_says_why_there_is_none(
    kind: str, left: str, right: str, written: Written
) -> None:
    wanted = draft("first", kind, None, [CONTRACTS[left], CONTRACTS[right]])
    try:
        scaffold_model(wanted)
    except UserError as error:
        assert "no field of" in error.message
        return
    _, cases = written(wanted)
    assert all(case.expect for case in cases)


def test_what_a_first_model_of_orders_looks_like(written: Written) -> None:
    text, (counted, late) = written(draft("by_status", None, None, [CONTRACTS["orders"]]))
    assert "window: {tumble: 1 minute}\nkeys: [status]" in text
    assert "  SUM(price) AS total_price\nFROM orders\nGROUP BY status" in text
    assert counted.name == "events are counted by status and window"
    assert late.expect_stream is not None


def test_orders_and_payments_meet_at_the_invoice(written: Written) -> None:
    pair = [CONTRACTS["orders"], CONTRACTS["payments"]]
    text, _ = written(draft("paid", "join", None, pair))
    assert "ON o.invoice = p.invoice" in text


@settings(max_examples=draws(MANY // 4))
@given(document=contracts())
def test_a_first_model_of_any_contract_holds_or_says_why_there_is_none(
    written: Written, document: Any
) -> None:
    contract = contract_from_text(to_yaml(document), Path(f"{STREAM}.yaml"))
    for kind, window in SHAPES:
        try:
            wanted = draft("first", kind, window, [contract])
            written(wanted)
        except UserError as error:
            assert "no plain field" in error.message or "no value for" in error.message


@pytest.mark.parametrize(
    ("kind", "window", "streams", "says"),
    [
        (None, None, ["orders", "payments"], "--kind enrich or --kind join"),
        ("join", None, ["orders"], "reads 2 streams, not orders"),
        ("rows", None, ["orders", "payments"], "reads one stream, not orders, payments"),
        ("rows", "tumble", ["orders"], "kind rows has no --window"),
        ("dedup", "hop", ["orders"], "has the --window tumble, not hop"),
    ],
)
def test_what_does_not_go_together_is_refused(
    kind: str | None, window: str | None, streams: list[str], says: str
) -> None:
    with pytest.raises(UserError, match=says):
        draft("first", kind, window, [CONTRACTS[s] for s in streams])


def test_every_kind_has_a_first_model() -> None:
    assert {kind for kind, _ in SHAPES} | {"enrich", "join"} == set(KINDS)


@pytest.mark.parametrize("name", ["order", "group", "select", "plain", "table", "user", "end"])
def test_a_name_is_quoted_where_sql_has_the_word(name: str) -> None:
    tree = sqlglot.parse_one(f"SELECT {word(name)} FROM {word(name)} GROUP BY {word(name)}")
    assert [c.name for c in tree.find_all(exp.Column)] == [name, name]


def test_fields_named_as_words_of_sql_are_scaffolded(written: Written) -> None:
    text = """
apiVersion: v3.2.0
kind: DataContract
id: tables
name: tables
version: 1.0.0
status: draft
schema:
  - name: tables
    physicalType: topic
    properties:
      - {name: key, logicalType: string, required: true}
      - {name: order, logicalType: string, required: true, enum: [{value: "it's"}, {value: 'no'}]}
      - {name: limit, logicalType: number, physicalType: 'decimal(38,10)'}
      - {name: "end", logicalType: timestamp, required: true}
customProperties:
  - {property: eventTime, value: end}
  - {property: key, value: key}
  - {property: watermarkDelay, value: 3 days}
"""
    contract = contract_from_text(text, Path("tables.yaml"))
    for kind, window in SHAPES:
        written(draft("first", kind, window, [contract]))
