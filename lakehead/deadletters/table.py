"""The dead table of one stream, beside what the ledger knows of its records, as SQL asks it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from lakehead.contracts.applied import contract_in_force
from lakehead.contracts.model import Contract
from lakehead.contracts.sql import literal
from lakehead.deadletters.causes import later_rule, rules_sql
from lakehead.deadletters.codec import Judge
from lakehead.deadletters.ledger import Redriven
from lakehead.errors import LakeheadError, UserError
from lakehead.lake.plan import plan_files
from lakehead.lake.snapshots import table_state
from lakehead.query import sandbox
from lakehead.query.engine import connect
from lakehead.query.failures import translated
from lakehead.query.types import quoted
from lakehead.settings import Settings

if TYPE_CHECKING:
    from datetime import datetime

    from duckdb import DuckDBPyConnection

_COLUMNS = ("record", "cause", "kafka_partition", "kafka_offset", "kafka_timestamp")
_ADDED = ("event", "rules", "to_partition", "to_offset", "redriven_at", "is_redriven")
_SHOWN_RULES = 10


class DeadRow(NamedTuple):
    """A row of the dead table, and where it was sent again; ``redriven_at`` is epoch seconds."""

    record: bytes | None
    cause: str
    partition: int
    offset: int
    timestamp: "datetime"
    to_partition: int | None
    to_offset: int | None
    redriven_at: float | None


@dataclass(frozen=True)
class Choice:
    """Which dead records are meant; all where nothing is said.

    ``cause`` is a rule that they break, ``where`` an SQL condition over the columns of the dead
    table, ``event`` (the record as JSON) and the fields of the contract.
    """

    cause: str | None = None
    where: str | None = None
    partition: int | None = None
    offset: int | None = None


class DeadTable:
    """Made by `dead_table`. The view ``dead`` has the dead table's columns, ``event``, ``rules`` (a
    list), the contract's fields, and where the record was sent again."""

    def __init__(self, con: "DuckDBPyConnection", contract: Contract, later: str) -> None:
        self.con = con
        self.contract = contract
        self.later = later
        self._where: str | None = None
        self.name = f"landing.{quoted(contract.dead_table.split('.')[1])}"

    def choose(self, choice: Choice) -> None:
        """Make the view ``chosen``: the rows of ``dead`` that are meant.

        Raises:
            UserError: nothing has the cause, or the condition is none.
        """
        self._where = choice.where
        with translated():
            rows = self.con.sql("FROM dead")
            if choice.partition is not None:
                rows = rows.filter(f"kafka_partition = {int(choice.partition)}")
            if choice.offset is not None:
                rows = rows.filter(f"kafka_offset = {int(choice.offset)}")
            if choice.cause is not None:
                self._check_cause(choice.cause)
                rows = rows.filter(f"list_contains(rules, {literal(choice.cause)})")
        with self._conditions():
            if choice.where is not None:
                # One expression: DuckDB refuses all else.
                rows = rows.filter(choice.where)
            rows.create_view("chosen", replace=True)

    def counts(self) -> tuple[int, int]:
        """Chosen rows, and those of them that were sent again."""
        with self._conditions():
            found = self.con.execute(
                "SELECT count(*), count(*) FILTER (is_redriven) FROM chosen"
            ).fetchone()
        assert found
        return int(found[0]), int(found[1])

    def rows(self, rest: str, size: int = 500) -> Iterator[DeadRow]:
        """The chosen rows; ``rest`` is SQL that follows FROM, such as an order."""
        columns = ", ".join((*_COLUMNS, "to_partition", "to_offset", "redriven_at"))
        with self._conditions():
            self.con.execute(f"SELECT {columns} FROM chosen {rest}")
        while True:
            with self._conditions():
                found = self.con.fetchmany(size)
            if not found:
                return
            yield from (DeadRow(*row) for row in found)

    @contextmanager
    def _conditions(self) -> Iterator[None]:
        """A failure that the condition of the choice may have caused names it."""
        try:
            with translated():
                yield
        except UserError as error:
            if self._where is None:
                raise
            raise self._bad_condition(self._where, error) from error

    def _check_cause(self, cause: str) -> None:
        listed = self.con.execute(
            "SELECT rule, count(*) FROM (SELECT unnest(rules) AS rule FROM dead)"
            " GROUP BY rule ORDER BY 2 DESC, 1"
        ).fetchall()
        known = [rule for rule, _ in listed]
        if cause in known:
            return
        stream = self.contract.stream
        if not known:
            raise UserError(f"{stream} has no dead record", f"lakehead audit {stream}")
        more = ", ..." if len(known) > _SHOWN_RULES else ""
        raise UserError(
            f"no dead record of {stream} has the cause {cause!r}; its causes are "
            f"{', '.join(known[:_SHOWN_RULES])}{more}",
            f"lakehead dead list {stream}",
        )

    def _bad_condition(self, where: str, error: LakeheadError) -> UserError:
        names = [*_COLUMNS, "event", *_fields(self.contract)]
        # It binds weaker than = and AND, which nobody expects.
        arrow = "; put -> and ->> into parentheses: (event->>'key') = 'x'" if "->" in where else ""
        return UserError(
            f"the condition {where!r} cannot be used{arrow}: {error.message}\n"
            f"columns: {', '.join(names)}",
            f"lakehead dead redrive {self.contract.stream} --dry-run"
            " --where \"cause LIKE '%price%'\"",
        )


