"""A contract's rules, types and times as a person says them."""

import json
from datetime import date, timedelta
from decimal import Decimal

from lakehead.contracts.model import Bound, Contract, Field

_UNITS = (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1000))


def duration(length: timedelta) -> str:
    """``timedelta(seconds=90)`` as ``"90 seconds"``: the largest unit that says it exactly."""
    milliseconds = length // timedelta(milliseconds=1)
    for unit, size in _UNITS:
        if milliseconds and milliseconds % size == 0:
            return _counted(milliseconds // size, unit)
    return _counted(milliseconds, "millisecond") if milliseconds else "0 seconds"


def rules_of(field: Field) -> list[str]:
    """Each rule of the field but ``required``, such as ``"1 to 20 characters"``."""
    said = []
    if field.enum:
        said.append("one of " + ", ".join(shown(v) for v in field.enum))
    said += _range(field.minimum, field.maximum)
    unit = "item" if field.type.kind == "array" else "character"
    low, high = field.min_length, field.max_length
    if low is not None and high is not None:
        said.append(_counted(low, unit) if low == high else f"{low} to {_counted(high, unit)}")
    elif low is not None:
        said.append(f"at least {_counted(low, unit)}")
    elif high is not None:
        said.append(f"at most {_counted(high, unit)}")
    if field.pattern is not None:
        said.append(f"matches {field.pattern}")
    if field.unique_within is not None:
        said.append(f"no value twice within {duration(field.unique_within)}")
    if field.references is not None:
        said.append(f"found in {field.references}")
    return said


def settings_of(contract: Contract) -> dict[str, str]:
    """The stream's settings by what they are called, in words."""
    kept = duration(contract.retention)
    if contract.cleanup == "compact":
        kept = f"the newest event of each {contract.key}; every event for {kept}"
    return {
        "event time": contract.event_time,
        "watermark": f"{duration(contract.watermark_delay)} behind the newest event",
        "idle timeout": f"{duration(contract.idle_timeout)} of silence",
        "clock skew": f"at most {duration(contract.clock_skew)} ahead of the broker",
        "key": contract.key,
        "partitions": str(contract.partitions),
        "kept in Kafka": kept,
        "snapshots kept": duration(contract.snapshot_retention),
        "encoding": {"json": "JSON", "avro": "Avro"}[contract.encoding],
    }


def shown(text: str) -> str:
    """Text as it is, or as JSON where its ends could not be seen."""
    plain = text.isprintable() and text and text == text.strip() and "," not in text
    return text if plain else json.dumps(text, ensure_ascii=False)


def _range(low: Bound | None, high: Bound | None) -> list[str]:
    if low is not None and high is not None:
        return [f"{_bound(low)} to {_bound(high)}"]
    if low is not None:
        return [f"at least {_bound(low)}"]
    return [f"at most {_bound(high)}"] if high is not None else []


def _bound(bound: Bound) -> str:
    if isinstance(bound, Decimal):
        return f"{bound:,f}"
    assert isinstance(bound, date)
    return bound.isoformat()


def _counted(number: int, unit: str) -> str:
    return f"{number:,} {unit}{'' if number == 1 else 's'}"
