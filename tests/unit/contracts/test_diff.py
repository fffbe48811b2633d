"""What changed between two versions of a contract, and whether a stream can take it live."""

import copy
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lakehead.contracts.diff import Change, compare, renames
from lakehead.contracts.iceberg import landing_schema
from lakehead.contracts.load import contract_from_text
from lakehead.contracts.model import Contract
from lakehead.contracts.versions import compare_all, contract_at
from lakehead.errors import UserError
from lakehead.lake.evolve import plan_steps

BASE: Any = yaml.safe_load("""
apiVersion: v3.2.0
kind: DataContract
id: readings
name: readings
version: 1.0.0
status: active
schema:
  - name: readings
    physicalType: topic
    properties:
      - {name: meter, logicalType: string, required: true, logicalTypeOptions: {maxLength: 9}}
      - {name: number, logicalType: integer, physicalType: int, logicalTypeOptions: {minimum: 1}}
      - {name: level, logicalType: number, physicalType: 'decimal(10,2)'}
      - {name: ratio, logicalType: number, physicalType: float}
      - {name: note, logicalType: string, logicalTypeOptions: {pattern: '^n'}}
      - {name: unit, logicalType: string, required: true, enum: [{value: kWh}, {value: MWh}]}
      - name: place
        logicalType: object
        properties:
          - {name: hall, logicalType: string, required: true}
          - {name: floor, logicalType: integer, physicalType: int}
      - name: parts
        logicalType: array
        logicalTypeOptions: {maxItems: 5}
        items:
          logicalType: object
          properties:
            - {name: code, logicalType: string}
            - {name: count, logicalType: integer, physicalType: int}
      - {name: labels, logicalType: map, map: {value: {logicalType: number, physicalType: float}}}
      - {name: read_at, logicalType: timestamp, required: true}
    quality:
      - {name: low, type: custom, engine: lakehead, implementation: number < 1000}
customProperties:
  - {property: eventTime, value: read_at}
  - {property: key, value: meter}
""")
Edit = Callable[[Any], object]


def load(document: Any) -> Contract:
    return contract_from_text(yaml.safe_dump(document), Path("readings.yaml"))


def changed(edit: Edit) -> list[Change]:
    document = copy.deepcopy(BASE)
    edit(document)
    return compare(load(BASE), load(document))


def field(document: Any, name: str) -> Any:
    return next(p for p in document["schema"][0]["properties"] if p["name"] == name)


def fields(document: Any) -> Any:
    return document["schema"][0]["properties"]


def options(document: Any, name: str, **values: object) -> None:
    field(document, name)["logicalTypeOptions"] = values


def drop(document: Any, name: str) -> None:
    fields(document).remove(field(document, name))


def renamed(document: Any, old: str, new: str) -> None:
    field(document, old).update(
        name=new, customProperties=[{"property": "aliases", "value": [old]}]
    )


def setting(document: Any, name: str, value: object) -> None:
    listed = [p for p in document["customProperties"] if p["property"] != name]
    document["customProperties"] = [*listed, {"property": name, "value": value}]


def named(value: object) -> str:
    return value if isinstance(value, str) else ""


def test_nothing_changed() -> None:
    assert changed(lambda d: None) == []


