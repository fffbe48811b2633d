"""The ON of a model that joins: equal keys, and for an interval join a span of time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlglot import exp

from lakehead.models.header import ModelProblem
from lakehead.models.model import Model

if TYPE_CHECKING:
    from lakehead.models.bind import Input

_UNITS = {"SECOND": "seconds", "MINUTE": "minutes", "HOUR": "hours", "DAY": "days"}
_EXPECTED_SPAN = (
    "expected such as p.event_time BETWEEN o.event_time AND o.event_time + INTERVAL '1' HOUR"
)
Fail = Callable[[str, exp.Expr | None], ModelProblem]


@dataclass(frozen=True)
class JoinOn:
    """``pairs`` are equal columns, left and right. The right event lies from ``lower`` to ``upper``
    after the left one, both inclusive; None for a join as of the left event's time.
    ``outer`` is whether left rows without a right one stay."""

    pairs: tuple[tuple[str, str], ...]
    outer: bool
    lower: timedelta | None = None
    upper: timedelta | None = None


def read_join(model: Model, inputs: "tuple[Input, ...]", fail: Fail) -> JoinOn:
    """The join of a model of kind enrich or join. Raises ModelProblem."""
    join = model.select.args["joins"][0]
    left, right = inputs
    side = str(join.args.get("side") or "").upper()
    kind = str(join.args.get("kind") or "INNER").upper()
    odd = kind not in ("INNER", "OUTER") or join.args.get("using") or join.args.get("method")
    if side not in ("", "LEFT") or odd:
        raise fail(f"{join.sql()}: expected JOIN or LEFT JOIN ... ON", join)
    if join.args.get("on") is None:
        raise fail(f"{join.sql()}: the join has no ON; expected equal keys", join)
    version = join.this.args.get("version")
    pairs, spans = [], []
    on = join.args["on"].unnest()
    for part in on.flatten() if isinstance(on, exp.And) else [on]:
        part = part.unnest()
        if isinstance(part, exp.EQ):
            pairs.append(_pair(part, left, right, fail))
        elif isinstance(part, exp.Between) and model.kind == "join":
            spans.append(_span(part, left, right, fail))
        else:
            raise fail(f"{part.sql()}: expected equal keys, or a span of time by BETWEEN", part)
    if not pairs:
        raise fail("the ON has no equal keys; expected such as o.id = p.id", join)
    if model.kind == "join":
        if version is not None:
            raise fail("FOR SYSTEM_TIME AS OF is for models of kind enrich", join)
        if side == "LEFT":
            raise fail("an interval join keeps matches alone; expected JOIN, not LEFT JOIN", join)
        if len(spans) != 1:
            raise fail(
                f"a join without a time limit keeps its state for ever; {_EXPECTED_SPAN}", join
            )
        return JoinOn(tuple(pairs), False, *spans[0])
    _check_version(version, left, join, fail)
    if [r for _, r in pairs] != [right.key]:
        raise fail(
            f"the ON names {', '.join(r for _, r in pairs)} of {right.stream}; expected its key "
            f"{right.key}, by which it has versions",
            join,
        )
    return JoinOn(tuple(pairs), side == "LEFT")


def _check_version(version: exp.Expr | None, left: "Input", join: exp.Expr, fail: Fail) -> None:
    wanted = f"FOR SYSTEM_TIME AS OF {left.alias}.{left.event_time}"
    at = version.args.get("expression") if version is not None else None
    said = at.sql() if at is not None else "nothing"
    as_of = version is not None and (version.name, version.text("kind")) == ("TIMESTAMP", "AS OF")
    if not as_of or not _is_clock(at, left):
        raise fail(f"the dimension is read as of {said}; expected {wanted}", join)


def _is_clock(node: exp.Expr | None, side: "Input") -> bool:
    """Whether it is the event time of a side, in quotes or not."""
    names = [part.name for part in node.parts] if isinstance(node, exp.Column) else []
    return names == [side.alias, side.event_time]


def _pair(part: exp.EQ, left: "Input", right: "Input", fail: Fail) -> tuple[str, str]:
    by_alias = {left.alias: left, right.alias: right}
    sides: dict[str | None, str] = {}
    for column in (part.left, part.right):
        if not isinstance(column, exp.Column) or len(column.parts) != 2:
            raise fail(f"{part.sql()}: expected a column of each side", part)
        if column.table not in by_alias:
            raise fail(f"{part.sql()}: expected a column of each side", part)
        of = by_alias[column.table]
        if column.name not in of.fields:
            raise fail(
                f"{column.sql()} is not a field of {of.stream}; expected one of "
                f"{', '.join(of.fields)}",
                part,
            )
        sides[column.table] = column.name
    if len(sides) != 2:
        raise fail(f"{part.sql()}: expected a column of each side", part)
    pair = sides[left.alias], sides[right.alias]
    kinds = left.fields[pair[0]], right.fields[pair[1]]
    if kinds[0] != kinds[1]:
        raise fail(f"{part.sql()}: compares a {kinds[0]} with a {kinds[1]}", part)
    if kinds[0].nested or kinds[0].kind in ("float", "double"):
        raise fail(f"{part.sql()}: a {kinds[0]} is no key", part)
    return pair


def _span(
    part: exp.Between, left: "Input", right: "Input", fail: Fail
) -> tuple[timedelta, timedelta]:
    if not _is_clock(part.this, right):
        raise fail(f"{part.sql()}: {_EXPECTED_SPAN}", part)
    lower, upper = (_distance(part.args[b], left, fail) for b in ("low", "high"))
    if lower > upper:
        raise fail(f"{part.sql()}: no time lies in between", part)
    return lower, upper


def _distance(bound: exp.Expr, left: "Input", fail: Fail) -> timedelta:
    """How far a bound lies from the left event's time."""
    if _is_clock(bound, left):
        return timedelta()
    interval = bound.args.get("expression")
    if (
        not isinstance(bound, exp.Add | exp.Sub)
        or not _is_clock(bound.this, left)
        or not isinstance(interval, exp.Interval)
    ):
        raise fail(f"{bound.sql()}: {_EXPECTED_SPAN}", bound)
    unit = str(interval.args.get("unit") or "").upper()
    amount = interval.this.name if isinstance(interval.this, exp.Literal) else ""
    if unit not in _UNITS or not amount.isdecimal() or len(amount) > 9:
        raise fail(f"{bound.sql()}: {_EXPECTED_SPAN}", bound)
    length = timedelta(**{_UNITS[unit]: int(amount)})
    if length > timedelta(days=999):
        raise fail(f"{bound.sql()}: expected 999 days at most", bound)
    return -length if isinstance(bound, exp.Sub) else length
