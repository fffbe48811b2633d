"""Great Expectations, as far as lakehead asks it: a suite, judged over a batch.

The data context lives in memory, with analytics off and no progress bars. GX has no DuckDB of its
own; it writes PostgreSQL's SQL, and `lakehead.quality.dialect` carries it over (docs/adr/0017).
"""

import html
import logging
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from lakehead.errors import SystemFailure
from lakehead.lake.snapshots import SnapshotGone
from lakehead.quality.batch import VIEW, Batch, broken_query
from lakehead.quality.expectation import JUDGES, Expectation, Suite

with warnings.catch_warnings():
    # GX imports two modules of the standard library that are there but deprecated.
    warnings.filterwarnings("ignore", r"module 'sre_\w+' is deprecated", DeprecationWarning)
    import great_expectations as gx
    import great_expectations.expectations as gxe
    from great_expectations.core import ExpectationSuite
    from great_expectations.core.expectation_validation_result import (
        expectationSuiteValidationResultSchema,
    )
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )
    from great_expectations.datasource.fluent.interfaces import TestConnectionError
    from great_expectations.datasource.fluent.sql_datasource import SQLDatasource
    from great_expectations.execution_engine import SqlAlchemyExecutionEngine
    from great_expectations.render.renderer import (
        ExpectationSuitePageRenderer,
        ValidationResultsPageRenderer,
    )
    from great_expectations.render.view import DefaultJinjaPageView

__all__ = ["DefaultJinjaPageView", "Verdict", "check_content", "evaluate", "suite_content"]

_BATCH = "{batch}"
_NAME = "lakehead"


@dataclass(frozen=True)
class Verdict:
    """What GX says of one expectation: how many rows break it, and whether it holds."""

    expectation: Expectation
    failed: int
    success: bool


class DuckDBDatasource(SQLDatasource):  # type: ignore[misc]
    """A datasource of GX whose engine is one connection to DuckDB."""

    type: Literal["lakehead_duckdb"] = "lakehead_duckdb"

    def over(self, batch: Batch) -> "DuckDBDatasource":
        from lakehead.quality.dialect import engine_over

        engine = engine_over(batch.con)
        self._execution_engine = SqlAlchemyExecutionEngine(engine=engine, create_temp_table=False)
        self._data_context = _context()
        return self

    def get_execution_engine(self) -> Any:
        return self._execution_engine

    def get_engine(self) -> Any:
        return self._execution_engine.engine

    def test_connection(self, test_assets: bool = True) -> None:
        """It is connected."""


def evaluate(suite: Suite, batch: Batch) -> tuple[list[Verdict], dict[str, Any]]:
    """GX's verdict on each expectation of the suite, in order, and its result as JSON.

    Raises:
        SystemFailure: GX could not evaluate one of them, `SnapshotGone` where a file is not there.
    """
    if not suite.expectations:
        return [], {}
    source = DuckDBDatasource(
        name=_NAME, connection_string="postgresql://", create_temp_table=False
    )
    try:
        asset = source.over(batch).add_table_asset(suite.table, table_name=VIEW)
    except TestConnectionError as error:
        # It reads a first row.
        raise _failure(suite, "the first row", str(error)) from error
    whole = asset.add_batch_definition_whole_table("whole")
    expected = {e.name: e for e in suite.expectations}
    result = whole.get_batch().validate(
        gx_suite(suite), result_format={"result_format": "SUMMARY", "partial_unexpected_count": 3}
    )
    verdicts = {}
    for found in result.results:
        name = found.expectation_config.meta[_NAME]
        if not found.result:
            raise _failure(suite, name, _reason(found))
        failed = found.result.get("unexpected_count", found.result.get("observed_value"))
        verdicts[name] = Verdict(expected[name], int(failed or 0), bool(found.success))
    return [verdicts[name] for name in expected], result.to_json_dict()


def gx_suite(suite: Suite) -> Any:
    """The suite as GX has it."""
    return ExpectationSuite(
        name=suite.table, expectations=[gx_expectation(e) for e in suite.expectations]
    )


def gx_expectation(expectation: Expectation) -> Any:
    """One expectation as GX has it; its ``meta`` has our name for it."""
    judge = getattr(gxe, JUDGES[expectation.kind])
    arguments: dict[str, Any] = {**expectation.arguments, "meta": {_NAME: expectation.name}}
    if expectation.kind == "sql":
        query = _escaped(broken_query(expectation, "\0")).replace("\0", _BATCH)
        arguments["unexpected_rows_query"] = query
        # In Data Docs, GX shows this instead of the query; a $ begins a placeholder there.
        arguments["description"] = expectation.says.replace("$", "$$")
    elif len(expectation.columns) == 1:
        arguments["column"] = expectation.columns[0]
    return judge(**arguments)


def check_content(document: dict[str, Any]) -> Any:
    """What Data Docs show of a result that `evaluate` gave."""
    _context()
    results = [
        {**r, "result": _as_text(r["result"]), "expectation_config": _configuration(r)}
        for r in document["results"]
    ]
    result = expectationSuiteValidationResultSchema.load({**document, "results": results})
    return ValidationResultsPageRenderer().render(result)


def suite_content(table: str, document: dict[str, Any]) -> Any:
    """What Data Docs show of the suite that a result is of."""
    _context()
    configurations = [_configuration(r) for r in document["results"]]
    for configuration in configurations:
        given = configuration["kwargs"].items()
        configuration["kwargs"] = {k: v for k, v in given if k != "batch_id"}
    suite = ExpectationSuite(name=table, expectations=configurations)
    return ExpectationSuitePageRenderer().render(suite)


def _configuration(result: dict[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = result["expectation_config"]
    return {k: _as_text(v) if k == "description" else v for k, v in given.items()}


def _as_text(value: Any) -> Any:
    """What came from people and rows, as HTML that shows it: GX's templates take it for HTML."""
    if isinstance(value, dict):
        return {key: _as_text(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_as_text(v) for v in value]
    return html.escape(value) if isinstance(value, str) else value


def _escaped(sql: str) -> str:
    """SQL that is to arrive as it is: GX takes braces for placeholders, SQLAlchemy ``:name``."""
    return sql.replace("{", "{{").replace("}", "}}").replace(":", "\\:")


def _failure(suite: Suite, what: str, reason: str) -> SystemFailure:
    kind = SnapshotGone if "No files found" in reason else SystemFailure
    return kind(f"{suite.table}: {what} could not be evaluated: {reason}")


def _reason(found: Any) -> str:
    info = found.exception_info or {}
    inner = next((v for v in info.values() if isinstance(v, dict)), info)
    return str(inner.get("exception_message") or "no reason was given")


@cache
def _context() -> Any:
    """The data context of this process; GX finds it by itself afterwards."""
    # What GX has to say is in its results; what it logs is about itself.
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False, metric_calculations=False),
    )
    return gx.get_context(mode="ephemeral", project_config=config)
