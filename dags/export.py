"""Whenever a mart was published: hand it to those who read files."""

import os

from airflow.sdk import DAG

from lakehead.schedules.operator import SINCE, USUAL, LakeheadOperator, mart

MODEL = "revenue_by_country"
EXPORTS = os.path.join(os.environ["LAKEHEAD_HOME"], "exports")

with DAG(
    "export",
    description="Copy a mart to Parquet each time that it was settled.",
    schedule=[mart(MODEL)],
    start_date=SINCE,
    max_active_runs=1,
    default_args=USUAL,
    tags=["lakehead"],
    doc_md=__doc__,
):
    LakeheadOperator(
        task_id="export",
        arguments=["export", f"marts.{MODEL}", "--to", f"{EXPORTS}/{MODEL}.parquet", "--force"],
    )
