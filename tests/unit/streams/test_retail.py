import re
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehead.contracts.model import Contract
from lakehead.errors import UserError
from lakehead.settings import INSTALL_ROOT, Settings
from lakehead.streams import retail
from lakehead.streams.events import Event, Source
from lakehead.streams.retail import Sample


def test_every_line_of_the_real_sample_keeps_the_contract(contract: Contract) -> None:
    table = pq.read_table(INSTALL_ROOT / "sample-data" / "online_retail.parquet")
    rules = {f.name: f for f in contract.fields}
    columns = {
        "invoice": "Invoice",
        "stock_code": "StockCode",
        "description": "Description",
        "quantity": "Quantity",
        "price": "Price",
        "customer_id": "Customer ID",
        "country": "Country",
    }
    for field, column in columns.items():
        rule, values = rules[field], table[column]
        assert not (rule.required and values.null_count), field
        for value in pc.unique(values).drop_null().to_pylist():
            if rule.pattern:
                assert re.search(rule.pattern, value), (field, value)
            if rule.min_length is not None and rule.max_length is not None:
                assert rule.min_length <= len(value) <= rule.max_length, (field, value)
            if rule.minimum is not None:
                assert value >= rule.minimum, (field, value)
            if rule.maximum is not None:
                assert value <= rule.maximum, (field, value)
            if rule.type.kind == "decimal":
                exact = Decimal(repr(value))
                assert exact == round(exact, rule.type.scale), (field, value)


def test_the_real_sample_is_the_file_that_is_described(tmp_path: Path) -> None:
    sample = retail.sample_of(Settings(home=tmp_path, project=INSTALL_ROOT))
    assert sample.rows == 1_067_371
    assert (sample.first, sample.newest) == (1_259_653_500, 1_323_435_000)


def test_first_line_is_read_as_it_stands(source: Source) -> None:
    assert next(source.events(1)) == Event(
        stream="orders",
        key="489434",
        seconds=1_259_653_500,  # 2009-12-01 07:45
        fields={
            "invoice": "489434",
            "stock_code": "85048",
            "description": "15CM CHRISTMAS GLASS BALL 20 LIGHTS",
            "quantity": 12,
            "price": 6.95,
            "customer_id": 13085,
            "country": "United Kingdom",
            "status": "placed",
        },
    )


def test_lines_are_the_files_own_in_its_order(source: Source, sample: Sample) -> None:
    def parse(time: str) -> int:
        return int(datetime.strptime(time + " +0000", "%m/%d/%Y %H:%M %z").timestamp())

    expected = [
        (
            line["Invoice"],
            line["StockCode"],
            line["Description"],
            line["Quantity"],
            line["Price"],
            None if line["Customer ID"] is None else int(line["Customer ID"]),
            line["Country"],
            "cancelled" if line["Invoice"].startswith("C") else "placed",
            parse(line["InvoiceDate"]),
        )
        for line in pq.read_table(sample.path).to_pylist()
    ]
    events = list(source.events(sample.rows))
    assert [(*e.fields.values(), e.seconds) for e in events] == expected
    assert all(e.key == e.fields["invoice"] for e in events)
    assert {"cancelled", "placed"} == {e.fields["status"] for e in events}
    assert None in {e.fields["customer_id"] for e in events}


def test_an_event_has_exactly_the_contracts_fields(source: Source, contract: Contract) -> None:
    fields = [*next(source.events(1)).fields, contract.event_time]
    assert fields == [f.name for f in contract.fields]


def test_a_replay_is_the_same_behind_the_newest(source: Source) -> None:
    events = list(source.events(2 * source.rows + 3))
    first, second = events[: source.rows], events[source.rows : 2 * source.rows]
    assert second == [e._replace(seconds=e.seconds + source.period) for e in first]
    assert min(e.seconds for e in second) > max(e.seconds for e in first)
    assert len(events) == 2 * source.rows + 3


@given(count=st.integers(1, 2000))
def test_newest_of_is_the_maximum_so_far(source: Source, count: int) -> None:
    assert source.newest_of(count) == max(e.seconds for e in source.events(count))


def test_without_a_sample_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakehead.streams.retail.sample.INSTALL_ROOT", tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"no sample data; looked for .*online_retail\.parquet"):
        retail.sample_of(Settings(home=tmp_path, project=tmp_path))


@pytest.mark.parametrize(
    ("table", "named"),
    [
        (None, "not the sample's Parquet file"),
        (pa.table({"a": [1]}), "not the sample's Parquet file"),
        (pa.table({"InvoiceDate": ["noon"]}), "not the sample's Parquet file"),
        (pa.table({"InvoiceDate": ["1/2/2010 3:04", None]}), "numbers are missing"),
        (pa.table({"InvoiceDate": pa.array([], pa.string())}), "has no lines"),
    ],
)
def test_another_file_under_its_name_is_refused(
    tmp_path: Path, table: pa.Table | None, named: str
) -> None:
    path = tmp_path / "sample-data" / "online_retail.parquet"
    path.parent.mkdir()
    if table is None:
        path.write_text("not parquet")
    else:
        pq.write_table(table, path)
    with pytest.raises(UserError, match=named):
        retail.sample_of(Settings(home=tmp_path, project=tmp_path))
