"""Reads one expression of a model, node by node: columns, literals, operators and CASE."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import ClassVar

from sqlglot import exp

from lakehead.contracts.expression import column_path
from lakehead.contracts.types import NUMERIC, TIMES, FieldType
from lakehead.models import aggregates, functions, literals
from lakehead.models.values import (
    BOOLEAN,
    DATE,
    DOUBLE,
    STRING,
    Refused,
    Value,
    as_decimal,
    by_bytes,
    cast_tree,
    cast_value,
    checked_decimal,
    common_type,
    converted,
    decimal,
    double_operand,
    made,
    nothing_where_zero,
    number_literal,
    string_literal,
)

Columns = Mapping[str, FieldType]
_LARGEST = 5_000
_SHORT = 18
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)


class Reader:
    """A method a kind of node. ``accept`` is what the model's header accepts."""

    def __init__(self, columns: Columns, allowed: bool, accept: frozenset[str]) -> None:
        self._columns = columns
        self._aggregates = allowed
        self.accept = accept
        self._within: exp.Expr | None = None

    def value(self, node: exp.Expr) -> Value:
        """The value of a node."""
        value = self._value(node)
        if sum(1 for _ in value.tree.walk()) > _LARGEST:
            raise Refused(node, "is too large; a second model may read this one")
        return value

    def _value(self, node: exp.Expr) -> Value:
        if read := self._READ.get(type(node)):
            return read(self, node)
        if read_aggregate := aggregates.AGGREGATES.get(aggregates.name_of(node)):
            return self._aggregate(node, read_aggregate)
        if read_function := functions.FUNCTIONS.get(type(node)):
            return read_function(self, node)
        raise functions.refusal(node)

    def typed_value(self, node: exp.Expr, *kinds: str) -> Value:
        """The value of a node, which must be of one of ``kinds``, or NULL."""
        value = self.value(node)
        if value.type is not None and value.type.kind not in kinds:
            expected = " or a ".join("number" if k == "decimal" else k for k in kinds)
            if set(kinds) >= set(NUMERIC):
                expected = "number"
            raise Refused(node, f"is of type {value.type}, expected a {expected}")
        return value

    def boolean(self, node: exp.Expr) -> Value:
        value = self.typed_value(node, "boolean")
        return value if value.type else cast_value(node, value, BOOLEAN)

    def string(self, node: exp.Expr) -> Value:
        value = self.typed_value(node, "string")
        return value if value.type else cast_value(node, value, STRING)

    def number(self, node: exp.Expr) -> Value:
        return self.typed_value(node, *NUMERIC).typed()

    def alike(
        self, node: exp.Expr, *parts: exp.Expr
    ) -> tuple[list[exp.Expr], list[Value], FieldType]:
        """The parts as one type: trees, values, and the type."""
        values = [self.value(part) for part in parts]
        common = common_type(node, values)
        if common is None:
            raise Refused(node, "holds NULL alone; expected a value")
        if common.nested:
            raise Refused(node, f"takes no whole {common.kind}; expected a part of it")
        if common.kind == "float":
            common = DOUBLE
        return [converted(v, common) for v in values], values, common

    def _aggregate(self, node: exp.Expr, read: "aggregates.Read") -> Value:
        if not self._aggregates:
            raise Refused(node, "aggregates are for the SELECT and the HAVING of a window")
        if self._within is not None:
            raise Refused(node, "is an aggregate within an aggregate")
        self._within = node
        try:
            value = read(self, node)
        finally:
            self._within = None
        return replace(value, aggregate=True, columns=frozenset())

    def _paren(self, node: exp.Expr) -> Value:
        return self.value(node.this)

    def _column(self, node: exp.Expr) -> Value:
        if isinstance(node, exp.Column) and isinstance(node.this, exp.Star):
            raise functions.refusal(node.this)
        path = column_path(node)
        for known in range(len(path), 0, -1):
            kind = self._columns.get(".".join(path[:known]))
            if kind is not None:
                break
        else:
            raise Refused(node, f"is not a column, expected one of {', '.join(self._columns)}")
        for part in path[known:]:
            members = dict(kind.members)
            if kind.kind != "object":
                raise Refused(node, f"has no {part}: what holds it is a {kind}, not an object")
            if part not in members:
                raise Refused(node, f"has no {part}, expected one of {', '.join(members)}")
            kind = members[part]
        tree = node.copy()
        for identifier in tree.find_all(exp.Identifier):
            identifier.set("quoted", True)
        finite = kind.kind not in ("float", "double")
        return Value(node, tree, kind, finite=finite, columns=frozenset([".".join(path)]))

    def _literal(self, node: exp.Expr) -> Value:
        assert isinstance(node, exp.Literal)
        read = string_literal if node.is_string else number_literal
        return read(node, str(node.this))

    def _boolean_literal(self, node: exp.Expr) -> Value:
        return Value(node, exp.Boolean(this=bool(node.this)), BOOLEAN)

    def _null(self, node: exp.Expr) -> Value:
        return Value(node, exp.Null(), None)

    def _connected(self, node: exp.Expr) -> Value:
        parts = [self.boolean(part) for part in (node.this, node.expression)]
        left, right = (p.tree for p in parts)
        return made(node, type(node)(this=left, expression=right), BOOLEAN, parts)

    def _not(self, node: exp.Expr) -> Value:
        value = self.boolean(node.this)
        return made(node, exp.Not(this=value.tree), BOOLEAN, [value])

    def _negated(self, node: exp.Expr, tree: exp.Expr, of: list[Value]) -> Value:
        """What NOT LIKE, NOT IN and such say within one node."""
        if node.args.get("negate"):
            tree = exp.Not(this=tree)
        return made(node, tree, BOOLEAN, of)

    def _is(self, node: exp.Expr) -> Value:
        if isinstance(node.expression, exp.Boolean):
            value = self.boolean(node.this)
            truth: exp.Expr = exp.Boolean(this=bool(node.expression.this))
            tree: exp.Expr = exp.Is(this=value.tree, expression=truth)
        elif isinstance(node.expression, exp.Null):
            value = self.value(node.this).typed()
            tested = value.tree if value.finite else converted(value, DOUBLE)
            tree = exp.Is(this=tested, expression=exp.Null())
        else:
            raise Refused(node, "expected IS NULL, IS TRUE, IS FALSE, or such with NOT")
        return self._negated(node, tree, [value])

    def _comparison(self, node: exp.Expr) -> Value:
        if any(isinstance(p.unnest(), exp.Null) for p in (node.this, node.expression)):
            raise Refused(node, "is never true; expected IS NULL or IS NOT NULL")
        trees, values, common = self.alike(node, node.this, node.expression)
        equality = isinstance(node, exp.EQ | exp.NEQ)
        self._comparable(node, common, equality)
        left, right = trees if equality else (by_bytes(tree, common) for tree in trees)
        return made(node, type(node)(this=left, expression=right), BOOLEAN, values)

    def _comparable(self, node: exp.Expr, common: FieldType, equality: bool) -> None:
        if common.kind == "binary":
            raise Refused(node, "engines do not compare binary values alike")
        if common == BOOLEAN and not equality:
            raise Refused(node, "engines do not order truth; expected = or <>")

    def _in(self, node: exp.Expr) -> Value:
        listed = node.expressions
        if not listed:
            raise Refused(node, "expected a list of values; a second model may read this one")
        if any(isinstance(e.unnest(), exp.Null) for e in listed):
            raise Refused(node, "NULL is never equal; expected ... OR ... IS NULL")
        trees, values, common = self.alike(node, node.this, *listed)
        self._comparable(node, common, True)
        return self._negated(node, exp.In(this=trees[0], expressions=trees[1:]), values)

    def _between(self, node: exp.Expr) -> Value:
        if node.args.get("symmetric") is not None:
            raise Refused(node, "SYMMETRIC is not supported; expected the lower bound first")
        trees, values, common = self.alike(node, node.this, node.args["low"], node.args["high"])
        self._comparable(node, common, False)
        value, low, high = (by_bytes(tree, common) for tree in trees)
        return self._negated(node, exp.Between(this=value, low=low, high=high), values)

    def _like(self, node: exp.Expr) -> Value:
        text, pattern = self.string(node.this), node.expression
        if not isinstance(pattern, exp.Literal) or not pattern.is_string:
            raise Refused(node, "expected a pattern in quotes")
        if "\\" in pattern.name:
            raise Refused(node, "engines read a backslash in a pattern differently; leave it out")
        literal = string_literal(pattern, pattern.name).tree
        return self._negated(node, exp.Like(this=text.tree, expression=literal), [text])

    def _case(self, node: exp.Expr) -> Value:
        branches = node.args["ifs"]
        subject = node.this
        asked = [
            branch.this if subject is None else exp.EQ(this=subject.copy(), expression=branch.this)
            for branch in branches
        ]
        default = node.args.get("default")
        results = [branch.args["true"] for branch in branches]
        return self._chosen(node, asked, results, default)

    def _if(self, node: exp.Expr) -> Value:
        return self._chosen(node, [node.this], [node.args["true"]], node.args.get("false"))

    def _chosen(
        self,
        node: exp.Expr,
        asked: list[exp.Expr],
        results: list[exp.Expr],
        default: exp.Expr | None,
    ) -> Value:
        conditions = [self.boolean(c) for c in asked]
        trees, values, common = self.alike(node, *results, *([default] if default else []))
        ifs = [
            exp.If(this=c.tree, true=tree)
            for c, tree in zip(conditions, trees[: len(results)], strict=True)
        ]
        otherwise = (
            trees[-1] if default else cast_tree(exp.Null(), common) if not common.nested else None
        )
        tree = exp.Case(ifs=ifs, default=otherwise)
        return made(node, tree, common, [*conditions, *values])

    def _arithmetic(self, node: exp.Expr) -> Value:
        if isinstance(node.expression, exp.Interval):
            return self._moved(node)
        parts = [self.number(part) for part in (node.this, node.expression)]
        left, right = parts
        if isinstance(node, exp.Div) or not (left.exact and right.exact):
            return self._floating(node, left, right)
        a, b = (as_decimal(p.known) for p in parts)
        if isinstance(node, exp.Mul):
            precision, scale = a.precision + b.precision, a.scale + b.scale
            # Flink and Spark count a digit more, and take it from a scale above 6.
            if precision == 38 and scale > 6:
                precision += 1
        else:
            scale = max(a.scale, b.scale)
            precision = max(a.precision - a.scale, b.precision - b.scale) + scale + 1
        type_ = checked_decimal(node, precision, scale)
        if precision > _SHORT >= max(a.precision, b.precision):
            # Of two short decimals DuckDB makes a short one, which overflows.
            a = decimal(_SHORT + 1, a.scale)
        tree = type(node)(this=converted(left, a), expression=converted(right, b))
        return made(node, cast_tree(tree, type_), type_, parts)

    def _floating(self, node: exp.Expr, left: Value, right: Value) -> Value:
        a, b = double_operand(left), double_operand(right)
        if isinstance(node, exp.Div):
            tree: exp.Expr = exp.Div(this=a, expression=nothing_where_zero(b))
        else:
            tree = type(node)(this=a, expression=b)
        return made(node, tree, DOUBLE, [left, right], finite=False)

    def _moved(self, node: exp.Expr) -> Value:
        """A time and an interval."""
        if not isinstance(node, exp.Add | exp.Sub):
            raise Refused(node, "expected a time + INTERVAL or a time - INTERVAL")
        value = self.typed_value(node.this, *TIMES)
        type_ = value.known
        length = literals.interval_tree(node.expression, days_only=type_ == DATE)
        if value.constant is not None:
            raise Refused(node, "expected a column; write the time that is meant")
        tree = type(node)(this=value.tree, expression=length)
        return made(node, cast_tree(tree, type_) if type_ == DATE else tree, type_, [value])

    def _negative(self, node: exp.Expr) -> Value:
        inner = node.this.unnest()
        if isinstance(inner, exp.Literal) and not inner.is_string:
            return number_literal(node, f"-{inner.name}")
        value = self.number(node.this)
        if not value.exact:
            tree = exp.Neg(this=double_operand(value))
            return made(node, tree, DOUBLE, [value], finite=False)
        type_ = as_decimal(value.known)
        return made(node, exp.Neg(this=converted(value, type_)), type_, [value])

    def _cast(self, node: exp.Expr) -> Value:
        if node.args.get("format") or node.args.get("default"):
            raise Refused(node, "expected CAST(x AS type)")
        wanted = literals.cast_type(node)
        inner = node.this.unnest()
        if isinstance(inner, exp.Literal) and inner.is_string and wanted.kind in TIMES:
            return literals.time_literal(node, inner.name, wanted)
        return cast_value(node, self.value(node.this), wanted)

    _READ: ClassVar[dict[type[exp.Expr], Callable[["Reader", exp.Expr], Value]]] = {
        exp.Paren: _paren,
        exp.Column: _column,
        exp.Dot: _column,
        exp.Literal: _literal,
        exp.Boolean: _boolean_literal,
        exp.Null: _null,
        exp.And: _connected,
        exp.Or: _connected,
        exp.Not: _not,
        exp.Is: _is,
        exp.In: _in,
        exp.Between: _between,
        exp.Like: _like,
        exp.Case: _case,
        exp.If: _if,
        exp.Add: _arithmetic,
        exp.Sub: _arithmetic,
        exp.Mul: _arithmetic,
        exp.Div: _arithmetic,
        exp.Neg: _negative,
        exp.Cast: _cast,
        exp.TryCast: _cast,
        **dict.fromkeys(_COMPARISONS, _comparison),
    }
