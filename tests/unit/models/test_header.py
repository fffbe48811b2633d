"""A model's header: what each key says, and what it says that is refused, at its line."""

from datetime import timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehead.contracts.types import FieldType
from lakehead.models.header import Expect, Header, ModelProblem, parse_header, split
from lakehead.models.windows import Hop, Session
from tests.draws import draws

WINDOW = """
model: m
stream: orders
window: {tumble: 10 seconds}
keys: [country]
output:
  table: marts.m
  columns:
    country: string
    n: long
"""
DEDUP = WINDOW.replace("keys: [country]", "dedup: {keys: [country], keep: last}")
ROWS = WINDOW.replace("window: {tumble: 10 seconds}\nkeys: [country]\n", "")
JOIN = ROWS.replace("stream: orders", "streams: [orders, payments]\nkind: join")
SEQUENCE = ROWS.replace(
    "output:",
    """sequence:
  by: [country]
  steps:
    - {name: tried, where: n = 0, times: 2}
    - name: failed
      where: n > 0
  within: 1 minute
output:""",
)


def header(text: str = WINDOW) -> Header:
    return parse_header(text, "m")


def fails(text: str, line: int, says: str) -> None:
    with pytest.raises(ModelProblem) as caught:
        header(text)
    assert says in caught.value.message
    assert caught.value.line == line


def changed(old: str, new: str, text: str = WINDOW) -> str:
    assert text.count(old) == 1
    return text.replace(old, new)


def test_what_is_left_out_has_its_usual_value() -> None:
    assert header() == Header(
        name="m",
        description="",
        kind="window",
        streams=("orders",),
        window=Hop(timedelta(seconds=10), timedelta(seconds=10)),
        keys=("country",),
        table="marts.m",
        columns={"country": FieldType("string"), "n": FieldType("long")},
    )


def test_each_key_says_what_it_says() -> None:
    more = (
        "description: |\n  What it is.\nlate: update\nfreshness: 5 minutes\n"
        "accept: [rounding, approximate]\nalert: {topic: alerts.m_2}\n"
        "expect: [n > 0, country is not null]\noutput:"
    )
    read = header(changed("output:", more))
    assert read.description == "What it is."
    assert read.late == "update"
    assert read.freshness == timedelta(minutes=5)
    assert read.expect == (Expect("n > 0"), Expect("country is not null"))
    assert read.accept == {"rounding", "approximate"}
    assert read.alert_topic == "alerts.m_2"


def test_keys_that_are_empty_are_none() -> None:
    read = header(changed("output:", "description:\nfreshness:\nalert:\noutput:"))
    assert (read.description, read.freshness, read.alert_topic) == ("", None, None)


def test_the_kind_follows_from_what_is_there() -> None:
    assert header(ROWS).kind == "rows"
    dedup = header(DEDUP)
    assert dedup.kind == "dedup"
    assert dedup.dedup is not None
    assert (dedup.dedup.keys, dedup.dedup.keep, dedup.keys) == (("country",), "last", ())
    first = header(changed(", keep: last", "", DEDUP)).dedup
    assert first is not None
    assert first.keep == "first"
    sequence = header(SEQUENCE).sequence
    assert sequence is not None
    assert [(s.name, s.where, s.times) for s in sequence.steps] == [
        ("tried", "n = 0", 2),
        ("failed", "n > 0", 1),
    ]
    assert [s.line for s in sequence.steps] == [7, 9]
    assert (sequence.by, sequence.within, sequence.rows) == (("country",), timedelta(minutes=1), 3)
    assert header(JOIN).streams == ("orders", "payments")
    session = header(changed("{tumble: 10 seconds}", "{session: {gap: 1 minute}}"))
    assert session.window == Session(timedelta(minutes=1))


