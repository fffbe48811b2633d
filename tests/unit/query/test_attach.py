"""What is printed for another tool opens the lake in that tool."""

import shlex
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from lakehead.errors import UserError
from lakehead.jobs.spark import session
from lakehead.lake.catalog import jdbc_properties
from lakehead.query.attach import TOOLS, attach
from lakehead.query.engine import run
from lakehead.settings import Settings
from tests.small_lake import Lake, event, make_lake


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Three landed orders, and no nested column that has changed."""
    lake = make_lake(tmp_path_factory.mktemp("it's a [shop]"))
    lake.land(event(0, 1), event(1, 2))
    lake.land(event(2, 3))
    return lake


def text(settings: Settings, tool: str) -> str:
    return attach(settings, tool, lambda: session(settings))


def test_duckdb_runs_in_a_bare_duckdb(shop: Lake) -> None:
    with duckdb.connect(config={"autoload_known_extensions": False}) as con:
        con.execute(text(shop.settings, "duckdb"))
        found = con.execute("SELECT * FROM landing.orders ORDER BY ALL").fetchall()
        assert con.execute("FROM ops.left_out").fetchall() == []
    with run(shop.settings, "SELECT * FROM landing.orders ORDER BY ALL") as result:
        assert found == result.fetchall() and len(found) == 3


def test_duckdb_leaves_to_iceberg_what_parquet_does_not_tell(lake: Settings) -> None:
    lines = text(lake, "duckdb").splitlines()
    assert "INSTALL iceberg; LOAD iceberg;" in lines
    scans = [line for line in lines if "iceberg_scan" in line]
    assert len(scans) == 1 and '"ops"."nested"' in scans[0]


@pytest.mark.parametrize("tool", ["pyiceberg", "python"])
def test_python_texts_run_in_a_bare_python(shop: Lake, tool: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", text(shop.settings, tool)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip("(,)\n") == "3"


def test_spark_opens_the_lake_as_lakehead_does(shop: Lake) -> None:
    program, *options = shlex.split(text(shop.settings, "spark").replace("\\\n", ""))
    assert (Path(sys.executable).parent / program).exists()
    confs = [options[i + 1] for i, option in enumerate(options) if option == "--conf"]
    given = dict(conf.split("=", 1) for conf in confs)
    # Its session is that of `reconcile --engine spark`, which integration tests run.
    assert given.items() <= session(shop.settings).items()
    assert given["spark.sql.catalog.lake.uri"] == jdbc_properties(shop.settings)["uri"]
    assert {"spark.jars", "spark.sql.extensions", "spark.sql.catalog.lake"} <= given.keys()
    assert options[-2:] == ["-e", "SELECT count(*) FROM `lake`.`landing`.`orders`"]


def test_trino_is_a_properties_file(shop: Lake) -> None:
    lines = [line for line in text(shop.settings, "trino").splitlines() if line[0] != "#"]
    given = dict(line.split("=", 1) for line in lines)
    assert given["connector.name"] == "iceberg" and given["iceberg.security"] == "read_only"
    uri = jdbc_properties(shop.settings)["uri"]
    assert given["iceberg.jdbc-catalog.connection-url"] == uri


def test_an_unknown_tool(shop: Lake) -> None:
    with pytest.raises(UserError, match=", ".join(TOOLS)):
        text(shop.settings, "excel")
