"""plan, submit, jobs, stop, reconcile; with rollback."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lakehead.cli.options import (
    From,
    Home,
    Json,
    Master,
    Streams,
    To,
    moment,
    require_up,
    with_master,
)
from lakehead.cli.render import out, print_json, steps
from lakehead.cli.rollback import rollback
from lakehead.settings import load_settings

if TYPE_CHECKING:
    from lakehead.jobs.placing import ModelChange
    from lakehead.jobs.reconcile import Reconciled
    from lakehead.jobs.submit import Plan

_PANEL = "Jobs"
Engine = Literal["auto", "duckdb", "spark"]
Parallelism = Annotated[
    int | None,
    typer.Option(
        "--parallelism",
        min=1,
        help="Subtasks side by side, kept until it is given anew.",
        show_default="as it is, else the home's",
    ),
]


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=_PANEL, epilog="lakehead plan orders")(plan)
    app.command(rich_help_panel=_PANEL, epilog="lakehead submit orders --dry-run")(submit)
    app.command(
        rich_help_panel=_PANEL,
        epilog="lakehead rollback revenue_by_country   ·   "
        "lakehead rollback revenue_by_country --to before-migration --dry-run",
    )(rollback)
    app.command(rich_help_panel=_PANEL)(jobs)
    app.command(rich_help_panel=_PANEL, epilog="lakehead stop orders")(stop)
    app.command(
        rich_help_panel=_PANEL,
        epilog="lakehead reconcile --dry-run   ·   lakehead reconcile --full --engine spark   ·   "
        "lakehead reconcile revenue_by_country --from 2026-01-01T00:00",
    )(reconcile)


def plan(
    stream: Streams = None,
    home: Home = None,
    parallelism: Parallelism = None,
    json_: Json = False,
) -> None:
    """Say what a submit would do with contract, topic, tables and each model. Changes nothing."""
    from lakehead.contracts.load import contract_names
    from lakehead.jobs import submit as job_submit

    settings = load_settings(home)
    names = stream or contract_names(settings.schemas)
    plans = [job_submit.plan(settings, name, parallelism=parallelism)[0] for name in names]
    if json_:
        print_json({"jobs": plans})
        return
    for each in plans:
        _show(each, dry_run=True)


def submit(
    stream: Streams = None,
    home: Home = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and the SQL.")
    ] = False,
    parallelism: Parallelism = None,
    json_: Json = False,
) -> None:
    """Record that a stream's job should run, and wait until it does. Twice is once.

    A model that was added or changed takes over its table when it is whole, which is waited for
    where it is near; else submit again when it is said to be so.
    """
    from lakehead.contracts.load import contract_names
    from lakehead.jobs import submit as job_submit

    settings = load_settings(home)
    plans = []
    for name in stream or contract_names(settings.schemas):
        if dry_run:
            planned, desired = job_submit.plan(settings, name, parallelism=parallelism)
            plans.append(planned)
            if not json_:
                for statement in desired.spec.statements():
                    out().print(statement + ";\n", markup=False, highlight=False, soft_wrap=True)
        else:
            require_up(settings)
            with steps(f"submitting {name}") as view:
                done = job_submit.submit(settings, name, view.say, parallelism=parallelism)
            plans.append(done)
    if json_:
        print_json({"dry_run": dry_run, "jobs": plans})
        return
    for each in plans:
        _show(each, dry_run)


def _show(plan: "Plan", dry_run: bool) -> None:
    said = {"none": "unchanged", "new": "new", "changed": "changed", "resumed": "resumed"}
    models = ", ".join(plan.models) or "none"
    verb = "would be" if dry_run else "is running:"
    out().print(f"Job {plan.stream} {verb} {said[plan.change]} (models: {models}).")
    lines = [*(c.what for c in plan.contract), *plan.steps]
    for change in plan.versions:
        if change.change != "new":
            lines += _words(change)
    lines += plan.waiting
    if plan.pause_seconds is not None:
        lines.append(f"nothing was landed for {plan.pause_seconds:.1f} s")
    for line in lines:
        out().print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


def _words(change: "ModelChange") -> list[str]:
    """What becomes of a model: what changed in it, its state, its table."""
    own = f"{change.model} {change.version}"
    if change.change == "unchanged":
        return [f"{own}: unchanged; state kept"]
    if change.change == "removed":
        return [f"{own}: removed; state dropped; {change.table} is kept and not fed any more"]
    if change.change == "moved":
        return [f"{own}: {change.what[0]}; state kept"]
    at = change.takes_over_at
    when = f"once the stream has passed {at}" if at else "at once"
    if change.change == "added" and change.kept is None:
        table = f"{change.table} appears {when}"
    else:
        table = f"takes over {change.table} {when}; the table of now is kept as {change.kept}"
    words = {"filling": "its new version is being filled", "replayed": "built anew"}
    said = words.get(change.change, change.change)
    return [
        f"{own}: {said}; state {change.state}; {table}",
        *(f"  {what}" for what in change.what),
    ]


def jobs(home: Home = None, json_: Json = False) -> None:
    """Show each job: desired and real state, checkpoints, watermark, lag, last commit."""
    from lakehead.cli.stack import show_jobs
    from lakehead.jobs.status import job_statuses

    settings = load_settings(home)
    statuses = job_statuses(settings)
    if json_:
        print_json({"jobs": statuses})
        return
    show_jobs(settings, statuses)
    for job in statuses:
        read, size = job.records_read, job.state_bytes
        parts = [f"parallelism {job.parallelism}"]
        parts += [f"{read:,} records read by this attempt"] if read is not None else []
        parts += [f"{size:,} bytes of state"] if size is not None else []
        parts += [f"filling {', '.join(job.filling)}"] if job.filling else []
        out().print(f"{job.name}: {', '.join(parts)}", markup=False, highlight=False)


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
    start: From = None,
    end: To = None,
    full: Annotated[
        bool, typer.Option("--full", help="All closed windows, and not just those that are due.")
    ] = False,
    engine: Annotated[
        Engine, typer.Option(help="Who recomputes; by default DuckDB where few rows are read.")
    ] = "auto",
    master: Master = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would change; change nothing.")
    ] = False,
    json_: Json = False,
) -> None:
    """Recompute closed windows from the landed rows, and put them in the stream's place.

    Due are windows that closed since the last time, and those that rows came to since. Each mart
    is changed in one commit, while its stream goes on. What breaks an `expect` of the model is not
    published, and the command exits with 1.
    """
    from lakehead.jobs.reconcile import Range
    from lakehead.proof.parity import answering
    from lakehead.proof.reconcile import reconcile as run
    from lakehead.quality.publish import gates

    settings = with_master(load_settings(home), master)
    within = Range(moment("--from", start), moment("--to", end))
    names = model or answering(settings)
    with steps("reconciling") as view:
        done = run(
            settings,
            names,
            within,
            engine=engine,
            full=full,
            gates=gates(settings, names),
            say=view.say,
            dry_run=dry_run,
        )
    if json_:
        print_json({"dry_run": dry_run, "models": {r.model: r for r in done}})
    else:
        for r in done:
            out().print(_reconciled(r), markup=False, soft_wrap=True, highlight=False)
    if any(r.refused for r in done):
        raise typer.Exit(1)


def _reconciled(r: "Reconciled") -> str:
    from lakehead.quality.publish import shown

    if r.closed_until is None:
        return f"{r.model}: no window has closed yet."
    if r.refused:
        return f"{r.model}: {r.refused}\nSee:  {shown(r.model)}"
    return (
        f"{r.model}: {r.windows:,} windows up to {r.closed_until}: {r.settled:,} were right, "
        f"{r.changed:,} changed, {r.added:,} added, {r.removed:,} removed "
        f"({r.engine}, {r.seconds:.1f} s)."
    )
