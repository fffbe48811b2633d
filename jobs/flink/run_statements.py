"""Run one Flink job from a compiled specification: declare, insert, submit.

Used by the job controller:  python jobs/flink/run_statements.py SPEC.json [--ahead | --explain]
On a cluster of the job's own:  python jobs/flink/run_statements.py SPEC.json --application

SPEC.json has ``config`` (Flink settings), ``declare`` (the catalog, tables), ``streams`` (SELECTs
by name), ``views`` that read them, and ``inserts`` (one statement set), each with the ``uid`` of
its operators and its ``sql``. A stream is computed once, whatever reads it; its ``rowtime`` is its
time attribute, with the watermarks of its source.
Once it could begin, with ``--ahead`` once it has planned the job for practice, it prints ``ready``
and waits for its order, a line on standard input: ``{"job_id": 32 hex digits, "restore": the
checkpoint or savepoint to go on from, or null}``. The job is planned after the order, since tables
may be renamed before it.
Flink refuses an id that already runs. Where no order comes it ends and has done nothing.
With ``--application`` it waits for none: Flink's application mode gives the job its id and state.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from operator_ids import StateRefused, check_state, name_operators, source_ids, upstream
from pyflink.java_gateway import get_gateway
from pyflink.util.java_utils import load_java_class


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
        self._tables = flink.table.api.bridge.java.StreamTableEnvironment.create(
            self._env, settings.withConfiguration(config).build()
        )
        for statement in spec["declare"]:
            self._tables.executeSql(statement)
        self._streams: list[Any] = []
        for name, select in spec["streams"].items():
            self._stream(name, self._tables.sqlQuery(select), own=not self._streams)
        for view in spec["views"]:
            self._tables.executeSql(view)
        self._begun = len(self._env.getTransformations())
        self._statements = self._tables.createStatementSet()
        self._inserts = spec["inserts"]

    def _stream(self, name: str, rows: Any, own: bool) -> None:
        """Make a stream of the rows, which the planner does not look into, and call it ``name``.

        One subtask reads it: were there more, one that has nothing to read would hold no watermark
        back, and of what it reads later nobody could tell that others take it to be late. The job's
        ``own`` stream is never idle; without another one a join would wait for ever.
        """
        lakehead = get_gateway().jvm.io.lakehead.flink.stream
        resolved = rows.getResolvedSchema()
        row_data = load_java_class("org.apache.flink.table.data.RowData")
        columns = resolved.toPhysicalRowDataType().bridgedTo(row_data)
        api = get_gateway().jvm.org.apache.flink.table.api
        schema = api.Schema.newBuilder().fromRowDataType(columns)
        schema.watermark("rowtime", "SOURCE_WATERMARK()")
        stream = self._tables.toDataStream(rows, columns)
        if own:
            stream = stream.transform("NeverIdle", stream.getType(), lakehead.NeverIdle())
        for part in (stream.getTransformation(), *upstream(stream.getTransformation())):
            part.setParallelism(1)
        spread = lakehead.ByPartition(list(resolved.getColumnNames()).index("kafka_partition"))
        self._streams.append(rows)
        self._tables.createTemporaryView(
            name, stream.partitionCustom(spread, spread), schema.build()
        )

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
        return "\n".join(map(_explained, [*self._streams, self._statements]))

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

    def run_application(self) -> None:
        """Hand the job to the cluster that runs this program, under the id and from the state that
        the cluster's configuration has."""
        environment = self.plan()
        environment.executeAsync(environment.getStreamGraph())

    def _sinks(self) -> list[Any]:
        # Before them are those that make the streams.
        return list(self._env.getTransformations())[self._begun :]


def _explained(query: Any) -> str:
    """How Flink would run a table or a statement set."""
    api = get_gateway().jvm.org.apache.flink.table.api
    details = get_gateway().new_array(api.ExplainDetail, 0)
    return str(query.explain(api.ExplainFormat.TEXT, details))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", type=Path)
    parser.add_argument("--explain", action="store_true", help="print the plan and end")
    parser.add_argument("--ahead", action="store_true", help="plan before the order comes")
    parser.add_argument("--application", action="store_true", help="run as this cluster's own job")
    args = parser.parse_args()
    spec = json.loads(args.spec.read_text())

    if args.explain:
        job = Job(spec)
        job.add()
        print(job.explain())
        return
    if args.application:
        job = Job(spec)
        job.add()
        job.run_application()
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
