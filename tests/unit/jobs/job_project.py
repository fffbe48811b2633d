"""A project with one model, whose job is said to have run."""

from lakehead.jobs import records
from lakehead.jobs.plan import plan
from lakehead.jobs.records import Attempt, Desired, Observed
from lakehead.settings import Settings

MODEL = """/*
model: sold
description: {description}
stream: orders
window: {{tumble: {window} seconds}}
keys: [{keys}]
output:
  table: {table}
  columns: {{{columns}}}
*/
SELECT {select}
FROM orders {where} GROUP BY {keys}
"""


def write(home: Settings, **changes: str) -> None:
    given = {
        "description": "what sold",
        "window": "10",
        "keys": "country",
        "table": "marts.sold",
        "columns": "country: string, units: long",
        "select": "country, SUM(quantity) AS units",
        "where": "",
    }
    (home.pipelines / "sold.sql").write_text(MODEL.format(**(given | changes)))


def submitted(home: Settings) -> Desired:
    """What is desired once the model was submitted, and the job has run."""
    desired = plan(home, "orders")[1]
    records.write_desired(home, desired)
    attempt = Attempt("a" * 32, desired.generation, desired.spec.fingerprint(), 0.0, seen=True)
    observed = Observed("orders", state="running", generation=1, attempts=(attempt,))
    records.write_observed(home, observed)
    return desired
