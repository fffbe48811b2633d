"""produce."""

from typing import TYPE_CHECKING, Annotated

import typer

from lakehead.cli.options import Home, Json
from lakehead.cli.render import out, print_json, steps, table
from lakehead.settings import load_settings

if TYPE_CHECKING:
    from lakehead.streams.manifest import Manifest


def register(app: typer.Typer) -> None:
    app.command(
        rich_help_panel="Streams",
        epilog="lakehead produce orders -n 100000 --rate 5000 --poison 0.001 --late 0.01   ·   "
        "lakehead produce orders --original-time -n 1000000",
    )(produce)


def produce(
    stream: Annotated[str, typer.Argument(help="A stream that has a contract.")] = "orders",
    home: Home = None,
    events: Annotated[int, typer.Option("--events", "-n", help="How many events.")] = 10_000,
    rate: Annotated[float | None, typer.Option(help="Events a second, evenly spaced.")] = None,
    speed: Annotated[
        float | None, typer.Option(help="Times the sample's own rhythm, its nights and all.")
    ] = None,
    original_time: Annotated[
        bool, typer.Option("--original-time", help="Keep the sample's own times.")
    ] = False,
    pace: Annotated[bool, typer.Option(help="Send each event at its time, or all at once.")] = True,
    poison: Annotated[float, typer.Option(help="Share of events that are spoilt, 0 to 1.")] = 0.0,
    late: Annotated[float, typer.Option(help="Share of events that come late, 0 to 1.")] = 0.0,
    late_by: Annotated[float | None, typer.Option(help="How late, in seconds.")] = None,
    seed: Annotated[int, typer.Option(help="Of the faults; same seed, same events.")] = 0,
    json_: Json = False,
) -> None:
    """Replay real invoice lines as events, with faults on demand; writes a manifest of them."""
    from lakehead.contracts.load import load_contract
    from lakehead.streams.produce import ProduceOptions, Progress
    from lakehead.streams.produce import produce as run

    settings = load_settings(home)
    contract = load_contract(settings.schemas, stream)
    options = ProduceOptions(
        events=events,
        seed=seed,
        rate=rate,
        speed=speed,
        original_time=original_time,
        pace=pace,
        poison=poison,
        late=late,
        late_by=late_by,
    )
    with steps("producing") as view:

        def show(p: Progress) -> None:
            view.count(f"{p.sent:,} of {p.total:,} events, {p.rate:,.0f} a second")

        manifest = run(settings, contract, options, show)
    if json_:
        print_json(manifest)
        return
    show_manifest(manifest)
    out().print(f"Manifest: {settings.manifests / manifest.file_name}", soft_wrap=True)


def show_manifest(manifest: "Manifest") -> None:
    kinds = ", ".join(f"{k} {n}" for k, n in sorted(manifest.poison.by_kind.items()))
    natural = manifest.natural
    table(
        f"Produced to {manifest.stream}",
        ["what", "events", "of which"],
        [
            ["acknowledged", manifest.acknowledged, f"{len(manifest.partitions)} partitions"],
            ["poison injected", manifest.poison.count, kinds],
            ["late injected", manifest.late.count, f"by {manifest.late.late_by_seconds:,.0f} s"],
            ["cancellations", natural.cancelled, ""],
            ["without customer", natural.without_customer, ""],
            ["written twice", natural.duplicate_lines, ""],
            ["behind in time", natural.backward, ""],
        ],
    )
