"""A sequence of rows in Flink, by MATCH_RECOGNIZE."""

from sqlglot import exp

from lakehead.contracts.sql import identifier, interval
from lakehead.models.bind import Bound
from lakehead.models.expressions import render

COORDINATES = ("kafka_partition", "kafka_offset")


def matches(bound: Bound, rows: str, columns: str) -> str:
    """The SELECT of every match in the view ``rows``, whose rows are on time; ``columns`` are the
    model's."""
    sequence = bound.model.sequence
    assert sequence
    steps = list(zip(sequence.steps, bound.steps, strict=True))
    pattern = " ".join(
        f"{identifier(s.name)}{f'{{{s.times}}}' if s.times > 1 else ''}" for s, _ in steps
    )
    define = ",\n    ".join(
        f"{identifier(s.name)} AS {render(_of(tree, s.name), 'flink')}" for s, tree in steps
    )
    first, last = (identifier(sequence.steps[i].name) for i in (0, -1))
    time = identifier(bound.input.event_time)
    taken = dict.fromkeys(
        [*COORDINATES, *(c for t in bound.select.values() for c in _column_names(t))]
    )
    # The keys of the partition are there without being measured.
    measures = [f"FIRST({first}.{time}) AS `first$`", f"LAST({last}.{time}) AS `last$`"]
    measures += [
        f"LAST({last}.{identifier(c)}) AS {identifier(c)}" for c in taken if c not in sequence.by
    ]
    by = ", ".join(identifier(k) for k in sequence.by)
    order = ", ".join(("`rowtime`", *map(identifier, COORDINATES)))
    return (
        f"SELECT `first$` AS `first_event_time`, `last$` AS `event_time`,"
        f" `kafka_partition`, `kafka_offset`,\n  {columns}\n"
        f"FROM {rows} MATCH_RECOGNIZE (\n"
        f"  PARTITION BY {by} ORDER BY {order}\n"
        f"  MEASURES {', '.join(measures)}\n"
        "  ONE ROW PER MATCH AFTER MATCH SKIP TO NEXT ROW\n"
        f"  PATTERN ({pattern}) WITHIN {interval(sequence.within)}\n"
        f"  DEFINE {define}\n)"
    )


def _of(tree: exp.Expr, step: str) -> exp.Expr:
    """The condition over the rows of one step."""

    def qualified(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Column):
            return node
        first, *rest = (exp.to_identifier(name, quoted=True) for name in _path(node))
        field = exp.Column(this=first, table=exp.to_identifier(step, quoted=True))
        return exp.Dot.build([field, *rest]) if rest else field

    return tree.transform(qualified)


def _column_names(tree: exp.Expr) -> list[str]:
    return [_path(column)[0] for column in tree.find_all(exp.Column)]


def _path(column: exp.Column) -> list[str]:
    """``address.city`` as the names of the field and of its parts."""
    return [part.name for part in column.parts]
