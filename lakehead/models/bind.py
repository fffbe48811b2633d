"""A model held against the contracts that it reads: names and types settled, once for all engines.

What comes out is engine-neutral. The engines' modules only write it down.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import sqlglot
from sqlglot import exp

from lakehead.contracts.model import Contract
from lakehead.contracts.types import FieldType
from lakehead.errors import UserError
from lakehead.models import expressions
from lakehead.models.header import ModelProblem
from lakehead.models.joins import JoinOn, read_join
from lakehead.models.model import Model

_CLAUSES = {
    "window": {"expressions", "from_", "where", "group", "having", "order", "limit"},
    "rows": {"expressions", "from_", "where"},
    "dedup": {"expressions", "from_", "where"},
    "sequence": {"expressions", "from_", "where"},
    "enrich": {"expressions", "from_", "joins", "where"},
    "join": {"expressions", "from_", "joins", "where"},
}
MOST_ROWS = 10_000


@dataclass(frozen=True)
class Input:
    """One relation that a model reads. ``alias`` is what its columns are qualified by, if at all.

    ``fields`` are its columns; ``event_time`` is the one that is its clock. ``upstream`` is the
    model whose answer it is, where it is not a stream.
    """

    stream: str
    alias: str | None
    fields: Mapping[str, FieldType]
    event_time: str
    key: str
    watermark_delay: timedelta
    upstream: "Bound | None" = None


@dataclass(frozen=True)
class Bound:
    """A model whose expressions are typed trees. ``select`` has them cast to the output's types."""

    model: Model
    inputs: tuple[Input, ...]
    select: Mapping[str, exp.Expr]
    where: exp.Expr | None = None
    having: exp.Expr | None = None
    order: tuple[tuple[str, bool], ...] = ()
    limit: int | None = None
    on: JoinOn | None = None
    steps: tuple[exp.Expr, ...] = ()

    @property
    def input(self) -> Input:
        return self.inputs[0]

    @property
    def root(self) -> Input:
        """The stream that is read first, through other models."""
        upstream = self.input.upstream
        return upstream.root if upstream is not None else self.input

    @property
    def streams(self) -> tuple[str, ...]:
        """The streams that are read, that of the model's job first."""
        return (self.root.stream, *(i.stream for i in self.inputs[1:]))


def bind(
    model: Model, contracts: Mapping[str, Contract], models: Mapping[str, Model] | None = None
) -> Bound:
    """The model over the contracts of its streams; ``models`` are those that it may read.

    Raises:
        ModelProblem: a column, type or clause that cannot be; says the line.
    """
    try:
        return _Binder(model, contracts, models or {}).bind()
    except expressions.Refused as error:
        raise ModelProblem(_line(error.node, model.line + 1), str(error)) from error


def bind_model(
    model: Model, contracts: Mapping[str, Contract], models: Mapping[str, Model], path: Path
) -> Bound:
    """``bind``, with the file named in the error."""
    try:
        return bind(model, contracts, models)
    except ModelProblem as error:
        raise UserError(f"{path}:{error.line}: {error.message}", error.hint) from error


def _line(node: exp.Expr | None, default: int) -> int:
    """The line of the first token below ``node`` that has kept one."""
    for inner in node.walk() if node is not None else ():
        if line := inner.meta.get("line"):
            return int(line)
    return default