REFUSED: list[tuple[str, str, str, int, str]] = [
    (WINDOW, WINDOW, "- 1", 1, "the header is not a YAML mapping"),
    (WINDOW, WINDOW, "", 1, "the header is not a YAML mapping"),
    (WINDOW, "keys:", "kees:", 5, "unknown keys ['kees']; known: model, output, description"),
    (WINDOW, "keys:", "1: 2\nkeys:", 5, "unknown keys [1]"),
    (WINDOW, "model: m\n", "", 2, "the header lacks model"),
    (WINDOW, WINDOW[WINDOW.index("output") :], "", 2, "the header lacks output"),
    (WINDOW, "model: m", "model: n", 2, "model is 'n', expected 'm' as the file is called"),
    (WINDOW, "stream: orders\n", "", 2, "lacks stream, or streams: [left, right]"),
    (WINDOW, "stream: orders", "stream: a\nstreams: [b]", 2, "lacks stream, or streams"),
    (WINDOW, "orders", "[orders]", 3, "stream is ['orders'], expected names"),
    (WINDOW, "stream: orders", "stream: 5", 3, "stream is 5, expected names of streams"),
    (WINDOW, "stream: orders", "streams: orders", 3, "streams is 'orders', expected names of"),
    (WINDOW, "stream: orders", "streams: [a, b]", 3, "a model of kind window reads 1 of them"),
    (JOIN, "[orders, payments]", "[orders]", 3, "a model of kind join reads 2 of them"),
    (JOIN, "[orders, payments]", "[orders, orders]", 3, "expected each stream once"),
    (WINDOW, "keys:", "kind: sum\nkeys:", 5, "kind is 'sum', expected one of window, rows, dedup"),
    (WINDOW, "keys:", "kind: [rows]\nkeys:", 5, "kind is ['rows'], expected one of"),
    (ROWS, "output:", "kind: window\noutput:", 4, "a model of kind window lacks window"),
    (ROWS, "output:", "kind: dedup\noutput:", 4, "a model of kind dedup lacks dedup"),
    (ROWS, "output:", "kind: sequence\noutput:", 4, "a model of kind sequence lacks sequence"),
    (WINDOW, "keys:", "kind: rows\nkeys:", 4, "a model of kind rows has no window"),
    (ROWS, "output:", "keys: []\noutput:", 4, "a model of kind rows has no keys"),
    (DEDUP, "output:", "keys: [a]\noutput:", 6, "a model of kind dedup has no keys"),
    (DEDUP, "dedup:", "kind: window\ndedup:", 6, "a model of kind window has no dedup"),
    (SEQUENCE, "output:", "kind: rows\noutput:", 4, "a model of kind rows has no sequence"),
    (WINDOW, "output:", "expect: n > 0\noutput:", 6, "expect is 'n > 0', expected a list such as"),
    (WINDOW, "output:", "expect: [n > 0,\n  true]\noutput:", 7, "expect has True, expected a"),
    (WINDOW, "output:", "expect: [n > 0, n > 0]\noutput:", 6, "expect has 'n > 0' twice"),
    (SEQUENCE, "output:", "window: {}\noutput:", 11, "a model of kind sequence has no window"),
    (WINDOW, "keys: [country]\n", "", 2, "the header lacks keys; [] where each window is one row"),
    (WINDOW, "[country]", "country", 5, "keys is 'country', expected a list of column names"),
    (WINDOW, "[country]", "[1]", 5, "keys is [1], expected a list of column names"),
    (WINDOW, "[country]", "[a, a]", 5, "keys is ['a', 'a'], expected each column once"),
    (WINDOW, "tumble: 10 seconds", "jump: 1", 4, "window is {'jump': 1}, expected such as"),
    (WINDOW, "10 seconds", "10 parsecs", 4, "window.tumble: '10 parsecs' is not a duration"),
    (WINDOW, "keys:", "late: never\nkeys:", 5, "late is 'never', expected one of flag, update"),
    (ROWS, "output:", "late: update\noutput:", 4, "late: update is for models with windows"),
    (WINDOW, "keys:", "freshness: soon\nkeys:", 5, "freshness: 'soon' is not a duration"),
    (WINDOW, "keys:", "freshness: 0 seconds\nkeys:", 5, "freshness is 0, expected more"),
    (WINDOW, "keys:", "accept: rounding\nkeys:", 5, "accept is 'rounding', expected a list"),
    (WINDOW, "keys:", "accept: [all]\nkeys:", 5, "accept has 'all', expected one of rounding"),
    (DEDUP, "window: {tumble: 10 seconds}\n", "", 2, "a model of kind dedup lacks window"),
    (
        DEDUP,
        "tumble: 10 seconds",
        "hop: {size: 1 minute, every: 1 second}",
        4,
        "has the window hop 0:01:00 every 0:00:01, expected tumble",
    ),
    (DEDUP, "tumble: 10 seconds", "session: {gap: 1 second}", 4, "the window session 0:00:01"),
    (DEDUP, "{keys: [country], keep: last}", "[country]", 5, "dedup is ['country'], expected such"),
    (DEDUP, "{keys: [country], keep: last}", "{keep: last}", 5, "dedup is {'keep': 'last'}, exp"),
    (DEDUP, "keep: last", "kept: last", 5, "expected such as {keys: [order_id], keep: first}"),
    (DEDUP, "keep: last", "keep: newest", 5, "dedup.keep is 'newest', expected first or last"),
    (DEDUP, "[country]", "[]", 5, "dedup.keys is empty, expected a column or more"),
    (DEDUP, "[country]", "country", 5, "dedup.keys is 'country', expected a list"),
    (SEQUENCE, "  within: 1 minute\n", "", 4, "expected by, steps and within"),
    (SEQUENCE, "[country]\n  steps", "[]\n  steps", 5, "sequence.by is empty"),
    (SEQUENCE, "[country]\n  steps", "country\n  steps", 5, "sequence.by is 'country', expected a"),
    (SEQUENCE, "within: 1 minute", "within: soon", 10, "sequence.within: 'soon' is not a"),
    (SEQUENCE, "within: 1 minute", "within:", 10, "sequence.within is empty, expected a time"),
    (SEQUENCE, "within: 1 minute", "within: 0 days", 10, "sequence.within is 0, expected more"),
    (SEQUENCE, "times: 2", "times: 0", 7, "times is 0, expected 1 to 100"),
    (SEQUENCE, "times: 2", "times: 101", 7, "times is 101, expected 1 to 100"),
    (SEQUENCE, "times: 2", "times: two", 7, "times is 'two', expected 1 to 100"),
    (SEQUENCE, "times: 2", "often: 2", 7, "a step is {'name': 'tried', 'where': 'n = 0', 'often'"),
    (SEQUENCE, "- name: failed", "- name: Failed", 8, "a step's name is 'Failed', expected lower"),
    (SEQUENCE, "- name: failed", "- name: tried", 6, "expected each name once"),
    (WINDOW, "output:", "alert: alerts.m\noutput:", 6, "alert is 'alerts.m', expected such as"),
    (WINDOW, "output:", "alert: {topic: marts.m}\noutput:", 6, "expected such as {topic: alerts."),
    (WINDOW, "output:", "alert: {topic: alerts.M}\noutput:", 6, "expected such as {topic: alerts."),
    (WINDOW, "  table: marts.m\n", "", 6, "output: expected table and columns"),
    (WINDOW, "marts.m", "lake.m", 7, "output.table is 'lake.m', expected such as 'marts.m'"),
    (WINDOW, "marts.m", "marts.m__v2", 7, "names with __ are for earlier versions"),
    (WINDOW, "marts.m", "'marts.m`'", 7, "expected such as 'marts.m'"),
    (WINDOW, "    n: long", "    n: longish", 10, "output.columns: 'longish' is not a type"),
    (WINDOW, "    n: long", "    kafka_offset: long", 10, "kafka_offset is added by lakehead"),
    (WINDOW, "    n: long", "    watermark: long", 10, "watermark is added by lakehead itself"),
    (WINDOW, "    n: long", "    settled_offsets: long", 10, "settled_offsets is added by"),
    (WINDOW, "    n: long", "    a_day: long", 10, "'a_day': expected lower case letters"),
    (WINDOW, "    n: long", "    1: long", 10, "1: expected lower case letters"),
    (WINDOW, "    n: long", "    yes: long", 8, "True: expected lower case letters"),
]


