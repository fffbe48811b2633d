"""Values of a model's expressions: their exact types, and the conversions that engines share.

Engines derive types of their own where they are let: a product of decimals has another scale in
Spark than in DuckDB. So every result is cast to the type that is derived here, and nothing is
converted by an engine's own choice.

Whole numbers are reckoned with as decimals, which neither wrap nor overflow. Floats are made
finite before anything looks at them: what is not a number, or not finite, is NULL.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal

from sqlglot import exp

from lakehead.contracts.types import MAX_PRECISION, NUMERIC, WHOLE, FieldType

BOOLEAN = FieldType("boolean")
STRING = FieldType("string")
INT = FieldType("int")
LONG = FieldType("long")
DOUBLE = FieldType("double")
DATE = FieldType("date")
TIMESTAMP = FieldType("timestamp")
TIMESTAMP_NTZ = FieldType("timestamp_ntz")
FLOATING = ("float", "double")
_WHOLE_DIGITS = {"int": 10, "long": 19}
_BOUNDS = {"int": 2**31, "long": 2**63}
_LARGEST = sys.float_info.max
_SHOWN = 80
_EXACT = Context(prec=100)
_DATA_TYPES = {
    "boolean": exp.DType.BOOLEAN,
    "string": exp.DType.TEXT,
    "int": exp.DType.INT,
    "long": exp.DType.BIGINT,
    "float": exp.DType.FLOAT,
    "double": exp.DType.DOUBLE,
    "decimal": exp.DType.DECIMAL,
    "date": exp.DType.DATE,
    "timestamp": exp.DType.TIMESTAMPLTZ,
    "timestamp_ntz": exp.DType.TIMESTAMP,
    "binary": exp.DType.VARBINARY,
}
_KINDS = {data_type: kind for kind, data_type in _DATA_TYPES.items()}


class Refused(ValueError):
    """Engines could answer differently, or it means nothing; ``node`` is the part of the SQL."""

    def __init__(self, node: exp.Expr, why: str) -> None:
        text = node.sql(comments=False)
        shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
        super().__init__(f"{shown}: {why}")
        self.node = node
        self.why = why


@dataclass(frozen=True)
class Value:
    """A part of an expression, engine-neutral.

    ``type`` is None for NULL alone. ``constant`` is a literal's value. ``finite`` is False for
    a float that may still be NaN or infinite. ``columns`` are those read outside of aggregates.
    """

    node: exp.Expr
    tree: exp.Expr
    type: FieldType | None
    aggregate: bool = False
    constant: Decimal | str | None = None
    finite: bool = True
    columns: frozenset[str] = frozenset()

    @property
    def known(self) -> FieldType:
        """The type of what is not NULL alone."""
        if self.type is None:
            raise Refused(self.node, "NULL has no type here; expected such as CAST(NULL AS BIGINT)")
        return self.type

    def typed(self) -> "Value":
        """Itself, where it is not NULL alone."""
        return replace(self, type=self.known)

    @property
    def number(self) -> bool:
        return self.type is not None and self.type.kind in NUMERIC

    @property
    def column(self) -> bool:
        return isinstance(self.tree, exp.Column | exp.Dot)

    @property
    def exact(self) -> bool:
        """Whether it is a whole number or a decimal."""
        return self.type is not None and self.type.kind in (*WHOLE, "decimal")


def made(
    node: exp.Expr, tree: exp.Expr, type_: FieldType, of: Iterable[Value], finite: bool = True
) -> Value:
    """A value of other ones."""
    parts = list(of)
    return Value(
        node,
        tree,
        type_,
        aggregate=any(p.aggregate for p in parts),
        finite=finite,
        columns=frozenset().union(*(p.columns for p in parts)),
    )


def cast_tree(tree: exp.Expr, type_: FieldType, safe: bool = False) -> exp.Expr:
    """``tree`` cast to ``type_``; where ``safe`` what does not fit is NULL, if it is evaluated."""
    return (exp.TryCast if safe else exp.Cast)(this=tree, to=data_type(type_))


def data_type(type_: FieldType) -> exp.DataType:
    """A plain type as sqlglot has it."""
    given = exp.DataType(this=_DATA_TYPES[type_.kind])
    if type_.kind == "decimal":
        digits = (exp.Literal.number(n) for n in (type_.precision, type_.scale))
        given.set("expressions", [exp.DataTypeParam(this=n) for n in digits])
    return given


def field_type(given: exp.DataType) -> FieldType:
    """The inverse of `data_type`."""
    precision, scale = [int(p.this.name) for p in given.expressions] or (0, 0)
    return FieldType(_KINDS[given.this], precision, scale)


def decimal(precision: int, scale: int) -> FieldType:
    return FieldType("decimal", precision, scale)


def checked_decimal(node: exp.Expr, precision: int, scale: int) -> FieldType:
    """A decimal type. Raises Refused where it has too many digits."""
    if precision > MAX_PRECISION:
        raise Refused(
            node,
            f"can have {precision} digits, of which decimals hold {MAX_PRECISION}; cast a part to a"
            " smaller decimal, such as CAST(x AS DECIMAL(18, 2))",
        )
    return decimal(precision, scale)


def as_decimal(type_: FieldType) -> FieldType:
    """The decimal type that holds all values of an exact one."""
    if type_.kind in WHOLE:
        return decimal(_WHOLE_DIGITS[type_.kind], 0)
    return type_


def number_literal(node: exp.Expr, text: str) -> Value:
    """``5``, ``-1.50`` or ``1e3``: exact, but for one with an exponent, which is a double."""
    if "e" in text.lower():
        value = float(text)
        if abs(value) == float("inf"):
            raise Refused(node, "is beyond the numbers of a double")
        return Value(node, double_tree(value), DOUBLE)
    number = Decimal(text)
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    type_ = checked_decimal(node, max(len(digits), -exponent, 1), -exponent)
    return Value(node, cast_tree(_digits(number), type_), type_, constant=number)


def string_literal(node: exp.Expr, text: str) -> Value:
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise Refused(node, "has a character that not every engine takes")
    return Value(node, exp.Literal.string(text), STRING, constant=text)


def whole_tree(number: int, type_: FieldType) -> exp.Expr:
    return cast_tree(_digits(Decimal(number)), type_)


def double_tree(number: float) -> exp.Expr:
    """A literal of type double, which in SQL has an exponent."""
    text = repr(number).upper().replace("E+", "E")
    return exp.Literal(this=text if "E" in text else f"{text}E0", is_string=False)


def _digits(number: Decimal) -> exp.Expr:
    return exp.Literal(this=f"{number:f}", is_string=False)


def common_type(node: exp.Expr, values: Sequence[Value]) -> FieldType | None:
    """The one type to which all of ``values`` convert without loss; None if all are NULL.

    Raises:
        Refused: there is none.
    """
    typed = [v for v in values if v.type is not None]
    if not typed:
        return None
    if all(v.number for v in typed):
        return _common_number(node, typed)
    kinds = {v.known.kind for v in typed}
    # A literal such as TIMESTAMP '...' has no zone of its own.
    if kinds == {"timestamp", "timestamp_ntz"} and all(
        v.known == TIMESTAMP or v.constant is not None for v in typed
    ):
        return TIMESTAMP
    first = typed[0].known
    for other in typed[1:]:
        if other.known != first:
            raise Refused(
                node, f"sets {first} beside {other.known}; {_way_out(first, other.known)}"
            )
    return first


def _way_out(a: FieldType, b: FieldType) -> str:
    kinds = {a.kind, b.kind}
    if kinds & {"timestamp", "timestamp_ntz", "date"} and "string" in kinds:
        return "a time is written TIMESTAMP '2026-01-31 00:00:00', a day DATE '2026-01-31'"
    if "date" in kinds and kinds & {"timestamp", "timestamp_ntz"}:
        return "write CAST(... AS DATE)"
    if "string" in kinds and kinds & set(NUMERIC):
        return "a number has no quotes, a text has; CAST(number AS VARCHAR) is a text"
    return "expected values of one type"


def _common_number(node: exp.Expr, values: Sequence[Value]) -> FieldType:
    if any(v.known.kind in FLOATING for v in values):
        return DOUBLE
    columns = [v for v in values if v.constant is None]
    if columns and all(v.known.kind in WHOLE for v in columns):
        whole = LONG if any(v.known.kind == "long" for v in columns) else INT
        literals = [v.constant for v in values if v.constant is not None]
        if all(_is_whole(c, whole) for c in literals):
            return whole
    types = [as_decimal(v.known) for v in values]
    scale = max(t.scale for t in types)
    return checked_decimal(node, max(t.precision - t.scale for t in types) + scale, scale)


def _is_whole(number: object, type_: FieldType) -> bool:
    bound = _BOUNDS[type_.kind]
    return isinstance(number, Decimal) and number == int(number) and -bound <= int(number) < bound


def converted(value: Value, type_: FieldType) -> exp.Expr:
    """The value's tree as ``type_``, to which it converts without loss, or is rounded (double)."""
    if value.type is None:
        return cast_tree(exp.Null(), type_)
    if type_ == DOUBLE and value.number:
        return double_of(value)
    if value.type == type_:
        return value.tree
    if isinstance(value.constant, Decimal):
        if type_.kind in WHOLE:
            return whole_tree(int(value.constant), type_)
        return cast_tree(_digits(value.constant), type_)
    if isinstance(value.constant, str) and type_ == TIMESTAMP:
        return cast_tree(exp.Literal.string(value.constant), TIMESTAMP)
    return cast_tree(value.tree, type_)


