"""Contracts at random: valid ones, and what people and programs write instead of one.

A document is cheap to draw: most of a field is picked from lists, since Hypothesis draws slowly.
"""

import copy
import os
from typing import Any

import yaml
from hypothesis import strategies as st

from lakehead.contracts.model import CLEANUPS, ENCODINGS

STREAM = "events"
# How many examples the tests over whole contracts take; `make test` asks for 1000.
MANY = int(os.environ.get("LAKEHEAD_EXAMPLES", "100"))
# Names that are words of SQL, of Python or of lakehead's own, and the longest one.
NAMES = [
    *("a", "b", "id", "x1", "amount", "address", "zip", "select", "order", "group", "table"),
    *("value", "raw", "models", "user", "end", "null", "true", "interval", "timestamp", "row"),
    *("offset", "partition", "class", "self", "n" * 63, "none", "date", "key", "watermark_"),
]
TEXTS = [
    *("", "plain", "it's", "'; DROP TABLE x; --", "`", '"', "\\", "a|b", "<b>&amp;</b>", "${x}"),
    *("| a | b |", "# title", "- {a: b}", "é\u20ac\U0001f600", "\u202e", "{{ 7*7 }}", "no", "null"),
    *("two\nlines", "[x](javascript:1)", "%s", "2026-01-01", "1e3", "<script>alert(1)</script>"),
]
PATTERNS = ["^[A-Z]?[0-9]{6}$", r"\d+", "a|b", "it's", r"^\S+@\S+$", "(?:ab)+?", "[^'`|<]"]
LENGTHS = ["0 seconds", "1 millisecond", "2 seconds", "90 minutes", "24 hours", "999 days"]
NUMBERS = ["long", "int", "float", "double", "decimal(12,3)", "decimal(38,0)", "decimal(1,1)"]
_LOGICAL = {"long": "integer", "int": "integer"}
_BOUNDS: dict[str, list[Any]] = {
    "number": [-100000, -1.5, 0, "0.10", 7, 10**20],
    "date": ["1970-01-01", "2026-01-31"],
    "timestamp": ["1970-01-01T00:00:00Z", "2026-01-31T10:00:00.5+02:00"],
    "timestamp_ntz": ["1970-01-01T00:00:00", "2026-01-31T10:00:00.000001"],
}

texts = st.sampled_from(TEXTS) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12
)


