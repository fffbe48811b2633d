"""The Iceberg table of a model's windows."""

from pyiceberg.schema import Schema
from pyiceberg.types import StringType, TimestamptzType

from lakehead.contracts.iceberg import iceberg_type, numbered
from lakehead.models.model import SETTLED, WINDOW_COLUMNS, Model


def mart_schema(model: Model) -> Schema:
    """The window, the model's columns, and ``settled_offsets``.

    ``settled_offsets`` is null in the stream's answer. In the batch's it is JSON: by Kafka
    partition, the last offset that the row takes into account.
    """
    windows = [(name, TimestamptzType()) for name in WINDOW_COLUMNS]
    own = [(name, iceberg_type(kind)) for name, kind in model.columns.items()]
    return numbered([*windows, *own, (SETTLED, StringType())])
