"""Every ten minutes: is what was sent landed, and does it keep its contract?

A failure is a line in `alerts.jsonl` of the home.
"""

from datetime import timedelta

from airflow.sdk import DAG, task

from lakehead.schedules.operator import SINCE, USUAL, LakeheadOperator

# What Kafka holds must be in the lake after so many seconds.
FRESH_SECONDS = "60"


@task
def streams() -> list[list[str]]:
    """The check of each stream that was submitted."""
    from lakehead.jobs.records import job_names
    from lakehead.settings import load_settings

    return [["contract", "verify", name] for name in job_names(load_settings())]


with DAG(
    "watch",
    description="Freshness, expectations and the rules between events.",
    schedule="*/10 * * * *",
    start_date=SINCE,
    catchup=False,
    max_active_runs=1,
    default_args=USUAL | {"retries": 1, "execution_timeout": timedelta(minutes=8)},
    tags=["lakehead"],
    doc_md=__doc__,
):
    LakeheadOperator(task_id="fresh", arguments=["audit", "--wait", FRESH_SECONDS])
    LakeheadOperator(task_id="expectations", arguments=["quality", "watch", "--once"])
    LakeheadOperator.partial(
        task_id="contracts", map_index_template="{{ task.arguments[2] }}"
    ).expand(arguments=streams())