def double_of(value: Value) -> exp.Expr:
    """A number as a finite double, correctly rounded by every engine."""
    tree = double_operand(value)
    return tree if value.finite or value.column else finite_tree(tree)


def double_operand(value: Value) -> exp.Expr:
    """As `double_of`, for arithmetic, whose result can be made finite as well as its parts."""
    type_ = value.known
    if isinstance(value.constant, Decimal):
        return double_tree(float(value.constant))
    if type_.kind == "decimal":
        # DuckDB and Flink divide by a power of ten, which rounds twice; a text is read exactly.
        return cast_tree(cast_tree(value.tree, STRING), DOUBLE)
    if type_.kind in WHOLE:
        return cast_tree(value.tree, DOUBLE)
    tree = value.tree if type_ == DOUBLE else cast_tree(value.tree, DOUBLE)
    return finite_tree(tree) if value.column else tree


def finite_tree(tree: exp.Expr) -> exp.Expr:
    """A double that is NULL where it was NaN or infinite.

    In Flink NaN is less than nothing and more than nothing; elsewhere it is the largest number.
    """
    between = exp.Between(this=tree.copy(), low=double_tree(-_LARGEST), high=double_tree(_LARGEST))
    return exp.Case(ifs=[exp.If(this=between, true=tree)])


