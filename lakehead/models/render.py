"""An engine-neutral tree, as `expressions` makes it, in the SQL of one engine.

Written out here node by node, since sqlglot's own writers mend and translate SQL as they see fit.
"""

import re
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from sqlglot import exp

from lakehead.contracts.sql import interval
from lakehead.contracts.types import FieldType
from lakehead.models.values import field_type

_BINARY: dict[type[exp.Expr], str] = {
    exp.And: "AND",
    exp.Or: "OR",
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Is: "IS",
    exp.DPipe: "||",
}
_CALLS: dict[type[exp.Expr], str] = {
    exp.Count: "COUNT",
    exp.Sum: "SUM",
    exp.Min: "MIN",
    exp.Max: "MAX",
    exp.Abs: "ABS",
    exp.Floor: "FLOOR",
    exp.Ceil: "CEIL",
    exp.Length: "CHAR_LENGTH",
    exp.Coalesce: "COALESCE",
    exp.Nullif: "NULLIF",
    exp.Mod: "MOD",
}
# Of a part of a time: the seconds of what it is counted within, and of one.
_SECONDS = {"HOUR": (86_400, 3_600), "MINUTE": (3_600, 60), "SECOND": (60, 1)}
_SPECIAL_IN_PATTERNS = re.compile(r"[.\\+*?\[\](){}|^$]")


def render(tree: exp.Expr, engine: str) -> str:
    """The SQL of ``tree`` for ``engine``: flink, spark or duckdb."""
    return _ENGINES[engine].text(tree)


@dataclass(frozen=True)
class _Engine:
    """``special`` are the nodes that this engine writes in its own way."""

    quote: str
    type_name: Callable[[FieldType], str]
    special: dict[type[exp.Expr], Callable[["_Engine", exp.Expr], str]] = field(
        default_factory=dict
    )

    def text(self, node: exp.Expr) -> str:
        if write := self.special.get(type(node)):
            return write(self, node)
        if operator := _BINARY.get(type(node)):
            return f"({self.text(node.this)} {operator} {self.text(node.expression)})"
        if name := _CALLS.get(type(node)):
            arguments = [node.this, *self._more(node)]
            return f"{name}({', '.join(self.text(a) for a in arguments)})"
        match node:
            case exp.Paren():
                return self.text(node.this)
            case exp.Column():
                return ".".join(self.identifier(part.name) for part in node.parts)
            case exp.Dot():
                return f"{self.text(node.this)}.{self.identifier(node.expression.name)}"
            case exp.Literal():
                return self.string(node.name) if node.is_string else node.name
            case exp.Boolean():
                return "TRUE" if node.this else "FALSE"
            case exp.Null():
                return "NULL"
            case exp.Star():
                return "*"
            case exp.Not():
                return f"(NOT {self.text(node.this)})"
            case exp.Neg():
                return f"(- {self.text(node.this)})"
            case exp.In():
                listed = ", ".join(self.text(e) for e in node.expressions)
                return f"({self.text(node.this)} IN ({listed}))"
            case exp.Between():
                low, high = (self.text(node.args[b]) for b in ("low", "high"))
                return f"({self.text(node.this)} BETWEEN {low} AND {high})"
            case exp.Like():
                pattern = self.literal(node.expression.name)
                return f"({self.text(node.this)} LIKE {pattern})"
            case exp.Case():
                return self._case(node)
            case exp.TryCast():
                return self._cast("TRY_CAST", node)
            case exp.Cast():
                return self._cast("CAST", node)
            case exp.Distinct():
                return f"DISTINCT {self.text(node.expressions[0])}"
            case exp.Substring():
                numbers = ", ".join(self.text(node.args[a]) for a in ("start", "length"))
                return f"SUBSTRING({self.text(node.this)}, {numbers})"
            case exp.Upper() | exp.Lower():
                letters = [string.ascii_lowercase, string.ascii_uppercase]
                old, new = letters if isinstance(node, exp.Upper) else reversed(letters)
                return f"TRANSLATE({self.text(node.this)}, {self.string(old)}, {self.string(new)})"
            case exp.Trim():
                position = node.args["position"]
                return f"TRIM({position} {self.string(' ')} FROM {self.text(node.this)})"
            case exp.Extract():
                return f"EXTRACT({node.this.name} FROM {self.text(node.expression)})"
            case exp.TimestampTrunc():
                return f"DATE_TRUNC('{node.args['unit'].name}', {self.text(node.this)})"
            case exp.Collate():
                return self.text(node.this)
            case exp.Interval():
                return f"INTERVAL '{node.this.name}' SECOND"
        raise AssertionError(f"{type(node).__name__} is not a node of an engine-neutral tree")

    def identifier(self, name: str) -> str:
        return f"{self.quote}{name.replace(self.quote, self.quote * 2)}{self.quote}"

    def literal(self, text: str) -> str:
        """A text in quotes."""
        if self is not SPARK:
            return "'" + text.replace("'", "''") + "'"
        # Spark reads escapes in literals, and fills in ${...} wherever it stands.
        return "'" + "".join(f"\\u{ord(c):04x}" if c in "\\'${" else c for c in text) + "'"

    def string(self, text: str) -> str:
        """A text in quotes, of no fixed length."""
        quoted = self.literal(text)
        return f"CAST({quoted} AS STRING)" if self is FLINK else quoted

    def _more(self, node: exp.Expr) -> list[exp.Expr]:
        single = node.args.get("expression")
        return [*([single] if single is not None else []), *node.expressions]

    def _case(self, node: exp.Case) -> str:
        branches = " ".join(
            f"WHEN {self.text(i.this)} THEN {self.text(i.args['true'])}" for i in node.args["ifs"]
        )
        default = node.args.get("default")
        otherwise = f" ELSE {self.text(default)}" if default is not None else ""
        return f"CASE {branches}{otherwise} END"

    def _cast(self, word: str, node: exp.Expr) -> str:
        type_ = field_type(node.args["to"])
        if isinstance(node.this, exp.Literal) and node.this.is_string and type_.kind in _TIMES:
            return _TIMES[type_.kind](self, self.literal(node.this.name))
        return f"{word}({self.text(node.this)} AS {self.type_name(type_)})"


