"""demo."""

from typing import TYPE_CHECKING, Annotated

import typer

from lakehead.cli.options import Home, Json
from lakehead.cli.render import out, print_json, steps, table
from lakehead.settings import load_settings

if TYPE_CHECKING:
    from lakehead.demo import Demo


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Begin here", epilog="lakehead demo --keep")(demo)


def demo(
    home: Home = None,
    events: Annotated[
        int, typer.Option("--events", "-n", min=20_000, help="How many events to produce.")
    ] = 200_000,
    rate: Annotated[float, typer.Option(help="Events a second.", min=1_000)] = 8_000,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack up.")] = False,
    json_: Json = False,
) -> None:
    """Send real invoice lines through the whole loop, and prove that none was lost."""
    from lakehead.demo import run_demo

    settings = load_settings(home)
    with steps("starting") as view:
        result = run_demo(settings, events, rate, keep, view.say, view.count)
    if json_:
        print_json(result)
    else:
        _show(result, keep)
    result.check()


def _show(result: "Demo", keep: bool) -> None:
    from lakehead.cli.proof import show_audit, show_parity
    from lakehead.demo import MODEL, STREAM

    assert result.audit and result.before and result.after and result.injected
    table("Revenue by country", ["country", "lines", "units", "revenue"], result.revenue)
    show_audit(STREAM, result.audit)
    show_parity({MODEL: result.before}, "Parity: the stream's windows beside the batch's")
    show_parity({MODEL: result.after}, "Parity: after reconcile")
    table("Time", ["stage", "seconds"], [[k, v] for k, v in result.stages.items()])
    audit, injected = result.audit, result.injected
    unexplained = result.before.unexplained + result.after.unexplained
    print_ = out().print
    print_(
        f"[bold]lost: {audit.lost}, duplicated: {audit.duplicated}, unexplained: {unexplained}[/]"
    )
    print_(
        f"poison: {injected.poison_found} found dead of {injected.poison} injected;  "
        f"late: {injected.late_found} found late of {injected.late} injected"
    )
    print_("\nNext:")
    print_("  lakehead query 'SELECT cause, count(*) FROM landing.orders_dead GROUP BY ALL'")
    print_("  lakehead query 'FROM marts.revenue_by_country ORDER BY window_start' -o revenue.csv")
    if keep:
        print_("  lakehead status      lakehead produce orders -n 50000 --late 0.01")
        print_("  lakehead down")
    else:
        print_("  lakehead up          lakehead status          lakehead audit")
