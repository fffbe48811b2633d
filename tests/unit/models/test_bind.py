"""A model held against contracts: what it may say, and what is refused at which line."""

from dataclasses import replace
from typing import Any

import pytest
from sqlglot import exp
from written_models import ADDRESS, CONTRACTS, WINDOW, bound, counts, model

from lakehead.contracts.types import FieldType
from lakehead.errors import UserError
from lakehead.models.bind import Bound, bind, bind_model
from lakehead.models.header import ModelProblem

COUNTED = {"country": "string", "n": "long"}
SQL_LINE = 14


def fails(says: str, line: int | None = None, **given: Any) -> None:
    with pytest.raises(ModelProblem) as caught:
        counts(**given)
    assert says in caught.value.message
    if line is not None:
        assert caught.value.line == line


def refused(says: str, select: str, columns: dict[str, str], **given: Any) -> ModelProblem:
    with pytest.raises(ModelProblem) as caught:
        bound(select, columns, **given)
    assert says in caught.value.message
    return caught.value


def test_a_bound_model_has_its_inputs_and_trees() -> None:
    read = counts(
        "SELECT country, COUNT(*) AS n\nFROM orders\nWHERE quantity > 0\nGROUP BY country"
        "\nHAVING COUNT(*) > 1\nORDER BY n DESC\nLIMIT 3"
    )
    assert read.streams == ("orders",)
    assert read.root is read.input
    assert read.input.fields["address"] == ADDRESS
    assert (read.input.event_time, read.input.key) == ("event_time", "id")
    assert list(read.select) == ["country", "n"]
    assert isinstance(read.where, exp.GT)
    assert isinstance(read.having, exp.GT)
    # Countries with as many are put in order, so that each engine takes the same ones.
    assert read.order == (("n", True), ("country", False))
    assert read.limit == 3


def test_an_order_that_names_the_keys_is_taken_as_it_is() -> None:
    read = counts(
        "SELECT country, COUNT(*) AS n FROM orders GROUP BY country"
        " ORDER BY country DESC, n LIMIT 1"
    )
    assert read.order == (("country", True), ("n", False))


@pytest.mark.parametrize("alias", ["orders", "o", "address"])
def test_an_alias_of_one_relation_says_nothing(alias: str) -> None:
    select = (
        f"SELECT {alias}.id, {alias}.address.city AS city FROM orders AS {alias}"
        f" WHERE {alias}.quantity > 0"
    )
    read = bound(select, {"id": "string", "city": "string"})
    found = [c.sql() for tree in read.select.values() for c in tree.find_all(exp.Column)]
    assert found == ['"id"', '"address"."city"']
    assert read.where is not None
    assert [c.sql() for c in read.where.find_all(exp.Column)] == ['"quantity"']


COUNT = "SELECT country, COUNT(*) AS n\nFROM orders\n"
BY = "GROUP BY country"


