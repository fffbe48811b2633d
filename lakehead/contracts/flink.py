"""The Flink side of a contract: its source, and the two inserts that land every record.

The source reads each record once through the ``safe`` format. ``rowtime`` is the event time of a
valid record and NULL for any other, so that ``rowtime IS NOT NULL`` means *valid*, and a broken
record or a clock from the future never moves the watermark.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lakehead.contracts.encoding import format_options
from lakehead.contracts.model import KAFKA_COLUMNS, Contract
from lakehead.contracts.rules import row_rules
from lakehead.contracts.sql import identifier, interval, literal, table_identifier

_METADATA = """\
  `decode_error` STRING METADATA FROM 'value.error' VIRTUAL,
  `record` BYTES METADATA FROM 'value.raw' VIRTUAL,
  `kafka_partition` INT METADATA FROM 'partition' VIRTUAL,
  `kafka_offset` BIGINT METADATA FROM 'offset' VIRTUAL,
  `kafka_timestamp` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,"""


@dataclass(frozen=True)
class Source:
    """``table`` declares the topic; ``select`` judges each of its records, once for all readers.

    The job makes a stream of ``select`` and calls it ``name``. Were it a view, Flink's planner
    would write the contract's rules out anew wherever ``rowtime`` is read, into code that is too
    long for the JVM to compile (ADR 0016).
    """

    name: str
    table: str
    select: str


def source(
    contract: Contract,
    bootstrap: str,
    group: str,
    registry_url: str | None = None,
    name: str | None = None,
    client: Mapping[str, str] = MappingProxyType({}),
) -> Source:
    """The contract's topic as a stream; ``name`` is the contract's stream by default.

    ``client`` are settings of Kafka's consumer beside these.

    ``rowtime`` is the event time to the millisecond, as watermarks are; the field itself is landed
    to the microsecond.
    """
    name = name or contract.stream
    topic = identifier(f"{name}$topic")
    columns = "\n".join(f"  {identifier(f.name)} {f.type.flink()}," for f in contract.fields)
    valid = " AND ".join(["`decode_error` IS NULL", *(r.holds for r in row_rules(contract))])
    options = {
        "connector": "kafka",
        "topic": contract.topic,
        "properties.bootstrap.servers": bootstrap,
        **{f"properties.{key}": value for key, value in client.items()},
        "properties.group.id": group,
        # What a transaction took back was never said.
        "properties.isolation.level": "read_committed",
        # Partitions take turns after that much: one that waits too long would be taken to be idle.
        "properties.max.partition.fetch.bytes": "131072",
        "scan.startup.mode": "earliest-offset",
        "scan.watermark.idle-timeout": f"{int(contract.idle_timeout.total_seconds() * 1000)} ms",
        **format_options(contract, registry_url),
    }
    clock = f"CAST({identifier(contract.event_time)} AS TIMESTAMP_LTZ(3))"
    settings = ",\n".join(f"  {literal(k)} = {literal(v)}" for k, v in options.items())
    table = (
        f"CREATE TEMPORARY TABLE {topic} (\n{columns}\n{_METADATA}\n"
        f"  `rowtime` AS CASE WHEN {valid} THEN {clock} END,\n"
        f"  WATERMARK FOR `rowtime` AS `rowtime` - {interval(contract.watermark_delay)}\n"
        f") WITH (\n{settings}\n)"
    )
    names = [*(f.name for f in contract.fields), "decode_error", "record", *KAFKA_COLUMNS]
    # The cast makes a plain column of it: a time attribute may not be NULL in a stream.
    rowtime = "CAST(`rowtime` AS TIMESTAMP_LTZ(3)) AS `rowtime`"
    return Source(
        name, table, f"SELECT {', '.join(map(identifier, names))}, {rowtime} FROM {topic}"
    )


def landing_insert(contract: Contract) -> str:
    """Valid records, with their coordinates and their lateness."""
    columns = ", ".join(identifier(f.name) for f in contract.fields)
    coordinates = ", ".join(identifier(c) for c in KAFKA_COLUMNS)
    return (
        # Named, so that a column which the table got since is null and does not stop the job.
        f"INSERT INTO `lake`.{table_identifier(contract.landing_table)}\n"
        f"  ({columns}, {coordinates}, `watermark`, `late`)\n"
        f"SELECT {columns}, {coordinates},\n"
        "  CURRENT_WATERMARK(`rowtime`),\n"
        "  COALESCE(`rowtime` <= CURRENT_WATERMARK(`rowtime`), FALSE)\n"
        f"FROM {identifier(contract.stream)} WHERE `rowtime` IS NOT NULL"
    )


def dead_insert(contract: Contract) -> str:
    """Every other record, as its bytes, with every rule that it broke."""
    causes = ",\n    ".join(
        f"CASE WHEN NOT {r.holds} THEN {r.cause} END" for r in row_rules(contract)
    )
    return (
        f"INSERT INTO `lake`.{table_identifier(contract.dead_table)}\n"
        "SELECT `record`,\n"
        f"  CASE WHEN `decode_error` IS NOT NULL THEN `decode_error` ELSE CONCAT_WS('; ',\n"
        f"    {causes}\n  ) END,\n"
        f"  {', '.join(identifier(c) for c in KAFKA_COLUMNS)}\n"
        f"FROM {identifier(contract.stream)} WHERE `rowtime` IS NULL"
    )
