"""Runs the tests of models in DuckDB, all in one process and one connection."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehead.contracts.load import contract_names, load_contract
from lakehead.contracts.model import Contract
from lakehead.contracts.sql import literal
from lakehead.contracts.types import FieldType
from lakehead.errors import UserError
from lakehead.models.batch import LATE
from lakehead.models.bind import Bound, bind_model
from lakehead.models.cases import Case, Event, Row, cases_path, load_cases
from lakehead.models.comparing import Difference, compare, shown_differences
from lakehead.models.duckdb import answer
from lakehead.models.model import Model, load_model, model_names
from lakehead.models.windows import Session

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_COORDINATES = {"kafka_partition": FieldType("int"), "kafka_offset": FieldType("long")}


@dataclass(frozen=True)
class Suite:
    """A model over the contracts as they are written, and its cases."""

    bound: Bound
    contracts: Mapping[str, Contract]
    cases: Sequence[Case]


@dataclass(frozen=True)
class Result:
    """What became of a case. ``settled`` and ``streamed`` are how these answers differ."""

    case: Case
    seconds: float
    settled: Sequence[Difference] = ()
    streamed: Sequence[Difference] = ()
    error: str = ""

    @property
    def passed(self) -> bool:
        return not (self.settled or self.streamed or self.error)

    @property
    def explanation(self) -> str:
        """Why it failed: what was expected beside what there is."""
        if self.error:
            return f"    {self.error}"
        parts = []
        for title, found, rows in (
            ("the settled answer", self.settled, self.case.expect),
            ("the stream's answer", self.streamed, self.case.expect_stream),
        ):
            if found:
                named = dict.fromkeys(c for row in rows or () for c in row)
                columns = [c for c in self.case.columns if c in named or not named]
                many = "1 row differs" if len(found) == 1 else f"{len(found)} rows differ"
                table = shown_differences(self.case, found, columns)
                parts.append(f"  {title}: {many} (- expected, + actual)\n{table}")
        return "\n".join(parts)


def bind_written(schemas: Path, pipelines: Path, name: str) -> tuple[Bound, dict[str, Contract]]:
    """The model over the contracts in ``schemas``, and those that it reads, by stream.

    Raises:
        UserError: no such model, or one, or a contract, that is wrong.
    """
    models: dict[str, Model] = {}
    contracts: dict[str, Contract] = {}
    streams, others = contract_names(schemas), model_names(pipelines)
    wanted = [name]
    while wanted:
        model = load_model(pipelines, wanted.pop(0))
        models[model.name] = model
        for source in model.streams:
            if source in streams:
                contracts[source] = load_contract(schemas, source)
            elif source in others and source not in models:
                wanted.append(source)
    model = models.pop(name)
    return bind_model(model, contracts, models, pipelines / f"{name}.sql"), contracts


def load_suite(schemas: Path, pipelines: Path, name: str) -> Suite:
    """The model ``name`` with its cases; none where it has no file of tests.

    Raises:
        UserError: as ``bind_written`` and ``load_cases``.
    """
    bound, contracts = bind_written(schemas, pipelines, name)
    path = cases_path(pipelines, name)
    cases = load_cases(path, bound, contracts) if path.exists() else []
    return Suite(bound, contracts, cases)


def models_with_tests(pipelines: Path) -> list[str]:
    """The names of files of tests, sorted; a model of that name may be missing."""
    return sorted(p.stem for p in (pipelines / "tests").glob("*.yaml"))


@contextmanager
def open_runner() -> Iterator["Runner"]:
    """A Runner with a DuckDB of its own, for as long as it lasts."""
    import duckdb

    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        # A few rows at a time: threads would only wait for each other.
        con.execute("SET threads = 1")
        yield Runner(con)


class Runner:
    """Answers models over given events. ``con`` must have UTC as its time zone."""

    def __init__(self, con: "DuckDBPyConnection") -> None:
        self._con = con

    def run(self, suite: Suite, case: Case) -> Result:
        """The case, run; never raises for what the model or the case says."""
        import duckdb

        began = time.perf_counter()
        found: dict[bool, list[Difference]] = {False: [], True: []}
        error = ""
        try:
            for stream, expected in ((False, case.expect), (True, case.expect_stream)):
                if expected is not None:
                    rows = self.answer(suite.bound, suite.contracts, case.given, stream)
                    found[stream] = compare(case, rows, stream)
        except (duckdb.Error, UserError) as problem:
            error = f"DuckDB: {problem}" if isinstance(problem, duckdb.Error) else str(problem)
        seconds = time.perf_counter() - began
        return Result(case, seconds, found[False], found[True], error)

    def answer(
        self,
        bound: Bound,
        contracts: Mapping[str, Contract],
        given: Mapping[str, Sequence[Event]],
        stream: bool = False,
    ) -> list[Row]:
        """The rows of the model over the events of each stream; with ``stream`` without those
        that the stream leaves out. All windows have closed.

        Raises:
            duckdb.Error: a value that the model cannot compute.
        """
        for source in bound.streams:
            for statement in _landed(bound, contracts[source], given.get(source, ())):
                self._con.execute(statement)
        relations = {source: _quoted(_table(source)) for source in bound.streams}
        result = self._con.execute(answer(bound, relations, late=stream))
        columns = [d[0] for d in result.description or []]
        return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]


def late_ms(bound: Bound, event: Event) -> int | None:
    """What ``late$ms`` of ``batch.Engine.answer`` is for an event; see ``proof.lateness``."""
    model = bound.model
    if event.watermark_ms is None:
        return None
    windowed = model.judged_by_window or isinstance(model.window, Session)
    # A window closes as the watermark reaches its last millisecond.
    return event.watermark_ms + 1 if windowed else event.watermark_ms


def _landed(bound: Bound, contract: Contract, events: Sequence[Event]) -> list[str]:
    """Statements that make the table of the events, as landed rows with ``late$ms``.

    Values are written out: a client's parameters have no maps, and Arrow brings pandas with it.
    """
    table = _quoted(_table(contract.stream))
    kinds = {f.name: f.type for f in contract.fields}
    columns = {**kinds, **_COORDINATES, LATE: FieldType("long")}
    declared = ", ".join(f"{_quoted(name)} {kind.duckdb()}" for name, kind in columns.items())
    statements = [f"CREATE OR REPLACE TEMP TABLE {table} ({declared})"]
    rows = []
    for e in events:
        values = [sql_value(kind, e.values[name]) for name, kind in kinds.items()]
        late = late_ms(bound, e)
        values += [str(e.kafka_partition), str(e.kafka_offset), sql_value(columns[LATE], late)]
        rows.append(f"({', '.join(values)})")
    if rows:
        statements.append(f"INSERT INTO {table} VALUES {', '.join(rows)}")
    return statements


def sql_value(kind: FieldType, value: Any) -> str:
    """A value as DuckDB writes it, of exactly its type."""
    if value is None:
        return "NULL"
    match kind.kind:
        case "array":
            assert kind.items is not None
            text = f"[{', '.join(sql_value(kind.items, item) for item in value)}]"
        case "map":
            assert kind.items is not None
            pairs = [f"{literal(k)}: {sql_value(kind.items, v)}" for k, v in value.items()]
            text = f"MAP {{{', '.join(pairs)}}}"
        case "object":
            members = [f"{literal(n)}: {sql_value(t, value.get(n))}" for n, t in kind.members]
            text = f"{{{', '.join(members)}}}"
        case "binary":
            text = f"unhex({literal(value.hex())})"
        case "timestamp" | "timestamp_ntz" | "date":
            text = literal(value.isoformat())
        case _:
            text = literal(str(value))
    return f"CAST({text} AS {kind.duckdb()})"


def _table(stream: str) -> str:
    return f"given${stream}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
