"""A profile says where and how large, and is refused with the line where it is wrong."""

from pathlib import Path

import msgspec
import pytest
import yaml

from lakehead.deploy.profile import Profile, load_profile, parse_profile
from lakehead.errors import UserError
from lakehead.settings import INSTALL_ROOT

EXAMPLE = INSTALL_ROOT / "deploy" / "cluster.example.yaml"
MINIMAL = """\
images: {flink: f:1, spark: s:1, airflow: a:1}
catalog: {uri: "https://catalog/api", warehouse: w}
s3: {bucket: lake}
"""


def test_the_example_shows_every_setting_and_its_default() -> None:
    shown = yaml.safe_load(EXAMPLE.read_text())
    commented = {
        line.split("#")[1].split(":")[0].strip()
        for line in EXAMPLE.read_text().splitlines()
        if line.lstrip().startswith("# ") and ": " in line
    }
    for field in msgspec.structs.fields(Profile):
        part = shown.get(field.name)
        assert part is not None or field.name in commented | {"registry"}
        if isinstance(part, dict):
            kind = type(getattr(load_profile(EXAMPLE), field.name))
            for inner in msgspec.structs.fields(kind):
                assert inner.name in part or inner.name in commented, (field.name, inner.name)
    default = parse_profile(MINIMAL, "x.yaml")
    example = load_profile(EXAMPLE)
    for name in ("name", "namespaces", "kafka", "flink", "spark", "airflow"):
        assert getattr(example, name) == getattr(default, name), name


def test_servers_and_certificate_are_strimzis_where_none_are_named() -> None:
    own = parse_profile(MINIMAL + "name: sea\nnamespaces: {kafka: k}\n", "x.yaml")
    assert own.bootstrap == "sea-kafka-bootstrap.k.svc:9093"
    assert own.ca_secret == "sea-cluster-ca-cert"
    named = parse_profile(MINIMAL + "kafka: {bootstrap: 'b:1,c:2', ca_secret: s}\n", "x.yaml")
    assert (named.bootstrap, named.ca_secret) == ("b:1,c:2", "s")


@pytest.mark.parametrize(
    ("more", "line", "said"),
    [
        ("kafka:\n  password: x\n", 4, "kafka: Object contains unknown field `password`"),
        ("kafka:\n  brokers: 2\n", 4, "replicas is 3, expected at most the 2 brokers"),
        ("flink:\n  slots: 0\n", 5, "flink.slots: Expected `int` >= 1; is 0"),
        ("flink:\n  slots: many\n", 5, "flink.slots: Expected `int`, got `str`; is 'many'"),
        ("name: Upper\n", 4, "name: Expected `str` matching regex"),
        ("registry: {url: 'ftp://x'}\n", 4, "is 'ftp://x'"),
        ("spark: {schedule: hourly}\n", 4, "is 'hourly'"),
        ("namespaces: {kafka: a_b}\n", 4, "is 'a_b'"),
        ("typo: 1\n", 1, "unknown field `typo`"),
        ("s3: {bucket: twice}\n", 4, "'s3' is there twice"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(more: str, line: int, said: str) -> None:
    with pytest.raises(UserError) as error:
        parse_profile(MINIMAL + more, "x.yaml")
    assert error.value.message.startswith(f"x.yaml:{line}: ")
    assert said in error.value.message


@pytest.mark.parametrize("address", ["https://user:word@catalog", "https://catalog/?key=a@b"])
def test_a_password_in_an_address_is_refused_and_not_shown(address: str) -> None:
    text = MINIMAL.replace("https://catalog/api", address)
    with pytest.raises(UserError, match=r"x\.yaml:2: catalog\.uri") as error:
        parse_profile(text, "x.yaml")
    assert "word" not in error.value.message


@pytest.mark.parametrize("text", ["", "3", "[]", "images: 3", "- a", "null"])
def test_what_is_no_profile_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^x\.yaml:1: "):
        parse_profile(text, "x.yaml")


def test_a_profile_that_is_missing_names_the_example(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no cluster profile") as error:
        load_profile(tmp_path / "cluster.yaml")
    assert "cluster.example.yaml" in error.value.hint
