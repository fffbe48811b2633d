"""Clients that people have already, none of them ours, ask the same question."""

import asyncio
import os
import shutil
import subprocess
import sys
import threading
import time
import warnings
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from typing import Any
from uuid import UUID

import adbc_driver_postgresql.dbapi as adbc
import asyncpg
import pandas as pd
import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa
from running_server import ROWS, Running, Together

from tests.conftest import wait_until

COUNT = "SELECT count(*) AS n, max(event_time) AS newest FROM landing.orders"
NEWEST = datetime(2026, 1, 1, 0, 1, 39, 900000, tzinfo=UTC)
SLOW = "SELECT count(*) FROM range(100000000) a, range(100000000) b"
psql_missing = pytest.mark.skipif(
    shutil.which("psql") is None,
    reason="no psql on this machine: apt install postgresql-client",
)
EVERY_TYPE = """SELECT true, 1::TINYINT, 2::SMALLINT, 3::INTEGER, 4::BIGINT, 5::HUGEINT, 6::UBIGINT,
    1.5::FLOAT, -2.5::DOUBLE, 'Infinity'::DOUBLE, 12.340::DECIMAL(10,3), -0.0005::DECIMAL(10,4),
    100000000::DECIMAL(18,0), 'tex''t é', date '2020-02-29', time '10:00:01.5',
    timestamp '1999-12-31 23:59:59.25', timestamptz '2026-01-01 00:00:00+00', '\\xAA\\x00'::BLOB,
    'b0f6f2d2-5f2b-4f0a-9a3e-0d4c8f4f1a11'::UUID, interval '2 days 3 seconds', [1, 2], {'a': 1},
    NULL FROM range(3)"""
VALUES = (
    *(True, 1, 2, 3, 4, Decimal(5), Decimal(6), 1.5, -2.5, float("inf")),
    *(Decimal("12.340"), Decimal("-0.0005"), Decimal(100000000), "tex't é", date(2020, 2, 29)),
    *(clock(10, 0, 1, 500000), datetime(1999, 12, 31, 23, 59, 59, 250000)),
    *(datetime(2026, 1, 1, tzinfo=UTC), b"\xaa\x00"),
    *(UUID("b0f6f2d2-5f2b-4f0a-9a3e-0d4c8f4f1a11"), timedelta(days=2, seconds=3)),
    *([1, 2], {"a": 1}, None),
)


def test_psycopg(served: Running) -> None:
    with psycopg.connect(served.url()) as con:
        assert con.execute(COUNT).fetchone() == (ROWS, NEWEST)
        asked = (
            "SELECT kafka_offset FROM landing.orders WHERE kafka_offset < %s AND event_time > %s"
        )
        after = datetime(2026, 1, 1, 0, 0, 0, 50_000, tzinfo=UTC)
        assert con.execute(asked, (3, after)).fetchall() == [(1,), (2,)]
        assert con.execute(asked, (3, "2026-01-01 00:00:00.05")).fetchall() == [(1,), (2,)]


@pytest.mark.parametrize("binary", [False, True])
def test_every_type_in_text_and_binary(served: Running, binary: bool) -> None:
    with psycopg.connect(served.url()) as con, con.cursor(binary=binary) as cursor:
        assert cursor.execute(EVERY_TYPE).fetchall() == [VALUES] * 3


def test_pandas_by_sqlalchemy(served: Running) -> None:
    engine = sa.create_engine(served.url("postgresql+psycopg"))
    with engine.connect() as con:
        frame = pd.read_sql(sa.text(COUNT), con)
        assert frame.to_dict("records") == [{"n": ROWS, "newest": pd.Timestamp(NEWEST)}]
        few = sa.text("SELECT * FROM landing.orders WHERE kafka_offset < :most")
        assert len(pd.read_sql(few, con, params={"most": 7})) == 7
    inspected = sa.inspect(engine)
    assert {"landing", "marts"} <= set(inspected.get_schema_names())
    assert inspected.get_table_names("landing") == ["orders"]
    columns = {c["name"]: c["type"] for c in inspected.get_columns("orders", "landing")}
    assert isinstance(columns["kafka_offset"], sa.BIGINT)
    assert isinstance(columns["event_time"], sa.TIMESTAMP) and columns["event_time"].timezone
    engine.dispose()


