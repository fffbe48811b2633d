"""rollback: to the version before, or to a moment."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from lakehead.cli.options import Home, Json, complete_model, require_up
from lakehead.cli.render import out, print_json, steps
from lakehead.errors import UserError
from lakehead.settings import Settings, load_settings

if TYPE_CHECKING:
    from lakehead.jobs.reconcile import Reconciled
    from lakehead.jobs.rollback_to import RolledBackTo


def rollback(
    model: Annotated[
        str, typer.Argument(help="A model that a job feeds.", autocompletion=complete_model)
    ],
    home: Home = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            help="Set the table back to a tag, a snapshot id or a time; the job goes on.",
            show_default="the version before",
        ),
    ] = None,
    reconcile: Annotated[
        bool, typer.Option("--reconcile", help="With --to: settle what is missing then, at once.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --to: say what it means; change nothing.")
    ] = False,
    json_: Json = False,
) -> None:
    """Give a model's table back to the version before, or set it back to a moment, by --to.

    Without --to the table is not fed until the next submit. With it, the job is stopped with a
    savepoint and goes on from there; the answers since are missing until they are reconciled.
    """
    settings = load_settings(home)
    if to is None:
        if reconcile or dry_run:
            raise UserError(
                f"{'--reconcile' if reconcile else '--dry-run'} needs --to",
                f"lakehead rollback {model} --to TAG",
            )
        _to_version_before(settings, model, json_)
        return
    _to_moment(settings, model, to, reconcile, dry_run, json_)


def _to_version_before(settings: Settings, model: str, json_: bool) -> None:
    from lakehead.jobs.rollback import rollback as run

    require_up(settings)
    with steps(f"rolling {model} back") as view:
        done = run(settings, model, view.say)
    if json_:
        print_json(done)
        return
    out().print(
        f"{done.table} is that of the version before, and is not fed; the later answers are in "
        f"{done.aside}.  Put pipelines/{model}.sql back as it was, then:  lakehead submit",
        soft_wrap=True,
        highlight=False,
    )


def _to_moment(
    settings: Settings, model: str, to: str, reconcile: bool, dry_run: bool, json_: bool
) -> None:
    from lakehead.jobs.rollback_to import plan_rollback, roll_back_to
    from lakehead.lake.as_of import parse_as_of
    from lakehead.proof.parity import closed_until
    from lakehead.proof.spark import replace_by_spark
    from lakehead.quality.publish import gates

    moment = parse_as_of(to)
    settled = None
    if dry_run:
        done = plan_rollback(settings, model, moment)
    else:
        require_up(settings)
        with steps(f"rolling {model} back to {moment}") as view:
            done = roll_back_to(settings, model, moment, closed_until, view.say)
            if reconcile:
                # What has closed since it went back is the stream's, which may still commit it.
                upto = done.closed_until and datetime.fromisoformat(done.closed_until)
                asked = gates(settings, [model])
                [settled] = replace_by_spark(
                    settings, {model: upto or None}, gates=asked, say=view.say
                )
    if json_:
        print_json({"dry_run": dry_run, "rollback": done, "reconciled": settled})
    else:
        lines = [*_said(done, dry_run), *_next(done, settled, dry_run, reconcile)]
        out().print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
    if settled and settled.refused:
        raise typer.Exit(1)


def _said(done: "RolledBackTo", dry_run: bool) -> list[str]:
    verb = "would go" if dry_run else "went"
    lines = [
        f"{done.table} {verb} back to snapshot {done.snapshot_then} of {done.committed_then}",
        f"  from snapshot {done.snapshot_now} of {done.committed_now}",
        f"  commits given up: {done.commits:,}; rows: {done.rows_now:,} become {done.rows_then:,}",
    ]
    lines.append(
        f"  what is given up is kept: --as-of {done.kept}"
        if done.kept
        else "  what is given up would be kept by a tag before-rollback-..."
    )
    if not done.restarts:
        job = "is stopped, and stays so"
    elif dry_run:
        job = "would stop with a savepoint, and go on from it"
    else:
        job = "was stopped with a savepoint, and goes on from it"
    return [*lines, f"  job {done.job} {job}; it gives no answer again that it has given"]


def _next(
    done: "RolledBackTo", settled: "Reconciled | None", dry_run: bool, reconcile: bool
) -> list[str]:
    if settled is not None and settled.refused:
        return [f"What had closed since is missing: {settled.refused}"]
    if settled is not None:
        return [
            f"Settled from the landed rows: {settled.windows:,} windows, {settled.added:,} added, "
            f"{settled.changed:,} changed."
        ]
    if dry_run:
        how = "would be settled from the landed rows" if reconcile else "would be missing until"
        more = "" if reconcile else f":  lakehead reconcile {done.model}"
        return [f"What had closed since {how}{more}"]
    upto = f", up to {done.closed_until}," if done.closed_until else ""
    return [f"What had closed since{upto} is missing. Settle it:  lakehead reconcile {done.model}"]
