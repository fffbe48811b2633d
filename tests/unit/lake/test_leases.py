"""Leases: what is read is not expired, and what is being expired is not read."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lakehead.errors import UserError
from lakehead.lake.leases import expiring, held, lease
from lakehead.lake.snapshots import Snapshot, TableState
from lakehead.settings import Settings

# A reader that is killed while it holds a lease.
KILLED = """
import os, signal, sys
from pathlib import Path
from lakehead.lake.leases import lease
from lakehead.settings import Settings
sys.path.insert(0, sys.argv[2])
from test_leases import table
kept = lease(Settings(home=Path(sys.argv[1]), project=Path(sys.argv[1])), [table(7)])
os.kill(os.getpid(), signal.SIGKILL)
"""


def table(number: int | None, uuid: str = "t") -> TableState:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    snapshot = None if number is None else Snapshot(number, None, 1, at, 0, "", {})
    return TableState("landing.t", uuid, "", snapshot, (), (), True, {})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", project=tmp_path)


def test_what_is_read_is_held_until_it_is_given_back(settings: Settings) -> None:
    assert held(settings) == {}
    one = lease(settings, [table(1), table(5, "u"), table(None, "v")])
    two = lease(settings, [table(2)])
    assert held(settings) == {"t": {1, 2}, "u": {5}}
    one.close()
    one.close()
    assert held(settings) == {"t": {2}}
    two.close()
    assert held(settings) == {}


def test_what_is_held_may_not_go(settings: Settings) -> None:
    one = lease(settings, [table(1)])
    with expiring(settings, {"t": [1, 2], "u": [1]}) as may:
        assert may == {"t": {2}, "u": {1}}
    one.close()
    with expiring(settings, {"t": [1, 2]}) as may:
        assert may == {"t": {1, 2}}


def test_what_is_going_is_not_read(settings: Settings) -> None:
    with expiring(settings, {"t": [1]}):
        with pytest.raises(UserError, match="is just being expired"):
            lease(settings, [table(1)])
        assert held(settings) == {}
        lease(settings, [table(2)]).close()
        lease(settings, [table(1, "u")]).close()
    lease(settings, [table(1)]).close()


def test_a_lease_ends_with_its_process(settings: Settings) -> None:
    command = [sys.executable, "-c", KILLED, str(settings.home), str(Path(__file__).parent)]
    assert subprocess.run(command, check=False).returncode < 0
    assert len(list((settings.home / "leases").iterdir())) == 1
    assert held(settings) == {}
    assert list((settings.home / "leases").iterdir()) == []


def test_a_home_that_cannot_be_written_to_is_read_all_the_same(settings: Settings) -> None:
    settings.home.write_text("in the way")
    lease(settings, [table(1)]).close()
    assert held(settings) == {}


def test_nothing_to_hold_writes_nothing(settings: Settings) -> None:
    lease(settings, [table(None)]).close()
    assert not os.path.exists(settings.home)