@pytest.mark.parametrize(
    ("select", "line", "says"),
    [
        (f"{COUNT}WHERE amount > 0\n{BY}", 2, "amount: is not a column, expected one of id,"),
        (f"{COUNT}{BY}\nHAVING SUM(amount) > 0", 3, "amount: is not a column"),
        (f"{COUNT}WHERE quantity\n{BY}", 2, "gives a int, expected a condition"),
        (f"{COUNT}{BY}\nHAVING SUM(quantity)", 3, "expected a condition that is true or false"),
        (f"{COUNT}WHERE COUNT(*) > 1\n{BY}", 2, "aggregates are for the SELECT and the HAVING"),
        (f"{COUNT}{BY}\nHAVING quantity > 1", 3, "quantity > 1: quantity is neither a key nor"),
        (
            f"SELECT country,\n COUNT(*) + quantity AS n\nFROM orders\n{BY}",
            1,
            "COUNT(*) + quantity: quantity is neither a key nor within an aggregate",
        ),
        (
            f"SELECT country,\n quantity AS n\nFROM orders\n{BY}",
            1,
            "quantity is neither a key nor an aggregate; expected keys: [..., n], or such as MAX(",
        ),
        (f"SELECT country\nFROM orders\n{BY}", 0, "gives ['country'], output.columns says ["),
        (f"SELECT COUNT(*) AS n, country\nFROM orders\n{BY}", 0, "the SELECT gives ['n', 'country"),
        (f"SELECT *\nFROM orders\n{BY}", 0, "the SELECT gives ['*'], output.columns says"),
        (COUNT, 0, "GROUP BY has [], the header's keys are ['country']"),
        (f"{COUNT}GROUP BY id", 2, "GROUP BY has ['id'], the header's keys are ['country']"),
        (f"{COUNT}{BY}, 1", 2, "GROUP BY has ['country', '1']"),
        (f"{COUNT}GROUP BY UPPER(country)", 2, "GROUP BY has ['UPPER(country)']"),
        (f"{COUNT}GROUP BY address.country", 2, "GROUP BY has ['address.country']"),
        (f"{COUNT}GROUP BY ROLLUP (country)", 2, "GROUP BY has ['ROLLUP (country)']"),
        (f"{COUNT}GROUP BY ALL", 0, "GROUP BY has ['ALL']"),
        (f"{COUNT}{BY} WITH ROLLUP", 2, "GROUP BY has ['country', 'ROLLUP']"),
        (f"SELECT UPPER(country) AS country, COUNT(*) AS n\nFROM orders\n{BY}", 0, "not selected"),
        (f"SELECT id AS country, COUNT(*) AS n\nFROM orders\n{BY}", 0, ""),
        (f"{COUNT}{BY}\nORDER BY n", 0, "ORDER BY and LIMIT go together: the top rows of each"),
        (f"{COUNT}{BY}\nLIMIT 1", 0, "ORDER BY and LIMIT go together"),
        (f"{COUNT}{BY}\nORDER BY m LIMIT 1", 3, "ORDER BY m: expected a column of the output: c"),
        (f"{COUNT}{BY}\nORDER BY COUNT(*) LIMIT 1", 3, "ORDER BY COUNT(*): expected a column"),
        (f"{COUNT}{BY}\nORDER BY 1 LIMIT 1", 3, "ORDER BY 1: expected a column of the output"),
        (f"{COUNT}{BY}\nORDER BY n NULLS LAST LIMIT 1", 3, "expected no NULLS"),
        (f"{COUNT}{BY}\nORDER BY n DESC NULLS FIRST LIMIT 1", 3, "NULL is the least value here"),
        (f"{COUNT}{BY}\nORDER BY n LIMIT 0", 3, "LIMIT 0: expected LIMIT and a number from 1 to"),
        (f"{COUNT}{BY}\nORDER BY n LIMIT 10001", 3, "expected LIMIT and a number from 1 to 10000"),
        (f"{COUNT}{BY}\nORDER BY n LIMIT 1 + 1", 3, "LIMIT 1 + 1: expected LIMIT and a number"),
        (f"{COUNT}{BY}\nORDER BY n LIMIT 9 PERCENT", 3, "expected LIMIT and a number"),
        (f"{COUNT}{BY}\nORDER BY n LIMIT 9 BY n", 3, "expected LIMIT and a number"),
        (f"{COUNT}{BY}\nORDER BY n FETCH FIRST 3 ROWS ONLY", 3, "expected LIMIT and a number"),
        (f"{COUNT}{BY}\nORDER BY n LIMIT 1 OFFSET 1", 0, "OFFSET is not supported in a model of"),
        (f"{COUNT}{BY}\nQUALIFY TRUE", 0, "QUALIFY is not supported"),
        (f"{COUNT}{BY}\nFOR UPDATE", 0, "LOCKS is not supported"),
        (f"{COUNT}{BY}\nWINDOW w AS (PARTITION BY id)", 0, " is not supported"),
        (f"SELECT DISTINCT{COUNT[6:]}{BY}", 0, "DISTINCT is not supported"),
        (f"WITH x AS (SELECT 1) {COUNT}{BY}", 0, "WITH is not supported in a model of kind window"),
        (
            f"SELECT country, (SELECT 1) AS n\nFROM orders\n{BY}",
            0,
            "(SELECT 1) is not supported in a model; a second model may read this one",
        ),
        (f"{COUNT}WHERE id IN (SELECT id FROM x)\n{BY}", 2, "(SELECT id FROM x) is not supported"),
        (f"SELECT country, SUM(COUNT(*)) OVER () AS n\nFROM orders\n{BY}", 0, "OVER () is not"),
        (f"SELECT country, COUNT(*) AS n\n{BY}", 0, "reads nothing; the header says orders"),
        (f"{COUNT.replace('orders', 'payments')}{BY}", 1, "reads payments; the header says orders"),
        (f"{COUNT.strip()}, payments\n{BY}", 0, "JOINS is not supported in a model of kind window"),
        (f"{COUNT}JOIN payments ON TRUE\n{BY}", 0, "JOINS is not supported"),
        (f"{COUNT.replace('orders', 'a.orders')}{BY}", 1, "a.orders: DB is not supported"),
        (f"{COUNT.strip()} TABLESAMPLE (1 PERCENT)\n{BY}", 1, "SAMPLE is not supported"),
        (
            f"{COUNT.strip()} FOR SYSTEM_TIME AS OF event_time\n{BY}",
            1,
            "VERSION is not supported",
        ),
        (f"{COUNT.replace('orders', '(SELECT * FROM orders) AS orders')}{BY}", 1, "not supported"),
        (f"{COUNT.replace('orders', 'UNNEST(tags)')}{BY}", 1, "the SELECT reads UNNEST(tags)"),
    ],
)
def test_what_is_refused_has_its_line_and_words(select: str, line: int, says: str) -> None:
    fails(says, SQL_LINE + line, select=select)


