"""A shop that sells: events of a minute, every minute, once this DAG is switched on."""

from datetime import timedelta

from airflow.sdk import DAG

from lakehead.schedules.operator import SINCE, USUAL, LakeheadOperator

with DAG(
    "feed",
    description="Produce sample events with some faults.",
    schedule="* * * * *",
    start_date=SINCE,
    catchup=False,
    max_active_runs=1,
    # Sending twice is not the same as once: what a broken run sent stays sent.
    default_args=USUAL | {"retries": 0, "execution_timeout": timedelta(minutes=2)},
    tags=["lakehead", "demo"],
    doc_md=__doc__,
):
    LakeheadOperator(
        task_id="produce",
        arguments=[
            *("produce", "orders", "payments", "--events", "3000", "--rate", "100"),
            *("--seed", "{{ dag_run.run_after.timestamp() | int }}"),
            *("--poison", "0.001", "--late", "0.01", "--duplicates", "0.01"),
        ],
    )
