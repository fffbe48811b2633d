"""parity, audit, ledger."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lakehead.cli.options import From, Home, Json, Submitted, To, moment, submit_hint
from lakehead.cli.render import out, print_json, short_time, steps, table
from lakehead.settings import load_settings

if TYPE_CHECKING:
    from lakehead.proof.audit import StreamAudit
    from lakehead.proof.parity import ParityReport

_PANEL = "Proof"
Period = Literal["all", "day", "hour"]


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=_PANEL, epilog="lakehead audit --json")(audit)
    app.command(
        rich_help_panel=_PANEL,
        epilog="lakehead parity revenue_by_country   ·   lakehead parity --certify   ·   "
        "lakehead parity --from 2026-01-31T10:00",
    )(parity)
    app.command(
        rich_help_panel=_PANEL, epilog="lakehead ledger   ·   lakehead ledger orders --by day"
    )(ledger)


def audit(
    stream: Submitted = None,
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
    start: From = None,
    end: To = None,
    certify: Annotated[
        bool,
        typer.Option("--certify", help="Keep the result: a row in ops.parity, and a JSON file."),
    ] = False,
    json_: Json = False,
) -> None:
    """Compare the stream's windows with the batch's. Exits 1 on a difference without a cause."""
    from lakehead.jobs.reconcile import Range
    from lakehead.proof.certificate import certify as keep
    from lakehead.proof.parity import answering
    from lakehead.proof.parity import parity as run

    settings = load_settings(home)
    within = Range(moment("--from", start), moment("--to", end))
    results, certificates = {}, {}
    for name in model or answering(settings):
        with steps(f"comparing {name}"):
            results[name] = run(settings, name, within)
            if certify:
                certificates[name] = keep(settings, name, results[name], within)
    if json_:
        kept = {name: kept for name, (kept, _) in certificates.items()}
        print_json({"models": results, **({"certificates": kept} if certify else {})})
    else:
        show_parity(results)
        for _, path in certificates.values():
            out().print(f"Certificate: {path}", soft_wrap=True, highlight=False)
    if any(result.unexplained for result in results.values()):
        raise typer.Exit(1)


def ledger(
    stream: Submitted = None,
    home: Home = None,
    by: Annotated[Period, typer.Option(help="What to add up by, by the broker's clock.")] = "all",
    json_: Json = False,
) -> None:
    """Add up what became of every offset, as kept in ops.ledger. Exits 1 where one is lost.

    First what was committed since the last time is written down.
    """
    from lakehead.jobs.records import job_names
    from lakehead.proof.ledger import record
    from lakehead.proof.totals import totals

    settings = load_settings(home)
    wanted = stream or job_names(settings)
    for name in wanted:
        with steps(f"recording {name}"):
            record(settings, name)
    found = totals(settings, wanted, by) if wanted else []
    if json_:
        print_json({"streams": found})
    elif not found:
        out().print(f"Nothing was landed yet.  Submit a stream:  {submit_hint(settings)}")
    else:
        names = ["produced", "landed", "late", "dead", "redriven", "empty", "lost"]
        rows = [
            [
                t.stream,
                *([] if by == "all" else [short_time(t.since)]),
                *(getattr(t, n) for n in names),
                short_time(t.last),
            ]
            for t in found
        ]
        headings = ["stream", *([] if by == "all" else [by]), *names, "newest (UTC)"]
        table("Ledger", headings, rows)
    if any(t.lost for t in found):
        raise typer.Exit(1)


def show_audit(stream: str, result: "StreamAudit") -> None:
    names = ["produced", "landed", "dead", "late", "in_flight", "lost", "duplicated"]
    if result.empty:
        names.insert(4, "empty")
    rows = [[str(p.partition), *(getattr(p, n) for n in names)] for p in result.partitions]
    rows.append(["all", *(getattr(result, n) for n in names)])
    headings = ["partition", *names[:-3], "in flight", "lost", "doubled"]
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
    causes = {"by late rows": "explained_by_late"}
    for heading, count in (
        ("by redriven", "explained_by_redriven"),
        ("by duplicates", "explained_by_duplicate"),
    ):
        if any(getattr(r, count) for r in results.values()):
            causes[heading] = count
    table(
        title,
        ["model", "windows", "different", *causes, "unexplained", "closed until (UTC)"],
        [
            [
                name,
                r.windows,
                r.different,
                *(getattr(r, count) for count in causes.values()),
                r.unexplained,
                short_time(r.closed_until),
            ]
            for name, r in results.items()
        ],
    )
    for name, r in results.items():
        if r.given_up:
            out().print(
                f"{name}: {r.given_up:,} of them are missing since it was rolled back:  "
                f"lakehead reconcile {name}",
                soft_wrap=True,
                highlight=False,
            )
        for d in r.examples if r.unexplained else []:
            out().print(
                f"{name} {d.window_start} {d.key}: mart {d.mart}, batch {d.whole}, "
                f"expected {d.expected}",
                markup=False,
                soft_wrap=True,
            )
