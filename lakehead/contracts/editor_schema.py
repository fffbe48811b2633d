"""The JSON Schema of a contract's file, for editors: completion, hover, mistakes underlined.

It is as strict as ``load`` where a schema can be, and never stricter. Keys that lakehead gives no
meaning to come from the standard's own model. Draft 7, which YAML language servers know best.
"""

import copy
import json
from typing import Any

from open_data_contract_standard.model import OpenDataContractStandard

from lakehead.contracts.fields import NAME, NAME_EXPECTED, OPTIONS
from lakehead.contracts.fields import SETTINGS as FIELD_SETTINGS
from lakehead.contracts.load import ENGINE, MOST_PARTITIONS
from lakehead.contracts.load import SETTINGS as STREAM_SETTINGS
from lakehead.contracts.model import CLEANUPS, ENCODINGS
from lakehead.contracts.types import KINDS, LOGICAL, NESTED

Json = dict[str, Any]

_NAME = {"type": "string", "pattern": f"^{NAME.pattern}$"}
_DURATION = {
    "type": "string",
    "pattern": r"^\s*\d+\s+(milliseconds?|seconds?|minutes?|hours?|days?)\s*$",
    "examples": ["2 seconds", "7 days"],
}
_LENGTH = {"type": ["integer", "null"], "minimum": 0}
_BOUND = {"type": ["number", "string", "null"]}
_OPTION_VALUES: dict[str, Json] = {
    "minimum": _BOUND,
    "maximum": _BOUND,
    "minLength": _LENGTH,
    "maxLength": _LENGTH,
    "minItems": _LENGTH,
    "maxItems": _LENGTH,
    "pattern": {"type": ["string", "null"], "minLength": 1, "maxLength": 1000},
    "timezone": {"type": ["boolean", "null"]},
}
_OPTION_HELP = {
    "minimum": "The least value, inclusive: a number, a date or a time.",
    "maximum": "The greatest value, inclusive: a number, a date or a time.",
    "minLength": "The fewest characters.",
    "maxLength": "The most characters.",
    "minItems": "The fewest items.",
    "maxItems": "The most items.",
    "pattern": "A regular expression that is found in the value; anchor it with ^ and $ to match "
    "the whole. Only what Java, Python and RE2 read alike.",
    "timezone": "False: a local time, without a zone.",
}
_FIELD_SETTING: dict[str, tuple[Json, str]] = {
    "aliases": (
        {"anyOf": [_NAME, {"type": "array", "items": _NAME}]},
        "Names that the field had before; events that still use one are read.",
    ),
    "uniqueWithin": (_DURATION, "No value comes twice within this time; verified in the lake."),
}
_STREAM_SETTING: dict[str, tuple[Json, str]] = {
    "eventTime": (_NAME, "The field that says when the event happened: a required timestamp."),
    "key": (_NAME, "The field whose equal values share a partition, and so keep their order."),
    "watermarkDelay": (_DURATION, "How far behind the newest event the watermark stays."),
    "idleTimeout": (_DURATION, "After how much silence a partition holds no watermark back."),
    "clockSkew": (_DURATION, "How far ahead of the broker's clock an event time may be."),
    "partitions": (
        {"type": "integer", "minimum": 1, "maximum": MOST_PARTITIONS},
        "Partitions of the topic.",
    ),
    "retention": (_DURATION, "How long Kafka keeps an event; the lake keeps it for ever."),
    "snapshotRetention": (
        _DURATION,
        "How long the lake keeps what its tables were; no row goes with it.",
    ),
    "encoding": ({"enum": list(ENCODINGS)}, "How events are written in Kafka."),
    "cleanup": (
        {"enum": list(CLEANUPS)},
        "delete: events older than the retention go. compact: the newest of each key stays.",
    ),
}
_LOGICAL_HELP = {
    "string": "text; with physicalType binary, bytes",
    "boolean": "true or false",
    "integer": "a whole number of 64 bits; with physicalType int, of 32",
    "number": "a double; with physicalType a float, a decimal(p,s) or a whole number",
    "date": "a day",
    "timestamp": "a moment; with timezone false, a local time",
    "array": "a list; say of what under items",
    "object": "fields within the field; say which under properties",
    "map": "values by text; say of what under map.value",
}
_HELP = {
    "name": "The stream's name, as the file is called: the topic, the tables and the job have it.",
    "version": "The contract's own version, such as 1.0.0.",
    "status": "Such as draft, active or deprecated.",
    "domain": "The owner, where no team is named.",
    "team": "Who owns the stream.",
    "description": "What the stream is for, and what it does not say.",
    "schema": "Exactly one entry: the event.",
    "customProperties": "The stream's settings; eventTime and key must be there.",
}
_FIELD_HELP = {
    "name": f"{NAME_EXPECTED[0].upper()}{NAME_EXPECTED[1:]}.",
    "description": "What the field means, for who reads the event.",
    "required": "Whether an event without the field is refused.",
    "unique": "Needs customProperties: {property: uniqueWithin, value: 1 day}.",
    "enum": "The values that are allowed, as a list of {value: text}.",
    "examples": "Values of the field; sample events use them.",
    "items": "What an array holds; without rules of its own.",
    "map": "A map's value; its keys are text.",
    "properties": "An object's fields.",
    "relationships": "One: {to: stream.field}. Every value is the key of an event there.",
}


