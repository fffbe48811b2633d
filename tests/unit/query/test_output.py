"""What is written is what was answered, in every format, and a file is whole or absent."""

import csv
import io
import json
import os
import pty
import subprocess
import sys
from base64 import b64decode
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from every_type import every_type_schema
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from lakehead.errors import UserError
from lakehead.lake.catalog import open_catalog
from lakehead.query.engine import run
from lakehead.query.output import BINARY, FORMATS, format_for, markdown_line, write
from lakehead.query.text import csv_line, csv_text, json_text, shown_text
from lakehead.settings import Settings

EXTREME: dict[str, Any] = {
    "bool": True,
    "int": -(2**31),
    "long": 2**63 - 1,
    "float": 3.4028234663852886e38,
    "double": 5e-324,
    "dec": Decimal("-9999999999999999999999999999.9999999999"),
    "date": date(9999, 12, 31),
    "time": time(23, 59, 59, 999999),
    "ts": datetime(1, 1, 1),
    "tstz": datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    "string": 'q"uo,te\n\u2028 ünï\x1b[31m',
    "uuid": UUID("ffffffff-ffff-ffff-ffff-ffffffffffff").bytes,
    "fixed": b"\x00\x01\xfe\xff",
    "binary": bytes(range(256)),
    "tags": ["a", None, ""],
    "attrs": [("k", -(2**63)), ("ö", None)],
    "pos": {"x": 1, "y y": "z"},
}


