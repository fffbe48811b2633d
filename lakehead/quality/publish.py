"""What a batch must pass before it is published: the ``expect`` of its model."""

from collections.abc import Sequence

from lakehead.models.model import load_model
from lakehead.proof.publish import BRANCH, Gate
from lakehead.quality.gate import GateResult, gate
from lakehead.quality.suites import find_suite
from lakehead.settings import Settings

_SHOWN = 3


def gates(settings: Settings, models: Sequence[str]) -> dict[str, Gate]:
    """By model, what says which ``expect`` a snapshot of its mart breaks, and in which rows.

    Models that expect nothing have no gate: that keys are unique is so by how they are computed.

    Raises:
        UserError: an unknown model, or one that is wrong.
    """
    expecting = [name for name in models if load_model(settings.pipelines, name).expect]
    return {name: _gate(settings, name) for name in expecting}


def _gate(settings: Settings, model: str) -> Gate:
    def ask(snapshot_id: int) -> str | None:
        suite = find_suite(settings, model)
        result = gate(settings, suite.table, snapshot_id, suite)
        return None if result.passed else _said(model, result)

    return ask


def shown(model: str) -> str:
    """The command that shows what of a batch was not let through."""
    return f"lakehead quality check {model} --branch {BRANCH}"


def _said(model: str, result: GateResult) -> str:
    lines = [f"the batch of {model} is not published: {len(result.failures)} expectations fail"]
    for outcome in result.failures:
        lines.append(f"  {outcome.says}: {outcome.failed:,} rows")
        lines += [f"    {example}" for example in outcome.examples[:_SHOWN]]
    return "\n".join([*lines, f"  all of them are in {result.quarantine_table}"])