def by_bytes(tree: exp.Expr, type_: FieldType) -> exp.Expr:
    """What is ordered: texts by their bytes, which in Flink they are not always."""
    if type_ != STRING:
        return tree
    return exp.Collate(this=tree, expression=exp.Var(this="BINARY"))


def date_tree(value: Value) -> exp.Expr:
    """The day in UTC of a time, or a day itself."""
    if value.known == DATE:
        return value.tree
    # Before 1970 Flink takes the next day of a time without a zone.
    zoned = value.tree if value.known == TIMESTAMP else cast_tree(value.tree, TIMESTAMP)
    return cast_tree(zoned, DATE)


def unsigned_zero(double: exp.Expr) -> exp.Expr:
    """A double of which -0 is 0: some engines tell them apart."""
    zero = exp.EQ(this=double.copy(), expression=double_tree(0.0))
    return exp.Case(ifs=[exp.If(this=zero, true=double_tree(0.0))], default=double)


def nothing_where_zero(double: exp.Expr) -> exp.Expr:
    """A divisor: NULL where it is 0."""
    return exp.Nullif(this=double, expression=double_tree(0.0))


def cast_value(node: exp.Expr, value: Value, wanted: FieldType) -> Value:
    """The value cast; a number that does not fit is NULL.

    Raises:
        Refused: engines would cast differently, or it makes no sense.
    """
    given = value.type
    if given is None:
        return Value(node, cast_tree(exp.Null(), wanted), wanted)
    if given == wanted:
        return replace(value, node=node)
    if isinstance(value.constant, str) and given == TIMESTAMP_NTZ and wanted == TIMESTAMP:
        return made(node, converted(value, TIMESTAMP), wanted, [value])
    if value.number and wanted == DOUBLE:
        return made(node, double_of(value), wanted, [value])
    if value.exact and wanted.kind in (*WHOLE, "decimal"):
        return made(node, _narrowed(node, value, wanted), wanted, [value])
    if wanted == STRING and given == BOOLEAN:
        texts = [exp.Literal.string(t) for t in ("true", "false")]
        negated = exp.Not(this=value.tree.copy())
        ifs = [exp.If(this=value.tree, true=texts[0]), exp.If(this=negated, true=texts[1])]
        return made(node, exp.Case(ifs=ifs), wanted, [value])
    if wanted == STRING and (given.kind in WHOLE or (value.exact and not given.scale)):
        return made(node, cast_tree(value.tree, STRING), wanted, [value])
    if wanted == DATE and given.kind in ("timestamp", "timestamp_ntz"):
        return made(node, date_tree(value), wanted, [value])
    raise Refused(node, f"{given} cannot become {wanted}: {_no_cast(given, wanted)}")


