"""Why a row of a mart is not the batch's: told by leaving out, or putting right, what may have been
the cause. It is the cause where the batch then gives just what the mart has.

redriven   the stream did not count records that were dead, and were sent again when it was too late
late       it did not count late rows, redriven ones among them or not
duplicate  it counted records once that lie in the landing table more than once, as equal rows

They are tried in this order. An answer that none of them gives is unexplained.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa  # type: ignore[import-untyped]

from lakehead.contracts.sql import literal
from lakehead.deadletters.ledger import redriven_of
from lakehead.models.batch import LATE
from lakehead.query.types import quoted
from lakehead.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

REDRIVEN, LATE_ROWS, DUPLICATE = "redriven", "late", "duplicate"
_LATE = quoted(LATE)
_SPARED = quoted("spared$")
# What the stream knew as it landed a record: the copies of one may differ in it.
_NOTED = ("watermark", "late", LATE)


@dataclass(frozen=True)
class Expected:
    """What the stream's answer is computed from if it has this cause: by stream, the rows with
    their ``late$ms``. ``spared`` says which of them a settled answer has whatever its offsets."""

    relations: Mapping[str, str]
    spared: str = "FALSE"


def expected_by_cause(
    settings: Settings, lake: "DuckDBPyConnection", relations: Mapping[str, str]
) -> dict[str, Expected]:
    """By cause, in the order in which they are tried; those that nothing speaks for are left out.

    ``relations`` are the judged rows of each stream.
    """
    found = {}
    if _load_redriven(settings, lake, relations):
        others = {s: _but_for_redriven(s, relation) for s, relation in relations.items()}
        found[REDRIVEN] = Expected(others, _SPARED)
    found[LATE_ROWS] = Expected(relations)
    once = {s: _once(lake, relation) for s, relation in relations.items()}
    if once != relations:
        found[DUPLICATE] = Expected(once)
    return found


def _load_redriven(
    settings: Settings, lake: "DuckDBPyConnection", relations: Mapping[str, str]
) -> bool:
    """Makes ``redriven``: where in their streams dead records came to lie again."""
    rows = [
        {"stream": stream, "p": r.to_partition, "o": r.to_offset}
        for stream in relations
        for r in redriven_of(settings, stream)
        if r.to_offset is not None
    ]
    columns = {"stream": pa.string(), "p": pa.int32(), "o": pa.int64()}
    lake.register("redriven_rows", pa.Table.from_pylist(rows, pa.schema(columns)))
    lake.execute("CREATE TABLE redriven AS FROM redriven_rows")
    return bool(rows)


def _but_for_redriven(stream: str, relation: str) -> str:
    """The rows, none of them late but redriven ones."""
    own = (
        "(j.kafka_partition, j.kafka_offset) IN"
        f" (SELECT (p, o) FROM redriven WHERE stream = {literal(stream)})"
    )
    return (
        f"(SELECT j.* REPLACE (CASE WHEN {own} THEN {_LATE} END AS {_LATE}),"
        f" NOT ({own}) AS {_SPARED} FROM {relation} j)"
    )


def _once(lake: "DuckDBPyConnection", relation: str) -> str:
    """The rows, equal ones once; the relation itself where there are none."""
    twice = lake.execute(
        f"SELECT kafka_partition FROM {relation} GROUP BY kafka_partition"
        " HAVING count(*) > count(DISTINCT kafka_offset)"
    ).fetchone()
    if twice is None:
        return relation
    columns = [row[0] for row in lake.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()]
    same = ", ".join(quoted(c) for c in columns if c not in _NOTED)
    return f"(SELECT DISTINCT ON ({same}) * FROM {relation} ORDER BY {_LATE} NULLS FIRST)"
