"""What the engines' SQL has in common. Each engine's module says how it differs."""

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.generator import Generator
from sqlglot.tokens import Tokenizer

from lakehead.models.model import Model


class Backticks(Dialect):
    """ANSI SQL with identifiers in backticks, as Flink reads it."""

    class Tokenizer(Tokenizer):
        IDENTIFIERS = ["`"]

    class Generator(Generator):
        pass


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