def to_yaml(document: Any) -> str:
    """The document as its file has it; without aliases, which a contract may not have."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _bounds(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    low, high = sorted(
        draw(st.lists(st.integers(0, len(_BOUNDS[kind]) - 1), min_size=2, max_size=2))
    )
    chosen = draw(st.sampled_from([(), ("minimum",), ("maximum",), ("minimum", "maximum")]))
    options = {"minimum": _BOUNDS[kind][low], "maximum": _BOUNDS[kind][high]}
    return {name: options[name] for name in chosen}


@st.composite
def _kinds(draw: st.DrawFn, depth: int = 0) -> dict[str, Any]:
    """What a field holds: its types and the rules that fit them."""
    shapes = ["string", "number", "time", "plain", "enum"] + ["nested"] * (depth < 2)
    shape = draw(st.sampled_from(shapes))
    if shape == "string":
        options = draw(
            st.sampled_from(
                [{}, {"minLength": 1}, {"maxLength": 20}, {"minLength": 0, "maxLength": 0}]
            )
        )
        pattern = draw(st.none() | st.sampled_from(PATTERNS))
        options = options | ({"pattern": pattern} if pattern else {})
        return {"logicalType": "string", "logicalTypeOptions": options}
    if shape == "enum":
        values = draw(st.lists(texts, min_size=1, max_size=3, unique=True))
        return {"logicalType": "string", "enum": [{"value": v} for v in values]}
    if shape == "number":
        physical = draw(st.sampled_from(NUMBERS))
        logical = _LOGICAL.get(physical, "number")
        return {
            "logicalType": logical,
            "physicalType": physical,
            "logicalTypeOptions": _bounds(draw, "number"),
        }
    if shape == "time":
        kind = draw(st.sampled_from(["date", "timestamp", "timestamp_ntz"]))
        options = _bounds(draw, kind)
        if kind == "timestamp_ntz":
            options["timezone"] = False
        return {"logicalType": kind.removesuffix("_ntz"), "logicalTypeOptions": options}
    if shape == "plain":
        plain = [
            {"logicalType": "boolean"},
            {"logicalType": "string", "physicalType": "binary"},
            {"logicalType": "integer"},
            {"logicalType": "number"},
        ]
        return dict(draw(st.sampled_from(plain)))
    if draw(st.booleans()):
        return {"logicalType": "object", "properties": draw(_properties(depth + 1, least=1))}
    inner = draw(_kinds(depth + 1))
    _without_rules(inner)
    if draw(st.booleans()):
        options = draw(st.sampled_from([{}, {"minItems": 1}, {"minItems": 0, "maxItems": 3}]))
        return {"logicalType": "array", "items": inner, "logicalTypeOptions": options}
    return {"logicalType": "map", "map": {"key": {"logicalType": "string"}, "value": inner}}


def _without_rules(kind: dict[str, Any]) -> None:
    """Nothing within an array or a map has rules; but ``timezone`` is part of the type."""
    kind.pop("enum", None)
    kind.pop("required", None)
    options = kind.pop("logicalTypeOptions", {})
    if "timezone" in options:
        kind["logicalTypeOptions"] = {"timezone": options["timezone"]}
    for inner in kind.get("properties", ()):
        _without_rules(inner)
    if "items" in kind:
        _without_rules(kind["items"])


@st.composite
def _properties(draw: st.DrawFn, depth: int = 0, least: int = 0) -> list[dict[str, Any]]:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=least, max_size=4 - depth, unique=True))
    fields = []
    for name in names:
        field = {"name": name, **draw(_kinds(depth))}
        if draw(st.booleans()):
            field |= {"required": True, "description": draw(texts)}
        fields.append(field)
    return fields


def _between_events(draw: st.DrawFn, fields: list[dict[str, Any]]) -> None:
    """Aliases, uniqueness, a reference: for some of the event's own fields."""
    for i, field in enumerate(fields):
        extra = draw(st.sampled_from(["", "", "", "alias", "unique", "reference", "examples"]))
        if extra == "alias":
            old = [f"old{i}", f"older{i}"]
            value = old if draw(st.booleans()) else old[0]
            field["customProperties"] = [{"property": "aliases", "value": value}]
        elif extra == "unique":
            field["unique"] = True
            field["customProperties"] = [{"property": "uniqueWithin", "value": "1 day"}]
        elif extra == "reference":
            field["relationships"] = [{"to": "customers.customer_id"}]
        elif extra == "examples":
            field["examples"] = ["a", 1]


@st.composite
def contracts(draw: st.DrawFn, stream: str = STREAM) -> dict[str, Any]:
    """A valid contract of ``stream``, as the document that its file is."""
    fields = draw(_properties())
    _between_events(draw, fields)
    clock = draw(st.sampled_from(["event_time", "at", "ts"]))
    fields.insert(
        draw(st.integers(0, len(fields))),
        {"name": clock, "logicalType": "timestamp", "required": True},
    )
    plain = [f["name"] for f in fields if f["logicalType"] not in ("array", "object", "map")]
    optional = {
        "watermarkDelay": LENGTHS,
        "idleTimeout": LENGTHS,
        "clockSkew": LENGTHS,
        "retention": [*LENGTHS, "36500 days"],
        "snapshotRetention": [*LENGTHS, "36500 days"],
        "partitions": [1, 4, 1000],
        "encoding": list(ENCODINGS),
        "cleanup": list(CLEANUPS),
    }
    chosen = draw(st.lists(st.sampled_from(list(optional)), unique=True, max_size=3))
    settings = {"eventTime": clock, "key": draw(st.sampled_from(plain))}
    settings |= {name: draw(st.sampled_from(optional[name])) for name in chosen}
    entry: dict[str, Any] = {"name": stream, "physicalType": "topic", "properties": fields}
    if draw(st.booleans()):
        name = draw(st.sampled_from(plain))
        condition = draw(
            st.sampled_from(['"{}" IS NOT NULL', 'COALESCE("{0}", "{0}") = "{0}"', "1 < 2"])
        )
        entry["quality"] = [
            {
                "name": "rule",
                "type": "custom",
                "engine": "lakehead",
                "implementation": condition.format(name),
                "description": draw(texts),
            }
        ]
    return {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": stream,
        "name": stream,
        "version": draw(st.sampled_from(["1.0.0", "2.1.3"])),
        "status": "active",
        "description": {"purpose": draw(texts), "limitations": draw(texts)},
        "schema": [entry],
        "customProperties": [{"property": k, "value": v} for k, v in settings.items()],
    }


