"""deploy render, size."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakehead.cli.options import Json
from lakehead.cli.render import out, print_json, table
from lakehead.errors import UserError

if TYPE_CHECKING:
    from lakehead.deploy.manifest import Secret
    from lakehead.deploy.render import Change
    from lakehead.deploy.sizing import Size

_DEFAULT = Path("deploy") / "cluster.yaml"


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        name="deploy",
        help="Write a project's manifests for Kubernetes, and say how large a cluster must be.",
        no_args_is_help=True,
        rich_markup_mode="rich",
    )
    group.command(
        epilog="lakehead deploy render out --dry-run   ·   "
        "lakehead deploy render out --profile deploy/cluster.example.yaml"
    )(render)
    group.command(
        epilog="lakehead deploy size --events-per-second 100000 --bytes 220 --retention '365 days'"
    )(size)
    app.add_typer(group, rich_help_panel="Stack")


def render(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the manifests go.")],
    profile: Annotated[
        Path | None,
        typer.Option(
            help="The cluster's settings, YAML.", show_default=f"{_DEFAULT} in the project"
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be written; write nothing.")
    ] = False,
    json_: Json = False,
) -> None:
    """Write manifests of all contracts and models: Kafka, Flink, Spark, and Airflow's values.

    Secrets are named, never written. Nothing is sent to a cluster. docs/cluster.md says what was
    run and what was only checked by its schema.
    """
    from lakehead.deploy.profile import load_profile
    from lakehead.deploy.project import stream_jobs
    from lakehead.deploy.render import render as run
    from lakehead.deploy.render import write
    from lakehead.settings import Settings, find_project

    project = find_project(Path.cwd())
    read = load_profile(profile or project / _DEFAULT)
    # No home is asked: what a cluster runs is in the project.
    rendered = run(read, stream_jobs(Settings(project / ".lakehead", project), read))
    changes = write(folder, rendered, dry_run)
    if json_:
        print_json({"dry_run": dry_run, "files": changes, "secrets": rendered.secrets})
        return
    _show(folder, changes, rendered.secrets, dry_run)


def _show(
    folder: Path, changes: "Sequence[Change]", secrets: "Sequence[Secret]", dry_run: bool
) -> None:
    title = f"{'Would be written' if dry_run else 'Written'} to {folder}"
    table(title, ["file", "is"], [[c.path, c.change] for c in changes])
    table(
        "Secrets that must be there",
        ["namespace", "secret", "keys", "made by"],
        [[s.namespace, s.name, ", ".join(s.keys), s.made_by] for s in secrets],
    )
    if stale := [str(folder / c.path) for c in changes if c.change == "stale"]:
        out().print("Rendered no more, and left as they are; so is what they made on a cluster:")
        out().print(*stale, highlight=False, soft_wrap=True)


def size(
    events_per_second: Annotated[
        int, typer.Option(min=1, max=10**9, help="Of all streams together.")
    ],
    event_bytes: Annotated[
        int, typer.Option("--bytes", min=1, max=10**7, help="An event's, as JSON.")
    ],
    retention: Annotated[str, typer.Option(help="How long the lake keeps them: '365 days'.")],
    streams: Annotated[int, typer.Option(min=1, max=100_000, help="How many there are.")] = 1,
    checkpoint_seconds: Annotated[
        float, typer.Option(min=0.01, max=86_400, help="From one commit to the next.")
    ] = 1.0,
    parquet_bytes: Annotated[
        float | None,
        typer.Option(
            min=0.01, help="An event's in the lake: bytes by rows of `lakehead tables --json`."
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """Say what a load takes, and what breaks first. Arithmetic from measured figures.

    docs/sizing.md has the figures, and what they leave out.
    """
    from lakehead.deploy.sizing import Load
    from lakehead.deploy.sizing import size as run

    load = Load(
        events_per_second=events_per_second,
        event_bytes=event_bytes,
        retention=_retention(retention),
        streams=streams,
        checkpoint_seconds=checkpoint_seconds,
        parquet_bytes=parquet_bytes,
    )
    done = run(load)
    if json_:
        print_json({"size": done})
        return
    _show_size(done)


def _retention(text: str) -> timedelta:
    from lakehead.contracts.durations import parse_duration

    try:
        length = parse_duration(text)
    except ValueError as error:
        raise UserError(f"--retention: {error}", "--retention '365 days'") from error
    if not length:
        raise UserError(f"--retention is {text!r}, expected more than nothing")
    return length


def _show_size(done: "Size") -> None:
    from lakehead.deploy.sizing import MIB, duration_text
    from lakehead.deploy.sizing_tables import bytes_text

    rows: list[list[object]] = [
        ["cores of TaskManagers, one window a stream", f"{done.cores_one_window:,}"],
        ["cores of TaskManagers, ten models", f"{done.cores_ten_models:,}"],
        ["streams, at least", f"{done.streams:,}"],
        ["into Kafka, compressed", f"{done.kafka_bytes_per_second / 1e6:,.1f} MB/s"],
        ["kept in Kafka", bytes_text(done.kafka_bytes)],
        ["into the lake", f"{bytes_text(done.lake_bytes_per_day)} a day"],
        ["the lake", bytes_text(done.lake_bytes)],
        ["rows", f"{done.rows:,}"],
        ["commits of a table", f"{done.commits_per_hour:,.0f} an hour"],
        ["new files of a table", f"{done.new_files_per_hour:,.0f} an hour"],
        ["a new file", f"{done.new_file_bytes / MIB:,.2f} MiB"],
        ["files, compacted", f"{done.files:,}"],
        ["planned from nothing", duration_text(done.plan_cold_seconds)],
        ["planned from disk", duration_text(done.plan_disk_seconds)],
    ]
    table("Size", ["what", "how much"], rows)
    table(
        "What breaks, the first first",
        ["what", "why", "change"],
        [[b.what, b.why, b.change] for b in done.breaks],
    )