def test_a_key_has_its_type_and_its_name() -> None:
    columns = {"country": "long", "n": "long"}
    fails("country", select=f"{COUNT}{BY}", columns=columns)
    columns = {"quantity": "long", "n": "long"}
    select = "SELECT quantity, COUNT(*) AS n FROM orders GROUP BY quantity"
    fails(
        "quantity is a int, output.columns says long",
        columns=columns,
        keys=["quantity"],
        select=select,
    )
    select = "SELECT COUNT(*) AS n FROM orders GROUP BY country"
    fails("the key country is not selected as it is", columns={"n": "long"}, select=select)


@pytest.mark.parametrize("key", ["weight", "tags"])
def test_what_engines_do_not_compare_alike_is_no_key(key: str) -> None:
    kind = {"weight": "double", "tags": "array<string>"}[key]
    columns: Any = {key: "double", "n": "long"}
    select = f"SELECT {key}, COUNT(*) AS n FROM orders GROUP BY {key}"
    given = replace(
        model(select, columns, keys=[key], **WINDOW),
        columns={key: CONTRACTS["orders"].field(key).type, "n": FieldType("long")},
    )
    with pytest.raises(ModelProblem, match=f"{key} is a {kind}, which is no key"):
        bind(given, CONTRACTS)


def test_a_part_of_an_object_is_no_key_under_its_own_name() -> None:
    """The relation has no such column to group by."""
    fails(
        "address.city: address.city is neither a key nor",
        select="SELECT address.city, COUNT(*) AS n FROM orders GROUP BY address.city",
        columns={"city": "string", "n": "long"},
        keys=["city"],
    )


def test_the_message_names_the_line_of_a_long_select() -> None:
    select = "SELECT\n  country,\n  COUNT(*)\n    AS n\nFROM orders\nWHERE\n  nothing = 1\n" + BY
    fails("nothing: is not a column", SQL_LINE + 6, select=select)


def test_an_output_takes_its_type_or_says_why_not() -> None:
    columns = {"country": "string", "n": "string"}
    assert counts(columns=columns).select["n"].sql()
    fails("the output says timestamp", columns={"country": "string", "n": "timestamp"})


def test_bind_model_names_the_file(tmp_path: Any) -> None:
    given = model("SELECT nothing FROM orders", {"nothing": "string"})
    with pytest.raises(UserError, match=r"m\.sql:\d+: nothing: is not a column"):
        bind_model(given, CONTRACTS, {}, tmp_path / "m.sql")


# The other kinds


@pytest.mark.parametrize(
    ("clause", "word"), [("GROUP BY id", "GROUP"), ("HAVING TRUE", "HAVING"), ("LIMIT 1", "LIMIT")]
)
@pytest.mark.parametrize(
    "header",
    [
        {},
        {"dedup": {"keys": ["id"]}, **WINDOW},
        {
            "sequence": {
                "by": ["id"],
                "within": "1 day",
                "steps": [{"name": "a", "where": "quantity > 0", "times": 2}],
            }
        },
    ],
)
def test_clauses_of_windows_are_refused_elsewhere(
    clause: str, word: str, header: dict[str, Any]
) -> None:
    says = f"{word} is not supported in a model of kind"
    refused(says, f"SELECT id FROM orders {clause}", {"id": "string"}, **header)


