"""The Iceberg table of a model's windows."""

from pyiceberg.schema import Schema

from lakehead.contracts.iceberg import numbered
from lakehead.contracts.types import FieldType
from lakehead.models.model import SETTLED, WINDOW_COLUMNS, Model


def mart_schema(model: Model) -> Schema:
    """The window, the model's columns, and ``settled_offsets``.

    ``settled_offsets`` is null in the stream's answer. In the batch's it is JSON: by Kafka
    partition, the last offset that the row takes into account.
    """
    windows = [(name, FieldType("timestamp")) for name in WINDOW_COLUMNS]
    return numbered([*windows, *model.columns.items(), (SETTLED, FieldType("string"))])
