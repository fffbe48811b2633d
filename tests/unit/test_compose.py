"""docker-compose.yml: what can be said of it without an engine to run it."""

import json
import re
import stat
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from lakehead.cli.main import app
from lakehead.settings import Ports, Settings, Tuning, load_settings
from lakehead.stack.airflow import environment
from lakehead.stack.flink import flink_home
from lakehead.stack.part import PARTS
from tests import compose
from tests.conftest import ROOT

SERVICES = compose.services()
# Each runs to its end, or is started by hand: nothing waits for its health.
BY_THEMSELVES = {"cli", "airflow-migrate", "metrics-token"}
OURS = {name for name, service in SERVICES.items() if service["image"].startswith("lakehead")}
EXACT = re.compile(r"[\w./-]+(:v?\d+\.\d+(\.\d+)?(-[\w.]+)?|@sha256:[0-9a-f]{64})")
SIZES = {"M": 2**20, "G": 2**30}

each_service = pytest.mark.parametrize("name", SERVICES)


def limits(name: str) -> dict[str, Any]:
    found: dict[str, Any] = SERVICES[name]["deploy"]["resources"]["limits"]
    return found


def memory_mb(name: str) -> int:
    text = limits(name)["memory"]
    return int(text[:-1]) * SIZES[text[-1]] // 2**20


def sources(name: str) -> list[str]:
    return [volume.split(":")[0] for volume in SERVICES[name].get("volumes", [])]


# The file as a whole


def test_it_is_a_compose_file() -> None:
    PyCompose.from_yaml(yaml.safe_dump(compose.load())).validate()


def test_what_is_none_is_refused() -> None:
    document = compose.load()
    document["services"]["kafka"]["healtcheck"] = {}
    with pytest.raises(ValueError, match="healtcheck"):
        PyCompose.from_yaml(yaml.safe_dump(document))


def test_the_example_of_an_env_names_each_variable_and_no_other() -> None:
    wanted = compose.variables(compose.FILE.read_text())
    lines = (ROOT / ".env.example").read_text().splitlines()
    said = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    assert said.keys() == wanted.keys()
    for name, default in wanted.items():
        # A secret has neither a default nor an example.
        assert said[name] == (default or ""), name


def test_airflow_is_told_the_same_as_at_home() -> None:
    at_home = environment(Settings(Path("/lake"), ROOT))
    here = SERVICES["airflow-scheduler"]["environment"]
    # Where things are; and what belongs to an API server and a DAG processor of their own.
    others = r"_FOLDER$|SQL_ALCHEMY|_URL$|_CMD$|_PASSWORDS_FILE$|__API__|__DAG_PROCESSOR__"
    wanted = {k: v for k, v in at_home.items() if k[:9] == "AIRFLOW__" and not re.search(others, k)}
    assert {k: str(here.get(k)).lower() for k in wanted} == {
        k: v.lower() for k, v in wanted.items()
    }


def test_without_secrets_it_is_refused() -> None:
    values = compose.example_values() | {"GRAFANA_PASSWORD": ""}
    with pytest.raises(LookupError, match=r"GRAFANA_PASSWORD is missing: run docker/make-env\.sh"):
        compose.load(values)


