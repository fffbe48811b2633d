"""The Iceberg tables of a model."""

from pyiceberg.schema import Schema

from lakehead.contracts.iceberg import numbered
from lakehead.contracts.types import FieldType
from lakehead.models.model import Model


def mart_schema(model: Model) -> Schema:
    """What is technical by kind, the model's columns, and ``settled_offsets``.

    ``settled_offsets`` is null in the stream's answer. In the batch's it is JSON: by Kafka
    partition, the last offset that the row takes into account.
    """
    return numbered(list(model.mart_columns.items()))


def left_out_schema() -> Schema:
    """The rows that a version's own scan of a stream found late, with its watermark then.

    They are written by the jobs of models that read a second stream: what the stream's own job
    found late is in its landing table.
    """
    return numbered(
        [
            ("model", FieldType("string")),
            ("version", FieldType("string")),
            ("stream", FieldType("string")),
            ("kafka_partition", FieldType("int")),
            ("kafka_offset", FieldType("long")),
            ("kafka_timestamp", FieldType("timestamp")),
            ("watermark", FieldType("timestamp")),
        ]
    )
