"""replay: of a stream to a topic, of a model to its mart."""

from typing import TYPE_CHECKING, Annotated

import typer

from lakehead.cli.options import Home, Json, complete_model, complete_stream, moment, require_up
from lakehead.cli.render import out, print_json, steps
from lakehead.errors import UserError
from lakehead.settings import Settings, load_settings

if TYPE_CHECKING:
    from datetime import datetime

    from lakehead.replay.publish import Replayed
    from lakehead.replay.rebuild import Rebuilt


def register(app: typer.Typer) -> None:
    app.command(
        rich_help_panel="Streams",
        epilog="lakehead replay orders --to-topic orders-again --from 2026-01-31T10:00 --speed 60"
        "   ·   lakehead replay revenue_by_country --dry-run   ·   "
        "lakehead replay revenue_by_country --from 2026-01-31",
    )(replay)


def _complete(incomplete: str) -> list[str]:
    return [*complete_stream(incomplete), *complete_model(incomplete)]


def replay(
    name: Annotated[
        str,
        typer.Argument(
            help="A stream, with --to-topic; or a model.",
            metavar="STREAM|MODEL",
            autocompletion=_complete,
        ),
    ],
    to_topic: Annotated[
        str | None,
        typer.Option("--to-topic", help="Where a stream goes to; made if it is missing."),
    ] = None,
    home: Home = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Events, or a model's windows, from this time on (ISO-8601, UTC).",
            show_default="all",
        ),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--to", help="Of a stream: events before this time.", show_default="all"),
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(
            help="Of a stream: times as fast as they came, such as 1 or 60.",
            show_default="as fast as possible",
        ),
    ] = None,
    despite_gaps: Annotated[
        bool, typer.Option("--despite-gaps", help="Of a model: though the lake lacks offsets.")
    ] = False,
    abandon: Annotated[
        bool,
        typer.Option("--abandon", help="Of a model: give up a replay that has not taken over."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; do nothing.")
    ] = False,
    json_: Json = False,
) -> None:
    """Publish again what a stream has landed, or build a model's mart anew. Both from the lake.

    Kafka may have dropped the records. A stream goes to another topic, with its own times. A model
    is answered by the batch and goes on with the stream, in a table of its own, which is checked
    and then takes the mart's place in one commit; readers see the old one until then.
    """
    settings = load_settings(home)
    since, until = moment("--from", start), moment("--to", end)
    if to_topic is not None:
        if abandon or despite_gaps:
            raise UserError(
                "--abandon and --despite-gaps are for a model, --to-topic is for a stream",
                "lakehead replay --help",
            )
        _publish(settings, name, (to_topic, since, until, speed), dry_run, json_)
        return
    _refuse_a_stream(settings, name)
    if until is not None or speed is not None:
        raise UserError(
            f"--to and --speed are for a stream; {name} is a model", f"lakehead replay {name}"
        )
    if abandon:
        _abandon(settings, name, json_)
    else:
        _rebuild(settings, name, since, despite_gaps, dry_run, json_)


def _refuse_a_stream(settings: Settings, name: str) -> None:
    from lakehead.contracts.load import contract_names
    from lakehead.models.model import model_names

    streams = contract_names(settings.schemas)
    if name in streams and name not in model_names(settings.pipelines):
        raise UserError(
            f"{name} is a stream: where to?", f"lakehead replay {name} --to-topic {name}-again"
        )


def _publish(
    settings: Settings,
    stream: str,
    options: "tuple[str, datetime | None, datetime | None, float | None]",
    dry_run: bool,
    json_: bool,
) -> None:
    from lakehead.replay.publish import ReplayOptions, plan_replay
    from lakehead.replay.publish import replay as run

    checked = ReplayOptions(*options)
    if dry_run:
        done = plan_replay(settings, stream, checked)
    else:
        with steps(f"replaying {stream}") as view:
            done = run(settings, stream, checked, count=view.count)
    if json_:
        print_json({"dry_run": dry_run, "replayed": done})
    else:
        out().print(_published(done, dry_run), soft_wrap=True, highlight=False)


def _published(done: "Replayed", dry_run: bool) -> str:
    if not done.records:
        return f"{done.stream} has landed nothing of that time."
    verb = "would go" if dry_run else "went"
    took = "" if dry_run else f" in {done.seconds:.1f} s"
    new = " The topic was made for it, and keeps its records for ever." if done.topic_made else ""
    return (
        f"{done.records:,} records of {done.stream}, from {done.first} to {done.last}, {verb} to "
        f"{done.topic}{took}.{new}"
    )


def _rebuild(
    settings: Settings,
    model: str,
    since: "datetime | None",
    despite_gaps: bool,
    dry_run: bool,
    json_: bool,
) -> None:
    from lakehead.replay.rebuild import rebuild

    require_up(settings)
    with steps(f"replaying {model}") as view:
        done = rebuild(
            settings, model, since, despite_gaps=despite_gaps, dry_run=dry_run, say=view.say
        )
    if json_:
        print_json({"dry_run": dry_run, "rebuilt": done})
    else:
        out().print(_rebuilt(done, dry_run), soft_wrap=True, highlight=False, markup=False)


def _rebuilt(done: "Rebuilt", dry_run: bool) -> str:
    lacks = f" The lake lacks {done.lacking:,} offsets of the stream." if done.lacking else ""
    [change] = [v for v in done.plan.versions if v.model == done.model]
    if dry_run:
        at = change.takes_over_at
        when = f"once the stream has passed {at}" if at else "at once"
        return (
            f"{done.model} would be built anew from the lake and take over {change.table} {when}; "
            f"the table of now would be kept as {change.kept}.{lacks}"
        )
    if done.answers is None:
        return "\n".join([*done.plan.waiting, *([lacks.strip()] if lacks else [])])
    return (
        f"{done.model} was built anew: {done.answers:,} answers, all as the landed rows say, of "
        f"which {done.differing:,} were not so before. The old table is {done.kept}; it comes back "
        f"with: lakehead rollback {done.model}{'.' if lacks else ''}{lacks}"
    )


def _abandon(settings: Settings, model: str, json_: bool) -> None:
    from lakehead.replay.rebuild import abandon

    require_up(settings)
    with steps(f"giving up the replay of {model}") as view:
        done = abandon(settings, model, view.say)
    if json_:
        print_json({"abandoned": model, "job": done})
    else:
        out().print(f"{model} goes on as it was.")
