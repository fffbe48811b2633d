from pathlib import Path

import pytest
from shop import make_project

from lakehead.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_project(tmp_path)