def test_asyncpg(served: Running) -> None:
    async def ask() -> None:
        con = await asyncpg.connect(served.url())
        row = await con.fetchrow(COUNT)
        assert tuple(row) == (ROWS, NEWEST)
        some = "SELECT id, kafka_offset FROM landing.orders WHERE kafka_offset < $1::bigint"
        assert [r["kafka_offset"] for r in await con.fetch(some, 3)] == [0, 1, 2]
        async with con.transaction():
            cursor = await con.cursor("SELECT kafka_offset FROM landing.orders")
            found = []
            while part := await cursor.fetch(300):
                found += [r["kafka_offset"] for r in part]
        assert sorted(found) == list(range(ROWS))
        with pytest.raises(asyncpg.PostgresError, match="there is no table"):
            await con.fetch("SELECT * FROM landing.nothing")
        assert await con.fetchval("SELECT 1") == 1
        await con.close()

    asyncio.run(ask())


def test_adbc(served: Running) -> None:
    with warnings.catch_warnings(), adbc.connect(served.url()) as con, con.cursor() as cursor:
        cursor.execute("SELECT id, kafka_offset, event_time, late FROM landing.orders")
        found = cursor.fetch_arrow_table()
        assert found.num_rows == ROWS
        assert found.schema.field("kafka_offset").type == pa.int64()
        assert pa.types.is_timestamp(found.schema.field("event_time").type)
        cursor.execute("SELECT id FROM landing.orders WHERE false")
        assert cursor.fetch_arrow_table().num_rows == 0


@psql_missing
def test_psql(served: Running) -> None:
    def psql(*args: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["psql", served.url(), "-X", *args], capture_output=True, text=True, timeout=120
        )

    told = psql("-At", "-c", COUNT)
    assert told.stdout.strip() == f"{ROWS}|2026-01-01 00:01:39.900000+00", told.stderr
    tables = psql("-At", "-c", r"\dt *.*")
    assert tables.stdout.splitlines() == ["landing|orders|table|lakehead", "marts|m|table|lakehead"]
    described = psql("-At", "-c", r"\d landing.orders")
    assert "kafka_offset|bigint|||" in described.stdout, described.stderr
    for command in (r"\d", r"\dn", r"\l", r"\du", r"\df", r"\dv", r"\d+ marts.m"):
        assert psql("-c", command).stderr in ("", "Did not find any relations.\n"), command
    refused = psql("-c", "DROP TABLE landing.orders")
    assert "ERROR:  a query may only read" in refused.stderr
    assert psql(
        "-d", served.url(user="operator").replace("lh_", "xx_"), "-c", "SELECT 1"
    ).returncode


def test_a_wrong_secret_is_turned_away(served: Running) -> None:
    with pytest.raises(psycopg.OperationalError, match="there is no token 'reader'"):
        psycopg.connect(served.url().replace("lh_", "xx_"))
    with pytest.raises(psycopg.OperationalError, match="there is no token 'operator'"):
        psycopg.connect(served.url().replace("reader:", "operator:"))


def test_a_role_sees_its_tables_only(served: Running) -> None:
    with psycopg.connect(served.url(), autocommit=True) as con:
        with pytest.raises(
            psycopg.errors.UndefinedTable, match=r"tables: landing\.orders, marts\.m\n"
        ):
            con.execute("SELECT * FROM ops.left_out")
        shown = con.execute("SHOW TABLES").fetchall()
        assert [row[0] for row in shown] == ["landing.orders", "marts.m"]
        listed = con.execute("SELECT table_name FROM information_schema.tables ORDER BY 1")
        assert ("left_out",) not in listed.fetchall()
        known = "SELECT relname FROM pg_catalog.pg_class ORDER BY 1"
        assert con.execute(known).fetchall() == [("m",), ("orders",)]
    with psycopg.connect(served.url(user="operator")) as con:
        assert con.execute("SELECT count(*) FROM ops.left_out").fetchone() == (1,)


def test_an_error_leaves_the_connection_usable(served: Running) -> None:
    with psycopg.connect(served.url()) as con:
        with pytest.raises(psycopg.errors.SyntaxError):
            con.execute("SELEC 1")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            con.execute("SELECT 1")
        con.rollback()
        assert con.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            con.execute("CREATE TABLE t AS SELECT 1")


def test_settings_of_a_session(served: Running) -> None:
    with psycopg.connect(served.url(), autocommit=True) as con:
        con.execute("SET application_name = 'x'")
        assert con.execute("SHOW application_name").fetchone() == ("x",)
        assert con.execute("SHOW server_version").fetchone() == ("16.0",)
        with pytest.raises(psycopg.Error, match="cannot be set"):
            con.execute("SET memory_limit = '1GB'")
        con.execute("SET statement_timeout = '400ms'")
        with pytest.raises(psycopg.errors.QueryCanceled, match=r"longer than 0\.4 s"):
            con.execute(SLOW)
        con.execute("RESET statement_timeout")
        assert con.execute("SELECT 1").fetchone() == (1,)