def _no_cast(given: FieldType, wanted: FieldType) -> str:
    if given.kind in FLOATING and wanted.kind in NUMERIC:
        return "engines round it differently; expected double"
    if wanted.kind == "float":
        return "engines round it differently; expected double"
    if given == STRING:
        return "engines read texts differently; declare the field's type in the contract"
    if wanted == STRING and given.kind in NUMERIC:
        return "engines write it differently; keep it a number"
    if wanted == STRING:
        return f"engines write it differently; keep it a {given}"
    return f"expected {given}"


def _narrowed(node: exp.Expr, value: Value, wanted: FieldType) -> exp.Expr:
    """An exact number as another exact type: rounded half away from zero, NULL if too large."""
    given = as_decimal(value.known)
    if wanted.kind in WHOLE:
        if given.scale:
            raise Refused(
                node,
                f"{given} cannot become {wanted}: it has a fraction; expected ROUND(x, 0), "
                "FLOOR(x) or CEIL(x)",
            )
        bound = _BOUNDS[wanted.kind]
        if given.precision < _WHOLE_DIGITS[wanted.kind]:
            return cast_tree(value.tree, wanted)
        return _guarded(value, given, Decimal(-bound), Decimal(bound - 1), wanted)
    digits = wanted.precision - wanted.scale
    rounds = given.scale > wanted.scale
    if given.precision - given.scale + rounds <= digits:
        return cast_tree(value.tree, wanted)
    # The largest number of the given scale that still fits when it is rounded.
    largest = (
        Decimal(10) ** digits
        - (Decimal(5).scaleb(-wanted.scale - 1) if rounds else 0)
        - Decimal(1).scaleb(-given.scale)
    )
    return _guarded(value, given, -largest, largest, wanted)


def _guarded(
    value: Value, given: FieldType, low: Decimal, high: Decimal, wanted: FieldType
) -> exp.Expr:
    # Flink's casts of numbers that are too large wrap.
    tree = value.tree if value.known == given else cast_tree(value.tree, given)
    limits = (cast_tree(_digits(n), given) for n in (low, high))
    fits = exp.Between(this=tree.copy(), **dict(zip(("low", "high"), limits, strict=True)))
    return exp.Case(ifs=[exp.If(this=fits, true=cast_tree(tree, wanted, safe=True))])
