"""A model as a Flink insert.

The window leaves out exactly the rows whose window had closed by the watermark that their landed
row records. Flink drops such rows too, but by the watermark of the window operator, which lags
the source's; leaving them out here makes the stream's answer a function of what was landed.
"""

from datetime import timedelta

from lakehead.contracts.expression import Backticks
from lakehead.contracts.sql import identifier, interval, table_identifier
from lakehead.models.dialect import body, quoted, read_columns
from lakehead.models.model import Model


def insert(model: Model) -> list[str]:
    """The statements: a view of the rows on time, then the insert of the windows."""
    view = identifier(f"{model.name}$rows")
    columns = ", ".join(identifier(c) for c in read_columns(model))
    types = {name: kind.flink() for name, kind in model.columns.items()}
    where = model.select.args.get("where")
    condition = f"\n  AND ({quoted(where.this).sql(Backticks)})" if where else ""
    keys = "".join(f", {identifier(k)}" for k in model.keys)
    selected = ",\n  ".join(body(model, types, Backticks))
    table = table_identifier(model.table)
    return [
        f"CREATE TEMPORARY VIEW {view} AS\n"
        f"SELECT {columns}, `rowtime` FROM {identifier(model.stream)}\n"
        f"WHERE `rowtime` IS NOT NULL AND {_open(model)}{condition}",
        f"INSERT INTO `lake`.{table}\n"
        f"SELECT `window_start`, `window_end`,\n  {selected},\n  CAST(NULL AS STRING)\n"
        f"FROM TABLE(TUMBLE(TABLE {view}, DESCRIPTOR(`rowtime`), {interval(model.window)}))\n"
        f"GROUP BY `window_start`, `window_end`{keys}",
    ]


def _open(model: Model) -> str:
    """Whether the row's window had not closed: ``window_end - 1 ms > watermark``."""
    seconds = int(model.window.total_seconds())
    watermark = "CURRENT_WATERMARK(`rowtime`)"
    row = f"EXTRACT(EPOCH FROM `rowtime`) / {seconds}"
    closed = f"EXTRACT(EPOCH FROM {watermark} + {interval(timedelta(milliseconds=1))}) / {seconds}"
    return f"({watermark} IS NULL OR {row} >= {closed})"
