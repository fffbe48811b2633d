"""A model as Flink and Spark are told it: by structure, with each name in quotes."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp
from written_models import CONTRACTS, WINDOW, bound, contract, counts, model

from lakehead.contracts.expression import Backticks
from lakehead.models import flink, spark
from lakehead.models.bind import Bound, bind
from lakehead.models.duckdb import answer as duckdb_answer
from lakehead.models.header import ModelProblem
from lakehead.models.iceberg import left_out_schema, mart_schema

AT = datetime(2026, 3, 4, 5, 6, 7, 891_000, tzinfo=UTC)
# Every name of input begins with zz; words that engines reserve are among what follows.
ODD = contract(
    "zz_orders",
    "zz_key",
    "zz_time",
    zz_select="string",
    zz_n="int",
    zz_part=CONTRACTS["orders"].field("address").type,
)
OTHER = replace(ODD, stream="zz_other")
ON = "ON zz_a.zz_key = zz_b.zz_key"
SPAN = "zz_b.zz_time BETWEEN zz_a.zz_time AND zz_a.zz_time + INTERVAL '1' HOUR"
SESSION = {"session": {"gap": "1 minute"}}
HOP = {"hop": {"size": "1 minute", "every": "10 seconds"}}
CUMULATE = {"cumulate": {"size": "1 day", "step": "1 hour"}}
STEPS = [
    {"name": "zz_low", "where": "zz_n = 0", "times": 2},
    {"name": "zz_high", "where": "zz_n > 0 AND zz_part.city = 'it''s'"},
]
GROUPED = (
    "SELECT zz_select, COUNT(*) AS zz_count FROM zz_orders WHERE zz_part.city <> 'it''s'"
    " GROUP BY zz_select"
)


def grouped(window: dict[str, Any], more: str = "") -> tuple[str, dict[str, Any]]:
    return GROUPED + more, {"window": window, "keys": ["zz_select"]}


PLAIN = "SELECT zz_select, zz_n AS zz_count FROM zz_orders WHERE zz_n > 0"
TWO = "SELECT zz_b.zz_select, zz_a.zz_n AS zz_count FROM zz_orders AS zz_a"
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "tumble": grouped({"tumble": "10 seconds"}),
    "hop": grouped(HOP, " HAVING COUNT(*) > 1"),
    "cumulate": grouped(CUMULATE),
    "session": grouped(SESSION),
    "top": grouped(HOP, " ORDER BY zz_count DESC LIMIT 3"),
    "rows": (PLAIN, {}),
    "dedup": (PLAIN, {"dedup": {"keys": ["zz_select"]}, **WINDOW}),
    "sequence": (PLAIN, {"sequence": {"by": ["zz_key"], "within": "1 day", "steps": STEPS}}),
    "enrich": (
        f"{TWO} LEFT JOIN zz_other FOR SYSTEM_TIME AS OF zz_a.zz_time AS zz_b {ON}",
        {"kind": "enrich"},
    ),
    "join": (f"{TWO} JOIN zz_other AS zz_b {ON} AND {SPAN}", {"kind": "join"}),
}


def odd(kind: str) -> Bound:
    select, header = KINDS[kind]
    streams = {"streams": ["zz_orders", "zz_other"]} if "JOIN" in select else {}
    streams = streams or {"stream": "zz_orders"}
    given = model(
        select,
        {"zz_select": "string", "zz_count": "long"},
        "zz_model",
        **streams,
        **header,
        alert={"topic": "alerts.zz"},
    )
    return bind(given, {"zz_orders": ODD, "zz_other": OTHER})


ODD_MODELS = {kind: odd(kind) for kind in KINDS}
RELATIONS = {"zz_orders": "`x`", "zz_other": "`y`"}


def texts(each: Bound) -> dict[str, str]:
    """Every text that engines get of a model."""
    written = flink.statements(each, since=AT)
    table = flink.alert_table(each.model, "alerts.zz", "here:1")
    return {
        **{f"view {i}": view for i, view in enumerate(written.views)},
        **{f"insert {i}": f"{t} {s}" for i, (t, s) in enumerate(written.inserts.items())},
        "alert": table,
        "spark": spark.answer(each, RELATIONS),
        "spark, late": spark.answer(each, RELATIONS, late=True),
        "closed": spark.closed(each.model, AT, AT),
        "differing": spark.differing(each.model, "`batch`"),
        "merge": spark.merge(each.model, "`batch`", "TRUE", each.model.table),
    }


def unquoted(text: str, quote: str = "`") -> str:
    """What stands outside of quotes."""
    return re.sub(rf"{quote}(?:[^{quote}]|{quote}{quote})*{quote}|'(?:[^']|'')*'", "", text)


@pytest.mark.parametrize("kind", KINDS)
def test_each_name_is_quoted(kind: str) -> None:
    each = ODD_MODELS[kind]
    for name, text in texts(each).items():
        assert "zz" not in unquoted(text), name
        assert "it" not in unquoted(text).split(), name
    for late in (False, True):
        relations = dict.fromkeys(RELATIONS, "x")
        assert "zz" not in unquoted(duckdb_answer(each, relations, late), '"')


@given(name=st.text(min_size=1, max_size=6))
def test_a_name_that_is_none_comes_into_no_text(name: str) -> None:
    """Names with odd characters are refused before they are written."""
    try:
        each = counts(
            f'SELECT country, COUNT(*) AS "{name}" FROM orders GROUP BY country',
            {"country": "string", name: "long"},
        )
    except ModelProblem:
        assert not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name.endswith("_day")
        return
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
    assert "``" not in str(flink.statements(each))


@pytest.mark.parametrize("alias", ['"a`b"', '"a""b"', '"a;--"'])
def test_an_alias_with_odd_characters_stays_in_its_quotes(alias: str) -> None:
    """An alias is the one name that may hold anything."""
    each = bound(
        f"SELECT {alias}.id, p.status FROM orders AS {alias} JOIN payments AS p"
        f' ON {alias}.id = p."order" AND p.at BETWEEN {alias}.event_time AND {alias}.event_time',
        {"id": "string", "status": "string"},
        kind="join",
        streams=["orders", "payments"],
    )
    parsed = sqlglot.parse_one(spark.answer(each, {"orders": "x", "payments": "y"}), read="spark")
    assert parsed.find(exp.From).this.alias == alias[1:-1].replace('""', '"')  # type: ignore[union-attr]
    for text in flink.statements(each).views:
        assert ";" not in unquoted(text)


# Spark


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_spark_gives_the_columns_of_the_mart(kind: str, late: bool) -> None:
    each = ODD_MODELS[kind]
    parsed = sqlglot.parse_one(spark.answer(each, RELATIONS, late), read="spark")
    assert isinstance(parsed, exp.Select)
    assert parsed.named_selects == list(each.model.mart_columns)[:-1]
    read = {t.name for t in parsed.find_all(exp.Table)}
    assert read >= ({"x", "y"} if len(each.streams) == 2 else {"x"})
    # A filter is in time for every row.
    assert ("late$ms" in parsed.sql()) == (late and kind != "rows")


@pytest.mark.parametrize(
    ("kind", "count"), [("tumble", None), ("hop", 6), ("cumulate", 24), ("session", None)]
)
def test_spark_copies_a_row_into_its_windows(kind: str, count: int | None) -> None:
    text = spark.answer(ODD_MODELS[kind], RELATIONS)
    found = re.findall(r"CROSS JOIN range\((\d+)\)", text)
    assert found == ([] if count is None else [str(count)])


def test_a_merge_replaces_only_what_is_closed() -> None:
    given = counts().model
    merge = sqlglot.parse_one(
        spark.merge(given, "`batch`", "`window_end` <= X", given.table), read="spark"
    )
    assert isinstance(merge, exp.Merge)
    assert merge.this.name == given.table.split(".")[1]
    compared = {e.this.name for e in merge.args["on"].find_all(exp.NullSafeEQ)}
    assert compared == set(given.identity)
    matched, inserted, removed = merge.args["whens"].expressions
    assert {e.this.name for e in matched.args["then"].expressions} == {"n", "settled_offsets"}
    assert [e.name for e in inserted.args["then"].this.expressions] == list(given.mart_columns)
    assert removed.args["source"]
    assert removed.args["condition"].sql("spark") == "`window_end` <= X"


def test_a_merge_without_measures_still_settles() -> None:
    given = counts("SELECT country FROM orders GROUP BY country", {"country": "string"}).model
    assert given.measures == []
    assert "(t.settled_offsets IS NULL OR FALSE)" in spark.merge(
        given, "`batch`", "TRUE", given.table
    )
    assert sqlglot.parse_one(spark.differing(given, "`batch`"), read="spark")


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        ("tumble", ["window_end"]),
        ("rows", ["event_time"]),
        ("sequence", ["event_time"]),
        ("dedup", ["window_end"]),
        ("join", ["event_time", "right_event_time"]),
    ],
)
def test_what_is_closed_is_told_by_its_times(kind: str, columns: list[str]) -> None:
    given = ODD_MODELS[kind].model
    condition = sqlglot.parse_one(spark.closed(given, AT), read="spark")
    assert [e.this.name for e in condition.find_all(exp.LTE)] == columns
    assert AT.isoformat() in condition.sql("spark")
    since = sqlglot.parse_one(spark.closed(given, AT, AT), read="spark")
    assert [e.this.name for e in since.find_all(exp.GTE)] == [given.partition_by]


# Flink


def select_of(view: str) -> str:
    head, select = view.split(" AS\n", 1)
    assert head.startswith("CREATE TEMPORARY VIEW `")
    return select


@pytest.mark.parametrize("kind", KINDS)
def test_flink_fills_the_mart_its_columns_in_order(kind: str) -> None:
    each = ODD_MODELS[kind]
    written = flink.statements(each)
    columns = list(each.model.mart_columns)[:-1]
    insert = sqlglot.parse_one(written.inserts["`lake`.`marts`.`zz_model`"], dialect=Backticks)
    *named, settled = insert.selects
    assert [s.name for s in named] == columns
    assert settled.sql(Backticks) == "CAST(NULL AS STRING)" or isinstance(settled.this, exp.Null)
    assert len(insert.selects) == len(mart_schema(each.model).fields)
    alert = sqlglot.parse_one(written.inserts["`zz_model$alert`"], dialect=Backticks)
    assert [s.name for s in alert.selects] == columns
    answer = [v for v in written.views if v.startswith("CREATE TEMPORARY VIEW `zz_model$answer`")]
    assert answer == [written.views[-1]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_view_reads_what_was_declared_before_it(kind: str) -> None:
    each = ODD_MODELS[kind]
    declared = {"zz_orders"}
    if side := flink.side(each.model):
        assert side == flink.Side("zz_other", "zz_model$zz_other")
        declared.add(side.name)
    for view in flink.statements(each).views:
        name = re.match(r"CREATE TEMPORARY VIEW `([^`]+)`", view)
        read = re.findall(r"(?:FROM|JOIN|TABLE) `([^`]+)`", view)
        assert name
        assert read
        assert {*read} <= declared
        assert name[1] not in declared
        declared.add(name[1])


@pytest.mark.parametrize(
    ("kind", "function"),
    [
        (
            "tumble",
            "TUMBLE(TABLE `zz_model$rows`, DESCRIPTOR(`rowtime`), INTERVAL '0 00:00:10.000'",
        ),
        ("hop", "HOP(TABLE `zz_model$slices`, DESCRIPTOR(`rowtime`), INTERVAL '0 00:00:10.000'"),
        ("cumulate", "CUMULATE(TABLE `zz_model$slices`, DESCRIPTOR(`rowtime`), INTERVAL '0 01:00"),
        ("session", "SESSION(TABLE `zz_model$rows` PARTITION BY (`zz_select`), DESCRIPTOR(`rowtim"),
        ("dedup", "TUMBLE(TABLE `zz_model$rows`, DESCRIPTOR(`rowtime`), INTERVAL '0 00:00:10.000'"),
    ],
)
def test_flink_has_a_function_for_each_window(kind: str, function: str) -> None:
    answer = flink.statements(ODD_MODELS[kind]).views[-1]
    assert answer.count("DESCRIPTOR(") == 1
    assert function in answer


def test_a_session_without_keys_has_no_partition() -> None:
    each = counts("SELECT COUNT(*) AS n FROM orders", {"n": "long"}, window=SESSION, keys=[])
    assert "SESSION(TABLE `m$rows`, DESCRIPTOR(" in flink.statements(each).views[-1]


LATE = "(`watermark$` IS NULL OR `rowtime` > `watermark$`"


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_late_are_left_out_by_their_own_watermark(kind: str) -> None:
    written = "\n".join(flink.statements(ODD_MODELS[kind]).views)
    by_window = written.count("`window_end` > CAST(`watermark$` AS TIMESTAMP(3)) + INTERVAL")
    by_row = written.count(LATE)
    assert written.count("CURRENT_WATERMARK(`rowtime`) AS `watermark$`") == 1 + ("JOIN" in written)
    expected = {
        "session": (0, 1),
        "sequence": (0, 1),
        "enrich": (0, 2),
        "join": (0, 2),
        "rows": (0, 0),
    }
    assert (by_window, by_row) == expected.get(kind, (1, 0))


@pytest.mark.parametrize("kind", ["session", "sequence"])
def test_an_or_in_the_condition_cannot_let_late_rows_in(kind: str) -> None:
    """The conditions of the stream are joined to the model's by AND, whatever that holds."""
    select, header = KINDS[kind]
    select = re.sub(r"WHERE .*?( GROUP|$)", r"WHERE zz_n > 0 OR zz_n < 9\1", select)
    each = bind(
        model(select, {"zz_select": "string", "zz_count": "long"}, stream="zz_orders", **header),
        {"zz_orders": ODD},
    )
    [rows] = [
        v for v in flink.statements(each).views if v.startswith("CREATE TEMPORARY VIEW `m$ro")
    ]
    where = sqlglot.parse_one(select_of(rows), dialect=Backticks).find(exp.Where)
    assert where is not None
    assert isinstance(where.this, exp.And)
    own, *others = [c.unnest() for c in where.this.flatten()]
    assert isinstance(own, exp.Or)
    assert [c.name for c in own.find_all(exp.Column)] == ["zz_n", "zz_n"]
    assert all("watermark$" in c.sql() for c in others)


