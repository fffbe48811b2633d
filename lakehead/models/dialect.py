"""What the engines' SQL has in common. Each engine's module says how it differs."""

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect

from lakehead.models.model import Model


def body(model: Model, types: dict[str, str], dialect: str | type[Dialect]) -> list[str]:
    """The SELECT list: every column cast to its declared type and quoted."""
    columns = []
    for expression in model.select.expressions:
        name = expression.alias_or_name
        value = expression.this if isinstance(expression, exp.Alias) else expression
        alias = exp.to_identifier(name, quoted=True).sql(dialect)
        columns.append(f"CAST({quoted(value).sql(dialect)} AS {types[name]}) AS {alias}")
    return columns


def quoted(expression: exp.Expression) -> exp.Expression:
    """A copy with every identifier quoted."""
    copy = expression.copy()
    for identifier in copy.find_all(exp.Identifier):
        identifier.set("quoted", True)
    return copy


def read_columns(model: Model) -> list[str]:
    """The stream's columns that the SELECT reads, in order of first use."""
    return list(dict.fromkeys(c.name for c in model.select.find_all(exp.Column)))


def windows(
    model: Model,
    dialect: str | type[Dialect],
    types: dict[str, str],
    relation: str,
    window_start: str,
) -> str:
    """The model's SELECT over ``relation``, by window and key.

    ``window_start`` is the engine's expression for the start of a row's window.
    """
    keys = [exp.to_identifier(k, quoted=True).sql(dialect) for k in model.keys]
    where = model.select.args.get("where")
    condition = f"\nWHERE {quoted(where.this).sql(dialect)}" if where else ""
    selected = ",\n  ".join(body(model, types, dialect))
    seconds = int(model.window.total_seconds())
    end = f"window_start + INTERVAL '{seconds}' SECOND"
    rows = f"(SELECT *, {window_start} AS window_start FROM {relation}) AS in_windows"
    return (
        f"SELECT window_start, {end} AS window_end,\n  {selected}\n"
        f"FROM {rows}{condition}\n"
        f"GROUP BY {', '.join(['window_start', *keys])}"
    )
