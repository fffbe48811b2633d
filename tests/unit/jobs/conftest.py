"""A project that jobs are made of, without engines."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from job_project import write

from lakehead.jobs import placing
from lakehead.settings import INSTALL_ROOT, Settings


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A project with one model, and rows that are landed up to a known moment."""
    shutil.copytree(INSTALL_ROOT / "schemas", tmp_path / "schemas")
    (tmp_path / "pipelines").mkdir()
    newest = datetime(2026, 1, 1, 12, 0, 3, tzinfo=UTC)
    monkeypatch.setattr(placing, "newest_landed", lambda *_: newest)
    settings = Settings(home=tmp_path / "home", project=tmp_path)
    write(settings)
    return settings
