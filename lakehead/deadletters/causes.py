"""The rules in a cause: ``price.minimum: is -1, expected at least 0`` breaks ``price.minimum``.

A cause lists every rule that was broken. A value in it may hold anything, so only what begins the
cause, or names a rule that the contract can have, is taken for one. Places in arrays and maps are
left out: ``tags[3].type`` is ``tags[].type``. A cause without a rule is its own, numbers left out.
"""

import re

from lakehead.contracts.model import Contract
from lakehead.contracts.sql import literal

_KINDS = (
    *("type", "repeated", "required", "enum", "minimum", "maximum", "min_length", "max_length"),
    *("pattern", "epoch", "clock"),
)
# A key of a map may hold a colon.
_FIRST = r"^((?:[^:\[]|\[[^\]]*\])+): "
_PLACE = r"\[[^\]]*\]"


def later_rule(contract: Contract) -> str:
    """A regular expression, for RE2 and Python, of a rule that stands after another."""
    fields = "|".join(re.escape(f.name) for f in contract.fields)
    of_fields = rf"(?:{fields})(?:\.\w+|{_PLACE})*\.(?:{'|'.join(_KINDS)})"
    own = [re.escape(rule.name) for rule in contract.rules]
    return rf"; ({'|'.join([of_fields, *own])}): is "


def rules_of(cause: str, later: str) -> list[str]:
    """The rules of a cause, as they stand in it. ``later`` is `later_rule`."""
    first = re.match(_FIRST, cause)
    rule = first[1] if first else re.sub(r"\d+", "N", cause)
    return list(dict.fromkeys(re.sub(_PLACE, "[]", r) for r in [rule, *re.findall(later, cause)]))


def rules_sql(later: str) -> str:
    """The rules of the column ``cause`` as DuckDB finds them: a list, without order."""
    first = literal(_FIRST)
    return (
        "list_distinct(list_transform(list_prepend("
        f"CASE WHEN regexp_matches(cause, {first}) THEN regexp_extract(cause, {first}, 1)"
        r" ELSE regexp_replace(cause, '\d+', 'N', 'g') END,"
        f" regexp_extract_all(cause, {literal(later)}, 1)),"
        f" lambda rule: regexp_replace(rule, {literal(_PLACE)}, '[]', 'g')))"
    )
