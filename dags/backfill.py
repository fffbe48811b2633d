"""By hand: settle all windows of a range of days again, a day at a time, and certify them."""

from datetime import timedelta

from airflow.sdk import DAG, Param, task

from lakehead.schedules.operator import HEAVY, SINCE, USUAL, LakeheadOperator


@task
def days(params: dict[str, str] | None = None) -> list[list[str]]:
    """The command for each day from `first` to `last`, both included."""
    from datetime import date

    assert params is not None
    first, last = (date.fromisoformat(params[name]) for name in ("first", "last"))
    if last < first:
        raise ValueError(f"last is {last}, expected {first}, which is first, or later")
    found = []
    for n in range((last - first).days + 1):
        start, end = first + timedelta(days=n), first + timedelta(days=n + 1)
        found.append(["reconcile", "--full", "--from", f"{start}", "--to", f"{end}"])
    return found


with DAG(
    "backfill",
    description="Settle a range of days again.",
    schedule=None,
    start_date=SINCE,
    max_active_runs=1,
    default_args=USUAL,
    params={
        "first": Param("2026-01-01", type="string", format="date", description="First day."),
        "last": Param("2026-01-01", type="string", format="date", description="Last day."),
    },
    tags=["lakehead", "by hand"],
    doc_md=__doc__,
):
    (
        LakeheadOperator.partial(
            task_id="reconcile", pool_slots=HEAVY, map_index_template="{{ task.arguments[3] }}"
        ).expand(arguments=days())
        >> LakeheadOperator(task_id="parity", arguments=["parity", "--certify"])
    )
