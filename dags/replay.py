"""By hand: build a model's mart anew from the lake, and let it take over where it is proven."""

from datetime import timedelta

from airflow.sdk import DAG, Param

from lakehead.schedules.operator import HEAVY, MARTS, SINCE, USUAL, LakeheadOperator

with DAG(
    "replay",
    description="Rebuild one mart from the lake.",
    schedule=None,
    start_date=SINCE,
    max_active_runs=1,
    default_args=USUAL | {"execution_timeout": timedelta(hours=6)},
    params={
        "model": Param("revenue_by_country", type="string", description="The model."),
        "from": Param("", type="string", description="Its windows from then on; empty: all."),
        "dry_run": Param(False, type="boolean", description="Say what would be done."),
    },
    tags=["lakehead", "by hand"],
    doc_md=__doc__,
):
    (
        LakeheadOperator(
            task_id="replay",
            arguments=[
                "replay",
                "{{ params.model }}",
                "{{ '--from' if params['from'] else '' }}",
                "{{ params['from'] }}",
                "{{ '--dry-run' if params.dry_run else '' }}",
            ],
            publishes="{{ '' if params.dry_run else params.model }}",
            outlets=[MARTS],
            pool_slots=HEAVY,
        )
        >> LakeheadOperator(task_id="audit", arguments=["audit", "--wait", "120"])
    )
