"""All models of the project at once under a steady load, with faults; then the proof.

    .venv/bin/python bench/models_load.py [--rate 20000] [--seconds 60] [--apart revenue_by_country]

A stack in a home of its own, one job for each stream that a model reads. First a few events with
the sample's own times of 2009, which warm the engines up, and whose days and hours close as soon as
today's events come. Then the load: ``rate`` events a second, of all streams together, some late,
doubled or poison. Last the audit of every stream and the parity of every model.

lag       records that no complete checkpoint has read yet, so never less than those of the seconds
          since the last one; sampled each second
CPU       seconds of user and system time, from the first event of the load until all is read
share     of all cores over that time
memory    resident, with children, the most that was seen

``others`` is what else the machine did meanwhile: compare runs in which it is alike. ``--apart``
lets one model run in a job of its own beside that of its stream, which so reads the topic twice.
Parity is then not asked of it: it holds a mart against the checkpoints of the job that landed.
"""

import argparse
import contextlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
from usage import Usage

from lakehead.errors import LakeheadError, UserError
from lakehead.jobs import records, submit
from lakehead.jobs.flink_rest import FlinkRest
from lakehead.jobs.records import Desired
from lakehead.jobs.spec import consumer_group
from lakehead.models.model import Model, load_model, load_models, root_stream
from lakehead.proof.audit import StreamAudit, audit
from lakehead.proof.parity import ParityReport, parity
from lakehead.settings import Settings, load_settings
from lakehead.stack import lifecycle
from lakehead.stack.preflight import check_ports
from lakehead.stack.supervisor import Supervisor
from lakehead.streams.produce.faults import LATE
from lakehead.streams.topics import committed, offsets

# At a pace: all at once, a partition that has nothing yet would not hold the watermark back.
OPENING_RATE = 4000
FAULTS = (
    *("--late", "0.01", "--late-by", "30", "--out-of-order", "0.01"),
    *("--duplicates", "0.005", "--poison", "0.001"),
)
CORES = psutil.cpu_count() or 1
PATIENCE_SECONDS = 180
MOST_PORT = 60_000
BUSIEST, SHOWN = 8, 110


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=20_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--warm-up", type=float, default=30, help="seconds before the load")
    parser.add_argument("--checkpoint", type=float, default=1, help="seconds between two")
    parser.add_argument("--parallelism", type=int, default=2, help="of each job")
    parser.add_argument("--apart", metavar="MODEL", help="run this model in a job of its own")
    args = parser.parse_args()
    if args.apart:
        load_model(load_settings().pipelines, args.apart)
    with stack(args.checkpoint, args.parallelism) as settings:
        models = load_models(settings.pipelines)
        streams = streams_of(models)
        submit_all(settings, streams, args.apart)
        produce(
            settings,
            streams,
            *("--events", str(int(args.warm_up * OPENING_RATE)), "--rate", str(OPENING_RATE)),
            "--original-time",
        )
        say(f"all of it read {wait_until_read(settings, streams):.0f} s after")
        run = under_load(settings, streams, args.rate, args.seconds)
        show_run(run)
        prove(settings, models, streams, args.apart)


@contextlib.contextmanager
def stack(checkpoint_seconds: float, parallelism: int) -> Iterator[Settings]:
    """A stack that is up, on free ports, in a home that is removed at the end."""
    home = Path(tempfile.mkdtemp(prefix="lakehead-bench-"))
    settings = load_settings(home)
    tuning = replace(
        settings.tuning, checkpoint_seconds=checkpoint_seconds, parallelism=parallelism
    )
    settings = on_free_ports(replace(settings, tuning=tuning))
    settings.save()
    try:
        say(f"stack is up after {lifecycle.up(settings):.0f} s")
        yield settings
    finally:
        submit.suspend(settings)
        lifecycle.down(settings)
        shutil.rmtree(home, ignore_errors=True)


def on_free_ports(settings: Settings) -> Settings:
    for base in range(28_192, MOST_PORT, 10):
        tried = replace(settings, tuning=replace(settings.tuning, port_base=base))
        try:
            check_ports(tried)
        except UserError:
            continue
        return tried
    raise UserError("no eight ports in a row are free")


def streams_of(models: Sequence[Model]) -> list[str]:
    """Those that a model reads, through other models too."""
    by_name = {m.name: m for m in models}
    roots = (root_stream(m, by_name) for m in models)
    others = (s for m in models for s in m.streams if s not in by_name)
    return sorted({*roots, *others})


