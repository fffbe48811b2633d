"""The suite of a model's mart: what its output promises, and its header's ``expect``."""

from lakehead.models.header import WINDOW_COLUMNS
from lakehead.models.model import Model
from lakehead.quality.expectation import Expectation, Suite, greater, not_null, unique
from lakehead.quality.from_contract import sql_condition


def suite_of_model(model: Model) -> Suite:
    """Each row once, its window or its coordinates there, the window's end after its start."""
    named = [c for c in model.identity if c in model.head]
    expectations: list[Expectation] = [unique(model.identity, nullable=named != [*model.identity])]
    expectations += [not_null(c) for c in named]
    if WINDOW_COLUMNS[0] in model.head:
        start, end = WINDOW_COLUMNS
        expectations.append(greater(end, start))
    for expect in model.expect:
        said = expect.condition.strip()
        expectations.append(sql_condition(f"expect.{said}", said, model.mart_columns))
    return Suite(model.name, model.table, model.identity, tuple(expectations))