def contract_schema() -> Json:
    """The schema, ready to be written as JSON; the same for the same code."""
    schema = OpenDataContractStandard.model_json_schema()
    parts = schema["$defs"]
    for part in parts.values():
        _only_known(part)
    parts["SchemaProperty"] = _property(parts["SchemaProperty"])
    parts["SchemaObject"]["properties"] |= {
        "properties": _fields(),
        "quality": {"type": ["array", "null"], "items": _row_rule(parts["DataQuality"])},
    }
    parts["SchemaObject"]["required"] = ["properties"]
    _only_known(schema)
    properties = schema["properties"]
    for name, text in _HELP.items():
        properties[name]["description"] = text
    properties["name"] |= {"anyOf": [_NAME]}
    one = {"type": "array", "minItems": 1, "maxItems": 1, "items": _ref("SchemaObject")}
    properties["schema"] = {"description": _HELP["schema"], **one}
    properties["customProperties"] = {
        "description": _HELP["customProperties"],
        "type": "array",
        "items": _setting(parts["CustomProperty"], _STREAM_SETTING, STREAM_SETTINGS),
        "allOf": [_has_setting(n) for n, default in STREAM_SETTINGS.items() if default is None],
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **_without_titles(schema),
        "title": "A stream's data contract",
        "description": "Open Data Contract Standard v3, as lakehead reads it.",
        "required": ["name", "schema", "customProperties"],
    }


def _only_known(part: Json) -> None:
    part["additionalProperties"] = False


