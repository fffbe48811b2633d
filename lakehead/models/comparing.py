"""An answer held against what a case expects of it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from lakehead.contracts.types import FieldType
from lakehead.contracts.validate.values import single
from lakehead.models.cases import Case, Row

# Engines add binary floating point numbers in different orders.
_CLOSE = {"double": 1e-9, "float": 1e-5}
_INDENT = "    "


@dataclass(frozen=True)
class Difference:
    """A row that is ``expected``, ``actual``, or both where they are likely to be the same one.

    ``expected`` has the columns that the case names, ``actual`` all of them.
    """

    expected: Row | None
    actual: Row | None


def compare(
    case: Case, rows: Iterable[Mapping[str, Any]], stream: bool = False
) -> list[Difference]:
    """How ``rows``, an engine's answer by column, differ from what the case expects; in any order.

    With ``stream`` they are held against what the stream alone gives. Values are Python's: times
    without a zone are in UTC, objects mappings or tuples, maps mappings or pairs. Nothing differs
    where the case does not say.
    """
    expected = case.expect_stream if stream else case.expect
    if expected is None:
        return []
    actual = [{c: plain(kind, row[c]) for c, kind in case.columns.items()} for row in rows]
    taken = _matched(case.columns, expected, actual)
    missing = [row for i, row in enumerate(expected) if i not in taken]
    unexpected = [row for i, row in enumerate(actual) if i not in taken.values()]
    return _paired(case.columns, missing, unexpected)


def plain(kind: FieldType, value: Any) -> Any:
    """A value of any engine's client as the one that stands for it in a case."""
    if value is None:
        return None
    match kind.kind:
        case "timestamp":
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        case "timestamp_ntz":
            return value.replace(tzinfo=None)
        case "decimal":
            return Decimal(value)
        case "binary":
            return bytes(value)
        case "array":
            assert kind.items is not None
            return [plain(kind.items, item) for item in value]
        case "map":
            assert kind.items is not None
            return {key: plain(kind.items, item) for key, item in dict(value).items()}
        case "object":
            inner = value if isinstance(value, Mapping) else _named(kind, value)
            return {name: plain(member, inner[name]) for name, member in kind.members}
    return value


def _named(kind: FieldType, value: Sequence[Any]) -> dict[str, Any]:
    return dict(zip((name for name, _ in kind.members), value, strict=True))


def same(kind: FieldType, expected: Any, actual: Any) -> bool:
    """Whether two values are one: binary floating point numbers, if they are as good as equal."""
    if expected is None or actual is None:
        return expected is actual
    match kind.kind:
        case "float" | "double":
            if math.isnan(expected) or math.isnan(actual):
                return math.isnan(expected) and math.isnan(actual)
            if kind.kind == "float":
                expected, actual = single(expected), single(actual)
            return math.isclose(expected, actual, rel_tol=_CLOSE[kind.kind])
        case "array":
            assert kind.items is not None
            inner = kind.items
            return len(expected) == len(actual) and all(
                same(inner, e, a) for e, a in zip(expected, actual, strict=True)
            )
        case "map":
            assert kind.items is not None
            inner = kind.items
            return expected.keys() == actual.keys() and all(
                same(inner, value, actual[key]) for key, value in expected.items()
            )
        case "object":
            return all(same(t, expected.get(n), actual.get(n)) for n, t in kind.members)
    return bool(expected == actual)


def _agreeing(columns: Mapping[str, FieldType], expected: Row, actual: Row) -> list[str]:
    return [c for c, value in expected.items() if same(columns[c], value, actual[c])]


def _matched(
    columns: Mapping[str, FieldType], expected: Sequence[Row], actual: Sequence[Row]
) -> dict[int, int]:
    """As many pairs as there can be: the place of an expected row -> that of its own actual one.

    Rows may name few columns, so that one fits several: found by augmenting paths.
    """
    fits = [
        [j for j, a in enumerate(actual) if len(_agreeing(columns, e, a)) == len(e)]
        for e in expected
    ]
    owner: dict[int, int] = {}

    def take(i: int, seen: set[int]) -> bool:
        for j in fits[i]:
            if j not in seen:
                seen.add(j)
                if j not in owner or take(owner[j], seen):
                    owner[j] = i
                    return True
        return False

    for i in range(len(expected)):
        take(i, set())
    return {i: j for j, i in owner.items()}


def _paired(
    columns: Mapping[str, FieldType], missing: Sequence[Row], unexpected: Sequence[Row]
) -> list[Difference]:
    """Rows that agree in most columns are shown side by side, the most alike first."""
    left, right = dict(enumerate(missing)), dict(enumerate(unexpected))
    alike = sorted(
        (
            (len(_agreeing(columns, e, a)), -i, -j)
            for i, e in left.items()
            for j, a in right.items()
        ),
        reverse=True,
    )
    found: dict[int, Row] = {}
    for agreeing, i, j in alike:
        if agreeing and -i not in found and -j in right:
            found[-i] = right.pop(-j)
    paired = [Difference(row, found.get(i)) for i, row in left.items()]
    return [*paired, *(Difference(None, row) for row in right.values())]


def shown_differences(case: Case, differences: Sequence[Difference], columns: Iterable[str]) -> str:
    """The differences as lines of a table: - what was expected, + what there is."""
    names = list(columns)
    lines = [(" ", names)]
    marks: list[tuple[int, list[str]]] = []
    for d in differences:
        if d.expected is not None:
            cells = [_cell(case, d.expected[c]) if c in d.expected else "" for c in names]
            lines.append(("-", cells))
        if d.actual is not None:
            lines.append(("+", [_cell(case, d.actual[c]) for c in names]))
        if d.expected is not None and d.actual is not None:
            agreeing = _agreeing(case.columns, d.expected, d.actual)
            marks.append((len(lines), [c for c in d.expected if c not in agreeing]))
    widths = [max(len(cells[i]) for _, cells in lines) for i in range(len(names))]
    texts = [
        f"{_INDENT}{sign} " + "  ".join(c.ljust(w) for c, w in zip(cells, widths, strict=True))
        for sign, cells in lines
    ]
    for after, differing in reversed(marks):
        under = ("^" * w if n in differing else " " * w for n, w in zip(names, widths, strict=True))
        texts.insert(after, f"{_INDENT}  " + "  ".join(under))
    return "\n".join(text.rstrip() for text in texts)


def _cell(case: Case, value: Any) -> str:
    """As the case would be written: times of its day by the clock."""
    if value is None:
        return "null"
    if isinstance(value, datetime):
        moment = value.replace(tzinfo=None)
        clock = moment.time().isoformat()
        return clock if moment.date() == case.day else f"{moment.date()} {clock}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(_cell(case, item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_cell(case, v)}" for k, v in value.items()) + "}"
    text = str(value)
    return text if text.isprintable() else repr(text)
