"""The whole loop once: real invoice lines through Kafka, Flink, Iceberg, Spark and DuckDB, and the
proof that none was lost."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lakehead.contracts.load import load_contract
from lakehead.errors import ProofFailed, SystemFailure
from lakehead.jobs import submit
from lakehead.jobs.reconcile import Reconciled
from lakehead.proof.audit import StreamAudit, audit
from lakehead.proof.faults import audit_faults
from lakehead.proof.parity import ParityReport, parity
from lakehead.proof.reconcile import reconcile
from lakehead.quality.publish import gates
from lakehead.query.engine import connect, run
from lakehead.settings import Settings
from lakehead.stack import lifecycle
from lakehead.stack.supervisor import Supervisor
from lakehead.streams.manifest import Manifest
from lakehead.streams.produce import Faults, ProduceOptions, Progress, produce
from lakehead.streams.produce.faults import LATE

STREAM, MODEL = "orders", "revenue_by_country"
# A first few lines give the stream a watermark, so that what comes late later is seen to be late.
OPENING_EVENTS = 1_000
REVENUE_SQL = (
    "SELECT country, sum(lines) AS lines, sum(units) AS units, sum(revenue) AS revenue"
    " FROM marts.revenue_by_country GROUP BY country ORDER BY revenue DESC LIMIT 10"
)
Say = Callable[[str], None]


@dataclass(frozen=True)
class Injected:
    """What the manifests of this run say was put in, and what of it the lake shows."""

    poison: int
    poison_found: int
    late: int
    late_found: int

    @property
    def agree(self) -> bool:
        return self.poison == self.poison_found and self.late == self.late_found


@dataclass
class Demo:
    """The result; ``stages`` are seconds by name, in order."""

    events: int = 0
    stages: dict[str, float] = field(default_factory=dict)
    revenue: list[tuple[object, ...]] = field(default_factory=list)
    audit: StreamAudit | None = None
    before: ParityReport | None = None
    reconciled: Reconciled | None = None
    after: ParityReport | None = None
    injected: Injected | None = None

    def check(self) -> None:
        """Raises ProofFailed when anything does not add up."""
        assert self.audit and self.before and self.after and self.injected
        failures = {
            "lost": self.audit.lost,
            "duplicated": self.audit.duplicated,
            "in flight": self.audit.in_flight,
            "unexplained": self.before.unexplained + self.after.unexplained,
            "different after reconcile": self.after.different,
            "poison that is not dead by its cause": self.injected.poison
            - self.injected.poison_found,
            "late that is not flagged": self.injected.late - self.injected.late_found,
        }
        wrong = {name: count for name, count in failures.items() if count}
        if wrong:
            listed = ", ".join(f"{name}: {count}" for name, count in wrong.items())
            raise ProofFailed(f"the proof failed: {listed}", "lakehead audit; lakehead parity")


def run_demo(
    settings: Settings,
    events: int,
    rate: float,
    keep: bool,
    say: Say = lambda _: None,
    count: Say = lambda _: None,
) -> Demo:
    """Run every stage; the stack is stopped at the end if it was started here, unless ``keep``.

    ``rate`` is events a second. ``say`` is told of each step, ``count`` how far producing is.
    Raises what the stages raise; `Demo.check` judges the result.
    """
    demo = Demo(events=events)
    was_up = Supervisor(settings).pid is not None
    try:
        _stages(settings, demo, rate, say, count)
    except BaseException:
        if not was_up:
            _stop(settings, demo, say)
        raise
    if not was_up and not keep:
        _stop(settings, demo, say)
    return demo


def _stages(settings: Settings, demo: Demo, rate: float, say: Say, count: Say) -> None:
    events = demo.events
    contract = load_contract(settings.schemas, STREAM)
    with _timed(demo, "start Kafka and Flink", say):
        lifecycle.up(settings)
        submit.resume(settings)
    with _timed(demo, "submit the Flink job", say):
        submit.submit(settings, STREAM)

    def progress(p: Progress) -> None:
        count(f"producing: {p.sent:,} of {p.total:,} events, {p.rate:,.0f} a second")

    with _timed(demo, f"produce {OPENING_EVENTS + events:,} events", say):
        opening = produce(settings, contract, ProduceOptions(events=OPENING_EVENTS, rate=2_000))
        _wait_until_landed(settings, opening)
        faults = Faults(poison=0.001, late=0.01)
        options = ProduceOptions(events=events, rate=rate, seed=1, faults=faults)
        main = produce(settings, contract, options, progress)
    with _timed(demo, "land and audit", say):
        demo.audit = audit(settings, STREAM, wait_seconds=120)
        demo.injected = find_injected(settings, main, demo.audit)
    with _timed(demo, "parity of the stream", say):
        demo.before = parity(settings, MODEL)
    with _timed(demo, "reconcile in Spark", say):
        asked = gates(settings, [MODEL])
        [demo.reconciled] = reconcile(settings, [MODEL], engine="spark", gates=asked, say=say)
    with _timed(demo, "parity after reconcile", say):
        demo.after = parity(settings, MODEL)
    with _timed(demo, "query in DuckDB", say), run(settings, REVENUE_SQL) as result:
        demo.revenue = list(result.fetchall())


def _stop(settings: Settings, demo: Demo, say: Say) -> None:
    with _timed(demo, "stop with a savepoint", say):
        if Supervisor(settings).pid is not None:
            submit.suspend(settings)
        lifecycle.down(settings)


def _wait_until_landed(settings: Settings, opening: Manifest, deadline_seconds: float = 60) -> None:
    """Wait until all that the opening wrote has landed."""
    end = time.monotonic() + deadline_seconds
    while True:
        with connect(settings, {f"landing.{STREAM}": None}) as lake:
            rows = lake.execute(
                f"SELECT kafka_partition, max(kafka_offset) FROM landing.{STREAM} GROUP BY 1"
            ).fetchall()
        landed = dict(rows)
        if all(landed.get(p, -1) >= r.last for p, r in opening.partitions.items()):
            return
        if time.monotonic() > end:
            raise SystemFailure("the first events do not land", "lakehead logs taskmanager")
        time.sleep(0.2)


def find_injected(settings: Settings, manifest: Manifest, audited: StreamAudit) -> Injected:
    """Look the manifest's faults up in the lake; what is late must also be flagged."""
    contract = load_contract(settings.schemas, STREAM)
    faults = audit_faults(settings, contract, audited.reached, [manifest])
    late = [f for f in faults if f.kind == LATE]
    poison = [f for f in faults if f.expected]
    return Injected(
        poison=sum(f.injected for f in poison),
        poison_found=sum(f.found for f in poison),
        late=sum(f.injected for f in late),
        late_found=sum(f.flagged for f in late),
    )


@contextmanager
def _timed(demo: Demo, stage: str, say: Say) -> Iterator[None]:
    say(stage)
    began = time.monotonic()
    yield
    demo.stages[stage] = time.monotonic() - began
