"""Models as files: read one by one and together, their marts, and what the SELECT must be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from written_models import CONTRACTS, WINDOW, counts, model, text

from lakehead.contracts.load import load_contract
from lakehead.contracts.scaffold import scaffold
from lakehead.errors import UserError
from lakehead.models import duckdb, flink, load, spark
from lakehead.models.bind import bind
from lakehead.models.header import ModelProblem
from lakehead.models.iceberg import mart_schema
from lakehead.models.model import (
    Model,
    load_model,
    load_models,
    model_names,
    parse_model,
    root_stream,
)
from lakehead.settings import INSTALL_ROOT, Settings
from tests.draws import draws

COLUMNS = {"id": "string"}
SELECT = "SELECT id FROM orders"
SEQUENCE = {
    "by": ["id"],
    "within": "1 day",
    "steps": [{"name": "a", "where": "quantity > 0", "times": 2}],
}
JOIN = {"kind": "join", "streams": ["orders", "payments"]}
COORDINATES = ["kafka_partition", "kafka_offset"]


@pytest.fixture
def project(tmp_path: Path) -> Settings:
    for folder in ("schemas", "pipelines"):
        (tmp_path / folder).mkdir()
    for name in ("orders", "payments"):
        (tmp_path / "schemas" / f"{name}.yaml").write_text(scaffold(name))
    return Settings(home=tmp_path / "home", project=tmp_path)


Write = Callable[..., None]


@pytest.fixture
def write(project: Settings) -> Write:
    def write(name: str, select: str = SELECT, **header: Any) -> None:
        path = project.pipelines / f"{name}.sql"
        path.write_text(text(select, COLUMNS, name, **header))

    return write


# The mart


@pytest.mark.parametrize(
    ("header", "head", "identity", "clock", "partition_by"),
    [
        ({}, ["event_time", *COORDINATES], COORDINATES, "event_time", "event_time"),
        (
            {"keys": ["id"], **WINDOW},
            ["window_start", "window_end"],
            ["window_start", "window_end", "id"],
            "window_end",
            "window_start",
        ),
        (
            {"dedup": {"keys": ["id"]}, **WINDOW},
            ["window_start", "window_end", "event_time", *COORDINATES],
            ["window_start", "window_end", "id"],
            "window_end",
            "window_start",
        ),
        (
            {"sequence": SEQUENCE},
            ["first_event_time", "event_time", *COORDINATES],
            COORDINATES,
            "event_time",
            "event_time",
        ),
        (
            JOIN,
            [
                "event_time",
                *COORDINATES,
                "right_event_time",
                "right_partition",
                "right_offset",
                "watermark",
            ],
            [*COORDINATES, "right_partition", "right_offset"],
            "watermark",
            "event_time",
        ),
        (
            {"kind": "enrich", "streams": ["orders", "customers"]},
            ["event_time", *COORDINATES],
            COORDINATES,
            "event_time",
            "event_time",
        ),
    ],
)
def test_a_mart_has_its_columns_by_kind(
    header: dict[str, Any], head: list[str], identity: list[str], clock: str, partition_by: str
) -> None:
    read = model(SELECT, COLUMNS, **header)
    assert list(read.mart_columns) == [*head, "id", "settled_offsets"]
    assert list(read.identity) == identity
    assert (read.clock, read.partition_by) == (clock, partition_by)
    apart = {*identity, "settled_offsets", "watermark"}
    assert read.measures == [c for c in [*head, "id"] if c not in apart]
    assert [f.name for f in mart_schema(read).fields] == list(read.mart_columns)


@pytest.mark.parametrize(
    ("window", "by_window"),
    [
        ({"tumble": "1 minute"}, True),
        ({"hop": {"size": "1 minute", "every": "1 second"}}, True),
        ({"cumulate": {"size": "1 minute", "step": "1 second"}}, True),
        ({"session": {"gap": "1 minute"}}, False),
    ],
)
def test_rows_are_late_by_window_where_windows_are_fixed(window: Any, by_window: bool) -> None:
    assert model(SELECT, COLUMNS, window=window, keys=["id"]).judged_by_window == by_window
    assert not model(SELECT, COLUMNS).judged_by_window


# The SELECT


@pytest.mark.parametrize(
    ("sql", "line", "says"),
    [
        ("", 9, "expected exactly one SELECT after the header"),
        ("\n\n  DELETE FROM orders", 11, "expected exactly one SELECT after the header"),
        ("SELECT 1; SELECT 2", 9, "expected exactly one SELECT"),
        ("SELECT 1 UNION SELECT 2", 9, "expected exactly one SELECT"),
        ("(SELECT 1)", 9, "expected exactly one SELECT"),
        ("SELECT id\nFROM orders\nWHERE )", 11, "the SELECT does not parse"),
        ("SELECT id, FROM (", 9, "the SELECT does not parse"),
        ("SELECT id FROM orders WHERE id = 'x", 9, "the SELECT does not parse"),
        ('SELECT id FROM orders WHERE id = "x', 9, "the SELECT does not parse"),
        (f"SELECT {'(' * 30_000}1", 9, "the SELECT is nested too deep"),
    ],
)
def test_what_is_no_select_says_where(sql: str, line: int, says: str) -> None:
    with pytest.raises(ModelProblem) as caught:
        model(sql, COLUMNS)
    assert says in caught.value.message
    assert caught.value.line == line


@pytest.mark.parametrize("end", ["", ";", " ;\n", "\n; -- all", "\n-- all", "\n/* all */"])
def test_a_select_may_end_in_a_semicolon_and_comments(end: str) -> None:
    assert [e.sql() for e in model(SELECT + end, COLUMNS).select.expressions] == ["id"]


# Files


def test_the_models_of_the_project_are_bound() -> None:
    pipelines, schemas = INSTALL_ROOT / "pipelines", INSTALL_ROOT / "schemas"
    models = load_models(pipelines)
    assert [m.name for m in models] == model_names(pipelines)
    for each in models:
        contracts = {s: load_contract(schemas, s) for s in each.streams}
        compiles(each, contracts)


def test_model_names_are_the_files_sorted(tmp_path: Path) -> None:
    for name in ("b.sql", "a.sql", "notes.md"):
        (tmp_path / name).touch()
    assert model_names(tmp_path) == ["a", "b"]


def test_a_model_that_is_not_there_names_those_that_are(project: Settings, write: Write) -> None:
    with pytest.raises(UserError, match=r"no model 'x'; .*pipelines has no models"):
        load_model(project.pipelines, "x")
    write("a")
    with pytest.raises(UserError, match=r"no model 'x'; .*pipelines has a"):
        load_model(project.pipelines, "x")


def test_an_error_names_the_file_and_the_line(project: Settings, write: Write) -> None:
    (project.pipelines / "m.sql").write_text("SELECT 1")
    with pytest.raises(UserError, match=r"m\.sql:1: expected a leading"):
        load_model(project.pipelines, "m")
    write("m", "SELECT id\nFROM orders WHERE )")
    with pytest.raises(UserError, match=r"m\.sql:10: the SELECT does not parse"):
        load_model(project.pipelines, "m")
    (project.pipelines / "m.sql").write_bytes(b"/* caf\xe9 */")
    with pytest.raises(UserError, match=r"m\.sql cannot be read"):
        load_model(project.pipelines, "m")


def test_models_are_those_of_the_stream_that_they_read_in_the_end(
    project: Settings, write: Write
) -> None:
    write("a")
    write("b", "SELECT id FROM a", stream="a")
    write("c", "SELECT id FROM payments", stream="payments")
    select = "SELECT o.id FROM orders AS o JOIN payments AS p ON o.id = p.id"
    write("d", f"{select} AND p.event_time BETWEEN o.event_time AND o.event_time", **JOIN)
    assert [m.name for m in load_models(project.pipelines)] == ["a", "b", "c", "d"]
    assert [m.name for m in load_models(project.pipelines, "orders")] == ["a", "b", "d"]
    assert [m.name for m in load_models(project.pipelines, "payments")] == ["c"]
    bound = load.bound_models(project, "orders")
    assert [b.model.name for b in bound] == ["a", "b", "d"]
    assert [b.streams for b in bound] == [("orders",), ("orders",), ("orders", "payments")]
    assert load.bound_model(project, "b").root.stream == "orders"


def test_models_in_a_circle_are_named(project: Settings, write: Write) -> None:
    write("a", "SELECT id FROM b", stream="b")
    write("b", "SELECT id FROM c", stream="c")
    write("c", "SELECT id FROM a", stream="a")
    for read in (load_models, lambda _: load.bound_model(project, "b")):
        with pytest.raises(UserError, match="read each other in a circle: a -> b -> c"):
            read(project.pipelines)
    with pytest.raises(UserError, match="in a circle: m"):
        root_stream(model("SELECT id FROM m", COLUMNS, stream="m"), {"m": counts().model})


def test_a_circle_through_a_join_ends(project: Settings, write: Write) -> None:
    on = "ON o.id = p.id AND p.event_time BETWEEN o.event_time AND o.event_time"
    write(
        "a", f"SELECT o.id FROM orders AS o JOIN b AS p {on}", kind="join", streams=["orders", "b"]
    )
    write("b", "SELECT id FROM a", stream="a")
    for name, says in (("a", "a model that joins reads streams alone"), ("b", "which is of kind")):
        with pytest.raises(UserError, match=says):
            load.bound_model(project, name)
    with pytest.raises(UserError):
        load.bound_models(project, "orders")


def test_a_stream_that_is_not_there_is_named(project: Settings, write: Write) -> None:
    write("a", "SELECT id FROM nowhere", stream="nowhere")
    says = "model a reads 'nowhere', which is no stream and no model; expected one of orders, pay"
    with pytest.raises(UserError, match=says):
        load.bound_model(project, "a")


def test_a_model_that_is_wrong_is_told_with_its_line(project: Settings, write: Write) -> None:
    write("a", "SELECT nothing AS id\nFROM orders")
    with pytest.raises(UserError, match=r"a\.sql:9: nothing: is not a column"):
        load.bound_models(project, "orders")


def test_two_models_have_an_output_each(project: Settings, write: Write) -> None:
    write("a")
    path = project.pipelines / "b.sql"
    path.write_text(text(SELECT, COLUMNS, "b").replace("marts.b", "marts.a"))
    with pytest.raises(UserError, match=r"models a and b both write marts\.a; expected an output"):
        load_models(project.pipelines)
    write("b", alert={"topic": "alerts.x"})
    write("c", alert={"topic": "alerts.x"})
    with pytest.raises(UserError, match=r"models b and c both write alerts\.x; expected"):
        load_models(project.pipelines)
    write("c", alert={"topic": "alerts.y"})
    assert len(load_models(project.pipelines)) == 3


# Whatever the text


def compiles(each: Model, contracts: Any) -> None:
    """What is bound is written for each engine."""
    bound = bind(each, contracts)
    relations = dict.fromkeys(bound.streams, "landed")
    for engine in (duckdb, spark):
        assert engine.answer(bound, relations)
        assert engine.answer(bound, relations, late=True)
    assert flink.statements(bound).inserts
    assert mart_schema(each)


TEXT = text(
    "SELECT country, COUNT(*) AS n FROM orders AS o WHERE o.address.city <> 'x' OR price > 1.5"
    " GROUP BY country HAVING COUNT(*) > 1 ORDER BY n DESC LIMIT 3",
    {"country": "string", "n": "long"},
    keys=["country"],
    **WINDOW,
)


def test_the_text_as_it_is_compiles() -> None:
    compiles(parse_model(TEXT, "m"), CONTRACTS)


@hypothesis_settings(max_examples=draws(150), deadline=None)
@given(at=st.integers(0, len(TEXT)), cut=st.integers(0, 20), put=st.text(max_size=4))
def test_a_mutated_text_compiles_or_is_refused(at: int, cut: int, put: str) -> None:
    try:
        compiles(parse_model(TEXT[:at] + put + TEXT[at + cut :], "m"), CONTRACTS)
    except ModelProblem as problem:
        assert problem.message
        assert 1 <= problem.line <= (TEXT + put).count("\n") + 2
    except UserError as error:
        assert error.message


SQL_WORDS = (
    "SELECT FROM WHERE GROUP BY HAVING ORDER LIMIT AS AND OR NOT NULL ( ) , . * + = 1 'a' orders"
    " country n COUNT(*) address city INTERVAL BETWEEN CASE WHEN THEN END OVER DISTINCT"
)


@hypothesis_settings(max_examples=draws(150), deadline=None)
@given(words=st.lists(st.sampled_from(SQL_WORDS.split()), max_size=12))
def test_any_words_compile_or_are_refused(words: list[str]) -> None:
    header = TEXT[: TEXT.index("*/") + 2]
    try:
        compiles(parse_model(f"{header}\nSELECT {' '.join(words)}", "m"), CONTRACTS)
    except ModelProblem as problem:
        assert problem.message
