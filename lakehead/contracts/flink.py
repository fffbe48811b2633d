"""The Flink side of a contract: the source table, and the two inserts that land every record.

The source reads each record once through the ``safe`` format. ``rowtime`` is the event time of a
valid record and NULL for any other, so that ``rowtime IS NOT NULL`` means *valid*, and a broken
record or a clock from the future never moves the watermark.
"""

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


def source_table(
    contract: Contract,
    bootstrap: str,
    group: str,
    registry_url: str | None = None,
    name: str | None = None,
) -> str:
    """``CREATE TEMPORARY TABLE`` over the contract's topic; ``name`` is the stream's by default.

    ``rowtime`` is the event time to the millisecond, as watermarks are; the field itself is landed
    to the microsecond.
    """
    columns = "\n".join(f"  {identifier(f.name)} {f.type.flink()}," for f in contract.fields)
    valid = " AND ".join(["`decode_error` IS NULL", *(r.holds for r in row_rules(contract))])
    options = {
        "connector": "kafka",
        "topic": contract.topic,
        "properties.bootstrap.servers": bootstrap,
        "properties.group.id": group,
        "scan.startup.mode": "earliest-offset",
        "scan.watermark.idle-timeout": f"{int(contract.idle_timeout.total_seconds() * 1000)} ms",
        **format_options(contract, registry_url),
    }
    clock = f"CAST({identifier(contract.event_time)} AS TIMESTAMP_LTZ(3))"
    settings = ",\n".join(f"  {literal(k)} = {literal(v)}" for k, v in options.items())
    return (
        f"CREATE TEMPORARY TABLE {identifier(name or contract.stream)} (\n{columns}\n{_METADATA}\n"
        f"  `rowtime` AS CASE WHEN {valid} THEN {clock} END,\n"
        f"  WATERMARK FOR `rowtime` AS `rowtime` - {interval(contract.watermark_delay)}\n"
        f") WITH (\n{settings}\n)"
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