_SQL = [
    *(
        "amount",
        "name",
        "paid",
        "at",
        "a",
        "(",
        ")",
        "AND",
        "OR",
        "NOT",
        "=",
        "<",
        "+",
        "-",
        "*",
        "/",
        "'x'",
        "1",
        "NULL",
        "IN",
    ),
    *("BETWEEN", "LIKE", "IS", "CASE", "WHEN", "THEN", "END", "INTERVAL", "'1'", "DAY", ".", ","),
    *("COALESCE(", "ABS(", "LENGTH(", "event_time", "`", '"', ";", "--", "/*", "SELECT", "::", "["),
]
# Words of a rule's SQL, in any order.
conditions = st.lists(st.sampled_from(_SQL), max_size=9).map(" ".join)
_ODD: list[Any] = [
    *(None, True, False, 0, -1, 3, 10**400, 2**63, 0.5, float("nan"), float("inf"), b"\xff", ""),
    *([], {}, [[]], {"a": []}, {None: 1}, {1: 2}, [None], {"name": {}}, ["x", {}], "x" * 300),
    *("1 day", "999999999999 days", "1000 days", "decimal(38,39)", "decimal", "int", "timestamp"),
    *("object", "array", "map", "a{9999999999}", "(" * 500, "[a--b]", "[+--]", "\\", "9" * 5000),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "kafka_offset", "late", "a\0b"),
    *("A.b", "customers.id", "1+" * 900 + "1", "a" + "-1+1" * 400 + " > 0", "\ud800", "\x85"),
]
_KEYS = [
    *("name", "logicalType", "physicalType", "logicalTypeOptions", "enum", "properties", "items"),
    *("map", "required", "unique", "relationships", "quality", "examples", "customProperties"),
    *("schema", "description", "team", "tags", "servers", "price", "<<", "", "nmae", "schema_"),
]
_odd = (
    st.sampled_from(_ODD)
    | texts
    | conditions
    | st.sampled_from(_ODD).map(lambda v: [v])
    | st.tuples(st.sampled_from(_KEYS), st.sampled_from(_ODD)).map(lambda p: {p[0]: p[1]})
)


def _nodes(node: Any) -> list[tuple[Any, Any]]:
    """Each place in a document: what holds it, and its key."""
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    found = [(node, key) for key in keys]
    for key in keys:
        if isinstance(node[key], dict | list):
            found += _nodes(node[key])
    return found


@st.composite
def mutated_documents(draw: st.DrawFn) -> Any:
    """A valid contract in which one to three places hold something else."""
    document = copy.deepcopy(draw(contracts()))
    for _ in range(draw(st.integers(1, 3))):
        places = _nodes(document)
        if not places:
            break
        holder, key = places[draw(st.integers(0, len(places) - 1))]
        change = draw(st.sampled_from(["put", "put", "delete", "add", "twice", "deep"]))
        if change == "delete":
            del holder[key]
        elif change == "add" and isinstance(holder, dict):
            holder[draw(st.sampled_from(_KEYS))] = copy.deepcopy(draw(_odd))
        elif change == "twice" and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        elif change == "deep":
            holder[key] = _deep(holder[key], draw(st.sampled_from([3, 10, 28, 70])))
        else:
            holder[key] = copy.deepcopy(draw(_odd))
    return document


def _deep(node: Any, depth: int) -> Any:
    for _ in range(depth):
        node = {"logicalType": "array", "items": node}
    return node


@st.composite
def broken_documents(draw: st.DrawFn) -> bytes:
    """What a contract's file may hold: changed contracts, other YAML, other bytes."""
    shape = draw(st.sampled_from(["mutated"] * 6 + ["cut"] * 3 + ["values", "bytes", "yaml"]))
    if shape == "bytes":
        return draw(st.binary(max_size=60))
    if shape == "values":
        return _encoded(to_yaml(draw(_odd)))
    if shape == "yaml":
        signs = [*"{}[]:,-?&*!|>'\"%@`# \n\tabc019~<=", "---\n", "!!int ", "!!set ", "\ufeff"]
        return _encoded("".join(draw(st.lists(st.sampled_from(signs), max_size=25))))
    text = to_yaml(draw(mutated_documents() if shape == "mutated" else contracts()))
    if shape == "cut":
        at, cut = draw(st.integers(0, len(text))), draw(st.integers(0, 40))
        text = text[:at] + draw(texts) + text[at + cut :]
    return _encoded(text)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
