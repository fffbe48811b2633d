"""dag list, run, env."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from lakehead.cli.options import Home, Json, moment
from lakehead.cli.render import out, print_json, short_time, steps, table
from lakehead.errors import LakeheadError, UserError
from lakehead.settings import load_settings


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        name="dag",
        help="Schedules of Airflow, run here and now, without a server.",
        no_args_is_help=True,
        rich_markup_mode="rich",
    )
    group.command("list", epilog="lakehead dag list   ·   lakehead dag list --json")(list_)
    group.command(
        epilog="lakehead dag run settle   ·   "
        "lakehead dag run settle --from 2026-01-31 --to 2026-02-01   ·   "
        "lakehead dag run replay --param model=revenue_by_country --param dry_run=true"
    )(run)
    group.command(epilog='eval "$(lakehead dag env)" && airflow dags unpause settle')(env)
    app.add_typer(group, rich_help_panel="Schedules")


def _complete(incomplete: str) -> list[str]:
    """By the files' names, each of which holds the DAG of that name: Airflow is slow to ask."""
    from lakehead.stack.airflow import dags_folder

    try:
        folder = dags_folder(load_settings())
    except LakeheadError:
        return []
    names = sorted(path.stem for path in folder.glob("[!_]*.py"))
    return [name for name in names if name.startswith(incomplete)]


def list_(home: Home = None, json_: Json = False) -> None:
    """List the DAGs of the project: when each is due, and what it does."""
    from lakehead.schedules.runs import dags

    settings = load_settings(home)
    with steps("looking at the DAGs") as view:
        found = dags(settings, view.say)
    if json_:
        print_json({"dags": found})
        return
    rows = [
        [d.dag, d.schedule or "by hand", ", ".join(d.tasks), d.description or ""] for d in found
    ]
    table("", ["dag", "schedule (UTC)", "tasks", "what it does"], rows)
    hint = "Run one now:  lakehead dag run NAME   ·   by the clock:  lakehead up --with airflow"
    out().print(hint, soft_wrap=True)


def run(
    name: Annotated[str, typer.Argument(metavar="DAG", help="A DAG.", autocompletion=_complete)],
    home: Home = None,
    date: Annotated[
        str | None,
        typer.Option(help="As if it were due then (ISO-8601, UTC).", show_default="now"),
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="Each run that is due from then on.")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="Each run that is due before then.")
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option(help="A param of the DAG, such as model=returns_rate.")
    ] = None,
    json_: Json = False,
) -> None:
    """Run a DAG here and now, its tasks one after another. Exits 1 where one fails.

    With --from and --to it runs once for each time that it is due between the two: a backfill.
    """
    from lakehead.schedules.runs import run as run_dag

    settings = load_settings(home)
    since, until, at = moment("--from", start), moment("--to", end), moment("--date", date)
    if (since is None) != (until is None) or (since and at):
        raise UserError(
            "expected --from and --to, or --date, or none of them",
            f"lakehead dag run {name} --from 2026-01-31 --to 2026-02-01",
        )
    if since and until and since >= until:
        raise UserError(f"--from is {start}, expected a time before --to, which is {end}")
    when = (since, until) if since and until else at or datetime.now(UTC)
    with steps(f"running {name}") as view:
        runs = run_dag(settings, name, when, _params(param or []), view.say)
    failed = [each for each in runs if each.state != "success"]
    if json_:
        print_json({"dag": name, "runs": runs})
    elif not runs:
        out().print(f"{name} is not due between {start} and {end}.")
    else:
        for each in runs:
            rows = [
                [t.task, t.label or "", t.state, t.tries, t.seconds, t.error or ""]
                for t in each.tasks
            ]
            title = f"{name} of {short_time(each.at)}: {each.state}"
            table(title, ["task", "of", "state", "tries", "seconds", "error"], rows)
        out().print(f"{len(runs) - len(failed)} of {len(runs)} runs succeeded.")
    if failed:
        raise typer.Exit(1)


def env(home: Home = None, json_: Json = False) -> None:
    """Print what Airflow's own command needs to be told, for a shell to take over."""
    import shlex

    from lakehead.stack.airflow import environment

    found = environment(load_settings(home))
    if json_:
        print_json({"environment": found})
        return
    for name, value in found.items():
        typer.echo(f"export {name}={shlex.quote(value)}")


def _params(given: list[str]) -> dict[str, object]:
    """``name=value``; a value is read as JSON where it is some, else as text."""
    import json

    found: dict[str, object] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UserError(f"--param is {text!r}, expected NAME=VALUE")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found
