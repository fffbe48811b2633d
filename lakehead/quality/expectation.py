"""What is expected of a table, as plain values: made from contracts and models, judged by GX.

Each says twice which rows break it: by its kind and arguments, of which `lakehead.quality.gx` makes
an expectation of Great Expectations, and by ``broken``, a condition in DuckDB's SQL by which those
rows are found. GX judges, the condition shows; the two counts are held equal.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from lakehead.query.types import quoted

Kind = Literal["not_null", "in_set", "between", "length", "pattern", "unique", "greater", "sql"]

# What judges a kind in Great Expectations.
JUDGES: dict[Kind, str] = {
    "not_null": "ExpectColumnValuesToNotBeNull",
    "in_set": "ExpectColumnValuesToBeInSet",
    "between": "ExpectColumnValuesToBeBetween",
    "length": "ExpectColumnValueLengthsToBeBetween",
    "pattern": "ExpectColumnValuesToMatchRegex",
    "unique": "ExpectCompoundColumnsToBeUnique",
    "greater": "ExpectColumnPairValuesAToBeGreaterThanB",
    "sql": "UnexpectedRowsExpectation",
}


@dataclass(frozen=True)
class Expectation:
    """One expectation.

    ``name`` tells it from the suite's others, such as ``status.enum``; ``says`` is it in words.
    ``arguments`` are those of its kind; ``sql`` has none, and is judged by ``broken`` itself.
    ``broken`` is TRUE for a row that breaks it, FALSE or NULL for others; with ``windowed`` it
    looks at other rows too, so that it can only be told of a whole table.
    """

    name: str
    says: str
    kind: Kind
    columns: tuple[str, ...]
    broken: str
    arguments: dict[str, Any] = field(default_factory=dict)
    windowed: bool = False

    @property
    def column(self) -> str:
        """Its columns, as one text."""
        return ", ".join(self.columns)


@dataclass(frozen=True)
class Suite:
    """All that is expected of ``table``; ``identity`` are the columns that tell its rows apart."""

    name: str
    table: str
    identity: tuple[str, ...]
    expectations: tuple[Expectation, ...]

    @property
    def rowwise(self) -> "Suite":
        """Those that can be told of each row by itself."""
        kept = tuple(e for e in self.expectations if not e.windowed)
        return Suite(self.name, self.table, self.identity, kept)


def unique(columns: tuple[str, ...], nullable: bool) -> Expectation:
    """No two rows are alike in ``columns``. To GX a null is like no other, which suits columns that
    are never null; where they may be (``nullable``), null is like null, and SQL judges."""
    listed = ", ".join(map(quoted, columns))
    there = "" if nullable else "".join(f"{quoted(c)} IS NOT NULL AND " for c in columns)
    return Expectation(
        f"{'+'.join(columns)}.unique",
        f"no two rows with the same {', '.join(columns)}",
        "sql" if nullable else "unique",
        columns,
        f"{there}count(*) OVER (PARTITION BY {listed}) > 1",
        {} if nullable else {"column_list": list(columns)},
        windowed=True,
    )


def not_null(column: str) -> Expectation:
    """Each row has a value."""
    return Expectation(
        f"{column}.required",
        f"{column} is not null",
        "not_null",
        (column,),
        f"{quoted(column)} IS NULL",
    )


def greater(column: str, other: str) -> Expectation:
    """``column`` is above ``other``; rows that lack one of them pass."""
    return Expectation(
        f"{column}.greater",
        f"{column} > {other}",
        "greater",
        (column, other),
        f"NOT ({quoted(column)} > {quoted(other)})",
        {"column_A": column, "column_B": other, "ignore_row_if": "either_value_is_missing"},
    )