@pytest.mark.parametrize(("text", "old", "new", "line", "says"), REFUSED)
def test_what_is_refused_has_its_line_and_words(
    text: str, old: str, new: str, line: int, says: str
) -> None:
    fails(changed(old, new, text), line, says)


def test_steps_that_are_no_list_are_refused() -> None:
    steps = SEQUENCE[SEQUENCE.index("\n    - {name") : SEQUENCE.index("  within")]
    fails(changed(steps, " []\n", SEQUENCE), 6, "sequence.steps: expected a list of steps")
    one = "\n    - {name: a, where: n = 0}\n"
    fails(changed(steps, one, SEQUENCE), 6, "a sequence of one row is a filter; use rows")


def test_columns_that_are_none_are_refused() -> None:
    columns = "\n    country: string\n    n: long\n"
    fails(changed(columns, " []\n"), 8, "output.columns: expected a mapping of column to type")


def test_a_session_moves_so_late_rows_cannot_update_it() -> None:
    text = changed("{tumble: 10 seconds}", "{session: {gap: 1 minute}}\nlate: update")
    fails(text, 5, "late: update is for windows that do not move; use flag")


def test_the_name_of_the_file_is_a_name() -> None:
    with pytest.raises(ModelProblem, match="model is '1st', expected lower case letters"):
        parse_header(WINDOW.replace("model: m", "model: 1st"), "1st")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("\nmodel: m\nmodel: n\n", 3, "the header 'model' is there twice"),
        ("\n\nmodel: [\n", 4, "the header is not YAML"),
        ("\nmodel: &a m\nstream: *a", 3, "the header an alias"),
        ("\nmodel: m\nstream: 2020-13-45", 1, "the header is not YAML"),
    ],
)
def test_what_is_no_yaml_says_where(text: str, line: int, says: str) -> None:
    fails(text, line, says)


