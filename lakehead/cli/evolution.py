"""contract diff, contract apply."""

from typing import TYPE_CHECKING, Annotated

import typer

from lakehead.cli.options import Home, Json, Streams, require_up
from lakehead.cli.render import out, print_json, steps
from lakehead.settings import load_settings

if TYPE_CHECKING:
    from lakehead.contracts.versions import Comparison
    from lakehead.jobs.submit import Plan


def register(contract: typer.Typer) -> None:
    contract.command(
        epilog="lakehead contract diff orders   ·   lakehead contract diff --against origin/main"
    )(diff)
    contract.command(
        epilog="lakehead contract apply orders --dry-run   ·   lakehead contract apply"
    )(apply)


def diff(
    stream: Streams = None,
    home: Home = None,
    against: Annotated[
        str | None,
        typer.Option(help="A git revision or a file; by default what is applied in this home."),
    ] = None,
    json_: Json = False,
) -> None:
    """Say what changed in a contract, and whether a running stream can take it.

    Exits with 2 when a change is not compatible.
    """
    from lakehead.contracts.applied import applied_contract
    from lakehead.contracts.load import contract_names
    from lakehead.contracts.versions import compare_with, contract_at

    settings = load_settings(home)
    found = []
    for name in stream or contract_names(settings.schemas):
        if against is None:
            before = applied_contract(settings, name)
        else:
            before = contract_at(settings.schemas, name, against)
        found.append(compare_with(settings.schemas, name, before))
    if json_:
        print_json({"streams": {c.stream: _plain(c) for c in found}})
    else:
        unknown = "was never applied here" if against is None else f"is not in {against}"
        for comparison in found:
            show_comparison(comparison, unknown)
    if not all(c.compatible for c in found):
        raise typer.Exit(2)


def apply(
    stream: Streams = None,
    home: Home = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")
    ] = False,
    json_: Json = False,
) -> None:
    """Make topic, tables and job follow the contract, while events go on.

    The table is changed first, then the job goes on from a savepoint: no record is lost or doubled.
    A change that is not compatible is refused with the way out. A job that you stopped stays so.
    """
    from lakehead.contracts.load import contract_names
    from lakehead.jobs import submit

    settings = load_settings(home)
    done: list[Plan] = []
    names = stream or contract_names(settings.schemas)
    # All are looked at before one is changed.
    plans = [submit.plan(settings, name, start=False)[0] for name in names]
    if dry_run:
        done = plans
    else:
        require_up(settings)
        for name in names:
            with steps(f"applying the contract of {name}") as view:
                done.append(submit.submit(settings, name, view.say, start=False))
    if json_:
        print_json({"dry_run": dry_run, "streams": {p.stream: p for p in done}})
        return
    for plan in done:
        show_plan(plan, dry_run)


def show_comparison(comparison: "Comparison", unknown: str) -> None:
    if not comparison.known:
        out().print(f"{comparison.stream}: {unknown}; all of it is new.", highlight=False)
        return
    if not comparison.changes:
        out().print(f"{comparison.stream}: no change.", highlight=False)
        return
    out().print(f"[bold]{comparison.stream}[/]", highlight=False)
    for change in comparison.changes:
        mark = "[green]ok[/]     " if change.compatible else "[red]refused[/]"
        _line(f"  {mark}  ", change.what)
        if not change.compatible:
            _line("           because ", change.refused)
            _line("           instead ", change.way_out)


def show_plan(plan: "Plan", dry_run: bool) -> None:
    verb = "would be" if dry_run else "is"
    for change in plan.contract:
        _line(f"{plan.stream}: ", change.what)
    for step in plan.steps:
        _line(f"{plan.stream}: {'would ' if dry_run else ''}", step)
    said = {
        "none": "unchanged",
        "new": "new, with its topic and tables",
        "changed": "restarted from a savepoint",
        "resumed": "resumed",
        "stopped": "left stopped; go on with: lakehead submit " + plan.stream,
    }
    _line(f"{plan.stream}: job {verb} ", f"{said[plan.change]}.")
    if plan.pause_seconds is not None:
        _line(f"{plan.stream}: ", f"nothing was landed for {plan.pause_seconds:.1f} s.")


def _line(prefix: str, text: str) -> None:
    from rich.markup import escape

    out().print(f"{prefix}{escape(text)}", highlight=False, soft_wrap=True)


def _plain(comparison: "Comparison") -> dict[str, object]:
    return {
        "known": comparison.known,
        "compatible": comparison.compatible,
        "changes": comparison.changes,
    }