def test_rows_have_no_aggregates() -> None:
    says = "aggregates are for the SELECT and the HAVING of a window"
    refused(says, "SELECT COUNT(*) AS n FROM orders", {"n": "long"})


def test_dedup_keys_are_selected() -> None:
    says = "the key id is not selected as it is; expected id in the SELECT"
    header = {"dedup": {"keys": ["id"]}, **WINDOW}
    refused(says, "SELECT country FROM orders", {"country": "string"}, **header)


def sequence(where: str = "quantity > 0", by: str = "id") -> dict[str, Any]:
    steps = [{"name": "a", "where": "quantity = 0"}, {"name": "b", "where": where}]
    return {"sequence": {"by": [by], "within": "1 day", "steps": steps}}


def bound_sequence(**given: Any) -> Bound:
    return bound("SELECT id FROM orders", {"id": "string"}, **sequence(**given))


def test_steps_are_conditions_over_the_stream() -> None:
    assert [type(t) for t in bound_sequence().steps] == [exp.EQ, exp.GT]


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("amount > 0", "step b: amount: is not a column"),
        ("quantity", "step b: quantity: gives a int, expected a condition"),
        ("COUNT(*) > 1", "step b: COUNT(*)"),
        ("quantity >", "step b does not parse"),
        ("'open", "step b does not parse"),
        ("", "step b does not parse: expected one condition"),
        ("TRUE; DROP TABLE x", "step b does not parse: expected one condition"),
        ("(SELECT TRUE)", "step b: "),
        ("(" * 3000 + "TRUE" + ")" * 3000, "step b does not parse"),
    ],
)
def test_a_step_that_is_wrong_has_its_line(where: str, says: str) -> None:
    problem = refused(says, "SELECT id FROM orders", {"id": "string"}, **sequence(where))
    assert problem.line in (12, 13)


def test_a_sequence_is_of_a_key_that_is_there() -> None:
    select, columns = "SELECT id FROM orders", {"id": "string"}
    says = "sequence.by has 'nobody', which is not a field"
    refused(says, select, columns, **sequence(by="nobody"))
    refused("weight is a double, which is no key", select, columns, **sequence(by="weight"))


# Models that read models


def test_a_model_reads_one_of_kind_rows() -> None:
    big = model("SELECT id, country FROM orders", {"id": "string", "country": "string"}, "big")
    read = bound(
        "SELECT country, COUNT(*) AS n, MAX(event_time) AS newest FROM big GROUP BY country",
        {"country": "string", "n": "long", "newest": "timestamp"},
        {"big": big},
        stream="big",
        keys=["country"],
        **WINDOW,
    )
    assert read.streams == ("orders",)
    assert read.root.stream == "orders"
    assert read.input.upstream is not None
    assert (read.input.event_time, read.root.event_time) == ("event_time", "event_time")
    assert list(read.input.fields) == ["event_time", "id", "country"]
    assert read.input.watermark_delay == CONTRACTS["orders"].watermark_delay


def test_a_model_of_another_kind_is_not_read_on() -> None:
    counted = counts(name="counted").model
    refused(
        "reads the model counted, which is of kind window; only one of kind rows",
        "SELECT country FROM counted",
        {"country": "string"},
        models={"counted": counted},
        stream="counted",
    )


def test_what_is_neither_stream_nor_model_is_named() -> None:
    big = model("SELECT id FROM orders", {"id": "string"}, "big")
    refused(
        "reads 'nowhere', which is no stream and no model; expected one of big, customers, orders",
        "SELECT id FROM nowhere",
        {"id": "string"},
        models={"big": big},
        stream="nowhere",
    )


def test_models_that_read_each_other_end() -> None:
    columns = {"id": "string"}
    models = {
        a: model(f"SELECT id FROM {b}", columns, a, stream=b)
        for a, b in (("a", "b"), ("b", "c"), ("c", "b"))
    }
    for name, given in models.items():
        others = {n: m for n, m in models.items() if n != name}
        with pytest.raises(ModelProblem, match="which is no stream and no model"):
            bind(given, CONTRACTS, others)


def test_what_an_upstream_model_says_wrong_is_told() -> None:
    wrong = model("SELECT nothing FROM orders", {"nothing": "string"}, "wrong")
    refused(
        "nothing: is not a column",
        "SELECT nothing FROM wrong",
        {"nothing": "string"},
        models={"wrong": wrong},
        stream="wrong",
    )