def test_make_env_fills_in_the_secrets_and_keeps_an_env_that_is_there(tmp_path: Path) -> None:
    script = tmp_path / "docker" / "make-env.sh"
    script.parent.mkdir()
    script.write_text((ROOT / "docker" / "make-env.sh").read_text())
    (tmp_path / ".env.example").write_text((ROOT / ".env.example").read_text())
    first = subprocess.run(["bash", script], capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    made = (tmp_path / ".env").read_text()
    said = dict(line.split("=", 1) for line in made.splitlines() if line[:1] not in ("", "#"))
    secrets = [
        said[name] for name, default in compose.example_values().items() if "test-" in default
    ]
    assert len(secrets) == 4
    assert len(set(secrets)) == 4
    assert all(re.fullmatch("[0-9a-f]{64}", secret) for secret in secrets)
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    compose.load(said)
    again = subprocess.run(["bash", script], capture_output=True, text=True)
    assert again.returncode == 1
    assert (tmp_path / ".env").read_text() == made


def test_volumes_are_named_and_used() -> None:
    declared = set(compose.load()["volumes"])
    used = {source for name in SERVICES for source in sources(name) if source[0] not in "./"}
    assert used == declared


def test_what_starts_first_is_there_and_nothing_waits_for_itself() -> None:
    done: set[str] = set()
    waiting = {name: set(service.get("depends_on", {})) for name, service in SERVICES.items()}
    while waiting:
        ready = [name for name, first in waiting.items() if first <= done]
        assert ready, f"these wait for each other, or for what is not there: {sorted(waiting)}"
        for name in ready:
            done.add(name)
            del waiting[name]


# Each service


@each_service
def test_images_are_of_an_exact_version(name: str) -> None:
    if name in OURS:
        # Only built, never fetched: by one service of each image.
        assert SERVICES[name]["pull_policy"] == "never"
        image = SERVICES[name]["image"]
        assert [n for n, s in SERVICES.items() if s["image"] == image and "build" in s] != []
    else:
        assert EXACT.fullmatch(SERVICES[name]["image"]), SERVICES[name]["image"]


@each_service
def test_it_has_a_health_check_and_limits(name: str) -> None:
    service = SERVICES[name]
    assert set(limits(name)) == {"cpus", "memory", "pids"}
    if name in BY_THEMSELVES:
        assert service["restart"] == "no"
        assert "healthcheck" not in service
    else:
        assert service["restart"] == "unless-stopped"
        assert set(service["healthcheck"]) >= {"test", "interval", "timeout", "retries"}


@each_service
def test_ports_are_published_on_loopback_only(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port), port
    if "network_mode" in SERVICES[name]:
        assert "ports" not in SERVICES[name]


@each_service
def test_it_waits_by_health(name: str) -> None:
    for first, how in SERVICES[name].get("depends_on", {}).items():
        wanted = "completed_successfully" if first in BY_THEMSELVES else "healthy"
        assert how == {"condition": f"service_{wanted}"}, first
        # Else it would wait for what its own profile does not start.
        profiles = set(SERVICES[first].get("profiles", []))
        assert not profiles or profiles <= set(SERVICES[name].get("profiles", [])), first
    if SERVICES[name].get("network_mode"):
        assert "pod" in SERVICES[name]["depends_on"] or name == "airflow-scheduler"


@each_service
def test_it_has_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "devices", "user", "ipc"} & set(service)
    assert service.get("network_mode", "service:pod") == "service:pod"
    assert service.get("pid") == service.get("network_mode")
    assert not [source for source in sources(name) if source.startswith("/")]
    if name in OURS:
        assert service["cap_drop"] == ["ALL"]