def _without_titles(node: Any) -> Any:
    """The titles that the model's schema gives each key say no more than the key."""
    if isinstance(node, list):
        return [_without_titles(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    return {k: _without_titles(v) for k, v in node.items() if k != "title" or isinstance(v, dict)}


def _ref(name: str) -> Json:
    return {"$ref": f"#/$defs/{name}"}


def _fields() -> Json:
    named = {"allOf": [_ref("SchemaProperty"), {"required": ["name"]}]}
    return {"type": "array", "minItems": 1, "items": named, "description": "The event's fields."}


def _property(base: Json) -> Json:
    part = copy.deepcopy(base)
    properties = part["properties"]
    for name, text in _FIELD_HELP.items():
        properties[name]["description"] = text
    properties["name"]["anyOf"] = [_NAME, {"type": "null"}]
    listed = "\n".join(f"{name}: {text}" for name, text in _LOGICAL_HELP.items())
    properties["logicalType"] = {
        "description": f"What the field holds.\n\n{listed}",
        "enum": [*LOGICAL, "", None],
    }
    properties["physicalType"] = {
        "description": "The type more exactly: " + ", ".join(_written(k) for k in KINDS),
        **_physical(KINDS),
    }
    properties["logicalTypeOptions"] = {
        "description": "Rules that a value keeps.",
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": {
            name: {"description": _OPTION_HELP[name], **_OPTION_VALUES[name]} for name in OPTIONS
        },
    }
    properties["enum"] |= {"anyOf": [_list_of(_enum_value()), {"type": "null"}]}
    linked = {"required": ["to"], "properties": {"to": {"pattern": f"^{_reference()}$"}}}
    properties["relationships"] |= {
        "anyOf": [
            {**_list_of({"allOf": [_ref("Relationship"), linked]}), "maxItems": 1},
            {"type": "null"},
        ]
    }
    setting = _setting(
        OpenDataContractStandard.model_json_schema()["$defs"]["CustomProperty"],
        _FIELD_SETTING,
        dict.fromkeys(FIELD_SETTINGS, "1 day"),
    )
    properties["customProperties"] = {"type": ["array", "null"], "items": setting}
    part["allOf"] = [_if_logical(name, kinds) for name, kinds in LOGICAL.items()]
    return part


def _reference() -> str:
    return rf"{NAME.pattern}\.{NAME.pattern}"


def _enum_value() -> Json:
    text = {"required": ["value"], "properties": {"value": {"type": "string"}}}
    return {"allOf": [_ref("EnumValue"), text]}


def _list_of(items: Json) -> Json:
    return {"type": "array", "items": items}


def _written(kind: str) -> str:
    return "decimal(p,s)" if kind == "decimal" else kind


def _physical(kinds: tuple[str, ...]) -> Json:
    """The type's names to complete, and the ways of writing them that are read as well."""
    plain = [kind for kind in kinds if kind not in NESTED]
    known: list[Any] = ["decimal(12,2)" if k == "decimal" else k for k in kinds]
    spelt = ["".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in k) for k in plain]
    spelt = [s + r"\(\s*\d{1,3}\s*,\s*\d{1,3}\s*\)" if "[dD][eE][cC]" in s else s for s in spelt]
    pattern = [{"type": "string", "pattern": rf"^\s*({'|'.join(spelt)})\s*$"}] if spelt else []
    return {"anyOf": [{"enum": [*known, "", None]}, *pattern]}


def _if_logical(logical: str, kinds: tuple[str, ...]) -> Json:
    """What a field of this logical type may say beside it."""
    foreign = [o for o, owners in OPTIONS.items() if not set(owners) & set(kinds)]
    then: Json = {
        "physicalType": _physical(kinds),
        "logicalTypeOptions": {"properties": {o: {"type": "null"} for o in foreign}},
    }
    owners = {"object": "properties", "array": "items", "map": "map"}
    then |= {part: {"type": "null"} for kind, part in owners.items() if kind != logical}
    if logical != "string":
        then["enum"] = {"anyOf": [{"type": "null"}, {"maxItems": 0}]}
    needs = {"required": [owners[logical]]} if logical in owners else {}
    return {
        "if": {"required": ["logicalType"], "properties": {"logicalType": {"const": logical}}},
        "then": {"properties": then, **needs},
    }


def _row_rule(base: Json) -> Json:
    rule = copy.deepcopy(base)
    rule["properties"] |= {
        "type": {"const": "custom"},
        "engine": {"const": ENGINE},
        "name": {**_NAME, "description": "The rule's name; a dead event states it."},
        "implementation": {
            "type": "string",
            "maxLength": 2000,
            "description": "A condition in SQL over the event's fields; NULL counts as kept.",
        },
    }
    rule["required"] = ["type", "engine", "name", "implementation"]
    return rule


def _setting(base: Json, known: dict[str, tuple[Json, str]], defaults: dict[str, Any]) -> Json:
    setting = copy.deepcopy(base)
    _only_known(setting)
    listed = "\n".join(f"{name}: {text}" for name, (_, text) in known.items())
    setting["properties"]["property"] = {"enum": list(known), "description": listed}
    setting["required"] = ["property", "value"]
    setting["allOf"] = [
        {
            "if": {"properties": {"property": {"const": name}}},
            "then": {"properties": {"value": {"description": text, **value}}},
        }
        for name, (value, text) in known.items()
    ]
    setting["defaultSnippets"] = [
        {"label": name, "description": text, "body": {"property": name, "value": default or "$1"}}
        for (name, (_, text)), default in zip(known.items(), defaults.values(), strict=True)
    ]
    return setting


def _has_setting(name: str) -> Json:
    has = {"required": ["property"], "properties": {"property": {"const": name}}}
    return {"contains": has}


def schema_text() -> str:
    """The schema as its file has it."""
    return json.dumps(contract_schema(), indent=1, ensure_ascii=False) + "\n"