@contextmanager
def dead_table(
    settings: Settings, stream: str, redriven: Iterable[Redriven], judge: Judge | None = None
) -> Iterator[DeadTable]:
    """The stream's dead table as of now; it reads that table and nothing else.

    ``judge`` decodes records that are not JSON, for conditions over their fields.

    Raises:
        UserError: no such stream, or its tables were never made.
        SystemFailure: the lake cannot be read.
    """
    contract = contract_in_force(settings, stream)
    state = table_state(settings, contract.dead_table)
    files = [file.path for file in plan_files(settings, state).files]
    con = connect(settings, {contract.dead_table: state.snapshot_id})
    try:
        later = later_rule(contract)
        table = DeadTable(con, contract, later)
        with translated():
            _load_redriven(con, redriven)
            if judge is not None and contract.encoding != "json":
                _load_events(table, judge)
            con.execute(f"CREATE VIEW dead AS {_view(table, judge)}")
            sandbox.lock(con, files)
        yield table
    finally:
        con.close()


def _fields(contract: Contract) -> list[str]:
    taken = {name.lower() for name in (*_COLUMNS, *_ADDED)}
    return [f.name for f in contract.fields if f.name.lower() not in taken]


def _view(table: DeadTable, judge: Judge | None) -> str:
    contract = table.contract
    if contract.encoding == "json":
        text = "TRY(decode(d.record))"
        event = f"CASE WHEN json_valid({text}) THEN {text}::JSON END"
        decoded = ""
    else:
        event = "v.event" if judge is not None else "NULL::JSON"
        decoded = "LEFT JOIN decoded v ON v.p = kafka_partition AND v.o = kafka_offset"
    fields = "".join(
        f", {_read(f.name, 'VARCHAR' if f.type.kind == 'binary' else f.type.duckdb())}"
        if not f.type.nested
        else f", event -> {literal(_json_path(f.name))} AS {quoted(f.name)}"
        for name in _fields(contract)
        for f in [contract.field(name)]
    )
    return (
        f"SELECT *, {rules_sql(table.later)} AS rules{fields} FROM ("
        f"SELECT d.*, {event} AS event, r.to_partition, r.to_offset, r.redriven_at,"
        f" r.p IS NOT NULL AS is_redriven FROM {table.name} d"
        " LEFT JOIN redriven r ON r.p = kafka_partition AND r.o = kafka_offset"
        f" {decoded})"
    )


def _read(name: str, kind: str) -> str:
    return f"TRY_CAST(event ->> {literal(_json_path(name))} AS {kind}) AS {quoted(name)}"


def _json_path(name: str) -> str:
    return f'$."{name}"'


def _load_redriven(con: "DuckDBPyConnection", redriven: Iterable[Redriven]) -> None:
    kinds = {"p": "int32", "o": "int64", "to_partition": "int32", "to_offset": "int64"}
    rows = [(r.partition, r.offset, r.to_partition, r.to_offset, r.at) for r in redriven]
    _load(con, "redriven", kinds | {"redriven_at": "float64"}, rows)


def _load_events(table: DeadTable, judge: Judge) -> None:
    import json

    rows = []
    read = table.con.execute(f"SELECT kafka_partition, kafka_offset, record FROM {table.name}")
    while found := read.fetchmany(1000):
        for p, o, record in found:
            event = judge.decode(record).event
            if event is not None:
                rows.append((p, o, json.dumps(event, default=str)))
    _load(table.con, "events", {"p": "int32", "o": "int64", "event": "string"}, rows)
    table.con.execute(
        "CREATE TABLE decoded AS SELECT p, o, event::JSON AS event FROM events"
        " WHERE json_valid(event)"
    )


def _load(
    con: "DuckDBPyConnection", name: str, kinds: dict[str, str], rows: list[tuple[Any, ...]]
) -> None:
    # Through Arrow: there may be as many as dead records.
    import pyarrow as pa  # type: ignore[import-untyped]

    values = zip(*rows, strict=True) if rows else [()] * len(kinds)
    columns = {
        column: pa.array(found, pa.type_for_alias(kind))
        for (column, kind), found in zip(kinds.items(), values, strict=True)
    }
    con.register("given", pa.table(columns))
    con.execute(f"CREATE TABLE {name} AS FROM given")
    con.unregister("given")
