from pathlib import Path

import pytest

from tests.small_lake import Lake, event, make_lake, window


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Three landed orders, an answer of a model, an empty table."""
    lake = make_lake(tmp_path_factory.mktemp("shop"))
    lake.model()
    lake.land(event(0, 1), event(1, 2), event(2, 12))
    lake.answer(window(0, 2))
    return lake


@pytest.fixture
def no_lake(tmp_path: Path) -> Path:
    return tmp_path / "nowhere"
