"""The batch on a cluster of Spark's own: a master and two workers."""

import os
import socket
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from lakehead.stack.java import java_home
from tests.conftest import Stack, wait_until

pytestmark = pytest.mark.integration
MODEL = "revenue_by_country"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The master's address, and the folder in which its workers keep what applications leave."""
    spec = find_spec("pyspark")
    assert spec and spec.origin
    command = str(Path(spec.origin).parent / "bin" / "spark-class")
    work = tmp_path / "work"
    environment = os.environ | {
        "JAVA_HOME": str(java_home()),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_WORKER_DIR": str(work),
    }
    port = free_port()
    address = f"spark://127.0.0.1:{port}"
    deploy = "org.apache.spark.deploy"
    web = ["--webui-port", "0"]
    parts = [[f"{deploy}.master.Master", "--host", "127.0.0.1", "--port", str(port), *web]]
    parts += [[f"{deploy}.worker.Worker", "--cores", "1", "--memory", "1g", *web, address]] * 2
    log = tmp_path / "cluster.log"
    running = []
    with log.open("w") as said:
        try:
            for part in parts:
                running.append(
                    subprocess.Popen([command, *part], env=environment, stdout=said, stderr=said)
                )
            wait_until(
                lambda: log.read_text().count("Successfully registered with master") == 2,
                lambda: f"two workers: {log.read_text()[-2000:]}",
            )
            yield address, work
        finally:
            for process in running:
                family = psutil.Process(process.pid).children(recursive=True)
                for each in (*family, process):
                    each.kill()
                process.wait()


def test_reconcile_gives_the_same_from_a_cluster(stack: Stack, cluster: tuple[str, Path]) -> None:
    address, work = cluster
    stack.ok("produce", "orders", "--events", "15000", "--rate", "1000", "--late", "0.01")
    stack.audit("orders")
    [planned] = stack.json("reconcile", MODEL, "--full", "--dry-run")["models"].values()
    done = stack.json("reconcile", MODEL, "--full", "--engine", "spark", "--master", address)
    counts = ("windows", "changed", "added", "removed", "settled")
    found = done["models"][MODEL]
    assert {c: found[c] for c in counts} == {c: planned[c] for c in counts}
    assert found["windows"] > 0
    # Each of the workers had an executor.
    assert len(list(work.glob("app-*/*/stderr"))) == 2
    assert stack.json("parity", MODEL)["models"][MODEL]["different"] == 0
