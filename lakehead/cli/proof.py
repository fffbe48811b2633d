"""parity, audit."""

from typing import TYPE_CHECKING, Annotated

import typer

from lakehead.cli.options import Home, Json, complete_stream, submit_hint
from lakehead.cli.render import out, print_json, short_time, steps, table
from lakehead.settings import load_settings

if TYPE_CHECKING:
    from lakehead.proof.audit import StreamAudit
    from lakehead.proof.parity import ParityReport

_PANEL = "Proof"


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=_PANEL, epilog="lakehead audit --json")(audit)
    app.command(rich_help_panel=_PANEL, epilog="lakehead parity revenue_by_country")(parity)


def audit(
    stream: Annotated[
        list[str] | None,
        typer.Argument(
            help="Streams; all that were submitted by default.", autocompletion=complete_stream
        ),
    ] = None,
    home: Home = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for what is in flight.", min=0)] = 30,
    json_: Json = False,
) -> None:
    """Prove that every record is in the lake exactly once. Exits 1 where the proof fails.

    What `produce` spoilt on purpose must be dead by its cause, and what it sent late, out of order
    or twice must be landed.
    """
    from lakehead.jobs.records import job_names
    from lakehead.proof.audit import audit as run

    settings = load_settings(home)
    results = {}
    for name in stream or job_names(settings):
        with steps(f"auditing {name}"):
            results[name] = run(settings, name, wait)
    if json_:
        print_json({"streams": results})
    elif not results:
        out().print(f"No stream was submitted yet.  Submit one:  {submit_hint(settings)}")
    for name, result in results.items():
        if not json_:
            show_audit(name, result)
    if not all(result.clean for result in results.values()):
        raise typer.Exit(1)


def parity(
    model: Annotated[
        list[str] | None, typer.Argument(help="Models; all of them by default.")
    ] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Compare the stream's windows with the batch's. Exits 1 on a difference without a cause."""
    from lakehead.proof.parity import answering
    from lakehead.proof.parity import parity as run

    settings = load_settings(home)
    results = {}
    for name in model or answering(settings):
        with steps(f"comparing {name}"):
            results[name] = run(settings, name)
    if json_:
        print_json({"models": results})
    else:
        show_parity(results)
    if any(result.unexplained for result in results.values()):
        raise typer.Exit(1)


def show_audit(stream: str, result: "StreamAudit") -> None:
    names = ["produced", "landed", "dead", "late", "in_flight", "lost", "duplicated"]
    rows = [[str(p.partition), *(getattr(p, n) for n in names)] for p in result.partitions]
    rows.append(["all", *(getattr(result, n) for n in names)])
    headings = ["partition", *names[:4], "in flight", "lost", "doubled"]
    table(f"Audit of {stream}", headings, rows)
    if result.faults:
        rows = [
            [f.kind, f.expected, f.injected, f.found, f.pending or None, f.flagged or None]
            for f in result.faults
        ]
        headings = ["fault", "cause has", "injected", "found", "in flight", "flagged late"]
        table(f"Faults injected into {stream}", headings, rows)
    for f in result.faults:
        if f.missing:
            out().print(f"{f.kind} not found at (partition, offset): {f.astray} ...")
    for p in result.partitions:
        if p.missing:
            out().print(f"lost in partition {p.partition}: offsets {p.missing} ...")
        if p.repeated:
            out().print(f"doubled in partition {p.partition}: offsets {p.repeated} ...")


def show_parity(results: dict[str, "ParityReport"], title: str = "Parity") -> None:
    table(
        title,
        ["model", "windows", "different", "by late rows", "unexplained", "closed until (UTC)"],
        [
            [
                name,
                r.windows,
                r.different,
                r.explained_by_late,
                r.unexplained,
                short_time(r.closed_until),
            ]
            for name, r in results.items()
        ],
    )
    for name, r in results.items():
        for d in r.examples if r.unexplained else []:
            out().print(
                f"{name} {d.window_start} {d.key}: mart {d.mart}, batch {d.whole}, "
                f"expected {d.expected}",
                markup=False,
                soft_wrap=True,
            )
