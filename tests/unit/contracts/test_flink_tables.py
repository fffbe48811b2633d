import re
from dataclasses import replace
from datetime import timedelta

import pytest

from lakehead.contracts.flink import dead_insert, landing_insert
from lakehead.contracts.flink import source as source_of
from lakehead.contracts.iceberg import by_day, dead_schema, iceberg_type, landing_schema
from lakehead.contracts.model import Contract, Field
from lakehead.contracts.rules import row_rules
from lakehead.contracts.topic import topic_config
from lakehead.contracts.types import KINDS, NESTED, FieldType


@pytest.fixture
def source(orders: Contract) -> str:
    return source_of(orders, "127.0.0.1:19092", "lakehead-orders").table


def options(source: str) -> dict[str, str]:
    return dict(re.findall(r"^  '([^']+)' = '([^']*)'", source, re.MULTILINE))


def select_list(insert: str) -> list[str]:
    """What an insert selects, split at its outermost commas."""
    text = insert[insert.index("SELECT") + len("SELECT") : insert.rindex("\nFROM ")]
    parts, depth, quoted = [""], 0, False
    for letter in text:
        quoted ^= letter == "'"
        depth += 0 if quoted else {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return [" ".join(p.split()) for p in parts]


# The source


def test_the_source_is_temporary(source: str) -> None:
    assert source.startswith("CREATE TEMPORARY TABLE `orders$topic` (")


def test_the_source_has_every_field_with_its_flink_type(source: str, orders: Contract) -> None:
    for field in orders.fields:
        assert f"\n  `{field.name}` {field.type.flink()},\n" in source


@pytest.mark.parametrize(
    "column",
    [
        "`decode_error` STRING METADATA FROM 'value.error' VIRTUAL",
        "`record` BYTES METADATA FROM 'value.raw' VIRTUAL",
        "`kafka_partition` INT METADATA FROM 'partition' VIRTUAL",
        "`kafka_offset` BIGINT METADATA FROM 'offset' VIRTUAL",
        "`kafka_timestamp` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL",
    ],
)
def test_the_source_reads_the_metadata(source: str, column: str) -> None:
    assert column in source


def test_the_stream_has_every_column_of_the_topic(orders: Contract) -> None:
    found = source_of(orders, "b", "g")
    declared = re.findall(r"^  (`\w+`) ", found.table, re.MULTILINE)
    assert found.name == "orders"
    assert found.select.endswith(" FROM `orders$topic`")
    assert (
        re.findall(r"`\w+`", found.select.replace("CAST(`rowtime`", "CAST("))[:-1] == declared[:-1]
    )


def test_the_watermark_is_of_rowtime_and_waits_for_the_delay(orders: Contract) -> None:
    contract = replace(orders, watermark_delay=timedelta(milliseconds=1500))
    assert (
        "WATERMARK FOR `rowtime` AS `rowtime` - INTERVAL '0 00:00:01.500' DAY(3) TO SECOND(3)"
        in source_of(contract, "b", "g").table
    )


def test_rowtime_is_the_event_time_of_rows_that_decode_and_keep_every_rule(
    source: str, orders: Contract
) -> None:
    clock = r"CAST\(`event_time` AS TIMESTAMP_LTZ\(3\)\)"
    match = re.search(rf"`rowtime` AS CASE WHEN (.*) THEN {clock} END,\n", source)
    assert match
    kept = ["`decode_error` IS NULL", *(r.holds for r in row_rules(orders))]
    assert match[1] == " AND ".join(kept)


def test_the_source_reads_from_the_start_in_its_consumer_group(source: str) -> None:
    found = options(source)
    assert found["connector"] == "kafka"
    assert found["topic"] == "orders"
    assert found["properties.bootstrap.servers"] == "127.0.0.1:19092"
    assert found["properties.group.id"] == "lakehead-orders"
    assert found["scan.startup.mode"] == "earliest-offset"


def test_the_source_decodes_by_the_safe_format(source: str) -> None:
    found = options(source)
    assert found["value.format"] == "safe"
    assert found["value.safe.format"] == "strict-json"
    assert "value.safe.strict-json.aliases" not in found


def test_the_format_knows_the_names_that_fields_had(orders: Contract) -> None:
    first, second, *others = orders.fields
    fields = (replace(first, aliases=("bill", "no")), replace(second, aliases=("sku",)), *others)
    found = options(source_of(replace(orders, fields=fields), "b", "g").table)
    assert found["value.safe.strict-json.aliases"] == "bill:invoice,no:invoice,sku:stock_code"


def test_a_silent_partition_stops_holding_the_watermark_after_the_idle_timeout(
    source: str,
) -> None:
    assert options(source)["scan.watermark.idle-timeout"] == "5000 ms"


# The inserts


def test_the_landing_insert_gives_the_columns_of_the_landing_table(orders: Contract) -> None:
    selected = select_list(landing_insert(orders))
    columns = [f.name for f in landing_schema(orders).fields]
    assert columns[-2:] == ["watermark", "late"]
    assert selected[:-2] == [f"`{c}`" for c in columns[:-2]]
    named = re.findall(r"`(\w+)`", landing_insert(orders).partition("(")[2].partition(")")[0])
    assert named == columns
    assert len(selected) == len(columns)


def test_the_landing_insert_states_watermark_and_lateness(orders: Contract) -> None:
    watermark, late = select_list(landing_insert(orders))[-2:]
    assert watermark == "CURRENT_WATERMARK(`rowtime`)"
    assert late == "COALESCE(`rowtime` <= CURRENT_WATERMARK(`rowtime`), FALSE)"


def test_the_dead_insert_gives_the_columns_of_the_dead_table(orders: Contract) -> None:
    record, cause, *kafka = select_list(dead_insert(orders))
    columns = [f.name for f in dead_schema().fields]
    assert columns[:2] == ["record", "cause"]
    assert record == "`record`"
    assert cause.startswith("CASE WHEN `decode_error` IS NOT NULL THEN `decode_error` ELSE")
    assert kafka == [f"`{c}`" for c in columns[2:]]


def test_a_dead_row_states_every_rule_that_it_broke(orders: Contract) -> None:
    insert = dead_insert(orders)
    for rule in row_rules(orders):
        assert f"CASE WHEN NOT {rule.holds} THEN {rule.cause} END" in insert


def test_each_record_goes_to_exactly_one_of_the_two_tables(orders: Contract) -> None:
    assert landing_insert(orders).endswith("FROM `orders` WHERE `rowtime` IS NOT NULL")
    assert dead_insert(orders).endswith("FROM `orders` WHERE `rowtime` IS NULL")


def test_the_inserts_go_to_the_tables_of_the_contract(orders: Contract) -> None:
    assert landing_insert(orders).startswith("INSERT INTO `lake`.`landing`.`orders`\n")
    assert dead_insert(orders).startswith("INSERT INTO `lake`.`landing`.`orders_dead`\n")


# The tables


def test_the_landing_table_has_the_types_of_the_fields(orders: Contract) -> None:
    types = {f.name: str(f.field_type) for f in landing_schema(orders).fields}
    assert types["price"] == "decimal(12, 3)"
    assert types["quantity"] == "int"
    assert types["customer_id"] == "long"
    assert types["event_time"] == types["watermark"] == types["kafka_timestamp"] == "timestamptz"
    assert types["late"] == "boolean"


def test_columns_are_optional_and_numbered_in_order(orders: Contract) -> None:
    for schema in (landing_schema(orders), dead_schema()):
        assert [f.field_id for f in schema.fields] == list(range(1, len(schema.fields) + 1))
        assert not any(f.required for f in schema.fields)


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in NESTED])
def test_every_plain_type_has_an_iceberg_type(kind: str) -> None:
    field_type = FieldType("decimal", 9, 2) if kind == "decimal" else FieldType(kind)
    assert iceberg_type(field_type).is_primitive


