import json
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
from lakehead.streams.retail import Sample
from lakehead.streams.row import Row


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


def test_first_line_is_read_as_it_stands(sample: Sample) -> None:
    assert next(retail.rows(sample, 1)) == Row(
        invoice="489434",
        stock_code="85048",
        description="15CM CHRISTMAS GLASS BALL 20 LIGHTS",
        quantity=12,
        seconds=1_259_653_500,  # 2009-12-01 07:45
        price=6.95,
        customer=13085,
        country="United Kingdom",
    )


def test_lines_are_the_files_own_in_its_order(sample: Sample) -> None:
    def parse(time: str) -> int:
        return int(datetime.strptime(time + " +0000", "%m/%d/%Y %H:%M %z").timestamp())

    expected = [
        Row(
            line["Invoice"],
            line["StockCode"],
            line["Description"],
            line["Quantity"],
            parse(line["InvoiceDate"]),
            line["Price"],
            None if line["Customer ID"] is None else int(line["Customer ID"]),
            line["Country"],
        )
        for line in pq.read_table(sample.path).to_pylist()
    ]
    assert list(retail.rows(sample, sample.rows)) == expected
    assert None in {row.customer for row in expected}


def test_an_event_has_exactly_the_contracts_fields(sample: Sample, contract: Contract) -> None:
    row = next(retail.rows(sample, 1))
    event = json.loads(retail.stamp(retail.encode(row), "2009-12-01T07:45:00.000Z"))
    assert tuple(event) == retail.FIELDS
    assert set(event) == {f.name for f in contract.fields}


def test_prices_are_written_exactly(sample: Sample) -> None:
    for row in retail.rows(sample, sample.rows):
        written = json.loads(retail.encode(row), parse_float=Decimal)["price"]
        assert written == Decimal(repr(row.price))


def test_cancelled_lines_say_so(sample: Sample) -> None:
    lines = list(retail.rows(sample, sample.rows))
    statuses = [json.loads(retail.encode(row))["status"] for row in lines]
    assert statuses.count("cancelled") == sum(r.invoice.startswith("C") for r in lines) > 0


def test_a_replay_is_the_same_behind_the_newest(sample: Sample) -> None:
    lines = list(retail.rows(sample, 2 * sample.rows + 3))
    first, second = lines[: sample.rows], lines[sample.rows : 2 * sample.rows]
    assert second == [r._replace(seconds=r.seconds + sample.period) for r in first]
    assert min(r.seconds for r in second) > max(r.seconds for r in first)
    assert len(lines) == 2 * sample.rows + 3


@given(count=st.integers(1, 2000))
def test_newest_of_is_the_maximum_so_far(sample: Sample, count: int) -> None:
    assert sample.newest_of(count) == max(r.seconds for r in retail.rows(sample, count))


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