@pytest.mark.parametrize("kind", KINDS)
def test_a_version_counts_only_from_its_horizon(kind: str) -> None:
    at = "TIMESTAMP '2026-03-04 05:06:07.891'"
    written = flink.statements(ODD_MODELS[kind], "marts.zz_model__v2", AT)
    assert "`lake`.`marts`.`zz_model__v2`" in written.inserts
    views = "\n".join(written.views)
    column = "window_start" if kind in ("tumble", "hop", "cumulate", "top", "dedup") else "rowtime"
    assert views.count(f"`{column}` >= {at}") == (2 if kind == "join" else 1)
    assert at not in "\n".join(flink.statements(ODD_MODELS[kind]).views)


def test_a_sequence_names_whole_fields_and_reads_their_parts() -> None:
    """``address.city`` is a part of ``address``, of the row that a step has matched."""
    each = bound(
        "SELECT customer, address.city AS city FROM orders",
        {"customer": "string", "city": "string"},
        sequence={
            "by": ["customer"],
            "within": "1 minute",
            "steps": [{"name": "far", "where": "address.zip = 'x' AND quantity > 0", "times": 2}],
        },
    )
    answer = flink.statements(each).views[-1]
    assert "LAST(`far`.`address`) AS `address`" in answer
    assert "`far`.`address`.`zip` =" in answer
    assert "`far`.`quantity` >" in answer
    assert "`address`.`city` AS `city`" in answer
    # The key is there without being measured.
    assert "LAST(`far`.`customer`)" not in answer