def submit_all(settings: Settings, streams: Sequence[str], apart: str | None) -> None:
    for stream in streams:
        began = time.monotonic()
        models = submit.submit(settings, stream).models
        took = time.monotonic() - began
        say(f"{stream} runs after {took:.0f} s, with {', '.join(models) or 'no models'}")
        if apart is not None and apart in models:
            run_apart(settings, stream, apart)
            say(f"  but for {apart}, which has a job of its own")


def run_apart(settings: Settings, stream: str, model: str) -> None:
    """Makes two jobs of one: all but this model, and this model alone in its own group."""
    before = records.read_desired(settings, stream)
    assert before
    spec, name = before.spec, f"{stream}-{model}"
    mine = tuple(i for i in spec.inserts if i.uid.startswith(f"model.{model}."))
    rest = replace(spec, inserts=tuple(i for i in spec.inserts if i not in mine))
    group, own = consumer_group(stream), consumer_group(name)
    alone = replace(
        spec,
        name=name,
        config=spec.config | {"pipeline.name": name},
        declare=tuple(d.replace(f"'{group}'", f"'{own}'") for d in spec.declare),
        inserts=mine,
    )
    others = replace(before, generation=before.generation + 1, spec=rest)
    for desired in (others, Desired(name, True, 1, alone)):
        records.write_desired(settings, desired)
        submit.wait_for(settings, desired.name, "running", desired)


def produce(settings: Settings, streams: Sequence[str], *options: str) -> None:
    with producer(settings, streams, *options) as process:
        if process.wait():
            raise LakeheadError("lakehead produce failed; see above")


@contextlib.contextmanager
def producer(
    settings: Settings, streams: Sequence[str], *options: str
) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "lakehead.cli", "produce", *streams, *options]
    process = subprocess.Popen([*command, "--home", str(settings.home)], stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def lags(settings: Settings, streams: Sequence[str]) -> dict[str, int]:
    """By job, also those that run apart."""
    found = {}
    for name in records.job_names(settings):
        [stream] = [s for s in streams if name.split("-")[0] == s]
        ends = offsets(settings, stream)
        reached = committed(settings, stream, consumer_group(name))
        found[name] = sum(high - max(reached.get(p, 0), 0) for p, (_, high) in ends.items())
    return found


def wait_until_read(settings: Settings, streams: Sequence[str]) -> float:
    """The seconds that it took."""
    began = time.monotonic()
    while any(lags(settings, streams).values()):
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise LakeheadError(f"jobs have not read all in {PATIENCE_SECONDS} s")
        time.sleep(0.2)
    return time.monotonic() - began


@dataclass
class Run:
    """What was seen of the load.

    ``cpu`` and ``memory`` are by process, ``busy`` seconds by task of Flink (with its job),
    ``checkpoints`` the longest seconds of one by job.
    """

    produced: dict[str, int]
    seconds: float = 0
    catch_up: float = 0
    lag: dict[str, list[int]] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)
    busy: dict[tuple[str, str], float] = field(default_factory=dict)
    checkpoints: dict[str, float] = field(default_factory=dict)


def under_load(settings: Settings, streams: Sequence[str], rate: float, seconds: float) -> Run:
    say(f"{rate:,.0f} events a second for {seconds:.0f} s, with {' '.join(FAULTS)}")
    before, busy_before = ends_of(settings, streams), busy_tasks(settings)
    events = str(int(rate * seconds))
    with (
        producer(settings, streams, "--events", events, "--rate", str(rate), *FAULTS) as process,
        sampling(settings, streams, process) as run,
    ):
        began = time.monotonic()
        if process.wait():
            raise LakeheadError("lakehead produce failed; see above")
        run.seconds = time.monotonic() - began
        run.catch_up = wait_until_read(settings, streams)
    run.produced = {s: n - before[s] for s, n in ends_of(settings, streams).items()}
    run.busy = {t: n - busy_before.get(t, 0) for t, n in busy_tasks(settings).items()}
    run.checkpoints = longest_checkpoints(settings)
    return run


def job_ids(settings: Settings) -> dict[str, str]:
    observed = {name: records.read_observed(settings, name) for name in records.job_names(settings)}
    return {name: o.current.job_id for name, o in observed.items() if o.current}


def busy_tasks(settings: Settings) -> dict[tuple[str, str], float]:
    """Seconds that each task was busy since its job began, its subtasks together."""
    with FlinkRest(settings.flink_url) as flink:
        return {
            (job, vertex["name"]): vertex["metrics"]["accumulated-busy-time"] / 1000
            for job, id_ in job_ids(settings).items()
            for vertex in flink.vertices(id_)
        }