COMPATIBLE: list[tuple[str, Edit]] = [
    ("extra: is new", lambda d: fields(d).append({"name": "extra", "logicalType": "boolean"})),
    ("becomes long", lambda d: field(d, "number").update(physicalType="long")),
    ("becomes double", lambda d: field(d, "ratio").update(physicalType="double")),
    ("becomes decimal(12,2)", lambda d: field(d, "level").update(physicalType="decimal(12,2)")),
    ("GWh is allowed", lambda d: field(d, "unit")["enum"].append({"value": "GWh"})),
    ("any value is allowed", lambda d: field(d, "unit").pop("enum")),
    ("becomes optional", lambda d: field(d, "unit").update(required=False)),
    ("minimum becomes 0", lambda d: field(d, "number").update(logicalTypeOptions={"minimum": 0})),
    ("max_length 9 is lifted", lambda d: field(d, "meter").pop("logicalTypeOptions")),
    ("any text is allowed", lambda d: field(d, "note").pop("logicalTypeOptions")),
    ("remark: is the new name of note", lambda d: renamed(d, "note", "remark")),
    ("note: is gone", lambda d: drop(d, "note")),
    ("place.floor: is gone", lambda d: field(d, "place")["properties"].pop()),
    (
        "place.door: is new",
        lambda d: field(d, "place")["properties"].append({"name": "door", "logicalType": "string"}),
    ),
    (
        "parts: ",
        lambda d: field(d, "parts")["items"]["properties"][1].update(physicalType="long"),
    ),
    ("labels: ", lambda d: field(d, "labels")["map"]["value"].update(physicalType="double")),
    (
        "max_length becomes 6",
        lambda d: field(d, "parts").update(logicalTypeOptions={"maxItems": 6}),
    ),
    ("rule low is gone", lambda d: d["schema"][0].pop("quality")),
    ("partitions becomes 8", lambda d: setting(d, "partitions", 8)),
    ("retention becomes", lambda d: setting(d, "retention", "1 day")),
    ("snapshotRetention becomes", lambda d: setting(d, "snapshotRetention", "1 day")),
    ("clockSkew becomes", lambda d: setting(d, "clockSkew", "2 minutes")),
    ("watermarkDelay becomes", lambda d: setting(d, "watermarkDelay", "1 minute")),
    ("version becomes", lambda d: d.update(version="1.1.0")),
    ("description becomes", lambda d: field(d, "note").update(description="What was written.")),
]


@pytest.mark.parametrize(("what", "edit"), COMPATIBLE, ids=named)
def test_what_a_stream_can_take(what: str, edit: Edit) -> None:
    found = changed(edit)
    assert all(change.compatible for change in found)
    assert any(what in change.what for change in found)


REFUSED: list[tuple[str, Edit]] = [
    (
        "extra: is new, and required",
        lambda d: fields(d).append({"name": "extra", "logicalType": "string", "required": True}),
    ),
    ("unit: is gone, and was required", lambda d: drop(d, "unit")),
    ("becomes decimal(8,2)", lambda d: field(d, "level").update(physicalType="decimal(8,2)")),
    ("becomes decimal(12,3)", lambda d: field(d, "level").update(physicalType="decimal(12,3)")),
    (
        "ratio: float becomes string",
        lambda d: field(d, "ratio").update(logicalType="string", physicalType="string"),
    ),
    (
        "number: int becomes double",
        lambda d: field(d, "number").update(logicalType="number", physicalType="double"),
    ),
    ("note: becomes required", lambda d: field(d, "note").update(required=True)),
    ("MWh is no longer allowed", lambda d: field(d, "unit")["enum"].pop()),
    ("only n are allowed", lambda d: field(d, "note").update(enum=[{"value": "n"}])),
    ("minimum becomes 2", lambda d: field(d, "number").update(logicalTypeOptions={"minimum": 2})),
    (
        "maximum becomes 5, from none",
        lambda d: field(d, "number").update(logicalTypeOptions={"minimum": 1, "maximum": 5}),
    ),
    (
        "max_length becomes 3",
        lambda d: field(d, "meter").update(logicalTypeOptions={"maxLength": 3}),
    ),
    ("pattern becomes", lambda d: field(d, "note").update(logicalTypeOptions={"pattern": "^m"})),
    ("place.hall: is gone", lambda d: field(d, "place")["properties"].pop(0)),
    (
        "rule low: number < 999",
        lambda d: d["schema"][0]["quality"][0].update(implementation="number < 999"),
    ),
    ("the key becomes unit", lambda d: setting(d, "key", "unit")),
    ("partitions becomes 2", lambda d: setting(d, "partitions", 2)),
    ("encoding becomes avro", lambda d: setting(d, "encoding", "avro")),
    ("cleanup becomes compact", lambda d: setting(d, "cleanup", "compact")),
    ("clockSkew becomes", lambda d: setting(d, "clockSkew", "1 second")),
]


@pytest.mark.parametrize(("what", "edit"), REFUSED, ids=named)
def test_what_is_refused_says_why_and_what_to_do_instead(what: str, edit: Edit) -> None:
    refused = [change for change in changed(edit) if not change.compatible]
    assert any(what in change.what for change in refused)
    assert all(change.refused and change.way_out for change in refused)


