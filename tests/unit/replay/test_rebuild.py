"""A replay of a model, as far as it is refused: no engine runs."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lakehead.errors import UserError
from lakehead.jobs.plan import Plan
from lakehead.proof.audit import PartitionAudit, StreamAudit
from lakehead.replay import rebuild as module
from lakehead.settings import Settings

GAP = PartitionAudit(0, 10, 8, 0, 0, 0, 0, lost=2, duplicated=0, missing=[3, 4])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for folder in ("schemas", "pipelines"):
        (tmp_path / folder).mkdir()
    return Settings(home=tmp_path / "home", project=tmp_path)


def audited(monkeypatch: pytest.MonkeyPatch, lost: int) -> None:
    found = StreamAudit(10, 8, 0, 0, 0, 0, lost, 0, [GAP])
    monkeypatch.setattr(module, "audit", lambda settings, stream: found)


def test_what_the_lake_lacks_is_named_and_refused(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    audited(monkeypatch, 2)
    with pytest.raises(UserError, match="lacks 2 offsets of orders, the first of them 3 of part"):
        module._lacking(settings, "orders", despite_gaps=False)
    assert module._lacking(settings, "orders", despite_gaps=True) == 2


def test_a_model_that_has_changed_is_submitted_and_not_replayed() -> None:
    with pytest.raises(UserError, match="sold has changed since it was submitted") as raised:
        module._check_unchanged(Plan("orders", ("sold",), "changed"), "sold")
    assert raised.value.hint == "lakehead submit orders"


def test_a_model_that_nobody_submitted_is_refused(settings: Settings) -> None:
    with pytest.raises(UserError, match="sold"):
        module.rebuild(settings, "sold", datetime(2026, 1, 1, tzinfo=UTC))
