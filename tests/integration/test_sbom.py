"""The bills of materials list exactly what the locks pin."""

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.integration

Bills = tuple[dict[str, Any], dict[str, Any]]


@pytest.fixture(scope="module")
def bills(tmp_path_factory: pytest.TempPathFactory) -> Bills:
    folder = tmp_path_factory.mktemp("sbom")
    command = [str(ROOT / "scripts" / "sbom.sh"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    python, jars = (Path(path) for path in done.stdout.split())
    assert python.parent == jars.parent == folder
    return json.loads(python.read_text()), json.loads(jars.read_text())


def test_both_are_cyclonedx_and_name_every_component(bills: Bills) -> None:
    for bill, kind in zip(bills, ("pypi", "maven"), strict=True):
        assert bill["bomFormat"] == "CycloneDX"
        assert bill["specVersion"] in ("1.5", "1.6")
        for component in bill["components"]:
            assert component["type"] == "library"
            assert component["purl"].startswith(f"pkg:{kind}/")
            name, version = component["name"], component["version"]
            assert f"{name}@{version}" in component["purl"]
        references = [component["bom-ref"] for component in bill["components"]]
        assert len(set(references)) == len(references)
        known = {*references, bill["metadata"]["component"]["bom-ref"]}
        assert {d["ref"] for d in bill["dependencies"]} <= known


def test_every_jar_of_the_lock_is_there_with_its_hash(bills: Bills) -> None:
    found = {
        f"{c['name']}-{c['version']}.jar": {h["alg"]: h["content"] for h in c["hashes"]}["SHA-256"]
        for c in bills[1]["components"]
    }
    lock = dict(
        reversed(line.split("  ")) for line in (ROOT / "jvm" / "jars.lock").read_text().splitlines()
    )
    locked = {Path(path).name: digest for path, digest in lock.items()}
    # The set-up makes the slim jar of one that is whole in the bill.
    slim = {name for name in locked if name.endswith("-slim.jar")}
    assert {name.replace("-slim", "") for name in slim} <= set(found)
    assert {n: d for n, d in found.items() if n in locked} == {
        n: d for n, d in locked.items() if n not in slim
    }
    assert set(found) - set(locked) == {name.replace("-slim", "") for name in slim}


def test_every_python_package_is_the_locked_one_and_tests_are_not_among_them(bills: Bills) -> None:
    with (ROOT / "uv.lock").open("rb") as file:
        locked = {(p["name"], p.get("version")) for p in tomllib.load(file)["package"]}
    found = {(c["name"], c["version"]) for c in bills[0]["components"]}
    assert found <= locked
    names = {name for name, _ in found}
    assert {"confluent-kafka", "duckdb", "apache-flink", "pyspark", "apache-airflow"} <= names
    assert not names & {"pytest", "mypy", "ruff", "hypothesis"}