def test_another_event_time_is_refused() -> None:
    def edit(document: Any) -> None:
        fields(document).append({"name": "sent_at", "logicalType": "timestamp", "required": True})
        setting(document, "eventTime", "sent_at")

    assert any("the event time becomes sent_at" in c.what for c in changed(edit) if c.refused)


def test_the_key_may_have_a_new_name() -> None:
    def edit(document: Any) -> None:
        renamed(document, "meter", "gauge")
        setting(document, "key", "gauge")

    assert all(change.compatible for change in changed(edit))


def test_an_alias_may_not_go() -> None:
    before = copy.deepcopy(BASE)
    renamed(before, "note", "remark")
    after = copy.deepcopy(before)
    field(after, "remark").pop("customProperties")
    [change] = compare(load(before), load(after))
    assert "alias note is gone" in change.what
    assert not change.compatible


def test_a_field_that_is_renamed_twice_keeps_both_names() -> None:
    before = copy.deepcopy(BASE)
    renamed(before, "note", "remark")
    after = copy.deepcopy(BASE)
    field(after, "note").update(
        name="comment", customProperties=[{"property": "aliases", "value": ["remark", "note"]}]
    )
    changes = compare(load(before), load(after))
    assert [c.what for c in changes if c.refused] == []
    assert renames(load(before).fields, load(after).fields) == {"remark": "comment"}


def test_the_steps_of_the_table_follow_the_contract() -> None:
    document = copy.deepcopy(BASE)
    renamed(document, "note", "remark")
    field(document, "number")["physicalType"] = "long"
    field(document, "parts")["items"]["properties"].append(
        {"name": "weight", "logicalType": "number"}
    )
    drop(document, "ratio")
    fields(document).insert(1, {"name": "by", "logicalType": "string"})
    old, new = load(BASE), load(document)
    steps = plan_steps(landing_schema(old), landing_schema(new), renames(old.fields, new.fields))
    assert [str(step) for step in steps] == [
        "rename column note to remark",
        "add column by string",
        "widen column number to long",
        "add column parts.element.weight double",
        "drop column ratio",
    ]


@pytest.mark.parametrize("held", ["note", "remark", "comment"])
def test_whichever_name_a_table_has_is_renamed_and_nothing_is_dropped(held: str) -> None:
    """A change that was cut short, or a version that was left out, must not cost a column."""
    document = copy.deepcopy(BASE)
    field(document, "note")["name"] = held
    wanted = copy.deepcopy(BASE)
    field(wanted, "note")["name"] = "comment"
    aliases = {"note": "comment", "remark": "comment"}
    steps = plan_steps(landing_schema(load(document)), landing_schema(load(wanted)), aliases)
    expected = [] if held == "comment" else [f"rename column {held} to comment"]
    assert [str(step) for step in steps] == expected


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """``schemas/`` in a git repository whose one commit has the base version."""
    schemas = tmp_path / "schemas"
    schemas.mkdir()
    (schemas / "readings.yaml").write_text(yaml.safe_dump(BASE))
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "first"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    return schemas


def test_a_git_revision_is_what_a_pull_request_is_held_against(repository: Path) -> None:
    document = copy.deepcopy(BASE)
    field(document, "note")["required"] = True
    (repository / "readings.yaml").write_text(yaml.safe_dump(document))
    (repository / "more.yaml").write_text(yaml.safe_dump(BASE).replace("readings", "more"))
    found = {c.stream: c for c in compare_all(repository, "HEAD")}
    assert not found["readings"].compatible
    assert not found["more"].known
    (repository / "readings.yaml").unlink()
    gone = {c.stream: c for c in compare_all(repository, "HEAD")}["readings"]
    assert "is gone" in gone.changes[0].what


@pytest.mark.parametrize("revision", ["nowhere", "--all", "HEAD:x", ""])
def test_a_revision_that_is_none(repository: Path, revision: str) -> None:
    with pytest.raises(UserError, match="git revision"):
        contract_at(repository, "readings", revision)
