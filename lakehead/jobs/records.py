"""What is on disk about each job.

``desired.json``  written by ``submit`` and ``stop``: should it run, and which job.
``observed.json`` written by the controller alone: what it did and saw.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from lakehead.errors import SystemFailure
from lakehead.files import write_whole
from lakehead.jobs.spec import Insert, JobSpec
from lakehead.jobs.versions import Version
from lakehead.lake.swap import Rename
from lakehead.settings import Settings


@dataclass(frozen=True)
class Desired:
    """``generation`` grows with each submit or stop, so that a failed job may be tried anew.

    ``models`` are the versions that ``spec`` was compiled from. ``renames`` are done while no job
    runs, before this one begins. ``parallelism`` is the home's where None.
    """

    name: str
    run: bool
    generation: int
    spec: JobSpec
    models: tuple[Version, ...] = ()
    renames: tuple[Rename, ...] = ()
    parallelism: int | None = None


@dataclass(frozen=True)
class Attempt:
    """One submission. ``seen`` is whether Flink was ever found to have it."""

    job_id: str
    generation: int
    fingerprint: str
    started: float
    restored_from: str | None = None
    seen: bool = False


State = Literal["starting", "running", "restarting", "stopping", "stopped", "failed"]


@dataclass(frozen=True)
class Observed:
    """``failures`` counts attempts in a row that ended before they completed a checkpoint."""

    name: str
    state: State = "stopped"
    generation: int = 0
    cause: str = ""
    failures: int = 0
    attempts: tuple[Attempt, ...] = field(default=())

    @property
    def current(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None


def job_names(settings: Settings) -> list[str]:
    return sorted(p.parent.name for p in settings.job_records.glob("*/desired.json"))


def read_desired(settings: Settings, name: str) -> Desired | None:
    path = _folder(settings, name) / "desired.json"
    data = _read(path)
    if data is None:
        return None
    with _whole(path):
        spec = data["spec"]
        # A job that was recorded when its views were still among what it declares has neither.
        spec = {"streams": {}, "views": ()} | spec
        for key in ("models", "declare", "views"):
            spec[key] = tuple(spec[key])
        spec["inserts"] = tuple(_insert(i) for i in spec["inserts"])
        more = {
            "spec": JobSpec(**spec),
            "models": tuple(Version(**v) for v in data.get("models", ())),
            "renames": tuple(Rename(**r) for r in data.get("renames", ())),
        }
        return Desired(**(data | more))


def _insert(data: dict[str, str] | str) -> Insert:
    # A job that was recorded before its operators had ids.
    return Insert("", data) if isinstance(data, str) else Insert(**data)


def write_desired(settings: Settings, desired: Desired) -> None:
    _write(_folder(settings, desired.name) / "desired.json", asdict(desired))


def read_observed(settings: Settings, name: str) -> Observed:
    path = _folder(settings, name) / "observed.json"
    data = _read(path)
    if data is None:
        return Observed(name)
    with _whole(path):
        attempts = tuple(Attempt(**a) for a in data["attempts"])
        return Observed(**(data | {"attempts": attempts}))


def write_observed(settings: Settings, observed: Observed) -> None:
    _write(_folder(settings, observed.name) / "observed.json", asdict(observed))


def spec_path(settings: Settings, name: str) -> Path:
    """Where the controller puts the specification for the submitting process."""
    return _folder(settings, name) / "spec.json"


def suspend_marker(settings: Settings) -> Path:
    """While this file exists no job should run, whatever is desired: the stack is going down."""
    return settings.job_records / "suspended"


def _folder(settings: Settings, name: str) -> Path:
    return settings.job_records / name


def _read(path: Path) -> dict[str, Any] | None:
    try:
        with _whole(path):
            data: dict[str, Any] = json.loads(path.read_text())
            return data
    except FileNotFoundError:
        return None


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Raises SystemFailure that names the file where a record cannot be understood."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SystemFailure(
            f"the job's record {path} is damaged: {error}",
            "restore it from a copy; without it, which state the job goes on from is not known",
        ) from error


def _write(path: Path, data: dict[str, object]) -> None:
    write_whole(path, json.dumps(data, indent=2) + "\n")