def test_every_part_of_a_nested_type_has_an_id_of_its_own(orders: Contract) -> None:
    text = FieldType("string")
    kind = FieldType(
        "map", items=FieldType("array", items=FieldType("object", members=(("a", text),)))
    )
    fields = (Field("nested", kind), *orders.fields)
    schema = landing_schema(replace(orders, fields=fields))
    ids = [f.field_id for f in schema.fields]
    assert ids == list(range(1, len(ids) + 1))
    assert len(schema._lazy_id_to_name) == len(ids) + 4
    assert str(schema.find_field("nested").field_type) == (
        f"map<string, list<struct<{len(ids) + 4}: a: optional string>>>"
    )


def test_a_table_is_partitioned_by_day(orders: Contract) -> None:
    schema = landing_schema(orders)
    (part,) = by_day(schema, "event_time").fields
    assert part.source_id == schema.find_field("event_time").field_id
    assert str(part.transform) == "day"
    assert part.name == "event_time_day"


# The topic


def test_the_broker_stamps_records_and_keeps_them_for_the_retention(orders: Contract) -> None:
    config = topic_config(orders)
    assert config["message.timestamp.type"] == "LogAppendTime"
    assert config["retention.ms"] == str(7 * 86400 * 1000)
    assert config["cleanup.policy"] == "delete"
