import json
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehead.contracts.load import load_contract
from lakehead.contracts.model import Contract, Field
from lakehead.settings import INSTALL_ROOT, Settings
from lakehead.streams import retail
from lakehead.streams.retail import Sample

NOW = 1_750_000_000.0


class ManualClock:
    """A clock that moves when somebody sleeps, and a little with every look at it."""

    def __init__(self, drift: float = 0.0) -> None:
        self.time = NOW
        self.slept: list[float] = []
        self._drift = drift

    def now(self) -> float:
        self.time += self._drift
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def new_clock() -> type[ManualClock]:
    return ManualClock


@pytest.fixture(scope="session")
def contract() -> Contract:
    return load_contract(INSTALL_ROOT / "schemas", "orders")


@pytest.fixture(scope="session")
def small_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose sample is 900 lines of the real one, the step back in time among them."""
    project = tmp_path_factory.mktemp("project")
    (project / "sample-data").mkdir()
    whole = pq.read_table(INSTALL_ROOT / "sample-data" / "online_retail.parquet")
    table = pa.concat_tables([whole.slice(0, 500), whole.slice(525_261, 400)])
    pq.write_table(table, project / "sample-data" / "online_retail.parquet")
    return project


@pytest.fixture(scope="session")
def settings(small_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("home"), project=small_project)


@pytest.fixture(scope="session")
def sample(settings: Settings) -> Sample:
    return retail.sample_of(settings)


@pytest.fixture(scope="session")
def refusal(contract: Contract) -> Callable[[bytes | None, float], str | None]:
    """Why a record that arrives at a moment (epoch seconds) is no valid event; None where it is."""

    def judge(value: bytes | None, arrived: float) -> str | None:
        try:
            event = json.loads((value or b"").decode("utf-8"))
        except ValueError as error:
            return str(error)
        if not isinstance(event, dict):
            return "not an object"
        broken = [f.name for f in contract.fields if not _keeps(f, event.get(f.name))]
        if broken:
            return f"rules of {broken}"
        ahead = datetime.fromisoformat(event[contract.event_time]).timestamp() - arrived
        return "clock" if ahead > contract.clock_skew.total_seconds() else None

    return judge


def _keeps(rule: Field, value: Any) -> bool:
    if value is None:
        return not rule.required
    kind = rule.type.kind
    if kind in ("int", "long"):
        fits = isinstance(value, int) and not isinstance(value, bool)
    elif kind == "decimal":
        fits = isinstance(value, int | float)
    elif kind == "timestamp":
        fits = bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(value)))
    else:
        fits = isinstance(value, str)
    if not fits:
        return False
    return (
        (not rule.enum or value in rule.enum)
        and (rule.minimum is None or value >= rule.minimum)
        and (rule.maximum is None or value <= rule.maximum)
        and (rule.min_length is None or len(value) >= rule.min_length)
        and (rule.max_length is None or len(value) <= rule.max_length)
        and (rule.pattern is None or re.search(rule.pattern, value) is not None)
    )
