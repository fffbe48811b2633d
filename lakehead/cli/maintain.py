"""maintain."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from lakehead.cli.options import Home, Json, Master, complete_table, with_master
from lakehead.cli.render import out, print_json, steps
from lakehead.cli.render import table as show_table
from lakehead.errors import UserError
from lakehead.settings import Settings, load_settings

if TYPE_CHECKING:
    from lakehead.maintenance.plan import TableWork, Wanted
    from lakehead.maintenance.run import Maintained

_MIB = 2**20


def register(app: typer.Typer) -> None:
    app.command(
        rich_help_panel="Lake",
        epilog="lakehead maintain --dry-run   ·   lakehead maintain landing.orders   ·   "
        "lakehead maintain --orphans '3 days' --statistics",
    )(maintain)


def maintain(
    table: Annotated[
        list[str] | None,
        typer.Argument(
            help="Tables; all of them by default.",
            autocompletion=complete_table,
        ),
    ] = None,
    home: Home = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is due, and why; change nothing.")
    ] = False,
    orphans: Annotated[
        str | None,
        typer.Option(help="Also remove files that no snapshot has, older than this: '3 days'."),
    ] = None,
    statistics: Annotated[
        bool, typer.Option("--statistics", help="Also compute statistics of the columns.")
    ] = False,
    every: Annotated[
        str | None,
        typer.Option(help="Do it again and again, this long after: '15 minutes'; until Ctrl-C."),
    ] = None,
    master: Master = None,
    json_: Json = False,
) -> None:
    """Make large files of small ones, and let go of snapshots that nobody needs (Spark).

    The stream goes on writing meanwhile. Kept are the snapshots of the contract's
    `snapshotRetention`, those of tags and branches, and what the stream's job and the proofs need.
    """
    from lakehead.maintenance.plan import Wanted

    settings = with_master(load_settings(home), master)
    wanted = Wanted(_age(orphans), statistics)
    pause = _duration("--every", every)
    _once(settings, table or (), wanted, dry_run, json_)
    while pause:
        time.sleep(pause.total_seconds())
        _once(settings, table or (), wanted, dry_run, json_)


def _once(
    settings: Settings, tables: Sequence[str], wanted: "Wanted", dry_run: bool, json_: bool
) -> None:
    from lakehead.maintenance.run import maintain as run
    from lakehead.maintenance.run import plan

    with steps("looking at the tables") as view:
        works = plan(settings, tables, wanted, view.say)
        done = [] if dry_run else run(settings, works, view.say)
    if json_:
        print_json({"dry_run": dry_run, "tables": works, "done": done})
    elif dry_run:
        _show_plan(works)
    elif not done:
        out().print(f"Nothing is due in {len(works)} tables.")
    else:
        _show_done(done)


def _duration(option: str, text: str | None) -> timedelta | None:
    from lakehead.contracts.durations import parse_duration

    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UserError(f"{option}: {error}", f"lakehead maintain {option} '3 days'") from error


def _age(text: str | None) -> timedelta | None:
    age = _duration("--orphans", text)
    if age is not None and age < timedelta(days=1):
        # What the stream is about to commit is in no snapshot yet.
        raise UserError(
            f"--orphans is {text!r}, expected at least 1 day: files that are being "
            "written are in no snapshot yet",
            "lakehead maintain --orphans '3 days'",
        )
    return age


def _show_plan(works: "list[TableWork]") -> None:
    rows = [
        [
            w.table,
            w.files,
            w.files - w.compaction.files + w.compaction.after if w.compaction else w.files,
            round(w.bytes / _MIB, 1),
            w.snapshots,
            w.snapshots - len(w.expire),
            "; ".join(w.why) or "nothing is due",
        ]
        for w in works
    ]
    show_table(
        "Maintenance that is due",
        ["table", "files", "after", "MiB", "snapshots", "after", "why"],
        rows,
    )


def _show_done(done: "list[Maintained]") -> None:
    rows = [
        [
            d.work.table,
            d.work.files,
            d.files,
            round(d.work.bytes / _MIB, 1),
            round(d.bytes / _MIB, 1),
            d.work.snapshots,
            d.snapshots,
            ", ".join(f"{a.action} {a.seconds:.1f} s" for a in d.actions),
        ]
        for d in done
    ]
    headings = ["table", "files", "after", "MiB", "after", "snapshots", "after", "done"]
    show_table("Maintenance", headings, rows)
