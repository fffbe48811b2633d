"""Records of the toolkit's own, as SQL finds them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lakehead.contracts.types import FieldType
from lakehead.errors import UserError
from lakehead.lake.ops import Records, append
from lakehead.query.engine import run
from lakehead.settings import Settings, load_settings

AT = datetime(2026, 1, 2, 3, tzinfo=UTC)
DONE = Records("ops.done", (("what", FieldType("string")), ("at", FieldType("timestamp"))), "at")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path)


def test_rows_are_added_to_those_that_are_there(settings: Settings) -> None:
    append(settings, DONE, [{"what": "a", "at": AT}])
    append(settings, DONE, [{"what": "b", "at": AT}, {"what": "c", "at": None}])
    with run(settings, "FROM ops.done ORDER BY what") as result:
        assert result.fetchall() == [("a", AT), ("b", AT), ("c", None)]


def test_nothing_to_add_makes_no_table(settings: Settings) -> None:
    append(settings, DONE, [])
    assert not settings.catalog_db.exists()


def test_a_column_that_is_recorded_since_is_added(settings: Settings) -> None:
    append(settings, DONE, [{"what": "a", "at": AT}])
    [what, at] = DONE.columns
    more = Records("ops.done", (what, ("how_often", FieldType("long")), at), "at")
    append(settings, more, [{"what": "b", "how_often": 2, "at": AT}])
    with run(settings, "SELECT what, how_often FROM ops.done ORDER BY what") as result:
        assert result.fetchall() == [("a", None), ("b", 2)]


def test_a_table_with_other_columns_is_refused(settings: Settings) -> None:
    append(settings, DONE, [{"what": "a", "at": AT}])
    other = Records("ops.done", (("at", FieldType("timestamp")),), "at")
    with pytest.raises(UserError, match=r"ops\.done has other columns than its definition: what"):
        append(settings, other, [{"at": AT}])
