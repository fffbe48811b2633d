"""Every night: large files of small ones, old snapshots let go, statistics computed."""

from datetime import timedelta

from airflow.sdk import DAG

from lakehead.schedules.operator import HEAVY, SINCE, USUAL, LakeheadOperator

with DAG(
    "maintain",
    description="Compact, expire, compute statistics; then prove that nothing was lost by it.",
    schedule="30 3 * * *",
    start_date=SINCE,
    catchup=False,
    max_active_runs=1,
    default_args=USUAL | {"execution_timeout": timedelta(hours=2)},
    tags=["lakehead"],
    doc_md=__doc__,
):
    (
        LakeheadOperator(
            task_id="maintain",
            arguments=["maintain", "--orphans", "3 days", "--statistics"],
            pool_slots=HEAVY,
        )
        >> LakeheadOperator(task_id="audit", arguments=["audit", "--wait", "120"])
    )
