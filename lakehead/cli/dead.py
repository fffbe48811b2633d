"""dead list, show, redrive."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehead.cli.options import Home, Json, complete_stream
from lakehead.cli.render import err, out, print_json, short_time, steps, table
from lakehead.settings import load_settings

if TYPE_CHECKING:
    from lakehead.deadletters.listing import CauseGroup, StreamDead
    from lakehead.deadletters.redrive import Example, Report
    from lakehead.deadletters.showing import DeadRecord, Shown

_BARS = " ▁▂▃▄▅▆▇█"
_HEX_BYTES = 64
_TEXT_CHARACTERS = 2_000
_SHOWN = 10

Stream = Annotated[
    str, typer.Argument(help="A stream that has a contract.", autocompletion=complete_stream)
]
Cause = Annotated[
    str | None,
    typer.Option(
        metavar="RULE", help="Only records that broke this rule, as `dead list` names it."
    ),
]
Where = Annotated[
    str | None,
    typer.Option(
        metavar="SQL",
        help="Only records for which this holds, of the dead table's columns, the fields of the "
        "contract, and event, the record as JSON.",
    ),
]


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        name="dead",
        help="List, show and redrive dead records.",
        no_args_is_help=True,
        rich_markup_mode="rich",
    )
    group.command("list", epilog="lakehead dead list   ·   lakehead dead list orders --json")(list_)
    group.command(
        epilog="lakehead dead show orders --cause price.minimum   ·   "
        "lakehead dead show orders --partition 0 --offset 1234"
    )(show)
    group.command(
        epilog="   ·   ".join(
            (
                "lakehead dead redrive orders --cause status.enum --merge "
                """'{"status": "placed"}' --dry-run""",
                "lakehead dead redrive orders --rename custId=customer_id --cast customer_id=long",
                "lakehead dead redrive orders --where \"(event->>'till') = '7' AND price < 0\"",
            )
        )
    )(redrive)
    app.add_typer(group, rich_help_panel="Dead letters")


def list_(
    stream: Annotated[
        list[str] | None,
        typer.Argument(
            help="Streams; all that have a dead table by default.", autocompletion=complete_stream
        ),
    ] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Count dead records by stream and by the rule that they broke, and how fast they come.

    A record that broke several rules counts under each of them. Nothing need run.
    """
    from lakehead.deadletters.listing import list_dead, streams_with_dead_tables

    settings = load_settings(home)
    names = stream or streams_with_dead_tables(settings)
    found = [list_dead(settings, name) for name in dict.fromkeys(names)]
    if json_:
        print_json({"streams": {f.stream: f for f in found}})
        return
    _show_streams(found)
    for f in found:
        if f.open:
            _line(f"See them:  lakehead dead show {f.stream}")


def show(
    stream: Stream,
    home: Home = None,
    partition: Annotated[int | None, typer.Option(help="Of this partition.", min=0)] = None,
    offset: Annotated[int | None, typer.Option(help="At this offset.", min=0)] = None,
    cause: Cause = None,
    where: Where = None,
    limit: Annotated[int, typer.Option(help="How many at most, the newest first.")] = _SHOWN,
    json_: Json = False,
) -> None:
    """Show dead records: where they lay, why they died, their bytes, what can be read of them.

    Nothing need run; records in Avro are read where the schema registry answers.
    """
    from lakehead.deadletters.showing import show_dead
    from lakehead.deadletters.table import Choice

    choice = Choice(cause, where, partition, offset)
    shown = show_dead(load_settings(home), stream, choice, limit)
    if json_:
        print_json(shown)
    else:
        _show_records(shown)


def redrive(
    stream: Stream,
    home: Home = None,
    cause: Cause = None,
    where: Where = None,
    merge: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="A JSON merge patch (RFC 7386); null takes a key away."),
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option(metavar="OLD=NEW", help="Rename a key; repeatable.")
    ] = None,
    cast: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=TYPE", help="Read a value as another type, such as long; repeatable."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="How many at most, the oldest first.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Send also what still breaks the contract.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show before and after; send nothing.")
    ] = False,
    json_: Json = False,
) -> None:
    """Send dead records to their stream again, mended or as they are; each lands once.

    Keys are renamed, then values cast, then the patch is merged. A record that still breaks its
    contract is not sent, and the exit code is 1. A record that was sent is never sent again,
    however often and by how many this is called; what a killed call began, the next one finishes.
    """
    from lakehead.deadletters.patch import read_patch
    from lakehead.deadletters.redrive import RedriveOptions
    from lakehead.deadletters.redrive import redrive as run
    from lakehead.deadletters.table import Choice

    patch = read_patch(merge, rename or (), cast or ())
    options = RedriveOptions(Choice(cause, where), patch, force, dry_run, limit)
    settings = load_settings(home)
    verb = "trying" if dry_run else "redriving"
    with steps(f"{verb} dead records of {stream}") as view:

        def waiting(holder: str) -> None:
            view.say(f"waiting for process {holder}, which redrives {stream}")

        def progress(done: int, total: int) -> None:
            view.count(f"{verb} dead records of {stream}: {done:,} of {total:,}")

        report = run(settings, stream, options, progress, waiting)
    if json_:
        print_json(report)
    else:
        _show_report(report)
    if not report.whole:
        raise typer.Exit(1)


