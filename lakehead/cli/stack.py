"""up, down, status, doctor, logs."""

import time
from collections import deque
from typing import Annotated

import typer

from lakehead.cli.options import Home, Json, submit_hint
from lakehead.cli.render import err, out, print_json, short_time, steps, table
from lakehead.errors import UserError
from lakehead.settings import Settings, load_settings

_PANEL = "Stack"


def register(app: typer.Typer) -> None:
    app.command(
        rich_help_panel=_PANEL,
        epilog="lakehead up   ·   lakehead up --with registry   ·   lakehead up --secure   ·   "
        "lakehead up --home /tmp/two --port-base 20092",
    )(up)
    app.command(rich_help_panel=_PANEL)(down)
    app.command(rich_help_panel=_PANEL, epilog="lakehead status --json | jq .jobs")(status)
    app.command(rich_help_panel=_PANEL)(doctor)
    app.command(rich_help_panel=_PANEL, epilog="lakehead logs taskmanager --follow")(logs)


def up(
    home: Home = None,
    port_base: Annotated[
        int | None,
        typer.Option(help="First of the ports that the stack listens on.", min=1024, max=65000),
    ] = None,
    with_: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            help="Run this too, from now on: registry, for Avro; query, the query server; "
            "airflow, for schedules.",
        ),
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", help="Run it no more; its data stay.")
    ] = None,
    secure: Annotated[
        bool | None,
        typer.Option(
            "--secure/--no-secure",
            help="Let Kafka take only users that it knows, by TLS; from now on.",
            show_default="as before",
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """Start Kafka, Flink and the jobs that should run. Twice is the same as once."""
    from lakehead.jobs import submit
    from lakehead.stack import lifecycle

    settings = _with_port_base(load_settings(home), port_base)
    settings = _with_extras(settings, with_ or [], without or [])
    settings = _with_security(settings, secure)
    with steps("starting the stack") as view:
        seconds = lifecycle.up(settings, view.say)
        submit.resume(settings)
        view.say("resuming jobs")
        resumed = submit.wait_for_desired(settings)
    extras = settings.tuning.extras
    registry = settings.registry_url if "registry" in extras else None
    query = f"127.0.0.1:{settings.ports.query}" if "query" in extras else None
    airflow = settings.airflow_url if "airflow" in extras else None
    if json_:
        print_json(
            {
                "home": str(settings.home),
                "seconds": round(seconds, 1),
                "secured": settings.tuning.kafka_security,
                "jobs": resumed,
                "registry": registry,
                "query": query,
                "airflow": airflow,
            }
        )
        return
    out().print(f"The stack is up after {seconds:.1f} s, home {settings.home}.", soft_wrap=True)
    out().print(f"Kafka {settings.bootstrap}   Flink {settings.flink_url}")
    if settings.tuning.kafka_security:
        out().print("Kafka takes known users only.  Add one:  lakehead kafka user add NAME")
    if registry:
        out().print(f"Schema registry {registry}", soft_wrap=True)
    if query:
        out().print(f"Query server {query}   HTTP 127.0.0.1:{settings.ports.query_http}")
    if airflow:
        out().print(f"Airflow {airflow}", soft_wrap=True)
        _show_login(settings)
    if not resumed:
        out().print(f"Next:  {submit_hint(settings)}")


def _show_login(settings: Settings) -> None:
    from lakehead.stack.airflow import folder, login

    if first := login(settings):
        user, password = first
        kept = folder(settings) / "passwords.json"
        said = f"Sign in as {user} with {password}   (said this once; kept in {kept})"
        out().print(said, markup=False, highlight=False, soft_wrap=True)


def down(home: Home = None) -> None:
    """Stop all jobs with a savepoint, then everything. The next up goes on from there."""
    from lakehead.jobs import submit
    from lakehead.stack import lifecycle
    from lakehead.stack.supervisor import Supervisor

    settings = load_settings(home)
    with steps("stopping") as view:
        if Supervisor(settings).pid is not None:
            for name in submit.suspend(settings, view.say):
                err().print(
                    f"[yellow]{name} made no savepoint; it goes on from its newest checkpoint[/]"
                )
        view.say("stopping the processes")
        lifecycle.down(settings)
    out().print("The stack is down.")


def status(home: Home = None, json_: Json = False) -> None:
    """Show each part's health and each job's state, watermark, lag and last commit."""
    from lakehead.jobs.status import job_statuses
    from lakehead.stack import health

    settings = load_settings(home)
    parts = health.parts(settings)
    jobs = job_statuses(settings)
    if json_:
        print_json({"home": str(settings.home), "up": bool(parts), "parts": parts, "jobs": jobs})
        return
    if not parts:
        out().print(
            f"The stack of {settings.home} is down.  Start it:  lakehead up", soft_wrap=True
        )
    else:
        table(
            f"Stack of {settings.home}",
            ["part", "healthy", "state", "address", "pid", "MB", "seconds"],
            [
                [p.name, p.healthy, p.state, p.address, str(p.pid), p.memory_mb, p.uptime_seconds]
                for p in parts
            ],
        )
        out().print(f"{sum(p.memory_mb for p in parts):,} MB resident in all")
    show_jobs(settings, jobs)


def show_jobs(settings: Settings, jobs: list) -> None:  # type: ignore[type-arg]
    """The table of jobs that ``status`` and ``jobs`` share."""
    if not jobs:
        out().print(f"No job was submitted yet.  Submit one:  {submit_hint(settings)}")
        return
    table(
        "Jobs (times are UTC)",
        ["job", "desired", "state", "lag", "watermark", "last commit"],
        [
            [j.name, j.desired, j.state, j.lag, short_time(j.watermark), short_time(j.last_commit)]
            for j in jobs
        ],
    )
    for job in jobs:
        if job.cause:
            said = f"{job.name} ({job.state}): {job.cause}"
            out().print(said, markup=False, soft_wrap=True)


def doctor(home: Home = None, json_: Json = False) -> None:
    """Check versions, jars, class paths, ports, memory and disk, and say what to do."""
    from lakehead.stack.doctor import examine

    settings = load_settings(home)
    with steps("examining"):
        findings = examine(settings)
    problems = [f for f in findings if f.status == "problem"]
    if json_:
        print_json({"healthy": not problems, "findings": findings})
    else:
        marks = {
            "ok": "[green]ok[/]",
            "warning": "[yellow]warning[/]",
            "problem": "[red]problem[/]",
        }
        from rich.markup import escape

        for finding in findings:
            line = f"{marks[finding.status]:>8}  [bold]{finding.name}[/]  {escape(finding.detail)}"
            out().print(line, highlight=False, soft_wrap=True)
            if finding.fix and finding.status != "ok":
                out().print(f"          do: {escape(finding.fix)}", highlight=False, soft_wrap=True)
    if problems:
        raise typer.Exit(1)


def logs(
    part: Annotated[str, typer.Argument(help="kafka, jobmanager, taskmanager, controller...")],
    home: Home = None,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many lines.", min=1)] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows.")] = False,
) -> None:
    """Print the end of a part's log."""
    settings = load_settings(home)
    path = settings.logs / f"{part}.log"
    known = sorted(p.stem for p in settings.logs.glob("*.log"))
    if part not in known:
        listed = ", ".join(known) or "none yet"
        raise UserError(f"there is no log {part!r}; logs: {listed}", "lakehead up")
    with path.open(errors="replace") as file:
        for line in deque(file, maxlen=lines):
            typer.echo(line, nl=False)
        while follow:
            if line := file.readline():
                typer.echo(line, nl=False)
            else:
                time.sleep(0.2)


