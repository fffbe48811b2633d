"""Run a Spark job of ``jobs/spark/`` as a process of its own, with the lake as its catalog."""

import fcntl
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from lakehead.errors import SystemFailure
from lakehead.lake.catalog import CATALOG, jdbc_properties
from lakehead.settings import INSTALL_ROOT, Settings
from lakehead.stack.java import java_home


def session(settings: Settings) -> dict[str, str]:
    """Spark settings: by default one small local machine, loopback only; the lake as ``lake``.

    The home's own, ``spark_conf``, go before.
    """
    prefix = f"spark.sql.catalog.{CATALOG}"
    jars = sorted((settings.jars / "spark").glob("*.jar"))
    return {
        "spark.master": settings.tuning.spark_master or f"local[{settings.tuning.parallelism}]",
        "spark.jars": ",".join(str(jar) for jar in jars),
        "spark.sql.extensions": (
            "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
        ),
        prefix: "org.apache.iceberg.spark.SparkCatalog",
        **{f"{prefix}.{key}": value for key, value in jdbc_properties(settings).items()},
        "spark.driver.memory": f"{settings.tuning.spark_driver_mb}m",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "4",
        "spark.local.dir": str(settings.home / "spark"),
        "spark.sql.warehouse.dir": str(settings.home / "spark" / "warehouse"),
        **settings.tuning.spark_conf,
    }


def run_spark(
    settings: Settings,
    script: str,
    spec: dict[str, Any],
    say: Callable[[str], None],
    holding: Sequence[IO[str]] = (),
) -> dict[str, Any]:
    """Run ``jobs/spark/SCRIPT`` and give the result that it writes.

    It keeps the files of ``holding`` open, and so the locks on them, also where this process is
    killed before it.

    Raises:
        SystemFailure: it failed; names the log.
    """
    java = java_home()
    settings.logs.mkdir(parents=True, exist_ok=True)
    settings.run.mkdir(parents=True, exist_ok=True)
    log = settings.logs / f"spark-{Path(script).stem}.log"
    lock = settings.run / f"spark-{Path(script).stem}.lock"
    environment = os.environ | {"JAVA_HOME": str(java), "SPARK_LOCAL_IP": "127.0.0.1"}
    with (
        lock.open("w") as held,
        tempfile.TemporaryDirectory() as folder,
        log.open("a") as errors,
    ):
        # Two that replace the same rows would both add them. The script has the lock as well, and
        # keeps it where this process is killed before it.
        fcntl.flock(held, fcntl.LOCK_EX)
        errors.truncate(0)
        spec_file, result_file = Path(folder) / "spec.json", Path(folder) / "result.json"
        spec_file.write_text(json.dumps(spec))
        command = [sys.executable, str(INSTALL_ROOT / "jobs" / "spark" / script)]
        with subprocess.Popen(
            [*command, str(spec_file), str(result_file)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
            pass_fds=[file.fileno() for file in (held, *holding)],
        ) as process:
            assert process.stdout
            try:
                for line in process.stdout:
                    say(line.strip())
            except KeyboardInterrupt:
                process.terminate()
                raise
        if process.returncode != 0:
            raise SystemFailure(
                f"the Spark job {script} failed; the tables are as they were, or wholly changed",
                f"see {log}",
            )
        result: dict[str, Any] = json.loads(result_file.read_text())
        return result
