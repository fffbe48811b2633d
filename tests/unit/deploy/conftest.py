"""The example's profile, and what it makes of the checkout's project."""

from pathlib import Path

import pytest

from lakehead.deploy.profile import Profile, load_profile
from lakehead.deploy.project import StreamJob, stream_jobs
from lakehead.deploy.render import Rendered, render
from lakehead.settings import INSTALL_ROOT, Settings

EXAMPLE = INSTALL_ROOT / "deploy" / "cluster.example.yaml"


@pytest.fixture(scope="session")
def checkout() -> Settings:
    """The checkout's project; there is no home."""
    return Settings(Path("/nonexistent"), INSTALL_ROOT)


@pytest.fixture(scope="session")
def profile() -> Profile:
    return load_profile(EXAMPLE)


@pytest.fixture(scope="session")
def jobs(checkout: Settings, profile: Profile) -> list[StreamJob]:
    return stream_jobs(checkout, profile)


@pytest.fixture(scope="session")
def rendered(profile: Profile, jobs: list[StreamJob]) -> Rendered:
    return render(profile, jobs)
