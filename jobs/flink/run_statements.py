"""Run one Flink job from a compiled specification: declare, insert, submit.

Used by the job controller:  python jobs/flink/run_statements.py SPEC.json [--job-id ID]
                             [--restore PATH] [--explain]

SPEC.json has ``config`` (Flink settings), ``declare`` (DDL) and ``inserts`` (one statement set).
Prints one JSON line: ``{"job_id": ...}``, or the plan as text with ``--explain``.
"""

import argparse
import json
import sys
from pathlib import Path

from pyflink.table import EnvironmentSettings, TableEnvironment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", type=Path)
    parser.add_argument("--job-id", help="32 hex digits; Flink refuses an id that already runs")
    parser.add_argument("--restore", help="checkpoint or savepoint to go on from")
    parser.add_argument("--explain", action="store_true")
    args = parser.parse_args()
    spec = json.loads(args.spec.read_text())

    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    config = dict(spec["config"])
    if args.job_id:
        config["$internal.pipeline.job-id"] = args.job_id
    if args.restore:
        config["execution.state-recovery.path"] = args.restore
    for key, value in config.items():
        tables.get_config().set(key, value)
    for statement in spec["declare"]:
        tables.execute_sql(statement)
    inserts = tables.create_statement_set()
    for statement in spec["inserts"]:
        inserts.add_insert_sql(statement)
    if args.explain:
        print(inserts.explain())
        return
    client = inserts.execute().get_job_client()
    if client is None:
        sys.exit("Flink gave no job client")
    print(json.dumps({"job_id": str(client.get_job_id())}))


if __name__ == "__main__":
    main()