@each_service
def test_what_it_mounts_of_the_checkout_is_there_and_read_only(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        if volume.startswith("."):
            source, _, how = volume.split(":")
            assert (ROOT / source).exists(), source
            assert how == "ro"


def test_every_part_has_a_service_and_the_command_line_knows_it() -> None:
    run = {
        s["command"][3]: n
        for n, s in SERVICES.items()
        if s.get("command", [])[1:3] == ["part", "run"]
    }
    assert set(run) == set(PARTS) - {"query"}
    assert all(name == part for part, name in run.items())
    for name in (*run, "query"):
        assert SERVICES[name]["healthcheck"]["test"] == ["CMD", "lakehead", "part", "check", name]


def test_the_settings_fit_into_the_limits(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text((ROOT / "docker" / "settings.json").read_text())
    tuning = load_settings(tmp_path).tuning
    # A fifth more than the process is sized for: what a JVM takes beside is not exact.
    assert memory_mb("jobmanager") >= 1.2 * tuning.jobmanager_mb
    assert memory_mb("taskmanager") >= 1.2 * tuning.taskmanager_mb
    # Kafka's is the heap alone.
    assert memory_mb("kafka") >= 2 * tuning.kafka_heap_mb
    for name in ("cli", "airflow-scheduler"):
        assert memory_mb(name) >= 1.2 * tuning.spark_driver_mb
    options = dict(o.split("=") for o in SERVICES["query"]["command"] if "=" in o)
    worst = int(options["--workers"]) * int(options["--memory-mb"])
    assert memory_mb("query") >= 1.2 * worst


def test_the_query_server_listens_where_its_port_is_published() -> None:
    ports = Ports(Tuning().port_base)
    published = [port.split(":")[2] for port in SERVICES["pod"]["ports"]]
    assert published == [str(ports.query), str(ports.query_http)]
    assert "port_base" not in json.loads((ROOT / "docker" / "settings.json").read_text())
    assert {"--host=0.0.0.0", "--insecure"} <= set(SERVICES["query"]["command"])


def test_spark_is_started_as_its_classes_read_their_options() -> None:
    for name in ("spark-master", "spark-worker-1", "spark-worker-2"):
        script, entry, *options = SERVICES[name]["command"]
        assert script.endswith("site-packages/pyspark/bin/spark-class")
        assert entry.startswith("org.apache.spark.deploy.")
        # They know no --option=value.
        assert not [word for word in options if "=" in word]
        if name == "spark-master":
            assert options[:4] == ["--host", "127.0.0.1", "--port", "7077"]
        else:
            assert options[-1] == "spark://127.0.0.1:7077"
        port = options[options.index("--webui-port") + 1]
        assert f":{port}/" in SERVICES[name]["healthcheck"]["test"][-1]


# What watches


def expressions() -> list[str]:
    board = json.loads((ROOT / "docker" / "grafana" / "dashboards" / "lakehead.json").read_text())
    return [t["expr"] for panel in board["panels"] for t in panel.get("targets", [])]


def metrics(prefix: str) -> set[str]:
    """The names in the dashboard that begin so."""
    return set(re.findall(rf"\b{prefix}\w+", " ".join(expressions())))


def test_the_dashboard_asks_only_what_flink_reports() -> None:
    # Where in Flink a metric is registered, by the scope that the reporter puts before its name.
    classes = {
        "flink_jobmanager_job_": (
            "checkpoint/DefaultCheckpointStatsTracker",
            "metrics/MetricNames",
        ),
        "flink_jobmanager_": ("metrics/MetricNames",),
        "flink_taskmanager_job_task_operator_": ("metrics/MetricNames",),
        "flink_taskmanager_job_task_": ("metrics/MetricNames",),
        "flink_taskmanager_Status_JVM_Memory_Heap_": ("metrics/MetricNames",),
    }
    [dist] = flink_home().glob("lib/flink-dist-*.jar")
    with zipfile.ZipFile(dist) as jar:
        known = {
            name: jar.read(f"org/apache/flink/runtime/{name}.class")
            for name in {each for names in classes.values() for each in names}
        }
    asked = metrics("flink_")
    assert len(asked) >= 10
    for metric in asked:
        scope = next(scope for scope in classes if metric.startswith(scope))
        # A constant of a class file: its length in two bytes, then its text.
        name = metric.removeprefix(scope).encode()
        constant = len(name).to_bytes(2, "big") + name
        assert any(constant in known[each] for each in classes[scope]), metric


def test_flink_has_the_reporter_that_is_asked_for() -> None:
    folder = flink_home() / "plugins"
    there = SERVICES["taskmanager"]["environment"]["FLINK_PLUGINS_DIR"]
    assert there.endswith("site-packages/pyflink/plugins")
    [jar] = (folder / "metrics-prometheus").glob("*.jar")
    for name in ("jobmanager", "taskmanager"):
        [option] = [o for o in SERVICES[name]["command"] if "factory.class" in o]
        with zipfile.ZipFile(jar) as archive:
            archive.getinfo(option.split("=")[1].replace(".", "/") + ".class")


def test_prometheus_asks_where_something_listens() -> None:
    document = yaml.safe_load((ROOT / "docker" / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in document["scrape_configs"]}
    targets = {
        name: target
        for name, j in jobs.items()
        for c in j["static_configs"]
        for target in c["targets"]
    }
    reporters = {
        name: next(o for o in SERVICES[name]["command"] if "prom.port" in o).split("=")[1]
        for name in ("jobmanager", "taskmanager")
    }
    assert targets == {
        "query": f"pod:{Ports().query_http}",
        "flink-jobmanager": f"pod:{reporters['jobmanager']}",
        "flink-taskmanager": f"pod:{reporters['taskmanager'].split('-')[0]}",
    }
    token = Path(jobs["query"]["authorization"]["credentials_file"])
    assert str(token) == SERVICES["metrics-token"]["environment"]["TOKEN_FILE"]
    assert f"metrics-token:{token.parent}:ro" in SERVICES["prometheus"]["volumes"]


def test_the_dashboard_reads_the_data_source_that_is_provided() -> None:
    folder = ROOT / "docker" / "grafana"
    document = yaml.safe_load((folder / "provisioning/datasources/prometheus.yml").read_text())
    [source] = document["datasources"]
    board = json.loads((folder / "dashboards" / "lakehead.json").read_text())
    uids = {p["datasource"]["uid"] for p in board["panels"] if "datasource" in p}
    assert uids == {source["uid"]}
    assert source["url"] == "http://prometheus:9090"
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    [provider] = yaml.safe_load((folder / "provisioning/dashboards/lakehead.yml").read_text())[
        "providers"
    ]
    mounted = [v.split(":")[1] for v in SERVICES["grafana"]["volumes"] if "dashboards:" in v]
    assert mounted == [provider["options"]["path"]]


# The command line in the documentation


def test_commands_in_the_file_are_commands() -> None:
    names = {command.name or command.callback.__name__ for command in app.registered_commands}
    groups = {group.name for group in app.registered_groups}
    for service in SERVICES.values():
        for word in re.findall(r"lakehead (\w+)", " ".join(service.get("command", []))):
            assert word in names | groups, word