def _timestamp_literal(engine: _Engine, text: str) -> str:
    if engine is FLINK:
        return f"CAST(TIMESTAMP {text} AS TIMESTAMP_LTZ(6))"
    zoned = f"{text[:-1]}+00:00'"
    return f"TIMESTAMP {zoned}" if engine is SPARK else f"TIMESTAMPTZ {zoned}"


def _timestamp_ntz_literal(engine: _Engine, text: str) -> str:
    return f"TIMESTAMP_NTZ {text}" if engine is SPARK else f"TIMESTAMP {text}"


_TIMES: dict[str, Callable[[_Engine, str], str]] = {
    "date": lambda engine, text: f"DATE {text}",
    "timestamp": _timestamp_literal,
    "timestamp_ntz": _timestamp_ntz_literal,
}


def _flink_like(engine: _Engine, node: exp.Expr) -> str:
    """In Flink's LIKE the _ is not a line break."""
    pattern = node.expression.name
    if "_" not in pattern:
        return f"({engine.text(node.this)} LIKE {engine.literal(pattern)})"
    quoted = _SPECIAL_IN_PATTERNS.sub(r"\\\g<0>", pattern).replace("_", ".").replace("%", ".*")
    whole = rf"(?s)\A{quoted}\z"
    return f"REGEXP({engine.text(node.this)}, {engine.literal(whole)})"


def _flink_literal(engine: _Engine, node: exp.Expr) -> str:
    """Flink's numbers hold what a BIGINT does; longer decimals are cast from a text."""
    if node.is_string:
        return engine.string(node.name)
    digits = sum(c.isdigit() for c in node.name)
    return engine.literal(node.name) if digits > 18 and "E" not in node.name else node.name


def _flink_interval(engine: _Engine, node: exp.Expr) -> str:
    return interval(timedelta(seconds=int(node.this.name)))


def _flink_trunc(engine: _Engine, node: exp.Expr) -> str:
    """Flink's weeks begin on Sunday, and its FLOOR to a month errs before 1582."""
    text, unit = engine.text(node.this), node.args["unit"].name
    if unit == "WEEK":
        # The first day of the epoch was a Thursday.
        since_monday = f"MOD(MOD(EXTRACT(EPOCH FROM {text}) / 86400 - 4, 7) + 7, 7)"
        return f"({text} - INTERVAL '1' DAY * {since_monday})"
    if unit not in ("MONTH", "QUARTER"):
        return f"FLOOR({text} TO {unit})"
    month = f"({text} - INTERVAL '1' DAY * (EXTRACT(DAY FROM {text}) - 1))"
    if unit == "MONTH":
        return month
    return f"({month} - INTERVAL '1' MONTH * MOD(EXTRACT(MONTH FROM {text}) - 1, 3))"


def _flink_extract(engine: _Engine, node: exp.Expr) -> str:
    """Flink's parts of a time are negative before 1970."""
    text, unit = engine.text(node.expression), node.this.name
    if unit not in _SECONDS:
        return f"EXTRACT({unit} FROM {text})"
    within, length = _SECONDS[unit]
    since = f"EXTRACT(EPOCH FROM FLOOR({text} TO SECOND))"
    return f"(MOD(MOD({since}, {within}) + {within}, {within}) / {length})"


def _flink_collate(engine: _Engine, node: exp.Expr) -> str:
    """Flink orders two texts by UTF-16 where both are Java's strings; a new one is bytes."""
    return f"SUBSTRING({engine.text(node.this)}, 1, {2**31 - 1})"


def _spark_extract(engine: _Engine, node: exp.Expr) -> str:
    """Spark's seconds have a fraction."""
    text = f"EXTRACT({node.this.name} FROM {engine.text(node.expression)})"
    return f"FLOOR({text})" if node.this.name == "SECOND" else text


def _duckdb_trim(engine: _Engine, node: exp.Expr) -> str:
    """DuckDB's TRIM of its own takes other kinds of space away."""
    name = {"BOTH": "TRIM", "LEADING": "LTRIM", "TRAILING": "RTRIM"}[node.args["position"]]
    return f"{name}({engine.text(node.this)}, ' ')"


def _quantile(name: str) -> Callable[[_Engine, exp.Expr], str]:
    return lambda engine, node: (
        f"{name}({engine.text(node.this)}, {engine.text(node.args['quantile'])})"
    )


FLINK = _Engine(
    "`",
    FieldType.flink,
    {
        exp.Like: _flink_like,
        exp.Literal: _flink_literal,
        exp.Interval: _flink_interval,
        exp.TimestampTrunc: _flink_trunc,
        exp.Extract: _flink_extract,
        exp.Collate: _flink_collate,
        exp.Quantile: _quantile("PERCENTILE"),
    },
)
SPARK = _Engine(
    "`",
    FieldType.spark,
    {exp.Extract: _spark_extract, exp.Quantile: _quantile("PERCENTILE")},
)
DUCKDB = _Engine(
    '"',
    FieldType.duckdb,
    {exp.Trim: _duckdb_trim, exp.Quantile: _quantile("QUANTILE_CONT")},
)
_ENGINES = {"flink": FLINK, "spark": SPARK, "duckdb": DUCKDB}
