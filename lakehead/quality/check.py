"""Hold a table's snapshot against its suite, and record what came of it.

1. GX judges every expectation over the snapshot's rows.
2. Of each that fails, a few rows are looked up.
3. The result is kept for Data Docs, and recorded in ``ops.quality``.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from lakehead.lake.snapshots import TableState, table_state
from lakehead.quality.batch import MAIN_BRANCH, Batch, failing_rows, open_batch
from lakehead.quality.expectation import Expectation, Suite
from lakehead.quality.records import LastCheck, record
from lakehead.query.text import json_text
from lakehead.settings import Settings

_EXAMPLES = 3


@dataclass(frozen=True)
class Outcome:
    """What came of one expectation.

    ``checked`` counts the rows that were looked at, ``failed`` those that break it, ``percent`` of
    100 checked. ``examples`` are the first of these, by the columns that tell rows apart: those,
    and the expectation's own. ``since``: only rows of files that came after that snapshot were
    looked at.
    """

    expectation: str
    says: str
    column: str
    checked: int
    failed: int
    percent: float
    success: bool
    examples: list[dict[str, Any]]
    since: int | None = None


@dataclass(frozen=True)
class CheckResult:
    """One check; ``checked_at`` is ISO-8601 in UTC; ``branch`` is None for a snapshot on none."""

    name: str
    table: str
    snapshot_id: int
    branch: str | None
    checked_at: str
    rows: int
    success: bool
    outcomes: list[Outcome]


def check(
    settings: Settings,
    suite: Suite,
    snapshot_id: int | None = None,
    *,
    branch: str | None = None,
    last: LastCheck | None = None,
) -> CheckResult:
    """Judge the suite over a snapshot, the newest by default, and record the result.

    It is recorded under ``branch``, by default the one that stands at the snapshot.
    With ``last``, expectations that it held too are judged over files that are new since, where
    they can be told of each row by itself; the others over the whole snapshot.

    Raises:
        UserError: no such table or snapshot, nothing was committed, or the table lacks a column.
        SystemFailure: the lake cannot be read, or GX failed.
    """
    from lakehead.quality.results import keep_result

    state = table_state(settings, suite.table, snapshot_id)
    outcomes: dict[str, Outcome] = {}
    found: list[dict[str, Any]] = []
    rows = 0
    for part, since in _parts(suite, state, last):
        with open_batch(settings, part, state.snapshot_id, since) as batch:
            judged, document = _judge(part, batch, since)
        outcomes |= {o.expectation: o for o in judged}
        found.append(document)
        rows = max(rows, batch.rows)
    assert state.snapshot is not None
    result = CheckResult(
        name=suite.name,
        table=suite.table,
        snapshot_id=state.snapshot.id,
        branch=branch or branch_of(state, state.snapshot.id),
        checked_at=datetime.now(UTC).isoformat(),
        rows=rows,
        success=all(o.success for o in outcomes.values()),
        outcomes=[outcomes[e.name] for e in suite.expectations],
    )
    keep_result(settings, result, found)
    record(settings, result)
    return result


def branch_of(state: TableState, snapshot_id: int) -> str | None:
    """The branch or tag that stands at the snapshot; ``main`` where it does, None for none."""
    names = sorted(name for name, at in state.refs.items() if at == snapshot_id)
    return MAIN_BRANCH if MAIN_BRANCH in names else next(iter(names), None)


def plain(value: object) -> Any:
    """A value of a row as JSON has it; a decimal is text, for JSON would round it."""
    if value is None or isinstance(value, str | int):
        return value
    return str(value) if isinstance(value, Decimal) else json.loads(json_text(value))


def _parts(
    suite: Suite, state: TableState, last: LastCheck | None
) -> list[tuple[Suite, int | None]]:
    """What is judged over new files only, with the snapshot that they are new since; the rest."""
    known = {s.id for s in state.snapshots}
    if last is None or last.snapshot_id not in known:
        return [(suite, None)]

    def steady(e: Expectation) -> bool:
        return not e.windowed and last.said.get(e.name) == e.says

    new = [e for e in suite.expectations if steady(e)]
    whole = [e for e in suite.expectations if not steady(e)]
    parts = [(_of(suite, whole), None), (_of(suite, new), last.snapshot_id)]
    return [(part, since) for part, since in parts if part.expectations]


def _of(suite: Suite, expectations: Sequence[Expectation]) -> Suite:
    return replace(suite, expectations=tuple(expectations))


def _judge(suite: Suite, batch: Batch, since: int | None) -> tuple[list[Outcome], dict[str, Any]]:
    # Heavy: some seconds to import.
    from lakehead.quality.gx import evaluate

    verdicts, document = evaluate(suite, batch)
    outcomes = []
    for verdict in verdicts:
        e = verdict.expectation
        shown = dict.fromkeys((*suite.identity, *e.columns))
        examples = []
        if not verdict.success:
            for row in failing_rows(batch, suite, e, _EXAMPLES):
                examples.append({c: plain(row[c]) for c in shown})
        outcomes.append(
            Outcome(
                expectation=e.name,
                says=e.says,
                column=e.column,
                checked=batch.rows,
                failed=verdict.failed,
                percent=100 * verdict.failed / batch.rows if batch.rows else 0.0,
                success=verdict.success,
                examples=examples,
                since=since,
            )
        )
    return outcomes, document
