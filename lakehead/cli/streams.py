"""produce."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from lakehead.cli.options import Home, Json, complete_stream
from lakehead.cli.render import Steps, out, print_json, steps, table
from lakehead.errors import UserError
from lakehead.settings import Settings, load_settings

if TYPE_CHECKING:
    from lakehead.contracts.model import Contract
    from lakehead.streams.manifest import Manifest
    from lakehead.streams.own_data import OwnDataOptions, Published
    from lakehead.streams.produce.options import ProduceOptions
    from lakehead.streams.produce.sending import OnProgress, Progress

DEFAULT_EVENTS = 10_000
_PACE, _FAULTS, _OWN = "Pace", "Faults", "Own data"
_EXAMPLES = "   ·   ".join(
    (
        "lakehead produce orders -n 100000 --rate 5000 --poison 0.001 --late 0.01",
        "lakehead produce --all --burst 10 --hot-keys 0.5",
        "lakehead produce orders --poison 0.01 --poison-kinds huge,bad_enum",
        "lakehead produce rides --from rides.parquet --dry-run",
        "tail -f rides.jsonl | lakehead produce rides --from -",
    )
)


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Streams", epilog=_EXAMPLES)(produce)


def produce(
    streams: Annotated[
        list[str] | None,
        typer.Argument(
            help="Streams that have contracts.",
            show_default=False,
            autocompletion=complete_stream,
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="All streams that have contracts.")] = False,
    events: Annotated[
        int | None,
        typer.Option(
            "--events",
            "-n",
            help="How many events, of all streams together; of a file, how many rows at most.",
            show_default=f"{DEFAULT_EVENTS}, or the whole file",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of samples and faults; same seed, same events.")] = 0,
    home: Home = None,
    rate: Annotated[
        float | None,
        typer.Option(
            help="Events a second, evenly spaced.",
            show_default="5000; of a file, as fast as it goes",
            rich_help_panel=_PACE,
        ),
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(
            help="Times the sample's own rhythm, its nights and all.", rich_help_panel=_PACE
        ),
    ] = None,
    original_time: Annotated[
        bool,
        typer.Option("--original-time", help="Keep the sample's own times.", rich_help_panel=_PACE),
    ] = False,
    pace: Annotated[
        bool,
        typer.Option(help="Send each event at its time, or all at once.", rich_help_panel=_PACE),
    ] = True,
    burst: Annotated[
        float | None,
        typer.Option(
            help="Times the rate, in one second of every ten, such as 10.", rich_help_panel=_PACE
        ),
    ] = None,
    poison: Annotated[
        float,
        typer.Option(help="Share of events that are spoilt, 0 to 1.", rich_help_panel=_FAULTS),
    ] = 0.0,
    poison_kinds: Annotated[
        str | None,
        typer.Option(
            help="Which kinds take turns, such as truncated,bad_enum.",
            show_default="all",
            rich_help_panel=_FAULTS,
        ),
    ] = None,
    late: Annotated[
        float, typer.Option(help="Share of events that come late.", rich_help_panel=_FAULTS)
    ] = 0.0,
    late_by: Annotated[
        float | None,
        typer.Option(
            help="How late, in seconds.",
            show_default="300; 30 days in original time",
            rich_help_panel=_FAULTS,
        ),
    ] = None,
    out_of_order: Annotated[
        float,
        typer.Option(help="Share of events sent after later ones.", rich_help_panel=_FAULTS),
    ] = 0.0,
    out_of_order_by: Annotated[
        float | None,
        typer.Option(
            help="By how much at most, in seconds of event time.",
            show_default="half the watermark delay",
            rich_help_panel=_FAULTS,
        ),
    ] = None,
    duplicates: Annotated[
        float, typer.Option(help="Share of events sent twice.", rich_help_panel=_FAULTS)
    ] = 0.0,
    hot_keys: Annotated[
        float, typer.Option(help="Share of records that have one key.", rich_help_panel=_FAULTS)
    ] = 0.0,
    null_keys: Annotated[
        float, typer.Option(help="Share of records without a key.", rich_help_panel=_FAULTS)
    ] = 0.0,
    idle_partitions: Annotated[
        int, typer.Option(help="How many partitions get nothing.", rich_help_panel=_FAULTS)
    ] = 0,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Publish a file's rows, parquet, csv or jsonl; - is jsonl on standard input.",
            rich_help_panel=_OWN,
        ),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="parquet, csv or jsonl.",
            show_default="by the file's name",
            rich_help_panel=_OWN,
        ),
    ] = None,
    ignore_unknown: Annotated[
        bool,
        typer.Option(
            "--ignore-unknown", help="Leave out columns that are no field.", rich_help_panel=_OWN
        ),
    ] = False,
    time_zone: Annotated[
        str | None,
        typer.Option(
            help="Where times are that have no zone, such as UTC or Europe/Vienna.",
            rich_help_panel=_OWN,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Read and check, send nothing.", rich_help_panel=_OWN),
    ] = False,
    json_: Json = False,
) -> None:
    """Send events as live streams, with faults on demand; writes manifests of what was sent.

    Of a shop's streams they are its real invoice lines and what follows from them; of others they
    are drawn from the contract, or come from a file of your own. A file's rows are checked against
    the contract; those that break it are not sent but written down, and the exit code is 1.
    """
    from lakehead.streams.produce.options import Faults, ProduceOptions

    faults = Faults(
        poison=poison,
        poison_kinds=tuple(k.strip() for k in poison_kinds.split(",")) if poison_kinds else (),
        late=late,
        late_by=late_by,
        out_of_order=out_of_order,
        out_of_order_by=out_of_order_by,
        duplicates=duplicates,
        hot_keys=hot_keys,
        null_keys=null_keys,
        idle_partitions=idle_partitions,
    )
    if from_ is None:
        options = ProduceOptions(
            events=DEFAULT_EVENTS if events is None else events,
            seed=seed,
            rate=rate,
            speed=speed,
            original_time=original_time,
            pace=pace,
            burst=burst,
            faults=faults,
        )
        own = {"format": format_, "time_zone": time_zone}
        _refuse(own | {"ignore_unknown": ignore_unknown, "dry_run": dry_run}, "without --from")
        settings = load_settings(home)
        contracts = _contracts(settings, streams or [], all_)
        manifests = _produce_sample(settings, contracts, options)
        if json_:
            print_json({"streams": {m.stream: m for m in manifests}})
        else:
            show_manifests(settings, manifests)
        return
    from lakehead.streams.own_data import OwnDataOptions

    sample = {"speed": speed, "original_time": original_time, "no_pace": not pace, "burst": burst}
    _refuse(sample | {"seed": seed, "all": all_}, "with --from")
    _refuse({name: value for name, value in vars(faults).items() if value}, "with --from")
    file = OwnDataOptions(from_, format_, rate, events, ignore_unknown, time_zone, dry_run)
    settings = load_settings(home)
    if len(streams or []) != 1:
        raise UserError(f"--from {from_} is for one stream, expected its name")
    [contract] = _contracts(settings, streams or [], False)
    _publish(settings, contract, file, json_)


def _refuse(options: Mapping[str, object], where: str) -> None:
    """Raises UserError for an option that was given where it means nothing."""
    for name, value in options.items():
        if value:
            raise UserError(f"--{name.replace('_', '-')} means nothing {where}; leave it out")


def _contracts(settings: Settings, streams: list[str], all_: bool) -> list["Contract"]:
    from lakehead.contracts.load import contract_names, load_contract

    names = contract_names(settings.schemas)
    if all_ and streams:
        raise UserError(f"--all with {', '.join(streams)}; expected one of the two")
    if not all_ and not streams:
        listed = ", ".join(names) or "none in " + str(settings.schemas)
        raise UserError(f"no stream is named; there are {listed}", "lakehead produce --all")
    if all_ and not names:
        raise UserError(f"{settings.schemas} has no contracts", "lakehead contract new NAME")
    chosen = names if all_ else list(dict.fromkeys(streams))
    return [load_contract(settings.schemas, name) for name in chosen]


def _produce_sample(
    settings: Settings, contracts: list["Contract"], options: "ProduceOptions"
) -> list["Manifest"]:
    from lakehead.streams.produce import produce_streams

    with steps("producing") as view:
        return produce_streams(settings, contracts, options, _shown(view))


def _publish(
    settings: Settings, contract: "Contract", options: "OwnDataOptions", json_: bool
) -> None:
    from lakehead.streams.own_data import publish

    with steps("checking" if options.dry_run else "publishing") as view:
        published = publish(settings, contract, options, _shown(view))
    if json_:
        counts = {"rows": published.rows, "valid": published.valid}
        streams = {} if options.dry_run else {contract.stream: published.manifest}
        print_json(counts | {"rejected": published.manifest.rejected, "streams": streams})
    else:
        _show_published(settings, published, options.dry_run)
    published.check()


def _shown(view: Steps) -> "OnProgress":
    def show(p: "Progress") -> None:
        of = "" if p.total is None else f" of {p.total:,}"
        failed = f", {p.failed:,} failed" if p.failed else ""
        rejected = f", {p.rejected:,} rejected" if p.rejected else ""
        view.count(f"{p.sent:,}{of} events, {p.rate:,.0f} a second{failed}{rejected}")

    return show


def show_manifests(settings: Settings, manifests: list["Manifest"]) -> None:
    if len(manifests) == 1:
        _show_manifest(manifests[0])
    else:
        table(
            "Produced",
            ["stream", "acknowledged", "poison", "late", "out of order", "duplicates"],
            [
                [
                    m.stream,
                    m.acknowledged,
                    m.poison.count,
                    m.late.count,
                    m.out_of_order.count,
                    m.duplicates.count,
                ]
                for m in manifests
            ],
        )
    for manifest in manifests:
        out().print(f"Manifest: {settings.manifests / manifest.file_name}", soft_wrap=True)


def _show_manifest(manifest: "Manifest") -> None:
    poison, apart, keys = manifest.poison, manifest.out_of_order, manifest.keys
    nulls = ", ".join(f"{n} {f}" for f, n in sorted(manifest.natural.nulls.items()))
    rows: list[list[object]] = [
        ["acknowledged", manifest.acknowledged, f"{len(manifest.partitions)} partitions"],
        ["poison injected", poison.count, _listed(poison.by_kind)],
        ["late injected", manifest.late.count, f"by {manifest.late.late_by_seconds:,.0f} s"],
        ["out of order", apart.count, f"{apart.beyond_delay} beyond the watermark delay"],
        ["sent twice", manifest.duplicates.count, ""],
        ["with the hot key", keys.hot, keys.hot_key or ""],
        ["without a key", keys.null, ""],
        ["behind in the source", manifest.natural.backward, ""],
        ["with nulls", max(manifest.natural.nulls.values(), default=0), nulls],
    ]
    # Without faults the account is short.
    table(
        f"Produced to {manifest.stream}",
        ["what", "events", "of which"],
        [row for i, row in enumerate(rows) if row[1] or i == 0],
    )
    if poison.left_out:
        reasons = "; ".join(f"{kind}: {why}" for kind, why in poison.left_out.items())
        out().print(f"Left out, for the contract cannot have it: {reasons}", soft_wrap=True)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _show_published(settings: Settings, published: "Published", dry_run: bool) -> None:
    manifest = published.manifest
    sent = (
        ["would be sent", published.valid] if dry_run else ["acknowledged", manifest.acknowledged]
    )
    table(
        f"{'Checked for' if dry_run else 'Published to'} {manifest.stream}",
        ["what", "rows"],
        [["read", published.rows], sent, ["rejected", manifest.rejected.count]],
    )
    if not dry_run:
        out().print(f"Manifest: {settings.manifests / manifest.file_name}", soft_wrap=True)
