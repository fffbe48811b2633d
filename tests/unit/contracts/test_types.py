import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehead.contracts.types import KINDS, LOGICAL, NESTED, FieldType, parse_type, walk

PLAIN = [k for k in KINDS if k not in NESTED and k != "decimal"]


@pytest.mark.parametrize("kind", PLAIN)
def test_a_simple_type_is_its_own_name(kind: str) -> None:
    assert parse_type(kind) == FieldType(kind)
    assert str(parse_type(kind)) == kind


@pytest.mark.parametrize("text", ["decimal(12,3)", "DECIMAL(12, 3)", " decimal( 12 , 3 ) "])
def test_a_decimal_has_precision_and_scale(text: str) -> None:
    assert parse_type(text) == FieldType("decimal", 12, 3)


@pytest.mark.parametrize("text", ["decimal(0,0)", "decimal(39,1)", "decimal(2,3)"])
def test_a_decimal_of_impossible_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="precision must be 1 to 38"):
        parse_type(text)


@pytest.mark.parametrize("text", ["", "decimal", "decimal(1)", "decimal(-1,0)", "text", "int[]"])
def test_an_unknown_type_names_the_known(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected one of string.*decimal\(p,s\)"):
        parse_type(text)


@given(st.text())
def test_any_text_is_a_type_or_a_value_error(text: str) -> None:
    try:
        assert parse_type(text).kind in KINDS
    except ValueError as error:
        assert "expected" in str(error) or "must" in str(error)


@given(st.integers(1, 38).flatmap(lambda p: st.tuples(st.just(p), st.integers(0, p))))
def test_a_type_reads_what_it_writes(size: tuple[int, int]) -> None:
    kind = FieldType("decimal", *size)
    assert parse_type(str(kind)) == kind


STRING = FieldType("string")
MEMBERS = (("zip", STRING), ("since", FieldType("timestamp")))
EVERY = [
    FieldType("decimal", 10, 2),
    *map(FieldType, PLAIN),
    FieldType("array", items=STRING),
    FieldType("map", items=FieldType("array", items=STRING)),
    FieldType("object", members=MEMBERS),
]


@pytest.mark.parametrize("kind", EVERY, ids=str)
def test_every_engine_has_a_name_without_gaps(kind: FieldType) -> None:
    for name in (kind.flink(), kind.spark(), kind.duckdb()):
        assert name
        assert "{" not in name


def test_what_is_within_has_the_engine_s_own_name() -> None:
    kind = FieldType("array", items=FieldType("object", members=MEMBERS))
    assert kind.flink() == "ARRAY<ROW<`zip` STRING, `since` TIMESTAMP_LTZ(6)>>"
    assert kind.spark() == "ARRAY<STRUCT<`zip`: STRING, `since`: TIMESTAMP>>"
    assert kind.duckdb() == 'STRUCT("zip" VARCHAR, "since" TIMESTAMPTZ)[]'
    assert str(kind) == "array<object<zip:string,since:timestamp>>"


def test_walk_sees_a_type_and_all_within() -> None:
    seen: list[str] = []
    walk(
        FieldType("map", items=FieldType("object", members=MEMBERS)), lambda k: seen.append(k.kind)
    )
    assert seen == ["map", "object", "string", "timestamp"]


def test_every_logical_type_means_types_that_exist() -> None:
    assert {kind for kinds in LOGICAL.values() for kind in kinds} == set(KINDS)


def test_event_times_keep_microseconds() -> None:
    assert FieldType("timestamp").flink() == "TIMESTAMP_LTZ(6)"