def test_a_model_on_a_model_reads_it_in_views_of_its_own() -> None:
    big = model("SELECT country AS land FROM orders WHERE quantity > 0", {"land": "string"}, "big")
    each = bound(
        "SELECT land, COUNT(*) AS n FROM big GROUP BY land",
        {"land": "string", "n": "long"},
        {"big": big},
        stream="big",
        keys=["land"],
        **WINDOW,
    )
    names = [re.findall(r"VIEW `([^`]+)`", v)[0] for v in flink.statements(each).views]
    assert names == ["m$orders$valid", "m$big$read", "m$rows", "m$answer"]


def test_what_joins_says_what_its_own_scan_left_out() -> None:
    for kind, each in ODD_MODELS.items():
        inserts = flink.statements(each).inserts
        assert ("`lake`.`ops`.`left_out`" in inserts) == (kind in ("join", "enrich"))
    left_out = sqlglot.parse_one(
        flink.statements(ODD_MODELS["join"]).inserts["`lake`.`ops`.`left_out`"], dialect=Backticks
    )
    assert len(left_out.selects) == len(left_out_schema().fields)
    assert left_out.sql(Backticks).endswith("WHERE `rowtime` <= `watermark$`")


def test_what_a_version_left_out_is_under_the_models_name_and_its_own() -> None:
    each = ODD_MODELS["join"]
    beside = replace(each, model=replace(each.model, name="zz_model$v1"))
    for one in (each, beside):
        insert = flink.statements(one, version="v1").inserts["`lake`.`ops`.`left_out`"]
        assert insert.startswith("SELECT 'zz_model', 'v1', 'zz_other', `kafka_partition`,")
