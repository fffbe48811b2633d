"""Flink, Spark and DuckDB give one answer to every expression that a model may have."""

import ast
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
import sqlglot

from lakehead.contracts.sql import identifier, literal
from lakehead.contracts.types import FieldType, parse_type
from lakehead.jobs.spark import session
from lakehead.models.expressions import output, render, typed
from lakehead.settings import load_settings
from lakehead.stack.java import java_home
from tests.conftest import ROOT
from tests.integration import expression_cases as cases

pytestmark = pytest.mark.integration
ENGINES = ("flink", "spark", "duckdb")
# So many columns a query: Flink compiles the code of each.
TOGETHER = 60
ROUNDING = frozenset({"rounding"})


@dataclass(frozen=True)
class Case:
    """``sql`` by engine; ``aggregate`` is by ``k``, ``rounded`` is compared up to rounding."""

    name: str
    type: FieldType
    sql: dict[str, str]
    aggregate: bool = False
    rounded: bool = False


def all_cases() -> list[Case]:
    read = []
    for text in cases.listed(cases.SCALARS):
        value = typed(sqlglot.parse_one(text), cases.COLUMNS)
        read.append(Case(text, value.type, {e: render(value.tree, e) for e in ENGINES}))
    for block, rounded in ((cases.AGGREGATES, False), (cases.ROUNDED, True)):
        for text in cases.listed(block):
            accept = ROUNDING if rounded else frozenset()
            value = typed(sqlglot.parse_one(text), cases.COLUMNS, aggregates=True, accept=accept)
            sql = {e: render(value.tree, e) for e in ENGINES}
            read.append(Case(text, value.type, sql, True, rounded))
    for text, wanted in cases.OUTPUTS:
        given = typed(sqlglot.parse_one(text), cases.COLUMNS)
        tree = output(given, parse_type(wanted))
        sql = {e: render(tree, e) for e in ENGINES}
        read.append(Case(f"{text} as {wanted}", parse_type(wanted), sql))
    return read


CASES = all_cases()


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[list[str]]]]:
    """By engine and case: rows of an id or a group, and the value."""
    folder = tmp_path_factory.mktemp("expressions")
    rows = folder / "rows"
    rows.mkdir()
    cases.write_json(rows / "rows.json")
    cases.write_parquet(folder / "rows.parquet")
    return {engine: _answers(engine, folder) for engine in ENGINES}


def _answers(engine: str, folder: Path) -> dict[str, list[list[str]]]:
    groups = [
        [c for c in CASES if c.aggregate == aggregate][start : start + TOGETHER]
        for aggregate in (False, True)
        for start in range(0, sum(c.aggregate == aggregate for c in CASES), TOGETHER)
    ]
    spec = folder / f"{engine}.json"
    config, declare = _set_up(engine, folder)
    queries = [_query(engine, group) for group in groups]
    spec.write_text(json.dumps({"config": config, "declare": declare, "queries": queries}))
    found = folder / f"{engine}.answers.json"
    environment = os.environ | {
        "JAVA_HOME": str(java_home()),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "_python_worker_execution_mode": "process",
        "TZ": "UTC",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.expression_engines", engine, spec, found],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    by_case = {}
    for group, rows in zip(groups, json.loads(found.read_text()), strict=True):
        for i, case in enumerate(group):
            values = [(row[0], row[i + 1]) for row in rows]
            if engine == "flink":
                values = [(key, _as_handed_over(case, value)) for key, value in values]
            by_case[case.name] = [list(pair) for pair in values]
    return by_case


def _set_up(engine: str, folder: Path) -> tuple[dict[str, str], list[str]]:
    """An engine's settings, and what declares ``cases``: those of the lake, without the lake."""
    parquet = literal(str(folder / "rows.parquet"))
    if engine == "duckdb":
        return {}, ["SET TimeZone = 'UTC'", f"CREATE VIEW cases AS FROM read_parquet({parquet})"]
    if engine == "spark":
        lake = ("spark.jars", "spark.sql.extensions", "spark.sql.catalog.", "spark.local.dir")
        settings = session(load_settings(folder))
        config = {k: v for k, v in settings.items() if not k.startswith(lake)}
        config["spark.sql.parquet.datetimeRebaseModeInRead"] = "CORRECTED"
        return config, [f"CREATE TEMPORARY VIEW cases USING parquet OPTIONS (path {parquet})"]
    columns = "".join(f"{identifier(n)} {k.flink()}, " for n, k in cases.COLUMNS.items())
    declare = (
        f"CREATE TEMPORARY TABLE cases ({columns} `id` INT, `at` TIMESTAMP_LTZ(3),"
        f" WATERMARK FOR `at` AS `at`) WITH ('connector' = 'filesystem', 'format' = 'json',"
        f" 'path' = {literal(str(folder / 'rows'))},"
        " 'json.timestamp-format.standard' = 'ISO-8601')"
    )
    return {"table.local-time-zone": "UTC", "parallelism.default": "1"}, [declare]


def _query(engine: str, group: list[Case]) -> str:
    values = ", ".join(f"{_handed_over(engine, case)} AS c{i}" for i, case in enumerate(group))
    if not group[0].aggregate:
        return f"SELECT id, {values} FROM cases"
    if engine == "flink":
        return (
            f"SELECT k, {values} FROM TABLE(TUMBLE(TABLE cases, DESCRIPTOR(`at`),"
            " INTERVAL '1' DAY)) GROUP BY window_start, window_end, k"
        )
    return f"SELECT k, {values} FROM cases GROUP BY k"


def _handed_over(engine: str, case: Case) -> str:
    """PyFlink hands over what is not exact here (old days, microseconds, NaN of a float)."""
    sql = case.sql[engine]
    if engine != "flink":
        return sql
    match case.type.kind:
        case "float":
            return f"CAST({sql} AS DOUBLE)"
        case "timestamp":
            return f"CAST(CAST({sql} AS TIMESTAMP(6)) AS STRING)"
        case "decimal" | "date" | "timestamp_ntz":
            return f"CAST({sql} AS STRING)"
    return sql


def _as_handed_over(case: Case, value: str) -> str:
    """A value that Flink gave as text, as `expression_engines.text` writes it."""
    if value == "None":
        return value
    match case.type.kind:
        case "decimal":
            return f"Decimal {ast.literal_eval(value)}"
        case "date":
            return str(ast.literal_eval(value))
        case "timestamp" | "timestamp_ntz":
            time = datetime.fromisoformat(ast.literal_eval(value))
            return time.isoformat() + ("Z" if case.type.kind == "timestamp" else "")
    return value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_engines_give_one_answer(
    case: Case, answers: dict[str, dict[str, list[list[str]]]]
) -> None:
    flink, spark, duckdb = (answers[engine][case.name] for engine in ENGINES)
    if case.rounded:
        flink, spark, duckdb = (_rounded(rows) for rows in (flink, spark, duckdb))
    said = f"{case.sql['flink']}\nflink {flink}\nspark {spark}\nduckdb {duckdb}"
    assert flink == spark == duckdb, said
    if case.type.kind == "decimal":
        digits = [value for _, value in duckdb if value != "None"]
        for value in digits:
            fraction = value.partition(".")[2]
            assert value.startswith("Decimal ") and len(fraction) == case.type.scale, said


def _rounded(rows: list[list[str]]) -> list[list[str]]:
    return [[key, v if v == "None" else f"{float(v):.10e}"] for key, v in rows]