def _show_streams(found: "list[StreamDead]") -> None:
    headings = ["stream", "rule", "dead", "redriven", "first (UTC)", "last (UTC)", "1 min", "1 h"]
    rows: list[list[object]] = []
    for f in found:
        rows.append([f.stream, "all", *_counts(f)])
        rows += [[f.stream, group.rule, *_counts(group)] for group in f.causes]
    if rows:
        table("Dead records", [*headings, "1 day", "by hour"], rows)
    else:
        _line("No stream was submitted yet.  Submit one:  lakehead submit STREAM")


def _counts(row: "StreamDead | CauseGroup") -> list[object]:
    times, rates = [short_time(row.first), short_time(row.last)], row.rates
    now = [rates.minute, rates.hour, rates.day, _bars(rates.hours)]
    return [row.dead, row.redriven, *times, *now]


def _show_records(shown: "Shown") -> None:
    for record in shown.records:
        _show_record(record)
    more = "" if len(shown.records) == shown.chosen else f", the newest of {shown.chosen:,}"
    _line(f"({len(shown.records)} dead records{more}; {shown.redriven:,} were redriven)")
    if shown.redriven < shown.chosen:
        _line(f"Mend and send them again:  lakehead dead redrive {shown.stream} --help")


def _show_record(record: "DeadRecord") -> None:
    out().print(
        f"[bold]partition {record.partition}, offset {record.offset}[/], "
        f"{short_time(record.timestamp)} UTC",
        highlight=False,
    )
    _line(f"  cause  {record.cause}")
    size = "no value" if record.size is None else f"{record.size:,} bytes"
    if record.text is not None:
        _line(f"  text   {_printable(record.text)}")
    if record.hex:
        cut = "..." if len(record.hex) > 2 * _HEX_BYTES else ""
        _line(f"  hex    {record.hex[: 2 * _HEX_BYTES]}{cut} ({size})")
    else:
        _line(f"  bytes  {size}")
    if record.event is not None:
        _line(f"  event  {_compact(record.event)}{', as far as it goes' * record.partial}")
    for problem in record.unreadable:
        _line(f"  read   {problem}")
    if record.redriven:
        at = record.redriven
        where = "being sent" if at.offset is None else f"offset {at.offset}"
        _line(f"  now    partition {at.partition}, {where}, redriven {short_time(at.at)} UTC")
    _line("")


def _show_report(report: "Report") -> None:
    if report.dry_run:
        for example in report.examples:
            _show_example(example)
    rows: list[list[object]] = [
        ["meant", report.chosen],
        ["redriven before", report.already],
        ["valid now", report.valid],
        ["still break the contract", report.failing],
        ["would be sent" if report.dry_run else "sent", report.sent],
    ]
    extra: list[list[object]] = [
        ["of them forced", report.forced],
        ["refused by Kafka", sum(report.refused.values())],
        ["finished, of a redrive that was cut off", report.finished],
        ["not sent by a redrive that was cut off", report.returned],
    ]
    title = f"Redrive of {report.stream}{', dry run' * report.dry_run}"
    table(title, ["dead records", "count"], [*rows, *(row for row in extra if row[1])])
    if report.failures:
        table("Still broken", ["rule", "records"], [list(item) for item in report.failures.items()])
    for reason, count in report.refused.items():
        _line(f"{count:,} not taken by Kafka: {reason}")
    if report.uncertain:
        err().print(
            f"{report.uncertain:,} records were being sent when a redrive ended, so long ago that "
            "Kafka no longer tells whether it has them; they are not sent again.",
            highlight=False,
            soft_wrap=True,
        )
    if report.failing > report.forced:
        _line(f"See why:  lakehead dead redrive {report.stream} --dry-run --json")
    if report.sent and not report.dry_run:
        _line(f"Prove it:  lakehead audit {report.stream}")


def _show_example(example: "Example") -> None:
    verdict = "[red]still breaks its contract[/]" if example.problems else "[green]valid[/]"
    out().print(
        f"[bold]partition {example.partition}, offset {example.offset}[/]: {verdict}",
        highlight=False,
    )
    _line(f"  before {_compact(example.before)}")
    _line(f"  after  {'-' if example.after is None else _compact(example.after)}")
    for problem in example.problems:
        _line(f"  breaks {problem}")


def _bars(counts: list[int]) -> str:
    """A bar for each hour, whose height is its share of the largest."""
    most = max(counts)
    return "".join(_BARS[-(-count * (len(_BARS) - 1) // most) if most else 0] for count in counts)


def _compact(value: Any) -> str:
    if isinstance(value, str):
        return _printable(value)
    return _printable(json.dumps(value, ensure_ascii=False, default=str))


def _printable(text: str) -> str:
    """Without what would move a terminal's cursor, and not too long."""
    shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text[:_TEXT_CHARACTERS])
    return f"{shown}..." if len(text) > _TEXT_CHARACTERS else shown


def _line(text: str) -> None:
    out().print(text, highlight=False, markup=False, soft_wrap=True)
