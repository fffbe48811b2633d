"""What is expected of a table follows from its contract, or from its model."""

import pytest
from shop import sale, sales_table, totals_table, write

from lakehead.errors import UserError
from lakehead.quality.suites import find_suite, find_suites
from lakehead.settings import INSTALL_ROOT, Settings


def test_each_rule_of_a_contract_is_an_expectation(settings: Settings) -> None:
    suite = find_suite(settings, "sales")
    assert suite.table == "landing.sales"
    assert {e.name: e.kind for e in suite.expectations} == {
        "kafka_partition+kafka_offset.unique": "unique",
        "kafka_partition.required": "not_null",
        "kafka_offset.required": "not_null",
        "id.required": "not_null",
        "id.pattern": "pattern",
        "id.unique": "sql",
        "qualify.enum": "in_set",
        "amount.range": "between",
        # More digits than a double holds.
        "rate.range": "sql",
        "note.length": "length",
        "tags.length": "sql",
        "day.range": "sql",
        "place.zip.required": "sql",
        "place.zip.length": "sql",
        "event_time.required": "not_null",
        "large_ones_have_a_note": "sql",
        "event_time.epoch": "sql",
        "event_time.clock": "sql",
    }


def test_a_mart_keeps_what_its_model_says(settings: Settings) -> None:
    suite = find_suite(settings, "totals")
    assert (suite.table, suite.identity) == ("marts.totals", ("window_start", "window_end", "id"))
    assert [e.says for e in suite.expectations] == [
        "no two rows with the same window_start, window_end, id",
        "window_start is not null",
        "window_end is not null",
        "window_end > window_start",
        "n > 0",
        "total is not null",
        "id <> 'it''s: {not}'",
        "window_end > window_start",
        "n < 9 AND TRUE",
        "n < 9 and true",
    ]


def test_names_are_those_of_streams_models_and_tables(settings: Settings) -> None:
    assert find_suite(settings, "landing.sales") == find_suite(settings, "sales")
    assert find_suite(settings, "marts.totals") == find_suite(settings, "totals")
    with pytest.raises(
        UserError, match=r"no stream or model 'sale'; expected one of sales, totals"
    ):
        find_suite(settings, "sale")
    (settings.pipelines / "totals.sql").rename(settings.pipelines / "sales.sql")
    with pytest.raises(UserError, match="'sales' is a stream and a model") as caught:
        find_suite(settings, "sales")
    assert caught.value.hint == "lakehead quality suite landing.sales"


def test_all_are_those_that_have_a_table(settings: Settings) -> None:
    write(sales_table(settings), [sale(0)])
    assert [s.name for s in find_suites(settings)] == ["sales"]
    totals_table(settings)
    assert [s.name for s in find_suites(settings)] == ["sales", "totals"]
    assert [s.name for s in find_suites(settings, ["totals", "totals"])] == ["totals"]


def test_every_stream_and_model_of_the_project_has_a_suite() -> None:
    project = Settings(home=INSTALL_ROOT / ".none", project=INSTALL_ROOT)
    for name in [p.stem for p in project.schemas.glob("*.yaml")]:
        assert find_suite(project, name).expectations
    for name in [p.stem for p in project.pipelines.glob("*.sql")]:
        suite = find_suite(project, name)
        assert len({e.name for e in suite.expectations}) == len(suite.expectations)
