"""Contracts against each other and against models: each problem has its file and line."""

from pathlib import Path

import pytest

from lakehead.contracts.scaffold import scaffold
from lakehead.models.check import Finding, check_contracts, check_models

MODEL = """/*
model: {name}
stream: {stream}
window: {{tumble: 10 seconds}}
keys: [id]
output:
  table: marts.{name}
  columns: {{id: string, n: long}}
*/
SELECT id, count({column}) AS n FROM {stream} GROUP BY id
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for folder in ("schemas", "pipelines"):
        (tmp_path / folder).mkdir()
    for name in ("orders", "customers"):
        (tmp_path / "schemas" / f"{name}.yaml").write_text(scaffold(name))
    return tmp_path


def check(project: Path, *names: str) -> list[Finding]:
    every = sorted(p.stem for p in (project / "schemas").glob("*.yaml"))
    paths = [project / "schemas" / f"{name}.yaml" for name in names or every]
    return check_contracts(paths, project / "pipelines")


def refer(project: Path, to: str, logical: str = "string") -> int:
    """Let orders.customer refer to ``to``; the line of the reference."""
    path = project / "schemas" / "orders.yaml"
    field = (
        f"      - name: customer\n        logicalType: {logical}\n"
        f"        relationships:\n          - {{to: {to}}}\n"
    )
    text = path.read_text().replace("    properties:\n", "    properties:\n" + field)
    path.write_text(text)
    return text[: text.index("relationships:")].count("\n") + 1


def model(project: Path, name: str, stream: str, column: str = "id") -> None:
    text = MODEL.format(name=name, stream=stream, column=column)
    (project / "pipelines" / f"{name}.sql").write_text(text)


def test_nothing_is_wrong(project: Path) -> None:
    refer(project, "customers.id")
    model(project, "counts", "orders")
    assert check(project) == []


@pytest.mark.parametrize(
    ("to", "logical", "expected"),
    [
        ("clients.id", "string", "no such stream; expected one of customers, orders"),
        ("customers.event_time", "timestamp", "expected the stream's key, customers.id"),
        ("customers.id", "integer", "is a long, but customers.id is a string"),
        ("orders.event_time", "timestamp", "expected the stream's key, orders.id"),
    ],
)
def test_a_reference_is_to_a_key_of_its_type(
    project: Path, to: str, logical: str, expected: str
) -> None:
    line = refer(project, to, logical)
    (found,) = check(project, "orders")
    assert (found.file.name, found.line) == ("orders.yaml", line)
    assert expected in found.message


def test_a_reference_to_a_broken_contract_says_so(project: Path) -> None:
    refer(project, "customers.id")
    (project / "schemas" / "customers.yaml").write_text("name: [")
    broken, reference = check(project)
    assert (broken.file.name, broken.line) == ("customers.yaml", 1)
    assert "problems of its own" in reference.message


def test_models_are_held_against_the_contract(project: Path) -> None:
    model(project, "counts", "orders", column="amount")
    model(project, "lost", "nowhere")
    (project / "pipelines" / "broken.sql").write_text("SELECT 1")
    found = {f.file.name: f.message for f in check(project)}
    assert set(found) == {"counts.sql", "lost.sql", "broken.sql"}
    assert found["counts.sql"].startswith("amount: is not a column, expected one of id")
    assert "reads 'nowhere', which is no stream and no model" in found["lost.sql"]
    # Another model's stream is not the matter of this contract.
    assert "lost.sql" not in {f.file.name for f in check(project, "customers")}


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"a: [", b"\x00", b"- 1", b"name: orders"])
def test_whatever_a_file_holds_is_a_finding(project: Path, content: bytes) -> None:
    (project / "schemas" / "orders.yaml").write_bytes(content)
    found = check(project, "orders", "nothing")
    assert {f.file.name for f in found} == {"orders.yaml", "nothing.yaml"}
    assert all(f.line >= 1 and not f.message.startswith("/") for f in found)


JOIN = """/*
model: paired
kind: join
streams: [orders, customers]
output: {table: marts.paired, columns: {id: string}}
*/
SELECT o.id FROM orders AS o JOIN customers AS c
  ON o.id = c.id AND c.event_time BETWEEN o.event_time AND o.event_time + INTERVAL '1' HOUR
"""


def models(project: Path, *names: str) -> list[str]:
    found = check_models(project / "schemas", project / "pipelines", names or None)
    return [f"{f.file.name}:{f.line}: {f.message}" for f in found]


def test_a_model_of_two_streams_is_checked_with_either(project: Path) -> None:
    (project / "pipelines" / "paired.sql").write_text(JOIN)
    assert check(project, "orders") == check(project, "customers") == models(project) == []
    (project / "pipelines" / "paired.sql").write_text(JOIN.replace("o.id = c.id", "o.id = c.no"))
    for found in (check(project, "orders"), check(project, "customers")):
        assert [(f.file.name, f.line) for f in found] == [("paired.sql", 8)]
        assert "no" in found[0].message
    (project / "schemas" / "customers.yaml").write_text("- 1")
    assert check(project, "orders") == []
    assert [m.split(":")[0] for m in models(project)] == ["customers.yaml"]


def test_two_models_do_not_write_one_table(project: Path) -> None:
    for name in ("one", "two"):
        model(project, name, "orders")
    path = project / "pipelines" / "two.sql"
    path.write_text(path.read_text().replace("marts.two", "marts.one"))
    assert models(project) == [
        "two.sql:1: models one and two both write marts.one; expected an output each"
    ]
    assert models(project, "one") == []


def test_models_that_read_each_other_are_told(project: Path) -> None:
    for name, other in (("one", "two"), ("two", "one")):
        (project / "pipelines" / f"{name}.sql").write_text(
            f"/*\nmodel: {name}\nstream: {other}\n"
            f"output: {{table: marts.{name}, columns: {{id: string}}}}\n*/\nSELECT id FROM {other}"
        )
    assert {m.split(":")[0] for m in models(project)} == {"one.sql", "two.sql"}


def test_tests_are_read_with_their_model(project: Path) -> None:
    model(project, "counts", "orders")
    tests = project / "pipelines" / "tests"
    tests.mkdir()
    (tests / "counts.yaml").write_text("- name: a\n  given: {orders: []}\n  expect: [{m: 1}]\n")
    (tests / "lost.yaml").write_text("- 1")
    assert models(project) == [
        "counts.yaml:3: 'm' is no column of counts;"
        " expected one of window_start, window_end, id, n",
        "lost.yaml:1: there is no model 'lost' that these are tests of",
    ]
    (tests / "counts.yaml").write_text("[")
    assert models(project, "counts")[0].startswith("counts.yaml:")
    assert models(project, "none") == [
        f"none.sql:1: there is no model 'none'; {project / 'pipelines'} has counts"
    ]


def test_what_a_mart_must_keep_is_of_its_columns(project: Path) -> None:
    model(project, "counts", "orders")
    path = project / "pipelines" / "counts.sql"
    expect = "keys: [id]\nexpect:\n  - n > 0 AND window_end > window_start\n  - m > 0\n"
    path.write_text(path.read_text().replace("keys: [id]\n", expect))
    (found,) = check_models(project / "schemas", project / "pipelines")
    assert (found.file, found.line) == (path, 8)
    assert found.message == (
        "expect: m > 0: m: is not a field, expected one of "
        "window_start, window_end, id, n, settled_offsets"
    )
