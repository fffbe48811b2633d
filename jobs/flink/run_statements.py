"""Run one Flink job from a compiled specification: declare, insert, submit.

Used by the job controller:  python jobs/flink/run_statements.py SPEC.json [--ahead | --explain]

SPEC.json has ``config`` (Flink settings), ``declare`` (DDL) and ``inserts`` (one statement set),
each with the ``uid`` of its operators and its ``sql``.
Once it could begin, with ``--ahead`` once it has planned the job for practice, it prints ``ready``
and waits for its order, a line on standard input: ``{"job_id": 32 hex digits, "restore": the
checkpoint or savepoint to go on from, or null}``. The job is planned after the order, since tables
may be renamed before it.
Flink refuses an id that already runs. Where no order comes it ends and has done nothing.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from operator_ids import StateRefused, check_state, name_operators, source_ids
from pyflink.java_gateway import get_gateway


class Job:
    """A statement set that becomes one job. The catalog is its own, and so is what it caches."""

    def __init__(self, spec: dict[str, Any]) -> None:
        jvm = get_gateway().jvm
        config = jvm.org.apache.flink.configuration.Configuration()
        for key, value in spec["config"].items():
            config.setString(key, value)
        flink = jvm.org.apache.flink
        environments = flink.streaming.api.environment.StreamExecutionEnvironment
        self._env = environments.getExecutionEnvironment(config)
        settings = flink.table.api.EnvironmentSettings.newInstance().inStreamingMode()
        tables = flink.table.api.bridge.java.StreamTableEnvironment.create(
            self._env, settings.withConfiguration(config).build()
        )
        for statement in spec["declare"]:
            tables.executeSql(statement)
        self._statements = tables.createStatementSet()
        self._inserts = spec["inserts"]

    def add(self) -> None:
        for insert in self._inserts:
            self._statements.addInsertSql(insert["sql"])

    def practise(self) -> None:
        """Plan what can be planned now. A table that is yet to be renamed may not fit."""
        fit = []
        for insert in self._inserts:
            try:
                self._statements.addInsertSql(insert["sql"])
            except Exception:
                continue
            fit.append(insert)
        self._inserts = fit
        self.plan().getStreamGraph(False)

    def explain(self) -> str:
        details = get_gateway().new_array(
            get_gateway().jvm.org.apache.flink.table.api.ExplainDetail, 0
        )
        text = get_gateway().jvm.org.apache.flink.table.api.ExplainFormat.TEXT
        return str(self._statements.explain(text, details))

    def plan(self) -> Any:
        """The environment, with every operator planned and named."""
        self._statements.attachAsDataStream()
        name_operators(self._sinks(), [insert["uid"] for insert in self._inserts])
        return self._env

    def run(self, job_id: str, restore: str | None) -> None:
        environment = self.plan()
        more = get_gateway().jvm.org.apache.flink.configuration.Configuration()
        more.setString("$internal.pipeline.job-id", job_id)
        if restore:
            more.setString("execution.state-recovery.path", restore)
            sources = source_ids(self._sinks(), self._inserts[0]["uid"])
            left = check_state(environment.getStreamGraph(False), _states(restore), sources)
            more.setString("execution.state-recovery.ignore-unclaimed-state", str(left).lower())
        environment.configure(more)
        environment.executeAsync(environment.getStreamGraph())

    def _sinks(self) -> list[Any]:
        return list(self._env.getTransformations())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", type=Path)
    parser.add_argument("--explain", action="store_true", help="print the plan and end")
    parser.add_argument("--ahead", action="store_true", help="plan before the order comes")
    args = parser.parse_args()
    spec = json.loads(args.spec.read_text())

    if args.explain:
        job = Job(spec)
        job.add()
        print(job.explain())
        return
    if args.ahead:
        Job(spec).practise()
    else:
        get_gateway()
    print("ready", flush=True)
    order = sys.stdin.readline()
    if not order:
        return
    wanted = json.loads(order)
    job = Job(spec)
    job.add()
    try:
        job.run(wanted["job_id"], wanted["restore"])
    except StateRefused as error:
        sys.exit(str(error))


def _states(restore: str) -> list[Any]:
    """The states of the operators in a checkpoint or savepoint."""
    jvm = get_gateway().jvm
    path = Path(urlparse(restore).path) / "_metadata"
    stream = jvm.java.io.DataInputStream(jvm.java.io.FileInputStream(str(path)))
    try:
        loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
        checkpoints = jvm.org.apache.flink.runtime.checkpoint.Checkpoints
        found = checkpoints.loadCheckpointMetadata(stream, loader, restore)
    finally:
        stream.close()
    return list(found.getOperatorStates().toArray())


if __name__ == "__main__":
    main()
