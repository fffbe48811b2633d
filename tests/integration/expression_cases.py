"""Expressions of models, and rows of extreme values over which every engine must answer alike."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from lakehead.contracts.types import FieldType, parse_type
from lakehead.live.arrow import arrow_type

COLUMNS: Mapping[str, FieldType] = {
    **{
        name: parse_type(kind)
        for name, kind in {
            "k": "string",
            "i": "int",
            "l": "long",
            "p": "decimal(10,3)",
            "w": "decimal(28,9)",
            "big": "decimal(38,0)",
            "fine": "decimal(38,38)",
            "d": "double",
            "e": "double",
            "f": "float",
            "s": "string",
            "t": "string",
            "b": "boolean",
            "day": "date",
            "ts": "timestamp",
            "n": "timestamp_ntz",
        }.items()
    },
    "o": FieldType("object", members=(("zip", parse_type("string")), ("count", parse_type("int")))),
}
_NAN, _INF = float("nan"), float("inf")
_NINES = Decimal("9" * 38)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def rows() -> list[dict[str, Any]]:
    """Rows of ``COLUMNS``; ``k`` groups them."""
    names = list(COLUMNS)
    given: list[tuple[Any, ...]] = [
        (
            "a",
            3,
            7,
            Decimal("12.345"),
            Decimal("1.500000000"),
            Decimal(5),
            Decimal("0." + "1" * 38),
            1.5,
            0.1,
            0.1,
            "abc",
            "ab",
            True,
            date(2026, 1, 31),
            "2026-01-31T23:59:58.123456",
            "2024-02-29T12:34:56.789012",
            {"zip": "00123", "count": 4},
        ),
        (
            "a",
            -3,
            -7,
            Decimal("-12.345"),
            Decimal("-2.500000000"),
            Decimal(-5),
            Decimal("-0." + "9" * 38),
            -1.5,
            -0.0,
            -0.1,
            "",
            " ",
            False,
            date(1969, 12, 31),
            "1969-12-31T23:59:59.999999",
            "1969-12-31T23:59:59.000001",
            {"zip": "", "count": -1},
        ),
        (
            "a",
            0,
            0,
            Decimal("0.000"),
            Decimal("0.000000000"),
            Decimal(0),
            Decimal(0),
            0.0,
            0.0,
            0.0,
            "ABCxyz",
            "%",
            None,
            date(1970, 1, 1),
            "1970-01-01T00:00:00",
            "1970-01-01T00:00:00",
            {"zip": None, "count": None},
        ),
        (
            "a",
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
        ),
        (
            "b",
            2**31 - 1,
            2**63 - 1,
            Decimal("9999999.999"),
            Decimal("9" * 19 + "." + "9" * 9),
            _NINES,
            Decimal("0." + "5" * 38),
            1.7976931348623157e308,
            5e-324,
            3.4028234663852886e38,
            "\U0001d11e\u00df\ufb00\u0130\u0131\u00e9",
            "\U0001d11e",
            True,
            date(9990, 12, 31),
            "9990-12-31T23:59:59.999999",
            "9990-12-31T23:59:59.999999",
            {"zip": "x", "count": 1},
        ),
        (
            "b",
            -(2**31),
            -(2**63),
            Decimal("-9999999.999"),
            Decimal("-" + "9" * 19 + "." + "9" * 9),
            Decimal("-" + "9" * 38),
            Decimal("-0." + "5" * 38),
            -1.7976931348623157e308,
            -5e-324,
            -3.4028234663852886e38,
            "\uff5e",
            "\uffee",
            False,
            date(3, 1, 1),
            "0003-01-01T00:00:00.000001",
            "0003-01-01T00:00:00.000001",
            {"zip": "y", "count": 2},
        ),
        (
            "b",
            1,
            -1,
            Decimal("0.005"),
            Decimal("0.000000005"),
            Decimal(10) ** 37,
            Decimal("0." + "0" * 37 + "5"),
            _NAN,
            1.0,
            _NAN,
            "a\nb",
            "a_b",
            True,
            date(1582, 10, 10),
            "1582-10-10T10:10:10.5",
            "1900-01-01T00:00:00.999",
            {"zip": "a.b", "count": 3},
        ),
        (
            "b",
            -1,
            10**18,
            Decimal("-0.005"),
            Decimal("-0.000000005"),
            Decimal(2) ** 64,
            Decimal("-0." + "0" * 37 + "5"),
            _INF,
            -_INF,
            -_INF,
            "  a\u00a0b\t ",
            "$1\\",
            False,
            date(2000, 2, 29),
            "2000-02-29T00:00:00",
            "2100-02-28T23:59:59.999999",
            {"zip": "$", "count": 2**31 - 1},
        ),
        (
            "c",
            10,
            10**15 + 1,
            Decimal("2.500"),
            Decimal("123456789012345678.987654321"),
            Decimal(2**63),
            Decimal("0." + "123456789" * 4 + "12"),
            0.1,
            0.2,
            16777217.0,
            "axb",
            "a",
            True,
            date(2024, 12, 30),
            "2024-12-30T00:00:00.000001",
            "2023-01-01T00:00:00",
            {"zip": "00123", "count": 4},
        ),
        (
            "c",
            10,
            10**15 + 1,
            Decimal("-2.500"),
            Decimal("-123456789012345678.987654321"),
            Decimal(-(2**63) - 1),
            Decimal("0." + "987654321" * 4 + "98"),
            1e23,
            3.0,
            0.3,
            "A'B\"C`${x}",
            "[a]",
            True,
            date(2024, 12, 29),
            "2024-12-29T23:59:59.999",
            "2022-12-31T23:59:59.9",
            {"zip": "00124", "count": 4},
        ),
        (
            "c",
            7,
            2,
            Decimal("1.005"),
            Decimal("0.123456789"),
            Decimal(7),
            Decimal("0.5" + "0" * 37),
            -2.5e-308,
            2.2250738585072014e-308,
            1.5,
            "\u03a3\u03c3\u03c2\u0149\u01c5",
            "\u0301e",
            None,
            date(2024, 2, 29),
            "2024-03-31T01:30:00",
            "2024-10-27T02:30:00",
            {"zip": "z", "count": 0},
        ),
    ]
    read = [dict(zip(names, values, strict=True)) for values in given]
    for row in read:
        row["ts"] = _time(row["ts"]) if row["ts"] else None
        row["n"] = datetime.fromisoformat(row["n"]) if row["n"] else None
    return read


def write_json(path: Path) -> None:
    """The rows for Flink: decimals, and floats that JSON lacks, as texts."""

    def written(value: Any) -> Any:
        if isinstance(value, float) and (value != value or abs(value) == _INF):
            return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
        if isinstance(value, datetime):
            return value.replace(tzinfo=None).isoformat() + ("Z" if value.tzinfo else "")
        return str(value) if isinstance(value, Decimal | date) else value

    with path.open("w", encoding="utf-8") as file:
        for number, row in enumerate(rows()):
            line = {name: written(value) for name, value in row.items()} | {"id": number}
            # All in one window of a day.
            line["at"] = f"2026-01-01T00:00:{number:02}Z"
            file.write(json.dumps(line) + "\n")


def write_parquet(path: Path) -> None:
    """The rows for Spark and DuckDB, with the types of the lake."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [*((n, arrow_type(k)) for n, k in COLUMNS.items()), ("id", pa.int32())]
    listed = [row | {"id": number} for number, row in enumerate(rows())]
    pq.write_table(pa.Table.from_pylist(listed, schema=pa.schema(fields)), path)


