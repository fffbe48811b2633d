"""The SQL that is shown is the SQL that runs, with other white space."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehead.models.explain import DIALECTS, Dialect, explain, laid_out, window_text
from lakehead.models.model import model_names
from lakehead.models.testing import bind_written
from lakehead.models.windows import parse_window
from lakehead.settings import INSTALL_ROOT

SCHEMAS, PIPELINES = INSTALL_ROOT / "schemas", INSTALL_ROOT / "pipelines"


def without_space(sql: str) -> str:
    return re.sub(r"\s+", "", sql)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", model_names(PIPELINES))
def test_the_gallery_is_laid_out(
    name: str, dialect: Dialect, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound, _ = bind_written(SCHEMAS, PIPELINES, name)
    shown = explain(bound, dialect)
    monkeypatch.setattr("lakehead.models.explain.laid_out", lambda sql, dialect: sql)
    plain = explain(bound, dialect)
    assert [without_space(s) for s in shown] == [without_space(s) for s in plain]
    # Nothing came apart or together.
    assert [laid_out(s, dialect) for s in shown] == shown
    assert all("\nFROM " in s for s in shown)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(sql=st.text("SELECT FROM WHERE ()',`\"\n-/*ab1", max_size=40))
def test_any_text_keeps_its_words(dialect: Dialect, sql: str) -> None:
    assert without_space(laid_out(sql, dialect)) == without_space(sql)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT a, b FROM t", "SELECT\n  a,\n  b\nFROM t"),
        (
            "SELECT f(a, 'b  c') FROM (SELECT * FROM t WHERE a BETWEEN 1 AND 2 AND b) AS x",
            "SELECT\n  f(a, 'b  c')\nFROM (\n  SELECT *\n  FROM t\n"
            "  WHERE a BETWEEN 1 AND 2\n    AND b\n) AS x",
        ),
        (
            "SELECT COUNT(*) OVER (ORDER BY a) FROM t",
            "SELECT\n  COUNT(*) OVER (ORDER BY a)\nFROM t",
        ),
        ("not sql '", "not sql '"),
        ("", ""),
    ],
)
def test_each_clause_has_a_line(sql: str, expected: str) -> None:
    assert laid_out(sql, "spark") == expected


@pytest.mark.parametrize(
    ("window", "text"),
    [
        ({"tumble": "60 seconds"}, "tumble 1 minute"),
        ({"hop": {"size": "1 hour", "every": "90 seconds"}}, "hop 1 hour every 90 seconds"),
        ({"cumulate": {"size": "1 day", "step": "2 hours"}}, "cumulate 1 day by 2 hours"),
        ({"session": {"gap": "30 minutes"}}, "session 30 minutes"),
    ],
)
def test_a_window_is_said_in_words(window: object, text: str) -> None:
    assert window_text(parse_window(window)) == text
