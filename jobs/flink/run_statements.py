"""Run one Flink job from a compiled specification: declare, insert, submit.

Used by the job controller:  python jobs/flink/run_statements.py SPEC.json [--ahead | --explain]

SPEC.json has ``config`` (Flink settings), ``declare`` (DDL) and ``inserts`` (one statement set).
Once the statements are accepted, with ``--ahead`` planned as well, it prints ``ready`` and waits
for its order, a line on standard input: ``{"job_id": 32 hex digits, "restore": the checkpoint or
savepoint to go on from, or null}``.
Flink refuses an id that already runs. Where no order comes it ends and has done nothing.
"""

import argparse
import json
import sys
from pathlib import Path

from pyflink.table import EnvironmentSettings, TableEnvironment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", type=Path)
    parser.add_argument("--explain", action="store_true", help="print the plan and end")
    parser.add_argument("--ahead", action="store_true", help="plan before the order comes")
    args = parser.parse_args()
    spec = json.loads(args.spec.read_text())

    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    config = tables.get_config()
    for key, value in spec["config"].items():
        config.set(key, value)
    for statement in spec["declare"]:
        tables.execute_sql(statement)
    inserts = tables.create_statement_set()
    for statement in spec["inserts"]:
        inserts.add_insert_sql(statement)
    plan = inserts.explain() if args.explain or args.ahead else ""
    if args.explain:
        print(plan)
        return
    print("ready", flush=True)
    order = sys.stdin.readline()
    if not order:
        return
    wanted = json.loads(order)
    config.set("$internal.pipeline.job-id", wanted["job_id"])
    if wanted["restore"]:
        config.set("execution.state-recovery.path", wanted["restore"])
    client = inserts.execute().get_job_client()
    if client is None:
        sys.exit("Flink gave no job client")


if __name__ == "__main__":
    main()
