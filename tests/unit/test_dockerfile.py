"""The image: made of the locks, small in rights, and of what the context has."""

import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from lakehead.settings import INSTALL_ROOT
from lakehead.stack.flink import flink_home
from lakehead.stack.java import REQUIRED_MAJOR
from tests import compose
from tests.conftest import ROOT

FILE = ROOT / "docker" / "Dockerfile"
# What an image is not made of; a new folder of the checkout is one or the other.
NOT_IN_THE_IMAGE = {
    *(".ci", ".dockerignore", ".editorconfig", ".env.example", ".github", ".gitignore"),
    *("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "bench", "docs", "tests"),
    *("deploy", "docker", "docker-compose.yml"),
}


def instructions() -> list[tuple[str, str]]:
    """The instructions with their arguments, each on one line, with ARGs of the head filled in."""
    text = re.sub(r"^\s*#.*\n", "", FILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    values = dict(rest.split("=", 1) for word, rest in found if word == "ARG" and "=" in rest)
    return [
        (word, re.sub(r"\$\{(\w+)\}", lambda m: values.get(m[1], m[0]), rest))
        for word, rest in found
    ]


def of(word: str) -> list[str]:
    return [rest for each, rest in instructions() if each == word]


def lock() -> dict[str, str]:
    """The version of each package in uv.lock."""
    document = tomllib.loads((ROOT / "uv.lock").read_text())
    return {p["name"]: p["version"] for p in document["package"]}


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps a file out: of the patterns that match it, the last decides."""
    out = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!")
        parts = Path(path).parts
        above = ["/".join(parts[: i + 1]) for i in range(len(parts))]
        if pattern.startswith("**/"):
            matches = any(fnmatch(part, pattern.removeprefix("**/")) for part in parts)
        else:
            matches = any(fnmatch(each, pattern) for each in above)
        if matches:
            out = not line.startswith("!")
    return out


def tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=True
    )
    return listed.stdout.splitlines()


def test_both_stages_are_of_one_image_of_an_exact_version() -> None:
    bases = {rest.split()[0] for rest in of("FROM")}
    [base] = bases
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", base)


def test_its_python_and_java_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    minor = "{}.{}".format(*sys.version_info[:2])
    assert project["requires-python"].startswith(f">={minor},")
    assert of("FROM")[0].startswith(f"python:{minor}.")
    assert f".venv/lib/python{minor}/site-packages" in compose.FILE.read_text()
    assert set(re.findall(r"openjdk-(\d+)-", FILE.read_text())) == {str(REQUIRED_MAJOR)}


def test_versions_come_from_the_locks_alone() -> None:
    text = " ".join(of("RUN"))
    assert "scripts/setup.sh" in text
    for command in re.findall(r"uv sync[^&]*", text):
        assert "--frozen" in command
    assert not re.search(r"pip install|uv add|==|>=|mvn |curl|wget", text)
    assert "uv sync --frozen" in (ROOT / "scripts" / "setup.sh").read_text()


def test_engines_are_those_of_the_lock() -> None:
    versions = lock()
    [flink] = flink_home().glob("lib/flink-dist-*.jar")
    assert flink.name == f"flink-dist-{versions['apache-flink']}.jar"
    text = (ROOT / "docs" / "containers.md").read_text()
    named = dict(re.findall(r"^\| (Flink|Spark|Airflow) \| ([\d.]+) ", text, re.MULTILINE))
    assert named["Flink"] == versions["apache-flink"]
    assert named["Spark"] == versions["pyspark"]
    assert named["Airflow"] == versions.get("apache-airflow", named["Airflow"])
    kafka = re.search(r"^\| Kafka \| ([\d.]+) ", text, re.MULTILINE)
    assert kafka
    assert f"kafka/kafka_2.13-{kafka[1]}.jar" in (ROOT / "jvm" / "jars.lock").read_text()


def extras() -> set[str]:
    services = compose.services().values()
    arguments = [s["build"].get("args", {}) for s in services if "build" in s]
    return {extra for a in arguments for extra in a.get("EXTRAS", "").split()}


def test_extras_of_the_images_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert extras() == {"airflow"}
    assert extras() <= set(project["optional-dependencies"])
    # By which Airflow reaches PostgreSQL, as its address says.
    assert {"psycopg2-binary", "asyncpg"} <= set(lock())


def test_it_runs_as_nobody_in_particular() -> None:
    assert instructions()[-1][0] == "CMD"
    user = of("USER")[-1]
    assert user.isdecimal()
    assert int(user) >= 10_000
    assert f"--uid {user} " in " ".join(of("RUN"))


def test_layers_leave_nothing_behind() -> None:
    for run in of("RUN"):
        if "apt-get" in run:
            assert re.match(r"apt-get update\s+&& apt-get install -y --no-install-recommends ", run)
            assert "rm -rf /var/lib/apt/lists/*" in run
        if "setup.sh" in run:
            assert "rm -rf /tmp/home .tools" in run
    assert of("ADD") == []
    assert not re.search(r"PASSWORD|SECRET|TOKEN", " ".join([*of("ENV"), *of("ARG")]))


def test_the_folders_that_volumes_take_their_owner_from_are_made() -> None:
    [made] = re.findall(r"install -d -o lakehead -g lakehead ([^&]+)", " ".join(of("RUN")))
    services = compose.services().values()
    mine = [v for s in services if s["image"].startswith("lakehead") for v in s["volumes"]]
    folders = {v.split(":")[1] for v in mine if v[0] not in "./"}
    assert set(made.split()) == folders


def test_the_context_has_what_the_image_is_made_of_and_no_more() -> None:
    files = tracked()
    assert {f.split("/")[0] for f in files if ignored(f)} <= NOT_IN_THE_IMAGE | {"scripts"}
    there = {f for f in files if not ignored(f)}
    assert {"uv.lock", "pyproject.toml", "README.md", "scripts/setup.sh"} <= there
    assert {f for f in files if f.startswith(("lakehead/", "jobs/", "jvm/"))} <= there
    assert {f for f in there if f.startswith("docker/")} == {"docker/answers.py"}
    for path in (".env", ".git/config", ".lakehead/settings.json", ".venv/bin/python"):
        assert ignored(path), path
    assert ignored("jvm/target/jars/kafka/kafka.jar")


def test_scripts_that_services_call_are_in_the_image() -> None:
    called = set(re.findall(r"/opt/lakehead/([\w/.-]+\.py)", compose.FILE.read_text()))
    assert called == {"docker/answers.py"}
    assert all((INSTALL_ROOT / path).exists() and not ignored(path) for path in called)


def test_a_health_check_by_http_fails_where_nothing_answers() -> None:
    command = [sys.executable, ROOT / "docker" / "answers.py", "http://127.0.0.1:9/"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("http://127.0.0.1:9/: ")


def test_hadolint_finds_nothing() -> None:
    beside = Path(sys.executable).parent / "hadolint"
    found = str(beside) if beside.exists() else shutil.which("hadolint")
    if found is None:
        pytest.skip("hadolint is not installed; the tests above look at what matters most")
    done = subprocess.run([found, "--no-color", FILE], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_compose_file_has_no_key_twice() -> None:
    """PyYAML takes the last of two equal keys in silence; compose refuses the file."""

    def look(node: yaml.Node) -> None:
        for child in node.value if isinstance(node, yaml.SequenceNode) else []:
            look(child)
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            doubled = {key for key in keys if keys.count(key) > 1}
            assert not doubled, f"line {node.start_mark.line + 1}: {doubled}"
            for _, child in node.value:
                look(child)

    look(yaml.compose(compose.FILE.read_text()))