@given(name=st.text(max_size=6).filter(lambda n: not n.isidentifier() or not n.isascii()))
def test_a_column_with_odd_characters_is_refused(name: str) -> None:
    columns = yaml.safe_dump({name: "long"}, default_flow_style=True, allow_unicode=True)
    with pytest.raises(ModelProblem):
        header(changed("\n    country: string\n    n: long\n", f" {columns}\n"))


# Where the header ends and the SQL begins


def test_the_lines_are_those_of_the_file() -> None:
    yaml_text, line, sql = split("\n /*\nmodel: m\n*/ \nSELECT\n")
    assert yaml_text == "\n\nmodel: m\n"
    assert (line, sql) == (3, " \nSELECT\n")


@pytest.mark.parametrize("text", ["", "SELECT 1", "-- /* */ SELECT 1", "/* model: m", "a /* */"])
def test_without_a_leading_comment_there_is_no_header(text: str) -> None:
    with pytest.raises(ModelProblem, match="expected a leading") as caught:
        split(text)
    assert caught.value.line == 1


@given(before=st.text(" \n\t", max_size=5), inner=st.text(max_size=20), sql=st.text(max_size=20))
def test_nothing_of_the_file_is_lost(before: str, inner: str, sql: str) -> None:
    if "*/" in inner + "*":
        return
    yaml_text, line, rest = split(f"{before}/*{inner}*/{sql}")
    assert yaml_text == "\n" * before.count("\n") + inner
    assert rest == sql
    assert line == (before + inner).count("\n")


KEYS = (
    "model description stream streams kind window keys late freshness accept dedup sequence alert"
    " output output.table output.columns dedup.keys dedup.keep sequence.by sequence.steps"
    " sequence.within"
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.dates()
NODES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(SCALARS, inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=draws(100), deadline=None)
@given(
    text=st.sampled_from([WINDOW, DEDUP, ROWS, JOIN, SEQUENCE]),
    path=st.sampled_from(KEYS.split()),
    value=NODES,
)
def test_any_value_of_a_key_is_a_header_or_a_problem(text: str, path: str, value: object) -> None:
    data: Any = yaml.safe_load(text)
    *outer, last = path.split(".")
    (data.setdefault(outer[0], {}) if outer else data)[last] = value
    try:
        parse_header(yaml.safe_dump(data), "m")
    except ModelProblem as problem:
        assert problem.message
        assert problem.line >= 1