def _with_port_base(settings: Settings, port_base: int | None) -> Settings:
    from dataclasses import replace

    from lakehead.stack.supervisor import Supervisor

    if port_base is None or port_base == settings.tuning.port_base:
        return settings
    if Supervisor(settings).pid is not None:
        raise UserError(
            f"the stack is up on port base {settings.tuning.port_base}, not {port_base}",
            "lakehead down",
        )
    return replace(settings, tuning=replace(settings.tuning, port_base=port_base))


def _with_security(settings: Settings, secure: bool | None) -> Settings:
    """The settings with the broker secured or not; ``up`` records them once it can start it."""
    from dataclasses import replace

    from lakehead.stack.supervisor import Supervisor

    if secure is None or secure == settings.tuning.kafka_security:
        return settings
    if not settings.runs_kafka:
        raise UserError(
            f"the broker is not the home's own, but that of kafka_client, {settings.bootstrap}",
            f"see {settings.home / 'settings.json'}",
        )
    if Supervisor(settings).pid is not None:
        now = "secured" if settings.tuning.kafka_security else "not secured"
        raise UserError(f"the stack is up, and its Kafka is {now}", "lakehead down")
    return replace(settings, tuning=replace(settings.tuning, kafka_security=secure))


def _with_extras(settings: Settings, wanted: list[str], unwanted: list[str]) -> Settings:
    """The settings with other extras; ``up`` records them once it can start them."""
    from dataclasses import replace

    from lakehead.settings import EXTRAS

    for name in (*wanted, *unwanted):
        if name not in EXTRAS:
            raise UserError(
                f"there is no part {name!r} to run with or without; known: {', '.join(EXTRAS)}",
                "lakehead up --help",
            )
    if both := set(wanted) & set(unwanted):
        raise UserError(f"both --with and --without {', '.join(sorted(both))}")
    extras = [n for n in (*settings.tuning.extras, *wanted) if n not in unwanted]
    return replace(settings, tuning=replace(settings.tuning, extras=tuple(dict.fromkeys(extras))))
