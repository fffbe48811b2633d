"""A new version of a model takes over from the one before it, or appears, once it is whole.

It fills a table of its own meanwhile, with the answers that begin after all that was landed before
it ran. Cut short at any point, it is made whole by doing it again:

1. its horizon is noted: later than each row that was landed before it ran;
2. the stream passes the last answer that could lack one of those rows, and has committed past it;
3. the batch answers everything up to there, in one commit to the version's own table; of a replay
   from some time on, the answers before it are those of the version before;
4. a replay is checked;
5. the job is desired with the version live, under its own ids, and without the one before; with it,
   how tables are to be renamed. The controller stops the job with a savepoint, renames in one
   commit, and begins the new one from it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from lakehead.contracts.applied import contract_in_force
from lakehead.contracts.model import LANDING
from lakehead.errors import LakeheadError
from lakehead.jobs import reconcile, records
from lakehead.jobs.flink_rest import FlinkRest
from lakehead.jobs.horizon import BEGINNING, closes, newest_landed, next_begin
from lakehead.jobs.placing import kept_name, rebound
from lakehead.jobs.records import Desired
from lakehead.jobs.sessions import last_session_end
from lakehead.jobs.spark import run_spark, session
from lakehead.jobs.spec import compile_job
from lakehead.jobs.versions import Part, Version
from lakehead.lake.catalog import CATALOG
from lakehead.lake.snapshots import table_state
from lakehead.lake.swap import Rename, pending, rename
from lakehead.models.model import Model
from lakehead.models.spark import begins_before
from lakehead.models.windows import Session
from lakehead.settings import Settings

Say = Callable[[str], None]
# How long the stream may stand still while it is waited for.
STILL_SECONDS = 20.0
_CHECKPOINTS = 2
_POLL_SECONDS = 0.3
_SAY_SECONDS = 10.0


@dataclass(frozen=True)
class Waiting:
    """A version that has not taken over: it will when the watermark has passed ``closes``."""

    model: str
    stream: str
    closes: datetime
    watermark: datetime | None

    def __str__(self) -> str:
        at = self.watermark.isoformat(" ", "seconds") if self.watermark else "not known"
        return (
            f"{self.model} takes over when the stream has passed "
            f"{self.closes.isoformat(' ', 'seconds')}; its watermark is {at}; "
            f"then: lakehead submit {self.stream}"
        )


@dataclass(frozen=True)
class Unchecked:
    """A replay, which takes over only when it is checked."""

    model: str

    def __str__(self) -> str:
        return (
            f"{self.model} is being replayed, and takes over when it is checked; "
            f"then: lakehead replay {self.model}"
        )


class TakeOver:
    """What is left to do for one job."""

    def __init__(
        self,
        settings: Settings,
        stream: str,
        say: Say,
        check: Callable[[Version], None] | None = None,
    ) -> None:
        self._settings = settings
        self._contract = contract_in_force(settings, stream)
        self._stream = stream
        self._say = say
        self._check = check
        self._ends: dict[str, datetime] = {}

    def run(self, patience_seconds: float) -> list[Waiting | Unchecked]:
        """Let take over what can, waiting for what is near; gives what does not.

        Raises:
            LakeheadError: the job, the batch or a check failed; what was done stays done.
        """
        unchecked = [Unchecked(v.name) for v in self._all_filling() if not self._may(v)]
        if not self._filling():
            return [*unchecked]
        self._note_horizons()
        left = self._wait(patience_seconds)
        names = {w.model for w in left}
        ready = [v for v in self._filling() if v.name not in names]
        if ready:
            self._commit()
            self._fill(ready)
            self._check_replays(ready)
            self._swap(ready)
        return [*left, *unchecked]

    def _desired(self) -> Desired:
        desired = records.read_desired(self._settings, self._stream)
        assert desired
        return desired

    def _all_filling(self) -> list[Version]:
        return [v for v in self._desired().models if not v.live]

    def _filling(self) -> list[Version]:
        return [v for v in self._all_filling() if self._may(v)]

    def _may(self, version: Version) -> bool:
        """Whether it may take over."""
        return not version.replays or self._check is not None

    def _check_replays(self, ready: list[Version]) -> None:
        for version in ready:
            if version.replays and self._check:
                self._say(f"checking {version.table}")
                self._check(version)

    def _note_horizons(self) -> None:
        if all(v.horizon for v in self._filling()):
            return
        self._say("waiting for the first checkpoint of the new version")
        # What the job before had left uncommitted is committed by then.
        self._checkpoints(1)
        desired = self._desired()
        noted = tuple(
            v if v.live or v.horizon else replace(v, horizon=self._horizon(v).isoformat())
            for v in desired.models
        )
        records.write_desired(self._settings, replace(desired, models=noted))

    def _horizon(self, version: Version) -> datetime:
        observed = records.read_observed(self._settings, self._stream)
        own = {a.job_id for a in observed.attempts if a.generation >= version.generation}
        newest = newest_landed(self._settings, self._contract, not_by=own)
        if newest is None:
            return BEGINNING
        found = next_begin(rebound(self._settings, self._contract, version), newest)
        return max(found, version.begins or found)

    def _closes(self, version: Version, watermark: datetime | None = None) -> datetime:
        """The end of the last answer that the batch must give. A session may have grown since."""
        known = self._ends.get(version.uid)
        grows = version.meaning.get("window", "").startswith("session")
        if known is None or (grows and watermark is not None and watermark > known):
            self._ends[version.uid] = self._find_end(version)
        return self._ends[version.uid]

    def _find_end(self, version: Version) -> datetime:
        assert version.horizon
        horizon = datetime.fromisoformat(version.horizon)
        if horizon == BEGINNING:
            return BEGINNING
        bound = rebound(self._settings, self._contract, version)
        last = None
        if isinstance(bound.model.window, Session):
            last = last_session_end(self._settings, self._contract, bound, horizon)
        return closes(bound, horizon, last)

    def _wait(self, patience_seconds: float) -> list[Waiting]:
        """Wait as long as the stream goes on and the end is in sight."""
        end = time.monotonic() + patience_seconds
        seen, moved, said = None, time.monotonic(), None
        while True:
            watermark = self._watermark()
            if watermark != seen:
                seen, moved = watermark, time.monotonic()
            left = [
                Waiting(v.name, self._stream, at, watermark)
                for v in self._filling()
                if (at := self._closes(v, watermark)) != BEGINNING
                and (watermark is None or watermark <= at)
            ]
            near = [w for w in left if w.watermark is None or _seconds(w) < end - time.monotonic()]
            still = time.monotonic() - moved > STILL_SECONDS
            if not near or still or time.monotonic() > end:
                return left
            if said is None or time.monotonic() - said > _SAY_SECONDS:
                self._say(str(near[0]))
                said = time.monotonic()
            time.sleep(_POLL_SECONDS)

    def _watermark(self) -> datetime | None:
        job_id = self._job_id()
        with FlinkRest(self._settings.flink_url) as flink:
            low = flink.passed_ms(job_id) if job_id else None
        return datetime.fromtimestamp(low / 1000, UTC) if low else None

    def _commit(self) -> None:
        """Wait until all that the stream has answered by now is committed."""
        self._say("waiting for the answers up to there to be committed")
        self._checkpoints(_CHECKPOINTS)

    def _checkpoints(self, more: int) -> None:
        wanted: dict[str, int] = {}
        end = time.monotonic() + 60 + 10 * self._settings.tuning.checkpoint_seconds
        while True:
            observed = records.read_observed(self._settings, self._stream)
            if observed.state == "failed":
                raise LakeheadError(
                    f"job {self._stream} failed: {observed.cause}",
                    f"lakehead logs controller; when it is mended: lakehead submit {self._stream}",
                )
            if observed.current and observed.state == "running":
                job_id = observed.current.job_id
                with FlinkRest(self._settings.flink_url) as flink:
                    counts = flink.checkpoint_counts(job_id).get("counts", {})
                done = int(counts.get("completed", 0))
                if done >= wanted.setdefault(job_id, done + more):
                    return
            if time.monotonic() > end:
                raise LakeheadError(
                    f"job {self._stream} completes no checkpoint", "lakehead logs jobmanager"
                )
            time.sleep(_POLL_SECONDS)

    def _job_id(self) -> str | None:
        current = records.read_observed(self._settings, self._stream).current
        return current.job_id if current else None

    def _fill(self, ready: list[Version]) -> None:
        """Let the batch answer all that closes up to the horizon, in each version's own table."""
        specs = {}
        for version in ready:
            until = self._closes(version)
            if until != BEGINNING:
                bound = rebound(self._settings, self._contract, version)
                own = replace(bound, model=replace(bound.model, table=version.table))
                landing = {
                    s: table_state(self._settings, f"{LANDING}.{s}").snapshot_id
                    for s in own.streams
                }
                start = version.replayed_since
                spec = reconcile.specification(own, landing, reconcile.Range(start), until)
                specs[version.name] = spec | self._kept(version, own.model, start)
        if specs:
            self._say(f"filling {', '.join(v.table for v in ready)} from the lake")
            job = {"session": session(self._settings), "catalog": CATALOG, "dry_run": False}
            run_spark(self._settings, "reconcile.py", {**job, "models": specs}, self._say)

    def _kept(
        self, version: Version, model: Model, start: datetime | None
    ) -> dict[str, dict[str, str]]:
        """The answers before a replay, which are those of the version before."""
        if start is None:
            return {}
        [live] = [v for v in self._desired().models if v.live and v.name == version.name]
        return {"kept": {"table": live.table, "rows": begins_before(model, start)}}

    def _swap(self, ready: list[Version]) -> None:
        self._say("swapping tables")
        desired = self._desired()
        names = {v.name for v in ready}
        renames: list[Rename] = []
        parts = []
        for version in desired.models:
            if version.name in names and version.live:
                continue
            bound = rebound(self._settings, self._contract, version)
            if version.name in names:
                before = next(
                    (v for v in desired.models if v.live and v.name == version.name), None
                )
                version, more = self._promoted(version, before, bound.model.table)
                renames += more
            parts.append(Part(version, bound))
        undone = pending(self._settings, desired.renames)
        spec = compile_job(self._settings, self._contract, parts, desired.parallelism)
        records.write_desired(
            self._settings,
            replace(
                desired,
                generation=desired.generation + 1,
                spec=spec,
                models=tuple(p.version for p in parts),
                renames=(*undone, *renames),
            ),
        )

    def _promoted(
        self, version: Version, before: Version | None, table: str
    ) -> tuple[Version, list[Rename]]:
        kept = kept_name(self._settings, before, table)
        renames = []
        if kept and kept != (before.table if before else None):
            renames.append(rename(self._settings, table, kept))
        renames.append(rename(self._settings, version.table, table))
        return replace(version, live=True, table=table, kept=kept), renames


def _seconds(waiting: Waiting) -> float:
    assert waiting.watermark
    return (waiting.closes - waiting.watermark).total_seconds()
