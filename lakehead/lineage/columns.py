"""What a model's columns are made of: its SELECT, qualified and taken apart by sqlglot."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope, find_all_in_scope

from lakehead.lineage.graph import ROWS, Column, Dataset, Derived, Direct, Indirect, Use
from lakehead.models.bind import Bound
from lakehead.models.explain import window_text

_COORDINATES = ("kafka_partition", "kafka_offset")


@dataclass(frozen=True)
class _Head:
    """How a column of the mart that is not the model's own is made, in SQL and in ``words``; where
    there are none it is a column that is passed on."""

    sql: exp.Expr
    words: str = ""


class Tracer:
    """A bound model over the tables that it reads: ``inputs``, in the order of the model's."""

    def __init__(self, bound: Bound, inputs: Iterable[Dataset]) -> None:
        self._bound = bound
        self._model = bound.model
        self._inputs = tuple(inputs)
        self._by_stream = {
            given.stream: table for given, table in zip(bound.inputs, self._inputs, strict=True)
        }
        self._heads = self._head_columns()
        self._scope = self._qualified()

    def derived(self) -> tuple[Derived, ...]:
        """Each column of the mart, in order."""
        written = {e.alias_or_name: e.unalias() for e in self._model.select.expressions}
        read = {e.alias_or_name: e.unalias() for e in self._select.expressions}
        found = []
        for name in self._model.mart_columns:
            text, how = self._made(name, written.get(name), read[name])
            column = Column(self._model.table, name)
            found.append(Derived(column, self._origins(read[name]), text, how))
        return tuple(found)

    def uses(self) -> tuple[Use, ...]:
        """The columns that decide which rows the mart has."""
        select = self._select
        clauses: dict[Indirect, list[exp.Expr | None]] = {
            "JOIN": list(select.args.get("joins") or ()),
            "FILTER": [select.args.get("where"), select.args.get("having")],
            "GROUP_BY": [select.args.get("group")],
            "WINDOW": [exp.Tuple(expressions=self._clocks())] if self._timed else [],
        }
        found = [
            Use(column, how)
            for how, trees in clauses.items()
            for tree in trees
            if tree is not None
            for column in self._origins(tree)
        ]
        made = {d.column.name: d.origins for d in self.derived()}
        found += [Use(c, "SORT") for name, _ in self._bound.order for c in made[name]]
        # How many rows there are, as of HAVING COUNT(*) > 1, the rows that are read say anyway.
        return tuple(dict.fromkeys(use for use in found if use.column.name != ROWS))

    @property
    def _select(self) -> exp.Expr:
        return self._scope.expression

    def _made(self, name: str, written: exp.Expr | None, read: exp.Expr) -> tuple[str, Direct]:
        """The expression in words, and what it does."""
        if written is None:
            words = self._heads[name].words
            return (words, "TRANSFORMATION") if words else (read.name, "IDENTITY")
        text = written.sql(comments=False)
        if isinstance(read, exp.Column | exp.Dot):
            return text, "IDENTITY"
        return text, "AGGREGATION" if read.find(exp.AggFunc) else "TRANSFORMATION"

    @property
    def _timed(self) -> bool:
        return self._model.window is not None or self._model.kind in ("join", "sequence")

    def _clocks(self) -> list[exp.Expr]:
        return [_column(i.event_time, i.alias or i.stream) for i in self._bound.inputs]

    def _head_columns(self) -> Mapping[str, _Head]:
        sides = [i.alias or i.stream for i in self._bound.inputs]
        clocks = self._clocks()
        partition, offset = (_column(c, sides[0]) for c in _COORDINATES)
        heads = {
            "event_time": _Head(clocks[0]),
            "kafka_partition": _Head(partition),
            "kafka_offset": _Head(offset),
            "first_event_time": _Head(clocks[0], "time of the sequence's first row"),
            "watermark": _Head(exp.null(), "watermark of the stream"),
            "settled_offsets": _Head(
                exp.Tuple(expressions=[partition, offset]), "offsets that a settled answer has read"
            ),
        }
        if self._model.window is not None:
            said = window_text(self._model.window)
            heads["window_start"] = _Head(clocks[0], f"start of {said}")
            heads["window_end"] = _Head(clocks[0], f"end of {said}")
        if len(sides) > 1:
            heads["right_event_time"] = _Head(clocks[1])
            heads["right_partition"] = _Head(_column("kafka_partition", sides[1]))
            heads["right_offset"] = _Head(_column("kafka_offset", sides[1]))
        wanted = [c for c in self._model.mart_columns if c not in self._model.columns]
        return {name: heads[name] for name in wanted}

    def _qualified(self) -> Scope:
        """The SELECT with all that the header adds to it, each column with its table."""
        select = self._model.select.copy()
        # They name columns of the output: read off the bound model instead.
        select.set("order", None)
        select.set("limit", None)
        heads = [exp.alias_(h.sql.copy(), name) for name, h in self._heads.items()]
        select.select(*heads, copy=False)
        sequence, dedup = self._model.sequence, self._model.dedup
        if sequence:
            select.where(*(step.where for step in sequence.steps), copy=False)
        keys = (*(sequence.by if sequence else ()), *(dedup.keys if dedup else ()))
        select.group_by(*map(_column, keys), copy=False)
        schema: dict[str, object] = {
            given.stream: dict.fromkeys((*given.fields, *_COORDINATES), "unknown")
            for given in self._bound.inputs
        }
        qualified = qualify(select, schema=schema, validate_qualify_columns=False, identify=False)
        scope = build_scope(qualified)
        assert scope is not None
        return scope

    def _origins(self, tree: exp.Expr) -> tuple[Column, ...]:
        """The columns that a tree reads; of a whole object, the fields within it."""
        found = [c for table, path in self._paths(tree) for c in table.within(path)]
        if any(isinstance(n.this, exp.Star) for n in tree.find_all(exp.Count)):
            found += [Column(table.name, ROWS) for table in self._inputs]
        return tuple(dict.fromkeys(found))

    def _paths(self, tree: exp.Expr) -> Iterator[tuple[Dataset, str]]:
        for column in find_all_in_scope(tree, exp.Column):
            source = self._scope.sources.get(column.table)
            if not isinstance(source, exp.Table):
                continue
            path = column.name
            node: exp.Expr = column
            while isinstance(node.parent, exp.Dot) and node.parent.this is node:
                node = node.parent
                path += f".{node.expression.name}"
            yield self._by_stream[source.name], path


def _column(name: str, table: str | None = None) -> exp.Column:
    return exp.column(name, table=table, quoted=True)
