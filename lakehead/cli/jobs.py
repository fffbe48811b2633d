"""submit, jobs, stop, reconcile."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from lakehead.cli.options import Home, Json, Streams
from lakehead.cli.render import out, print_json, steps
from lakehead.errors import NotRunning, UserError
from lakehead.settings import Settings, load_settings

_PANEL = "Jobs"


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=_PANEL, epilog="lakehead submit orders --dry-run")(submit)
    app.command(rich_help_panel=_PANEL)(jobs)
    app.command(rich_help_panel=_PANEL, epilog="lakehead stop orders")(stop)
    app.command(
        rich_help_panel=_PANEL,
        epilog="lakehead reconcile revenue_by_country --from 2026-01-01T00:00",
    )(reconcile)


def submit(
    stream: Streams = None,
    home: Home = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and the SQL.")
    ] = False,
    json_: Json = False,
) -> None:
    """Record that a stream's job should run, and wait until it does. Twice is once."""
    from lakehead.contracts.load import contract_names
    from lakehead.jobs import submit as job_submit

    settings = load_settings(home)
    streams = stream or contract_names(settings.schemas)
    plans = []
    for name in streams:
        if dry_run:
            plan, desired = job_submit.plan(settings, name)
            plans.append(plan)
            if not json_:
                for statement in (
                    *desired.spec.declare,
                    *(i.sql for i in desired.spec.inserts),
                ):
                    out().print(statement + ";\n", markup=False, highlight=False, soft_wrap=True)
        else:
            require_up(settings)
            with steps(f"submitting {name}") as view:
                plans.append(job_submit.submit(settings, name, view.say))
    if json_:
        print_json({"dry_run": dry_run, "jobs": plans})
        return
    for plan in plans:
        said = {"none": "unchanged", "new": "new", "changed": "changed", "resumed": "resumed"}
        models = ", ".join(plan.models) or "none"
        verb = "would be" if dry_run else "is running:"
        out().print(f"Job {plan.stream} {verb} {said[plan.change]} (models: {models}).")


def jobs(home: Home = None, json_: Json = False) -> None:
    """Show each job: desired and real state, checkpoints, watermark, lag, last commit."""
    from lakehead.cli.stack import show_jobs
    from lakehead.jobs.status import job_statuses

    settings = load_settings(home)
    statuses = job_statuses(settings)
    if json_:
        print_json({"jobs": statuses})
    else:
        show_jobs(settings, statuses)


def stop(
    job: Annotated[str, typer.Argument(help="A job, as `lakehead jobs` names it.")],
    home: Home = None,
) -> None:
    """Stop a job with a savepoint; a later submit goes on from there."""
    from lakehead.jobs import submit as job_submit

    settings = load_settings(home)
    require_up(settings)
    with steps(f"stopping {job} with a savepoint"):
        job_submit.stop(settings, job)
    out().print(f"Job {job} is stopped.  Go on:  lakehead submit {job}")


def reconcile(
    model: Annotated[
        list[str] | None, typer.Argument(help="Models; all of them by default.")
    ] = None,
    home: Home = None,
    start: Annotated[
        str | None, typer.Option("--from", help="Windows from this time on (ISO-8601, UTC).")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="Windows up to this time (ISO-8601, UTC).")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would change; change nothing.")
    ] = False,
    json_: Json = False,
) -> None:
    """Recompute closed windows in Spark and put them in the stream's place, in one commit."""
    from lakehead.jobs.reconcile import Range
    from lakehead.jobs.reconcile import reconcile as run
    from lakehead.models.model import model_names
    from lakehead.proof.parity import closed_until

    settings = load_settings(home)
    within = Range(_moment("--from", start), _moment("--to", end))
    names = model or model_names(settings.pipelines)
    with steps("reconciling") as view:
        closings = {name: closed_until(settings, name) for name in names}
        done = run(settings, closings, within, view.say, dry_run)
    if json_:
        print_json({"dry_run": dry_run, "models": {r.model: r for r in done}})
        return
    for r in done:
        if r.closed_until is None:
            out().print(f"{r.model}: no window has closed yet.")
            continue
        out().print(
            f"{r.model}: {r.windows:,} windows up to {r.closed_until}: {r.settled:,} were right, "
            f"{r.changed:,} changed, {r.added:,} added, {r.removed:,} removed.",
            soft_wrap=True,
        )


def require_up(settings: Settings) -> None:
    """Raises NotRunning when no stack of this home runs."""
    from lakehead.stack.supervisor import Supervisor

    if Supervisor(settings).pid is None:
        raise NotRunning(f"the stack of {settings.home} is down", "lakehead up")


def _moment(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"{option} is {text!r}, expected a time such as 2026-01-31T10:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