class _Binder:
    def __init__(
        self, model: Model, contracts: Mapping[str, Contract], models: Mapping[str, Model]
    ) -> None:
        self._model = model
        self._contracts = contracts
        self._models = models
        self._select = model.select.copy()
        source = self._select.args.get("from_")
        if source is not None and len(model.streams) == 1:
            # One relation: an alias says nothing.
            for column in list(self._select.find_all(exp.Column)):
                _unqualify(column, source.this.alias_or_name)
        self._accept = model.accept

    def _fail(self, message: str, node: exp.Expr | None = None) -> ModelProblem:
        return ModelProblem(_line(node, self._model.line + 1), message)

    def bind(self) -> Bound:
        model = self._model
        self._check_clauses()
        inputs = self._inputs()
        columns = _columns(inputs)
        where = self._condition("where", columns)
        bound = Bound(model, inputs, self._selected(columns), where)
        match model.kind:
            case "window":
                self._check_groups(columns)
                bound = replace(
                    bound, having=self._having(columns), order=self._order(), limit=self._limit()
                )
                if (bound.limit is None) != (not bound.order):
                    raise self._fail("ORDER BY and LIMIT go together: the top rows of each window")
            case "enrich" | "join":
                bound = replace(bound, on=read_join(model, inputs, self._fail))
            case "sequence":
                bound = replace(bound, steps=self._steps(columns))
        self._check_identity(columns)
        return bound

    def _check_clauses(self) -> None:
        for part, given in self._select.args.items():
            if given and part not in _CLAUSES[self._model.kind]:
                word = part.strip("_").upper()
                raise self._fail(f"{word} is not supported in a model of kind {self._model.kind}")
        for inner in self._select.find_all(exp.Query, exp.Window):
            if inner is not self._select:
                raise self._fail(
                    f"{inner.sql()} is not supported in a model; a second model may read this one",
                    inner,
                )

    def _inputs(self) -> tuple[Input, ...]:
        source = self._select.args.get("from_")
        joins = self._select.args.get("joins") or []
        tables = [t for t in (source, *joins) if t is not None]
        names = [t.this.name if isinstance(t.this, exp.Table) else t.this.sql() for t in tables]
        streams = self._model.streams
        if tuple(names) != streams:
            raise self._fail(
                f"the SELECT reads {', '.join(names) or 'nothing'}; the header says "
                f"{', '.join(streams)}",
                tables[0] if tables else None,
            )
        inputs = []
        for table in tables:
            self._check_table(table.this)
            alias = table.this.alias or None
            if alias is None and len(tables) > 1:
                raise self._fail(
                    f"{table.this.name} has no alias; expected such as "
                    f"{table.this.name} AS {table.this.name[0]}",
                    table.this,
                )
            inputs.append(self._input(table.this.name, alias))
        if len({i.alias for i in inputs}) < len(inputs):
            raise self._fail("both sides have one alias; expected one each")
        return tuple(inputs)

    def _check_table(self, table: exp.Table) -> None:
        allowed = {"this", "alias"}
        if self._model.kind == "enrich" and isinstance(table.parent, exp.Join):
            allowed.add("version")
        if extra := [k for k, v in table.args.items() if v and k not in allowed]:
            raise self._fail(f"{table.sql()}: {extra[0].upper()} is not supported", table)

    def _input(self, stream: str, alias: str | None) -> Input:
        if stream in self._models:
            return self._upstream(stream, alias)
        if stream not in self._contracts:
            known = ", ".join(sorted({*self._contracts, *self._models}))
            raise self._fail(
                f"reads {stream!r}, which is no stream and no model; expected one of {known}"
            )
        contract = self._contracts[stream]
        fields = {f.name: f.type for f in contract.fields}
        return Input(
            stream, alias, fields, contract.event_time, contract.key, contract.watermark_delay
        )

    def _upstream(self, name: str, alias: str | None) -> Input:
        model = self._models[name]
        if model.kind != "rows":
            raise self._fail(
                f"reads the model {name}, which is of kind {model.kind}; only one of kind rows "
                "can be read on, since its rows keep their event time"
            )
        if self._model.kind in ("enrich", "join"):
            raise self._fail(f"reads the model {name}; a model that joins reads streams alone")
        below = {n: m for n, m in self._models.items() if n != self._model.name}
        upstream = bind(model, self._contracts, below)
        fields = {"event_time": FieldType("timestamp"), **model.columns}
        delay = upstream.input.watermark_delay
        return Input(name, alias, fields, "event_time", "", delay, upstream)

    def _condition(
        self, clause: str, columns: expressions.Columns, aggregates: bool = False
    ) -> exp.Expr | None:
        given: exp.Expr | None = self._select.args.get(clause)
        if given is None:
            return None
        return expressions.condition(
            given.this, columns, aggregates=aggregates, accept=self._accept
        )

    def _selected(self, columns: expressions.Columns) -> dict[str, exp.Expr]:
        wanted = self._model.columns
        names = [e.alias_or_name for e in self._select.expressions]
        if names != list(wanted):
            raise self._fail(f"the SELECT gives {names}, output.columns says {list(wanted)}")
        aggregates = self._model.kind == "window"
        selected = {}
        for name, given in zip(names, self._select.expressions, strict=True):
            value = given.unalias()
            read = expressions.typed(value, columns, aggregates=aggregates, accept=self._accept)
            if aggregates and name not in self._model.keys and not read.aggregate:
                raise self._fail(
                    f"{value.sql()} is neither a key nor an aggregate; "
                    f"expected keys: [..., {name}], or such as MAX({value.sql()})",
                    value,
                )
            if aggregates:
                self._check_grouped(read, value)
            selected[name] = expressions.output(read, wanted[name])
        return selected

    def _check_grouped(self, read: expressions.Typed, node: exp.Expr) -> None:
        if apart := sorted(read.columns - {*self._model.keys}):
            raise self._fail(
                f"{node.sql()}: {apart[0]} is neither a key nor within an aggregate", node
            )

    def _having(self, columns: expressions.Columns) -> exp.Expr | None:
        given = self._select.args.get("having")
        if given is not None:
            read = expressions.typed(given.this, columns, aggregates=True, accept=self._accept)
            self._check_grouped(read, given.this)
        return self._condition("having", columns, aggregates=True)

    def _check_groups(self, columns: expressions.Columns) -> None:
        group = self._select.args.get("group") or exp.Group()
        grouped = [g.name if _is_plain(g) else g.sql() for g in group.expressions]
        grouped += [
            part.upper() for part, given in group.args.items() if given and part != "expressions"
        ]
        if set(grouped) != set(self._model.keys):
            raise self._fail(
                f"GROUP BY has {grouped}, the header's keys are {list(self._model.keys)}", group
            )

    def _check_identity(self, columns: expressions.Columns) -> None:
        """A key under another name, or changed, would not be the key of the mart's rows."""
        model = self._model
        own = [k for k in model.identity if k not in model.head]
        plain = {
            e.alias_or_name
            for e in self._select.expressions
            if _is_plain(e.unalias()) and e.unalias().name == e.alias_or_name
        }
        for key in own:
            if key not in plain:
                raise self._fail(
                    f"the key {key} is not selected as it is; expected {key} in the SELECT"
                )
            if model.columns[key] != columns[key]:
                raise self._fail(
                    f"the key {key} is a {columns[key]}, output.columns says {model.columns[key]}"
                )
        by = model.sequence.by if model.sequence else ()
        for key in by:
            if key not in columns:
                raise self._fail(f"sequence.by has {key!r}, which is not a field")
        for key in (*own, *by):
            if columns[key].nested or columns[key].kind in ("float", "double"):
                raise self._fail(f"{key} is a {columns[key]}, which is no key")

    def _order(self) -> tuple[tuple[str, bool], ...]:
        order = self._select.args.get("order")
        if order is None:
            return ()
        read = []
        for part in order.expressions:
            name = part.this.name if isinstance(part.this, exp.Column) else ""
            if name not in self._model.columns:
                raise self._fail(
                    f"ORDER BY {part.this.sql()}: expected a column of the output: "
                    f"{', '.join(self._model.columns)}",
                    part,
                )
            descending = bool(part.args.get("desc"))
            if bool(part.args.get("nulls_first")) == descending:
                raise self._fail(
                    f"ORDER BY {part.sql()}: NULL is the least value here; expected no NULLS", part
                )
            read.append((name, descending))
        # Equal rows would be chosen among at random.
        named = {name for name, _ in read}
        return (*read, *((key, False) for key in self._model.keys if key not in named))

    def _limit(self) -> int | None:
        limit = self._select.args.get("limit")
        if limit is None:
            return None
        text = limit.expression.sql() if limit.expression is not None else ""
        plain = isinstance(limit, exp.Limit) and not any(
            given for part, given in limit.args.items() if part != "expression"
        )
        if not plain or not text.isdecimal() or not 1 <= int(text) <= MOST_ROWS:
            raise self._fail(
                f"{limit.sql().strip()}: expected LIMIT and a number from 1 to {MOST_ROWS}", limit
            )
        return int(text)

    def _steps(self, columns: expressions.Columns) -> tuple[exp.Expr, ...]:
        assert self._model.sequence
        read = []
        for step in self._model.sequence.steps:
            try:
                trees = sqlglot.parse(step.where)
                if len(trees) != 1 or trees[0] is None:
                    raise ValueError("expected one condition")
                read.append(expressions.condition(trees[0], columns, accept=self._accept))
            except expressions.Refused as error:
                raise ModelProblem(step.line, f"step {step.name}: {error}") from error
            except (sqlglot.errors.SqlglotError, ValueError, RecursionError) as error:
                said = str(error).splitlines()[0]
                raise ModelProblem(step.line, f"step {step.name} does not parse: {said}") from error
        return tuple(read)


def _is_plain(node: exp.Expr) -> bool:
    """Whether it is a column alone, and no part of an object."""
    return isinstance(node, exp.Column) and len(node.parts) == 1


def _unqualify(column: exp.Column, alias: str) -> None:
    """``o.address.city`` as ``address.city``."""
    first, *rest = column.parts
    if rest and first.name == alias:
        for part in ("this", "table", "db", "catalog"):
            column.set(part, rest.pop() if rest else None)


def _columns(inputs: tuple[Input, ...]) -> dict[str, FieldType]:
    """The columns as the SELECT may write them: qualified, where there are two relations."""
    if len(inputs) == 1:
        return dict(inputs[0].fields)
    return {f"{i.alias}.{name}": kind for i in inputs for name, kind in i.fields.items()}
