"""Which versions of its models a job should run: told by the files and what is recorded."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from lakehead.contracts.load import load_contract
from lakehead.contracts.model import Contract
from lakehead.errors import UserError
from lakehead.jobs import records
from lakehead.jobs.horizon import BEGINNING, closes, newest_landed, next_begin
from lakehead.jobs.records import Desired
from lakehead.jobs.versions import (
    NO_REPLAYS,
    Part,
    Replays,
    Version,
    bound_again,
    differences,
    meaning,
    texts_of,
    version_of,
)
from lakehead.lake.snapshots import list_tables
from lakehead.lake.swap import Rename, free_name, rename
from lakehead.models.bind import Bound
from lakehead.models.model import load_models
from lakehead.settings import Settings

Kind = Literal["new", "unchanged", "added", "changed", "replayed", "filling", "moved", "removed"]


@dataclass(frozen=True)
class ModelChange:
    """What a submit does with one model.

    ``what`` are the differences in words. ``table`` is the model's own, ``kept`` what that of the
    version before is called once this one has taken over: when the stream has passed
    ``takes_over_at``, an ISO-8601 time.
    """

    model: str
    change: Kind
    version: str
    what: tuple[str, ...]
    state: str
    table: str
    kept: str | None = None
    takes_over_at: str | None = None


@dataclass(frozen=True)
class Placed:
    """``dropped`` are tables that no version writes any more and that nobody was shown."""

    parts: tuple[Part, ...]
    changes: tuple[ModelChange, ...]
    renames: tuple[Rename, ...] = ()
    dropped: tuple[str, ...] = ()


def place(
    settings: Settings,
    contract: Contract,
    models: list[Bound],
    before: Desired | None,
    replays: Replays = NO_REPLAYS,
) -> Placed:
    """What the job should run instead of ``before``.

    A model that means what it meant goes on. One that is new, changed or to be replayed fills a
    table of its own, while the version before, if there is one, goes on with the model's. A job
    that never ran begins with all its models at the start of the topic.

    Raises:
        UserError: a version that must go on cannot, or a table is in the way.
    """
    ran = before is not None and bool(records.read_observed(settings, contract.stream).attempts)
    placing = _Placing(settings, contract, before if ran else None, replays)
    for bound in models:
        placing.add(bound)
    return placing.done({b.model.name for b in models})


class _Placing:
    def __init__(
        self, settings: Settings, contract: Contract, before: Desired | None, replays: Replays
    ) -> None:
        self._settings = settings
        self._contract = contract
        self._before = before
        self._replays = replays
        versions = before.models if before else ()
        self._live = {v.name: v for v in versions if v.live}
        self._filling = {v.name: v for v in versions if not v.live}
        self._all = {m.name: m for m in load_models(settings.pipelines)}
        self._parts: list[Part] = []
        self._changes: list[ModelChange] = []
        self._renames: list[Rename] = []
        self._dropped: list[str] = []

    def add(self, bound: Bound) -> None:
        name, table = bound.model.name, bound.model.table
        parts = meaning(bound)
        live, filling = self._live.get(name), self._filling.get(name)
        texts = texts_of(self._settings, bound.model, self._all)
        if self._before is None:
            version = Version(name, version_of(parts), parts, texts, table)
            self._parts.append(Part(version, bound))
            self._note(version, "new", state="begins with the topic", table=table)
            return
        replayed = self._is_replayed(name, filling, parts)
        if live and live.meaning == parts and not replayed:
            self._go_on(replace(live, texts=texts), bound)
            if filling:
                self._dropped.append(filling.table)
            return
        if live:
            self._check_move(live, table)
            self._parts.append(Part(live, self._again(live)))
        if filling and filling.meaning == parts and self._is_asked_for(filling):
            version, change = replace(filling, texts=texts), "filling"
        else:
            if filling:
                self._dropped.append(filling.table)
            change = "replayed" if replayed else "changed" if live else "added"
            version = self._begin(bound, parts, texts)
            if replayed:
                version = self._anew(version, bound, live, filling)
        self._parts.append(Part(version, bound))
        self._note(
            version,
            change,  # type: ignore[arg-type]
            what=differences(live.meaning, parts) if live else (),
            state="rebuilt from the lake",
            table=table,
            kept=self.kept(live, table),
            takes_over_at=self._takes_over_at(version, bound),
        )

    def done(self, names: set[str]) -> Placed:
        for name in sorted({*self._live, *self._filling} - names):
            if filling := self._filling.get(name):
                self._dropped.append(filling.table)
            if live := self._live.get(name):
                self._note(live, "removed", state="dropped", table=live.table, kept=live.table)
        return Placed(
            tuple(self._parts), tuple(self._changes), tuple(self._renames), tuple(self._dropped)
        )

    def kept(self, live: Version | None, table: str) -> str | None:
        return kept_name(self._settings, live, table)

    def _check_move(self, live: Version, table: str) -> None:
        if live.table != table and free_name(self._settings, table) != table:
            raise UserError(
                f"{live.name} is to write {table}, and there is such a table already",
                f"choose another one, or go back to {live.table}",
            )

    def _go_on(self, live: Version, bound: Bound) -> None:
        table = bound.model.table
        change: Kind = "unchanged"
        self._check_move(live, table)
        if live.table != table:
            self._renames.append(rename(self._settings, live.table, table))
            change = "moved"
        version = replace(live, table=table)
        self._parts.append(Part(version, bound))
        what = (f"table: {live.table} becomes {table}",) if change == "moved" else ()
        self._note(version, change, what=what, state="kept", table=table)

    def _is_replayed(self, name: str, filling: Version | None, parts: dict[str, str]) -> bool:
        """Whether it is to be built anew, or already is."""
        if name in self._replays.abandoned:
            return False
        going_on = filling is not None and filling.replays > 0 and filling.meaning == parts
        return going_on or name in self._replays.starts

    def _is_asked_for(self, filling: Version) -> bool:
        """Whether no replay from another time is wanted in its place."""
        start = self._replays.starts.get(filling.name, filling.replayed_from)
        return start == filling.replayed_from

    def _anew(
        self, version: Version, bound: Bound, live: Version | None, filling: Version | None
    ) -> Version:
        """Under a name of its own: what it means does not tell it from the version before."""
        replays = 1 + max(v.replays if v else 0 for v in (live, filling))
        name = f"{version.version}_{replays}"
        return replace(
            version,
            version=name,
            table=free_name(self._settings, f"{bound.model.table}__{name}"),
            replays=replays,
            replayed_from=self._replays.starts[version.name],
        )

    def _begin(self, bound: Bound, parts: dict[str, str], texts: dict[str, str]) -> Version:
        assert self._before
        name = version_of(parts)
        newest = newest_landed(self._settings, self._contract)
        # Each row is an answer of its own, however late: what is landed before is the batch's.
        since = next_begin(bound, newest) if newest and bound.model.kind != "rows" else None
        return Version(
            bound.model.name,
            name,
            parts,
            texts,
            free_name(self._settings, f"{bound.model.table}__{name}"),
            live=False,
            since=since.isoformat() if since else None,
            generation=self._before.generation + 1,
        )

    def _takes_over_at(self, version: Version, bound: Bound) -> str | None:
        """As far as it is known by now: while events go on it can only become later."""
        if noted := version.horizon or version.since:
            horizon = datetime.fromisoformat(noted)
        elif newest := newest_landed(self._settings, self._contract):
            horizon = next_begin(bound, newest)
        else:
            return None
        return None if horizon == BEGINNING else closes(bound, horizon).isoformat()

    def _again(self, version: Version) -> Bound:
        return rebound(self._settings, self._contract, version)

    def _note(
        self,
        version: Version,
        change: Kind,
        state: str,
        table: str,
        what: tuple[str, ...] = (),
        kept: str | None = None,
        takes_over_at: str | None = None,
    ) -> None:
        self._changes.append(
            ModelChange(
                version.name, change, version.version, what, state, table, kept, takes_over_at
            )
        )


def rebound(settings: Settings, contract: Contract, version: Version) -> Bound:
    """A recorded version over its stream's contract and those of other streams as written.

    Raises:
        UserError: it cannot read them any more.
    """
    others = version.meaning["streams"].split(", ")[1:]
    contracts = {s: load_contract(settings.schemas, s) for s in others}
    return bound_again(version, {contract.stream: contract, **contracts})


def kept_name(settings: Settings, live: Version | None, table: str) -> str | None:
    """What the table that is now called ``table`` will be called once another has its name."""
    if live and live.table != table:
        return live.table
    try:
        if table not in list_tables(settings):
            return None
    except UserError:
        return None
    return free_name(settings, f"{table}__{live.version if live else 'before'}")
