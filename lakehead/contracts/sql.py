"""How names and values are written in the SQL that is generated."""

from datetime import timedelta

from lakehead.contracts.durations import MAXIMUM_DAYS
from lakehead.errors import UserError


def identifier(name: str) -> str:
    """``name`` quoted for Flink and Spark."""
    return "`" + name.replace("`", "``") + "`"


def table_identifier(name: str) -> str:
    """``landing.orders`` with each part quoted."""
    return ".".join(identifier(part) for part in name.split("."))


def literal(text: str) -> str:
    """``text`` as a SQL string."""
    return "'" + text.replace("'", "''") + "'"


def interval(length: timedelta) -> str:
    """``length``, to the millisecond, as a SQL interval.

    Raises:
        UserError: more than 999 days, which Flink's intervals do not hold.
    """
    if length.days > MAXIMUM_DAYS:
        raise UserError(f"{length.days} days is too long, expected at most {MAXIMUM_DAYS} days")
    hours, rest = divmod(length.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    clock = f"{hours:02}:{minutes:02}:{seconds:02}.{length.microseconds // 1000:03}"
    return f"INTERVAL '{length.days} {clock}' DAY(3) TO SECOND(3)"