SCALARS = """
k; i; l; p; w; big; fine; d; f; s; b; day; ts; n; o.zip; o.count
i + 1; i - l; i * l; -i; -l; ABS(i); ABS(l); l * 3 - i * 2; p + w; p - w
p * CAST(w AS DECIMAL(24, 6)); i * p; p * p
w * 2; -w; ABS(w); ABS(p - 100); CAST(w AS DECIMAL(19, 9)) * CAST(p AS DECIMAL(18, 3))
CAST(big AS DECIMAL(25, 0)) * 1.5; 0.1 + 0.2; 1.10 * p; big = 5; big > l; fine < 0.5
i / l; p / 3; w / p; l / 7; big / 3; fine / 3; 1 / i; 1.0 / 3.0; d / e; l / 3 + i / 7
i / (l / p)
CAST(w AS DOUBLE); CAST(l AS DOUBLE); CAST(big AS DOUBLE); CAST(fine AS DOUBLE)
CAST(f AS DOUBLE)
d + e; d - e; d * e; d * d; -d; ABS(d); d + 1; f + 1; f * 2; d * 0.1; d + i; d * p; f - d
d * d - d * d
d = e; d < e; d >= 1.5; f = 0.1; f < d; d <> d; d BETWEEN -2 AND 2; d IN (1.5, 0); e = 0; d > l
d = w
d IS NULL; d * 1 IS NULL; f IS NOT NULL; COALESCE(d, 1); COALESCE(e, f); NULLIF(d, e)
i = 3; i <> l; i < l; l >= 7; p > 2; p <= w; p = 12.345; i > 1.5; l = 9223372036854775807
i BETWEEN -3 AND 3; l NOT BETWEEN 0 AND 100; p BETWEEN -1 AND 12.345; w BETWEEN p AND 5
i IN (1, 2, 3); i NOT IN (3, 10); p IN (2.5, 12.345, 7); s IN ('abc', ''); s NOT IN ('abc')
l IN (i, 7)
b; NOT b; b = TRUE; b <> TRUE; b AND i > 0; b OR i > 0; b IS TRUE; b IS NOT TRUE; b IS FALSE
b IS NULL; NOT (b OR i < 0); (i > 0) = b; b AND NULL; b OR NULL; (i > 0) IS TRUE
(i > 0) IS NOT TRUE
s = t; s < t; s > 'a'; s >= 'ABC'; s <> ''; t < s; s BETWEEN 'a' AND 'b'; s > '\uff00'
t > '\uff00'; '\uff00' < t; t BETWEEN '\uff00' AND '\U0001ffff'; GREATEST(t, '\uff00', s)
LEAST(t, s, '\uffff')
CASE WHEN t < '\uff00' THEN 'less' WHEN t >= '\uff00' THEN 'more' END
s = 'A''B"C`${x}'; t = '$1\\'; s = '\U0001d11e\u00df\ufb00\u0130\u0131\u00e9'; s = 'a¶b'
'${env:HOME}'
s LIKE 'a%'; s LIKE '%b'; s LIKE '%b%'; s LIKE 'a_b'; s LIKE 'a%b'; s LIKE '___'; s LIKE ''
s LIKE '%'
s LIKE '_%'; s LIKE '%¶%'; s LIKE '%${x}'; s LIKE '%"C`$%'; t LIKE '[a]'; t LIKE '%$1%'
s LIKE '%_b_%'
s NOT LIKE 'a%'; s LIKE '_\u00df%'; s LIKE '\U0001d11e%'; t LIKE '(%'; t LIKE '^%'; t LIKE '_'
s LIKE '%%_'
LENGTH(s); CHAR_LENGTH(t); LENGTH(''); UPPER(s); LOWER(s); UPPER(t); LOWER('ABC' || s)
s || t; s || '|' || t; CONCAT(s, t); CONCAT('a', s, 'b'); 'x' || NULL
CASE WHEN i > 0 THEN 'a' ELSE 'bcd' END || '|'
SUBSTRING(s, 1, 2); SUBSTRING(s, 2); SUBSTRING(s FROM 3 FOR 100); SUBSTRING(s, 2, 0); LEFT(s, 1)
LEFT(t, 0)
SUBSTRING(s, 100, 1); SUBSTRING(s, 1, 2147483647); SUBSTRING(s, 6, 2147483647)
TRIM(s); LTRIM(s); RTRIM(s); TRIM(t) || '|'; TRIM(LEADING FROM s); TRIM(TRAILING ' ' FROM s)
CASE WHEN i > 0 THEN 'up' WHEN i < 0 THEN 'down' END
CASE i WHEN 3 THEN 1 WHEN 10 THEN 20.5 ELSE 0 END
CASE WHEN b THEN i ELSE l END; CASE WHEN b THEN p END; CASE WHEN i > 0 THEN d ELSE p END
IF(b, s, t)
CASE WHEN b THEN NULL ELSE day END; CASE WHEN i = 0 THEN NULL ELSE 1 / i END
COALESCE(i, 0); COALESCE(i, l); COALESCE(p, i); COALESCE(s, t, 'none'); COALESCE(b, FALSE)
COALESCE(day, DATE '2000-01-01')
COALESCE(ts, TIMESTAMP '2000-01-01 00:00:00'); COALESCE(w, 0); COALESCE(big, 0)
COALESCE(NULL, i)
NULLIF(i, 3); NULLIF(s, ''); NULLIF(p, 2.5); NULLIF(ts, TIMESTAMP '1970-01-01 00:00:00')
NULLIF(b, TRUE)
GREATEST(i, l); LEAST(i, l); GREATEST(p, w, 1); LEAST(p, i, 0.5); GREATEST(s, t)
LEAST(s, t, 'b'); GREATEST(d, e)
LEAST(d, e); GREATEST(day, DATE '2000-01-01'); LEAST(ts, TIMESTAMP '2000-01-01 00:00:00')
ROUND(p); ROUND(p, 1); ROUND(p, 2); ROUND(w, 3); ROUND(fine, 37); ROUND(fine, 1); ROUND(fine)
ROUND(i, 2); ROUND(w, 8); ROUND(1.005, 2)
FLOOR(p); CEIL(p); FLOOR(w); CEIL(w); FLOOR(fine); CEIL(fine); CEILING(p); FLOOR(i); CEIL(-p)
FLOOR(p * i)
MOD(i, 7); MOD(l, i); MOD(-7, i); l % 10; MOD(l, -1); MOD(i, 0)
MOD(CAST(w AS DECIMAL(18, 0)), 7)
CAST(i AS BIGINT); CAST(l AS INT); CAST(big AS BIGINT); CAST(big AS INT)
CAST(CAST(p AS DECIMAL(8, 0)) AS INT)
CAST(p AS DECIMAL(4, 1)); CAST(w AS DECIMAL(10, 2)); CAST(w AS DECIMAL(18, 0))
CAST(w AS DECIMAL(38, 19)); CAST(big AS DECIMAL(37, 0))
CAST(big AS DECIMAL(19, 0)); CAST(fine AS DECIMAL(20, 19)); CAST(fine AS DECIMAL(1, 1))
CAST(i AS DECIMAL(5, 2)); CAST(l AS DECIMAL(38, 19)); CAST(p AS DECIMAL(2, 2))
CAST(i AS VARCHAR); CAST(l AS VARCHAR); CAST(big AS VARCHAR); CAST(b AS VARCHAR)
CAST(s AS VARCHAR); CAST(NULL AS BIGINT)
CAST(i AS VARCHAR) || ':' || CAST(l AS VARCHAR); CAST(i > 0 AS VARCHAR)
day = DATE '2024-02-29'; day < DATE '1970-01-01'
day BETWEEN DATE '1582-10-04' AND DATE '2000-02-29'; DATE '0001-01-01'; DATE '9999-12-31'
ts < TIMESTAMP '1970-01-01 00:00:00'; ts >= TIMESTAMP '2024-12-29 23:59:59.999'
n < TIMESTAMP '2024-01-01 00:00:00.5'
n BETWEEN TIMESTAMP '1900-01-01' AND TIMESTAMP '2100-01-01'; TIMESTAMP '0001-01-01 00:00:00.001'
CAST('2024-02-29 12:00:00' AS TIMESTAMP_LTZ)
ts + INTERVAL '1' HOUR; ts - INTERVAL '36' HOUR; ts + INTERVAL '1' DAY
ts - INTERVAL '59' SECOND; n + INTERVAL '999' DAY; n - INTERVAL '90' MINUTE
ts + INTERVAL '23' HOUR < TIMESTAMP '1970-01-01 22:59:59.999'; day + INTERVAL '1' DAY
day - INTERVAL '365' DAY
CAST(ts AS DATE); CAST(n AS DATE); DATE(ts); CAST(ts AS DATE) = day
CAST(ts - INTERVAL '1' SECOND AS DATE)
DATE_TRUNC('second', ts); DATE_TRUNC('minute', ts); DATE_TRUNC('hour', ts)
DATE_TRUNC('day', ts); DATE_TRUNC('week', ts); DATE_TRUNC('month', ts)
DATE_TRUNC('quarter', ts); DATE_TRUNC('year', ts)
DATE_TRUNC('second', n); DATE_TRUNC('minute', n); DATE_TRUNC('hour', n); DATE_TRUNC('day', n)
DATE_TRUNC('week', n); DATE_TRUNC('month', n); DATE_TRUNC('quarter', n); DATE_TRUNC('year', n)
FLOOR(ts TO HOUR)
EXTRACT(YEAR FROM ts); EXTRACT(QUARTER FROM ts); EXTRACT(MONTH FROM ts); EXTRACT(DAY FROM ts)
EXTRACT(HOUR FROM ts); EXTRACT(MINUTE FROM ts); EXTRACT(SECOND FROM ts)
YEAR(n); MONTH(n); HOUR(n); MINUTE(n); SECOND(n); YEAR(day); QUARTER(day); MONTH(day); DAY(day)
EXTRACT(HOUR FROM ts) * 60 + EXTRACT(MINUTE FROM ts)
o.zip = '00123'; o.count + 1; o IS NULL; o.zip IS NULL; o.zip LIKE '00_2%'; o.count > 1
s IS NULL; s IS NOT NULL; NOT (s = t); NOT (i > 0 AND b)
"""
AGGREGATES = """
COUNT(*); COUNT(1); COUNT(i); COUNT(d); COUNT(b); COUNT(DISTINCT i); COUNT(DISTINCT s)
COUNT(DISTINCT d); COUNT(DISTINCT p); COUNT(DISTINCT ts)
COUNT(DISTINCT b); COUNT(DISTINCT day); COUNT(*) FILTER (WHERE b); COUNT(s) FILTER (WHERE i > 0)
COUNT(DISTINCT i) FILTER (WHERE b); COUNT(o.zip)
SUM(i); SUM(l); SUM(p); SUM(w); SUM(i * p); SUM(i) FILTER (WHERE b)
SUM(CASE WHEN b THEN 1 ELSE 0 END); SUM(i) - SUM(l); SUM(p) * 2
SUM(p) / COUNT(*); SUM(i) / NULLIF(SUM(l), 0); COALESCE(SUM(i), 0)
SUM(i) FILTER (WHERE i > 100000)
AVG(i); AVG(l); AVG(p); AVG(w); AVG(i) FILTER (WHERE i > 0); AVG(p * i); AVG(l) - AVG(i)
AVG(i) > 0
MIN(i); MAX(l); MIN(p); MAX(w); MIN(big); MAX(fine); MIN(s); MAX(s); MIN(t); MAX(t); MIN(day)
MAX(day); MIN(ts); MAX(ts); MIN(n); MAX(n)
MIN(d); MAX(d); MIN(e); MAX(e); MIN(f); MAX(f); MAX(d * e); MIN(s || t)
MAX(CASE WHEN b THEN t ELSE '\ufffd' END); COUNT(*) FILTER (WHERE t > '\uff00')
MIN(CASE WHEN t > 'zzz' THEN t END); MAX(CASE WHEN t > 'zzz' THEN s || t END)
MAX(ts) FILTER (WHERE b); MAX(LENGTH(s)); MIN(i) + MAX(l)
MAX(i) > 5 AND COUNT(*) > 1; CASE WHEN COUNT(*) > 3 THEN 'many' ELSE 'few' END; COUNT(*) * 1.5
100 * COUNT(i) / COUNT(*)
"""
ROUNDED = """
SUM(e) FILTER (WHERE e BETWEEN -5 AND 5); AVG(i * 0.1E0)
PERCENTILE_CONT(0.95) WITHIN GROUP (ORDER BY i); PERCENTILE(p, 0.5); MEDIAN(e)
MEDIAN(f) FILTER (WHERE i > 100000)
SUM(d); AVG(d); MEDIAN(l)
"""
OUTPUTS = [
    ("i + 1", "int"),
    ("i * l", "long"),
    ("i * p", "decimal(12,2)"),
    ("w * 2", "decimal(20,0)"),
    ("l", "int"),
    ("i", "long"),
    ("i", "double"),
    ("w", "double"),
    ("i", "string"),
    ("l", "decimal(19,0)"),
    ("l", "decimal(18,0)"),
    ("big", "long"),
    ("f", "float"),
    ("f", "double"),
    ("d", "double"),
    ("d * 2", "double"),
    ("b", "string"),
    ("ts", "date"),
]


def listed(text: str) -> list[str]:
    """The expressions of a block, which ``;`` and lines part; a pilcrow is a line break."""
    parts = [part for line in text.strip().split("\n") for part in line.split("; ")]
    return [part.strip().replace("¶", "\n") for part in parts if part.strip()]
