"""quality suite, check, docs, watch."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from lakehead.cli.options import Home, Json, complete_model, complete_stream
from lakehead.cli.render import err, out, print_json, steps, table
from lakehead.settings import Settings, load_settings

if TYPE_CHECKING:
    from lakehead.quality.check import CheckResult, Outcome
    from lakehead.quality.expectation import Suite


def _complete(incomplete: str) -> list[str]:
    return [*complete_stream(incomplete), *complete_model(incomplete)]


_HELP = "Streams or models, or their tables, such as marts.revenue_by_country"
Names = Annotated[
    list[str] | None,
    typer.Argument(help=f"{_HELP}; all that have a table by default.", autocompletion=_complete),
]


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        name="quality",
        help="What tables must keep, and whether they do, by Great Expectations.",
        no_args_is_help=True,
        rich_markup_mode="rich",
    )
    group.command(epilog="lakehead quality suite orders   ·   lakehead quality suite returns_rate")(
        suite
    )
    group.command(
        epilog="lakehead quality check   ·   lakehead quality check orders --json   ·   "
        "lakehead quality check marts.revenue_by_country --branch staging"
    )(check)
    group.command(epilog="lakehead quality docs")(docs)
    group.command(
        epilog="lakehead quality watch orders --interval 10   ·   lakehead quality watch --once"
    )(watch)
    app.add_typer(group, rich_help_panel="Proof")


def suite(
    name: Annotated[
        str,
        typer.Argument(help="A stream or a model, or its table.", autocompletion=_complete),
    ],
    home: Home = None,
    json_: Json = False,
) -> None:
    """Show what is expected of a table: by its stream's contract, or by its model.

    Nothing need run, and no table need be there.
    """
    from lakehead.quality.expectation import JUDGES
    from lakehead.quality.suites import find_suite

    found = find_suite(load_settings(home), name)
    if json_:
        print_json(found)
        return
    rows = [[e.says, e.name, JUDGES[e.kind]] for e in found.expectations]
    table(f"Expected of {found.table}", ["what", "name", "judged by"], rows)


def check(
    name: Names = None,
    home: Home = None,
    branch: Annotated[
        str | None, typer.Option(help="The tables' branch or tag.", show_default="main")
    ] = None,
    snapshot: Annotated[
        int | None, typer.Option(help="A snapshot of the one table that is named.")
    ] = None,
    json_: Json = False,
) -> None:
    """Hold tables against what is expected of them. Exits 1 where an expectation fails.

    Each check is recorded in ops.quality. Nothing need run.
    """
    from lakehead.errors import UserError
    from lakehead.quality.batch import branch_snapshot
    from lakehead.quality.check import check as run
    from lakehead.quality.suites import find_suites

    if snapshot is not None and (branch is not None or len(name or ()) != 1):
        raise UserError(
            "--snapshot is of one table, and not with --branch",
            "lakehead quality check orders --snapshot ID",
        )
    settings = load_settings(home)
    results = []
    for each in find_suites(settings, name):
        at = snapshot if branch is None else branch_snapshot(settings, each.table, branch)
        if name or _has_rows(settings, each):
            with steps(f"checking {each.table}"):
                results.append(run(settings, each, at, branch=branch))
    if json_:
        print_json({"checks": results})
    elif not results:
        out().print("No table was written to yet.")
    else:
        _show(results)
    if not all(r.success for r in results):
        raise typer.Exit(1)


def docs(home: Home = None, json_: Json = False) -> None:
    """Build pages of the newest checks (Data Docs), which a browser opens without a net."""
    from lakehead.quality.docs import build_docs

    with steps("building Data Docs"):
        index = build_docs(load_settings(home))
    if json_:
        print_json({"index": str(index)})
    else:
        out().print(str(index), soft_wrap=True, highlight=False)


def watch(
    name: Names = None,
    home: Home = None,
    once: Annotated[bool, typer.Option("--once", help="One pass, then exit.")] = False,
    interval: Annotated[float, typer.Option(help="Seconds between passes.", min=0.1)] = 30,
    json_: Annotated[bool, typer.Option("--json", help="Print a JSON document a check.")] = False,
) -> None:
    """Check each new snapshot as it comes, until Ctrl-C; of old files only what needs them.

    With --once, exits 1 where an expectation fails.
    """
    from lakehead.quality.suites import find_suites
    from lakehead.quality.watch import check_new
    from lakehead.streams.interrupt import Stop

    settings = load_settings(home)
    failed = False
    with Stop() as stop:
        while not stop.requested:
            for result in check_new(settings, find_suites(settings, name)):
                failed |= not result.success
                if json_:
                    print_json(result)
                else:
                    _show([result])
                if stop.requested:
                    break
            if once:
                break
            until = time.monotonic() + interval
            while not stop.requested and time.monotonic() < until:
                time.sleep(0.1)
    if once and failed:
        raise typer.Exit(1)
    if stop.requested:
        err().print("stopped")


def _has_rows(settings: Settings, suite: "Suite") -> bool:
    from lakehead.lake.snapshots import table_state

    return table_state(settings, suite.table).snapshot is not None


def _show(results: "list[CheckResult]") -> None:
    for result in results:
        at = f"{result.branch or 'no branch'}, snapshot {result.snapshot_id}"
        rows = [
            [o.says, o.checked, o.failed, _percent(o), "kept" if o.success else "BROKEN"]
            for o in result.outcomes
        ]
        headings = ["what", "checked", "failing", "%", ""]
        table(f"{result.table} ({at})", headings, rows)
        for outcome in result.outcomes:
            for example in outcome.examples:
                shown = ", ".join(f"{k} {v}" for k, v in example.items())
                out().print(
                    f"{outcome.expectation}: {shown}", markup=False, highlight=False, soft_wrap=True
                )


def _percent(outcome: "Outcome") -> str:
    """Never 0 where a row fails."""
    if not outcome.failed:
        return "0"
    return f"{outcome.percent:.2f}" if outcome.percent >= 0.01 else "<0.01"
