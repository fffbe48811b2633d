"""Every hour: prove that the lake is whole, settle what is due, and certify the answers.

A run by the clock settles all that is due, late rows of any hour included. A backfill, Airflow's or
`lakehead dag run settle --from --to`, settles the hours that it is asked for, in full.
"""

from datetime import timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable, task

from lakehead.schedules.operator import HEAVY, MARTS, SINCE, USUAL, LakeheadOperator


def of_a_backfill(words: str) -> str:
    """A template of ``words``, an expression, in a backfill, and of nothing else."""
    backfill = "dag_run.run_type == 'backfill' or (dag_run.conf or {}).get('backfill')"
    return "{{ " + words + " if " + backfill + " else '' }}"


FULL = of_a_backfill("'--full'")
RANGE = [
    of_a_backfill("'--from'"),
    of_a_backfill("data_interval_start.isoformat()"),
    of_a_backfill("'--to'"),
    of_a_backfill("data_interval_end.isoformat()"),
]


@task(retries=2)
def models() -> list[dict[str, object]]:
    """For each model that has a mart, the task that settles it."""
    from lakehead.proof.parity import answering
    from lakehead.settings import load_settings

    names = answering(load_settings())
    return [{"arguments": ["reconcile", name], "publishes": name} for name in names]


with DAG(
    "settle",
    description="Audit, then reconcile each model past its gate, then certify.",
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
    start_date=SINCE,
    # What is due is found from the ledger: a run that was missed is made up for by the next.
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=55),
    default_args=USUAL,
    tags=["lakehead"],
    doc_md=__doc__,
):
    whole = LakeheadOperator(task_id="audit", arguments=["audit", "--wait", "120"])
    settled = LakeheadOperator.partial(
        task_id="reconcile",
        options=[FULL, *RANGE],
        outlets=[MARTS],
        pool_slots=HEAVY,
        map_index_template="{{ task.publishes }}",
    ).expand_kwargs(models())
    certified = LakeheadOperator(task_id="parity", arguments=["parity", "--certify"], options=RANGE)
    kept = LakeheadOperator(task_id="ledger", arguments=["ledger"])
    whole >> settled >> certified >> kept