@pytest.fixture(scope="session")
def extremes(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """``marts.extremes``: a row of extreme values, a row of nulls."""
    home = tmp_path_factory.mktemp("extremes")
    catalog = open_catalog(Settings(home=home, project=home))
    catalog.create_namespace("marts")
    table = catalog.create_table("marts.extremes", every_type_schema())
    rows = [EXTREME, dict.fromkeys(EXTREME)]
    table.append(pa.Table.from_pylist(rows, schema=table.schema().as_arrow()))
    return Settings(home=home, project=home)


def written(settings: Settings, sql: str, path: Path) -> int:
    with run(settings, sql) as result:
        return write(result, format_for(path), path)


def test_json_of_every_type(extremes: Settings, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert written(extremes, "FROM marts.extremes ORDER BY bool", path) == 2
    first, second = json.loads(path.read_text("utf-8"), parse_float=Decimal)
    assert second == dict.fromkeys(EXTREME)
    assert first["bool"] is True
    assert (first["int"], first["long"]) == (-(2**31), 2**63 - 1)
    assert float(first["float"]) == EXTREME["float"]
    assert float(first["double"]) == 5e-324
    assert first["dec"] == EXTREME["dec"]
    assert (first["date"], first["time"]) == ("9999-12-31", "23:59:59.999999")
    assert first["ts"] == "0001-01-01T00:00:00"
    assert first["tstz"] == "9999-12-31T23:59:59.999999+00:00"
    assert first["string"] == EXTREME["string"]
    assert first["uuid"] == "ffffffff-ffff-ffff-ffff-ffffffffffff"
    assert b64decode(first["fixed"]) == EXTREME["fixed"]
    assert b64decode(first["binary"]) == EXTREME["binary"]
    assert first["tags"] == EXTREME["tags"]
    assert first["attrs"] == dict(EXTREME["attrs"])
    assert first["pos"] == EXTREME["pos"]


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_arrow_and_parquet_of_every_type(extremes: Settings, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    assert written(extremes, "FROM marts.extremes", path) == 2
    got = pq.read_table(path) if suffix == "parquet" else pa.ipc.open_stream(path).read_all()
    expected = open_catalog(extremes).load_table("marts.extremes").scan().to_arrow().to_pylist()
    as_text = [row | {"uuid": row["uuid"] and str(row["uuid"])} for row in expected]
    rows = [row | {"uuid": row["uuid"] and str(row["uuid"])} for row in got.to_pylist()]
    assert rows == as_text


def test_csv_tells_null_from_empty(extremes: Settings, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    assert written(extremes, "SELECT 'x,y' AS \"a,b\", NULL AS n, '' AS e, 1.50 AS d", path) == 1
    assert path.read_bytes() == b'"a,b",n,e,d\r\n"x,y",,"",1.50\r\n'


def test_json_lines_are_lines(extremes: Settings, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    assert written(extremes, "SELECT range AS n, 'a\nb' AS t FROM range(25000)", path) == 25000
    lines = path.read_bytes().split(b"\n")
    assert len(lines) == 25001
    assert json.loads(lines[24999]) == {"n": 24999, "t": "a\nb"}


@pytest.mark.parametrize("format", [f for f in FORMATS if f != "table"])
def test_no_rows(extremes: Settings, tmp_path: Path, format: str) -> None:
    path = tmp_path / f"a.{format}"
    assert written(extremes, "SELECT 1 AS n WHERE false", path) == 0
    if format == "json":
        assert json.loads(path.read_text()) == []
    if format == "parquet":
        assert pq.read_table(path).schema.names == ["n"]


@pytest.mark.parametrize("format", [f for f in FORMATS if f != "table"])
def test_many_batches_and_same_names(extremes: Settings, tmp_path: Path, format: str) -> None:
    path = tmp_path / f"a.{format}"
    rows = 250_000 if format in BINARY else 25_000
    assert written(extremes, f"SELECT range AS n, range AS n FROM range({rows})", path) == rows
    if format == "parquet":
        table = pq.read_table(path)
        assert table.num_rows == rows and table.schema.names == ["n", "n_1"]
    if format == "json":
        assert json.loads(path.read_text())[-1] == {"n": rows - 1, "n_1": rows - 1}


@pytest.mark.parametrize("format", FORMATS)
def test_a_failure_leaves_no_file(extremes: Settings, tmp_path: Path, format: str) -> None:
    path = tmp_path / "answer"
    path.write_text("the old answer")
    sql = "SELECT if(range = 90, 'x', '1')::INT AS n FROM range(100000)"
    with pytest.raises(UserError, match="Could not convert"), run(extremes, sql) as result:
        write(result, format, path)
    assert path.read_text() == "the old answer"
    assert [p.name for p in tmp_path.iterdir()] == ["answer"]


def test_where_it_cannot_write(extremes: Settings, tmp_path: Path) -> None:
    for path in (tmp_path / "no" / "a.csv", tmp_path):
        with pytest.raises(UserError), run(extremes, "SELECT 1") as result:
            write(result, "csv", path)
    assert list(tmp_path.parent.glob("*.part")) == []


def test_unknown_formats(extremes: Settings) -> None:
    expected = "'xml'; expected one of table, csv"
    with pytest.raises(UserError, match=expected), run(extremes, "SELECT 1") as result:
        write(result, "xml")
    with pytest.raises(UserError, match=r"expected one of \.arrow, "):
        format_for(Path("answer.xls"))


@pytest.mark.parametrize("format", BINARY)
def test_binary_refuses_a_terminal(
    extremes: Settings, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    _, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        with pytest.raises(UserError, match="binary"), run(extremes, "SELECT 1") as result:
            write(result, format)


@pytest.mark.parametrize("format", FORMATS)
def test_standard_output(
    extremes: Settings, capfdbinary: pytest.CaptureFixture[bytes], format: str
) -> None:
    with run(extremes, "SELECT 42 AS n") as result:
        assert write(result, format) == 1
    out = capfdbinary.readouterr().out
    if format == "parquet":
        assert pq.read_table(io.BytesIO(out)).to_pylist() == [{"n": 42}]
    elif format == "arrow":
        assert pa.ipc.open_stream(out).read_all().to_pylist() == [{"n": 42}]
    else:
        assert b"42" in out


def test_markdown_numbers_to_the_right(extremes: Settings, tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    assert written(extremes, "SELECT 'x|y' AS a_b, NULL AS n, 1.50 AS d", path) == 1
    assert path.read_text() == "| a_b | n | d |\n| --- | ---: | ---: |\n| x\\|y | NULL | 1.50 |\n"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_markdown_reads_as_what_was_written(cells: list[str]) -> None:
    """No value becomes markup, or a cell of its own. Blanks around a cell are not kept."""
    shown = [shown_text(cell) for cell in cells]
    marks = markdown_line(["---"] * len(cells), escaped=True)
    text = f"{markdown_line('h' * len(cells))}{marks}{markdown_line(shown)}"
    inline = [t for t in MarkdownIt("commonmark").enable("table").parse(text) if t.type == "inline"]
    assert all(child.type == "text" for t in inline for child in t.children or [])
    read = ["".join(child.content for child in t.children or []) for t in inline]
    assert read == ["h"] * len(cells) + [cell.strip() for cell in shown]


def shown_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, sql: str, size: tuple[int, int]
) -> str:
    """What ``sql`` prints on a terminal of so many columns and lines."""
    leader, terminal = pty.openpty()
    monkeypatch.setenv("COLUMNS", str(size[0]))
    monkeypatch.setenv("LINES", str(size[1]))
    monkeypatch.setenv("TERM", "xterm")
    with (
        os.fdopen(leader, "rb", buffering=0) as reader,
        os.fdopen(terminal, "w") as out,
        run(settings, sql) as result,
    ):
        monkeypatch.setattr(sys, "stdout", out)
        write(result)
        out.write("\v")
        out.flush()
        shown = b""
        while not shown.endswith(b"\v"):
            shown += reader.read(100_000)
        return shown.removesuffix(b"\v").decode()


@pytest.fixture
def pager(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file that the pager writes what it is given to, after the value of ``LESS``."""
    script, seen = tmp_path / "pager", tmp_path / "seen"
    script.write_text(f"#!/bin/sh\n{{ echo $LESS; cat; }} > {seen}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PAGER", str(script))
    return seen


@pytest.mark.parametrize(
    "sql",
    ["SELECT 'last', range AS n FROM range(21)", "SELECT repeat('x', 50), repeat('y', 50), 'last'"],
    ids=["too long", "too wide"],
)
def test_what_does_not_fit_is_paged(
    monkeypatch: pytest.MonkeyPatch, extremes: Settings, pager: Path, sql: str
) -> None:
    monkeypatch.delenv("LESS", raising=False)
    assert shown_on_a_terminal(monkeypatch, extremes, sql, (80, 24)) == ""
    less, *lines = pager.read_text().splitlines()
    assert less == "-RSX"
    assert "last" in lines[2] and "…" not in lines[2]
    assert lines[-1].endswith("rows)" if len(lines) > 10 else "(1 row)")


def test_what_fits_is_not_paged(
    monkeypatch: pytest.MonkeyPatch, extremes: Settings, pager: Path
) -> None:
    shown = shown_on_a_terminal(monkeypatch, extremes, "SELECT range FROM range(20)", (80, 24))
    assert "19" in shown and "(20 rows)" in shown
    assert not pager.exists()


@pytest.mark.parametrize("command", ["", "/no/such/pager"])
def test_without_a_pager_all_is_printed(
    monkeypatch: pytest.MonkeyPatch, extremes: Settings, command: str
) -> None:
    monkeypatch.setenv("PAGER", command)
    shown = shown_on_a_terminal(monkeypatch, extremes, "SELECT range FROM range(50)", (80, 24))
    assert "49" in shown and "(50 rows)" in shown


def test_a_pager_that_is_left_early(monkeypatch: pytest.MonkeyPatch, extremes: Settings) -> None:
    monkeypatch.setenv("PAGER", "true")
    sql = "SELECT repeat('x', 60) AS a FROM range(100)"
    assert shown_on_a_terminal(monkeypatch, extremes, sql, (80, 24)) == ""


def test_a_reader_that_leaves_early_ends_it_quietly(extremes: Settings) -> None:
    code = f"""
from pathlib import Path
from lakehead.query.engine import run
from lakehead.query.output import write
from lakehead.settings import Settings
home = Path({str(extremes.home)!r})
with run(Settings(home=home, project=home), "FROM range(1000000)") as r:
    write(r, "csv")
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_table_for_a_person(extremes: Settings, tmp_path: Path) -> None:
    path = tmp_path / "answer.txt"
    sql = """SELECT range AS n, NULL AS nothing, repeat('x', 200) AS wide, '[red]' AS markup,
             'a\nb\x1b[2J' AS control, encode('hé') AS bytes FROM range(8, 1000)"""
    with run(extremes, sql) as result:
        assert write(result, "table", path, limit=3) == 3
    lines = path.read_text().splitlines()
    assert lines[-1] == "(the first 3 rows; there are more)"
    assert lines[2].startswith(" 8 ") and lines[4].startswith("10 ")
    for shown in ("NULL", "xxx…", "[red]", r"a\nb\x1b[2J", "hé"):
        assert shown in lines[2]
    assert "x" * 61 not in lines[2]


def test_table_ends_with_the_count(extremes: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    for rows, note in ((0, "(0 rows)"), (1, "(1 row)"), (100, "(100 rows)")):
        with run(extremes, f"FROM range({rows})") as result:
            assert write(result) == rows
        assert capsys.readouterr().out.splitlines()[-1] == note


def test_what_json_and_python_do_not_have() -> None:
    for text, shown in (("nan", "NaN"), ("inf", "Infinity"), ("-inf", "-Infinity")):
        assert json_text(float(text)) == f'"{shown}"'
        assert csv_text(float(text)) == shown
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    kind = "TIMESTAMP WITH TIME ZONE"
    for text in ("infinity", "-infinity"):
        value = con.execute(f"SELECT TIMESTAMPTZ '{text}'").fetchall()[0][0]
        assert json_text(value, kind) == f'"{text}"'
    assert json_text(timedelta(days=1, seconds=2, microseconds=3)) == '"P1DT2.000003S"'
    assert json_text(-timedelta(hours=1)) == '"-P0DT3600S"'


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**127), 2**127)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON_VALUES)
def test_json_round_trip(value: Any) -> None:
    """Digit for digit: a decimal read back as a decimal is the same decimal."""
    read = json.loads(json_text(value), parse_float=Decimal)
    assert read == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_json_floats_round_trip(value: float) -> None:
    assert json.loads(json_text(value)) == value


@given(st.binary(), st.datetimes(timezones=st.just(UTC)))
def test_bytes_and_moments_round_trip(data: bytes, moment: datetime) -> None:
    assert b64decode(json.loads(json_text(data))) == data
    text = json.loads(json_text(moment, "TIMESTAMP WITH TIME ZONE"))
    assert text.endswith("+00:00") and datetime.fromisoformat(text) == moment


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_csv_round_trip(cells: list[str]) -> None:
    line = csv_line(map(csv_text, cells))
    assert next(csv.reader(io.StringIO(line, newline=""))) == cells


@given(st.text() | st.binary())
def test_nothing_shown_moves_a_cursor(value: str | bytes) -> None:
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in shown_text(value))
