"""The Flink session cluster, with a configuration and a class path of this home.

JobManager and TaskManager are started as Java processes, not by the wheel's scripts: those start
two more JVMs each to compute the memory options that are written out here, which costs 8 s.
"""

import importlib.util
import os
from pathlib import Path

import yaml

from lakehead.errors import UserError
from lakehead.files import write_whole
from lakehead.settings import TASK_SLOTS, Settings, Tuning

_LOG4J = """\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = ConsoleAppender
appender.console.name = ConsoleAppender
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %-5p %-60c %x - %m%n
"""
_METASPACE_MB = 256
# Each model is classes of its own, generated anew at each restart of its job.
_TASK_METASPACE_MB = 384
_OFF_HEAP_MB = 256
_NETWORK_MB = 192
# A limit: each aggregation over windows takes 1 MB and more of its slot's share.
_MANAGED_MB = 512
# Iceberg reads and writes files through Hadoop's client, which the pyspark wheel carries.
_HADOOP = ("hadoop-client-api-*.jar", "hadoop-client-runtime-*.jar")


def flink_home() -> Path:
    return _package("pyflink")


def prepare(settings: Settings) -> None:
    """Write the cluster's configuration and lay out its class path."""
    conf = settings.flink / "conf"
    text = yaml.safe_dump(configuration(settings), width=10_000)
    write_whole(conf / "config.yaml", text)
    for name in ("log4j-console.properties", "log4j-cli.properties"):
        write_whole(conf / name, _LOG4J)
    for folder in (settings.checkpoints, settings.savepoints, settings.flink / "tmp"):
        folder.mkdir(parents=True, exist_ok=True)
    _link(settings.flink / "lib", library_jars(settings))


def library_jars(settings: Settings) -> list[Path]:
    """Every jar on the class path of JobManager, TaskManager and client.

    Raises:
        UserError: the jars were not fetched.
    """
    connectors = sorted((settings.jars / "flink").glob("*.jar"))
    if not connectors:
        raise UserError(f"the jars are missing from {settings.jars}", "make setup")
    hadoop = [jar for name in _HADOOP for jar in (_package("pyspark") / "jars").glob(name)]
    return [*sorted((flink_home() / "lib").glob("*.jar")), *hadoop, *connectors]


def spark_jars() -> list[Path]:
    """The jars that the pyspark wheel carries."""
    return sorted((_package("pyspark") / "jars").glob("*.jar"))


def configuration(settings: Settings) -> dict[str, object]:
    """``config.yaml``: everything on loopback, sized for one small machine."""
    ports, tuning = settings.ports, settings.tuning
    return {
        "env.java.opts.all": module_options(),
        "jobmanager.rpc.address": "127.0.0.1",
        "jobmanager.rpc.port": ports.jobmanager_rpc,
        "jobmanager.bind-host": "127.0.0.1",
        "jobmanager.memory.heap.size": f"{jobmanager_heap_mb(tuning)}m",
        "taskmanager.bind-host": "127.0.0.1",
        "taskmanager.host": "127.0.0.1",
        "taskmanager.rpc.port": ports.taskmanager_rpc,
        "taskmanager.data.port": ports.taskmanager_data,
        "taskmanager.numberOfTaskSlots": TASK_SLOTS,
        **_taskmanager_memory(tuning),
        "blob.server.port": ports.jobmanager_blob,
        "rest.address": "127.0.0.1",
        "rest.bind-address": "127.0.0.1",
        "rest.port": ports.flink_rest,
        # What runs is decided by the job records, never in the web page.
        "web.submit.enable": False,
        "web.cancel.enable": False,
        "io.tmp.dirs": str(settings.flink / "tmp"),
        "web.tmpdir": str(settings.flink / "tmp"),
        "heartbeat.interval": "2 s",
        "heartbeat.timeout": "10 s",
        "state.backend.type": "hashmap",
        "execution.checkpointing.dir": f"file://{settings.checkpoints}",
        "execution.checkpointing.num-retained": 3,
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.initial-backoff": "500 ms",
        "restart-strategy.exponential-delay.max-backoff": "5 s",
        "restart-strategy.exponential-delay.reset-backoff-threshold": "1 min",
        "restart-strategy.exponential-delay.attempts-before-reset-backoff": 8,
    }