def test_a_query_is_cancelled(served: Running) -> None:
    with psycopg.connect(served.url(), autocommit=True) as con:

        def cancel() -> None:
            wait_until(lambda: _states(served, SLOW) == ["running"], "the query to run", 60)
            con.cancel_safe(timeout=30)

        ending = threading.Thread(target=cancel)
        ending.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            con.execute(SLOW)
        ending.join()
        assert con.execute("SELECT 1").fetchone() == (1,)


def test_a_query_ends_with_its_client(served: Running) -> None:
    code = f"import psycopg, sys\npsycopg.connect(sys.argv[1]).execute({SLOW + ' WHERE 1 = 1'!r})"
    client = subprocess.Popen([sys.executable, "-c", code, served.url()])
    wait_until(lambda: _states(served, SLOW + " WHERE 1 = 1") == ["running"], "it to run", 60)
    client.kill()
    client.wait()
    wait_until(lambda: not _states(served, SLOW + " WHERE 1 = 1"), "it to end", 30)


def test_sixteen_clients_are_answered_while_one_asks_much(
    served: Running, together: Together
) -> None:
    heavy = threading.Event()
    took: list[float] = []

    def much() -> Any:
        with psycopg.connect(served.url(), autocommit=True) as con:
            con.execute("SET statement_timeout = '50s'")
            con.execute("SELECT 1")
            heavy.set()
            try:
                return con.execute(SLOW).fetchall()
            except psycopg.errors.QueryCanceled as error:
                return error

    def little() -> None:
        heavy.wait(60)
        with psycopg.connect(served.url(), autocommit=True) as con:
            for _ in range(2):
                began = time.monotonic()
                assert con.execute(COUNT).fetchone() == (ROWS, NEWEST)
                took.append(time.monotonic() - began)

    def end() -> None:
        heavy.wait(60)
        wait_until(lambda: len(took) == 32, lambda: f"{len(took)} of 32 answers", 60)
        assert _states(served, SLOW) == ["running"]
        for query in served.http("GET", "/queries", "operator").json():
            served.http("DELETE", f"/queries/{query['id']}", "operator")

    ended = together([much, *[little] * 16, end])
    assert isinstance(ended[0], psycopg.errors.QueryCanceled)


def test_a_large_answer_streams(served: Running) -> None:
    """It is larger than the server may grow by."""
    before = _resident()
    with psycopg.connect(served.url()) as con, con.cursor(binary=True) as cursor:
        rows = total = 0
        for row in cursor.stream("SELECT range, repeat('x', 500) FROM range(100000)", size=1):
            rows += 1
            total += row[0]
    assert (rows, total) == (100_000, 99_999 * 50_000)
    assert _resident() - before < 40 * 2**20


def _resident() -> int:
    with open(f"/proc/{os.getpid()}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _states(served: Running, sql: str) -> list[str]:
    queries = served.http("GET", "/queries", "operator").json()
    return [q["state"] for q in queries if q["sql"] == sql]


# What PostgreSQL's JDBC driver (42.7) asks to learn a schema, for DBeaver and others: the parts
# that DuckDB does not know.
OF_JDBC = {
    "keys": """SELECT ct.relname, (information_schema._pg_expandarray(i.indkey)).n AS key_seq
        FROM pg_catalog.pg_class ct JOIN pg_catalog.pg_index i ON (ct.oid = i.indrelid)""",
    "foreign keys": """SELECT pos.n FROM pg_catalog.pg_constraint con,
        pg_catalog.generate_series(1, 32) pos(n) WHERE con.conkey[pos.n] = 1""",
    "indexes": """SELECT i.indoption[1] & 1::smallint FROM pg_catalog.pg_index i""",
}


@pytest.mark.parametrize("what", OF_JDBC)
def test_what_jdbc_asks_of_the_catalog(served: Running, what: str) -> None:
    with psycopg.connect(served.url()) as con:
        assert con.execute(OF_JDBC[what]).fetchall() == []


def test_types_as_jdbc_asks_for_them(served: Running) -> None:
    asked = """SELECT t.typname FROM pg_catalog.pg_type t LEFT JOIN (SELECT ns.oid AS nspoid, r.r
        FROM pg_namespace AS ns JOIN (SELECT s.r, (current_schemas(true))[s.r] AS nspname
        FROM generate_series(1, array_upper(current_schemas(true), 1)) AS s(r)) AS r
        USING (nspname)) AS sp ON sp.nspoid = t.typnamespace
        WHERE t.oid = 'int8'::regtype AND sp.r = 1"""
    with psycopg.connect(served.url()) as con:
        assert con.execute(asked).fetchall() == [("int8",)]