def longest_checkpoints(settings: Settings) -> dict[str, float]:
    with FlinkRest(settings.flink_url) as flink:
        found = {j: flink.checkpoint_counts(id_) for j, id_ in job_ids(settings).items()}
    return {
        job: told.get("summary", {}).get("end_to_end_duration", {}).get("max", 0) / 1000
        for job, told in found.items()
    }


def ends_of(settings: Settings, streams: Sequence[str]) -> dict[str, int]:
    return {s: sum(high for _, high in offsets(settings, s).values()) for s in streams}


@contextlib.contextmanager
def sampling(
    settings: Settings, streams: Sequence[str], process: "subprocess.Popen[bytes]"
) -> Iterator[Run]:
    """Samples lags, CPU and memory each second, for as long as it lasts."""
    run = Run({})
    stopped = threading.Event()
    parts = {s.name: psutil.Process(s.pid) for s in Supervisor(settings).states()}
    usage = Usage(parts | {"lakehead produce": psutil.Process(process.pid)})

    def watch() -> None:
        while not stopped.wait(1):
            usage.sample()
            for job, lag in lags(settings, streams).items():
                run.lag.setdefault(job, []).append(lag)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield run
    finally:
        stopped.set()
        watching.join()
        run.cpu, run.memory = usage.told()


def show_run(run: Run) -> None:
    took = run.seconds + run.catch_up
    sent = sum(run.produced.values())
    say(
        f"{sent:,} records in {run.seconds:.0f} s, {sent / run.seconds:,.0f} a second; "
        f"all read {run.catch_up:.1f} s after"
    )
    rows = [
        [
            job,
            f"{statistics.median(lag):,.0f}",
            f"{max(lag):,}",
            f"{run.checkpoints.get(job, 0):.1f}",
        ]
        for job, lag in run.lag.items()
    ]
    print_table(["job", "median lag", "largest lag", "longest checkpoint, s"], rows)
    busiest = sorted(run.busy.items(), key=lambda item: -item[1])[:BUSIEST]
    rows = [[job, f"{spent:.1f}", task[:SHOWN]] for (job, task), spent in busiest]
    print_table(["busiest tasks", "busy s", "operators"], rows)
    rows = [
        [
            name,
            f"{spent:.1f}",
            f"{spent / took / CORES:.1%}",
            f"{run.memory[name] / 2**20:,.0f}" if name in run.memory else "",
        ]
        for name, spent in sorted(run.cpu.items(), key=lambda item: -item[1])
    ]
    ours = {n: s for n, s in run.cpu.items() if n != "others"}
    spent, memory = sum(ours.values()), sum(run.memory[n] for n in ours)
    rows.append(
        [
            "stack and producer",
            f"{spent:.1f}",
            f"{spent / took / CORES:.1%}",
            f"{memory / 2**20:,.0f}",
        ]
    )
    print_table(["process", "CPU s", f"share of {CORES} cores", "memory, MB"], rows)


def prove(
    settings: Settings, models: Sequence[Model], streams: Sequence[str], apart: str | None
) -> None:
    audits: dict[str, StreamAudit] = {}
    for stream in streams:
        audits[stream] = audit(settings, stream, wait_seconds=60)
    names = ("produced", "landed", "dead", "late", "in_flight", "lost", "duplicated")
    rows = []
    for stream, a in audits.items():
        injected = sum(f.injected for f in a.faults if f.kind == LATE)
        rows.append([stream, *(f"{getattr(a, n):,}" for n in names), f"{injected:,}"])
    print_table(["audit", *names, "sent late"], rows)
    reports: dict[str, ParityReport] = {}
    rows = []
    for model in models:
        if model.name == apart:
            continue
        began = time.monotonic()
        try:
            r = reports[model.name] = parity(settings, model.name)
        except LakeheadError as error:
            say(f"  {model.name}: {error}")
            continue
        counts = (r.windows, r.different, r.explained_by_late, r.unexplained)
        took = f"{time.monotonic() - began:.1f}"
        rows.append([model.name, *(f"{n:,}" for n in counts), took])
    print_table(["parity", "rows", "different", "by late rows", "unexplained", "seconds"], rows)
    for name, report in reports.items():
        for example in report.examples if report.unexplained else []:
            print(f"{name}: {example}")
    clean = all(a.clean and not a.in_flight for a in audits.values())
    unexplained = sum(r.unexplained for r in reports.values())
    compared = f"{len(reports)} of {len(models)} models compared"
    say(f"audit {'clean' if clean else 'NOT CLEAN'}; {compared}, unexplained: {unexplained}")


def print_table(headings: list[str], rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    for row in (headings, *rows):
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  " + "  ".join(cells))
    print(flush=True)


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