def jobmanager_command(settings: Settings, java: Path) -> list[str]:
    heap = jobmanager_heap_mb(settings.tuning)
    options = [
        f"-Xmx{heap}m",
        f"-Xms{heap // 4}m",
        f"-XX:MaxMetaspaceSize={_METASPACE_MB}m",
        "-XX:+UseSerialGC",
    ]
    return _command(
        settings,
        java,
        options,
        "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint",
    )


def taskmanager_command(settings: Settings, java: Path) -> list[str]:
    heap = taskmanager_heap_mb(settings.tuning)
    direct = _OFF_HEAP_MB + _NETWORK_MB
    options = [
        f"-Xmx{heap}m",
        f"-Xms{heap}m",
        f"-XX:MaxDirectMemorySize={direct}m",
        f"-XX:MaxMetaspaceSize={_TASK_METASPACE_MB}m",
        # On few cores G1's threads take the time that events would have.
        "-XX:+UseParallelGC",
        # Else an exception that is thrown often loses its message, and dead records their cause.
        "-XX:-OmitStackTraceInFastThrow",
    ]
    return _command(
        settings, java, options, "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
    )


def jobmanager_heap_mb(tuning: Tuning) -> int:
    """What is left of the process beside class metadata and the JVM itself."""
    return max(256, tuning.jobmanager_mb - _METASPACE_MB - 192)


def taskmanager_heap_mb(tuning: Tuning) -> int:
    """What is left of the process beside off-heap memory, class metadata and the JVM itself."""
    beside = _OFF_HEAP_MB + _NETWORK_MB + _MANAGED_MB + _TASK_METASPACE_MB + 192
    return max(512, tuning.taskmanager_mb - beside)


def _taskmanager_memory(tuning: Tuning) -> dict[str, object]:
    """Every size that TaskManagerRunner asks for, since no script computes them."""
    return {
        "taskmanager.cpu.cores": float(tuning.parallelism),
        "taskmanager.memory.framework.heap.size": "128m",
        "taskmanager.memory.task.heap.size": f"{taskmanager_heap_mb(tuning) - 128}m",
        "taskmanager.memory.framework.off-heap.size": f"{_OFF_HEAP_MB}m",
        "taskmanager.memory.task.off-heap.size": "0m",
        "taskmanager.memory.network.min": f"{_NETWORK_MB}m",
        "taskmanager.memory.network.max": f"{_NETWORK_MB}m",
        "taskmanager.memory.managed.size": f"{_MANAGED_MB}m",
        "taskmanager.memory.jvm-metaspace.size": f"{_TASK_METASPACE_MB}m",
        "taskmanager.memory.jvm-overhead.min": "192m",
        "taskmanager.memory.jvm-overhead.max": "192m",
    }


def _command(settings: Settings, java: Path, options: list[str], entry: str) -> list[str]:
    conf = settings.flink / "conf"
    # flink-dist comes last, as in Flink's own scripts, so that connectors win.
    jars = sorted(library_jars(settings), key=lambda jar: ("flink-dist" in jar.name, jar.name))
    return [
        str(java / "bin" / "java"),
        *options,
        *module_options().split(),
        f"-Dlog4j.configurationFile=file:{conf / 'log4j-console.properties'}",
        "-cp",
        ":".join(str(settings.flink / "lib" / jar.name) for jar in jars),
        entry,
        "--configDir",
        str(conf),
    ]


def environment(settings: Settings, java: Path) -> dict[str, str]:
    """What the processes and the PyFlink client read from their environment."""
    return {
        "JAVA_HOME": str(java),
        "FLINK_HOME": str(flink_home()),
        "FLINK_CONF_DIR": str(settings.flink / "conf"),
        "FLINK_LIB_DIR": str(settings.flink / "lib"),
        "FLINK_LOG_DIR": str(settings.logs),
        "FLINK_PID_DIR": str(settings.run),
        # The Python process itself, not Beam, which is not installed.
        "_python_worker_execution_mode": "process",
    }


def module_options() -> str:
    """What the JVM must be told for Flink to reach into it, as the wheel's configuration says."""
    shipped = yaml.safe_load((flink_home() / "conf" / "config.yaml").read_text())
    return str(shipped["env"]["java"]["opts"]["all"])


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise UserError(f"the Python package {name} is missing", "make setup")
    return Path(spec.origin).parent


def _link(folder: Path, jars: list[Path]) -> None:
    """Make ``folder`` hold links to exactly ``jars``."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {jar.name: jar for jar in jars}
    for old in folder.iterdir():
        if old.name not in wanted or os.readlink(old) != str(wanted[old.name]):
            old.unlink()
    for name, jar in wanted.items():
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(jar)
