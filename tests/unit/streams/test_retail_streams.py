"""The whole of the real sample, all streams merged: that they agree, and keep their contracts.

Every stream is a table with the contract's columns, and ``seconds``; ``orders`` is the file, with
``line``, and ``again`` where the second sheet repeats a week of the first.
"""

import re
from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from lakehead.contracts.expression import parse_condition, render
from lakehead.contracts.load import load_contract
from lakehead.contracts.model import Contract, Field
from lakehead.contracts.types import FieldType
from lakehead.settings import INSTALL_ROOT, Settings
from lakehead.streams.events import Event
from lakehead.streams.retail import RETAIL_STREAMS, retail_source
from lakehead.streams.retail.extent import Extent, known_extents
from lakehead.streams.retail.source import extents_of

pytestmark = pytest.mark.thorough
FILE = INSTALL_ROOT / "sample-data" / "online_retail.parquet"
CONTRACTS = {s: load_contract(INSTALL_ROOT / "schemas", s) for s in RETAIL_STREAMS}
DERIVED = [s for s in RETAIL_STREAMS if s != "orders"]
# Of each stream, one event in so many is looked at by hand.
ONE_OF = {"products": 2, "customers": 2, "payments": 7, "shipments": 9, "page_views": 31}
ORDERS = """
CREATE TABLE orders AS
SELECT Invoice AS invoice, StockCode AS stock_code, Quantity AS quantity, Price::DECIMAL(12,3)
    AS price, "Customer ID"::BIGINT AS customer_id, Country AS country, line,
    line >= 525461 AND min(line) OVER (PARTITION BY Invoice) < 525461 AS again,
    epoch(strptime(InvoiceDate, '%m/%d/%Y %H:%M'))::BIGINT AS seconds
FROM (SELECT *, file_row_number AS line FROM read_parquet('{}', file_row_number = true));
CREATE TABLE invoices AS
SELECT invoice, sum(quantity * price) AS total, min(seconds) AS first, max(seconds) AS last,
    any_value(customer_id) AS customer_id, any_value(country) AS country
FROM orders WHERE NOT again GROUP BY invoice
"""
ARROW = {
    "string": pa.string(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "date": pa.date32(),
}


class Whole:
    """One pass over all events."""

    def __init__(self, lake: duckdb.DuckDBPyConnection) -> None:
        self.lake = lake
        self.closely: dict[str, list[Event]] = defaultdict(list)
        self.rows: Counter[str] = Counter()
        self.behind: Counter[str] = Counter()
        self.extents: dict[str, Extent] = {}

    def one(self, sql: str) -> Any:
        """The single value that the query gives."""
        [[value]] = self.lake.execute(sql).fetchall()
        return value


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    source = retail_source(
        Settings(home=tmp_path_factory.mktemp("home"), project=INSTALL_ROOT), RETAIL_STREAMS
    )
    found = Whole(duckdb.connect())
    found.lake.execute(ORDERS.format(FILE))
    schemas = {s: _arrow_schema(CONTRACTS[s]) for s in DERIVED}
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    batches: dict[str, list[pa.RecordBatch]] = defaultdict(list)

    def flush(stream: str) -> None:
        # Arrow refuses a value that is not of the contract's type.
        batches[stream].append(pa.RecordBatch.from_pylist(rows[stream], schemas[stream]))
        rows[stream].clear()

    def noted() -> Any:
        newest = 0
        for event in source.events(source.rows):
            stream, _, seconds, fields = event
            found.behind[stream] += seconds < newest
            newest = max(newest, seconds)
            if stream != "orders":
                found.rows[stream] += 1
                if found.rows[stream] % ONE_OF[stream] == 0:
                    found.closely[stream].append(event)
                row = fields | {"seconds": seconds}
                if fields.get("properties"):
                    row["properties"] = list(fields["properties"].items())
                rows[stream].append(row)
                if len(rows[stream]) == 20_000:
                    flush(stream)
            yield event

    found.extents = extents_of(noted())
    for stream in DERIVED:
        flush(stream)
        found.lake.register("batches", pa.Table.from_batches(batches.pop(stream)))
        found.lake.execute(f"CREATE TABLE {stream} AS FROM batches")
    return found


def _arrow_schema(contract: Contract) -> pa.Schema:
    fields = [(f.name, _arrow_type(f.type)) for f in contract.fields if f.name != "event_time"]
    return pa.schema([*fields, ("seconds", pa.int64())])


def _arrow_type(kind: FieldType) -> pa.DataType:
    match kind.kind:
        case "decimal":
            return pa.decimal128(kind.precision, kind.scale)
        case "object":
            return pa.struct([(name, _arrow_type(inner)) for name, inner in kind.members])
        case "array":
            assert kind.items is not None
            return pa.list_(_arrow_type(kind.items))
        case "map":
            return pa.map_(pa.string(), pa.string())
    return ARROW[kind.kind]


def test_the_extents_that_are_kept_are_those_of_the_file(whole: Whole) -> None:
    known = known_extents(FILE)
    assert known == {s: e for s, e in whole.extents.items() if s != "orders"}
    assert whole.extents["orders"] == Extent(1_067_371, 1_259_653_500, 1_323_435_000)


def test_only_lines_that_are_behind_in_the_file_are_behind(whole: Whole) -> None:
    assert whole.behind == Counter(orders=22_458)


@pytest.mark.parametrize("stream", DERIVED)
def test_events_keep_their_contract(whole: Whole, stream: str) -> None:
    contract = CONTRACTS[stream]
    names = [f.name for f in contract.fields if f.name != contract.event_time]
    assert len(whole.closely[stream]) > 5_000
    for event in whole.closely[stream]:
        assert list(event.fields) == names
        key = event.fields[contract.key]
        assert event.key == (None if key is None else str(key))
        for field in contract.fields:
            if field.name != contract.event_time:
                assert not list(_broken(field, event.fields[field.name])), event


def _broken(field: Field, value: Any) -> Any:
    """The names of what the value breaks."""
    if value is None:
        if field.required:
            yield f"{field.name}: missing"
        return
    kinds = {"string": str, "boolean": bool, "int": int, "long": int, "decimal": Decimal}
    kinds |= {"date": date, "array": list, "object": dict, "map": dict}
    if type(value) is not kinds[field.type.kind]:
        yield f"{field.name}: {type(value)}"
        return
    if field.type.kind == "object":
        assert list(value) == [f.name for f in field.fields]
        for inner in field.fields:
            yield from _broken(inner, value[inner.name])
    kept = (
        not field.enum or value in field.enum,
        field.minimum is None or value >= field.minimum,
        field.maximum is None or value <= field.maximum,
        field.min_length is None or len(value) >= field.min_length,
        field.max_length is None or len(value) <= field.max_length,
        field.pattern is None or re.search(field.pattern, value),
    )
    if not all(kept):
        yield f"{field.name}: {value!r} by {kept}"


@pytest.mark.parametrize("stream", DERIVED)
def test_rows_keep_the_contracts_rules(whole: Whole, stream: str) -> None:
    columns = {f.name: f.type for f in CONTRACTS[stream].fields}
    for rule in CONTRACTS[stream].rules:
        holds = render(parse_condition(rule.condition, columns), "duckdb")
        assert whole.one(f"SELECT count(*) FROM {stream} WHERE NOT ({holds})") == 0, rule.name


@pytest.mark.parametrize("stream", DERIVED)
def test_ids_are_unique_and_references_lead_somewhere(whole: Whole, stream: str) -> None:
    for field in CONTRACTS[stream].fields:
        name = field.name
        if field.unique_within is not None:
            assert whole.one(f"SELECT count(*) - count(DISTINCT {name}) FROM {stream}") == 0
        if (link := field.references) is not None:
            lost = f"{name} NOT IN (SELECT {link.field} FROM {link.stream} WHERE {link.field} > 0)"
            if field.type.kind == "string":
                lost = lost.replace(" > 0", " IS NOT NULL")
            assert whole.one(f"SELECT count(*) FROM {stream} WHERE {lost}") == 0, name


def test_every_value_that_a_field_may_have_is_there(whole: Whole) -> None:
    for stream, contract in CONTRACTS.items():
        for field in contract.fields if stream != "orders" else ():
            if field.enum:
                found = whole.lake.execute(f"SELECT DISTINCT {field.name} FROM {stream}").fetchall()
                assert {v for (v,) in found} - {None} == set(field.enum), (stream, field.name)


def test_a_payment_is_of_the_invoices_total(whole: Whole) -> None:
    joined = "payments p JOIN invoices i USING (invoice) WHERE"
    assert whole.one(f"SELECT count(*) FROM {joined} p.amount <> abs(i.total)") == 0
    assert whole.one(f"SELECT count(*) FROM {joined} p.seconds <= i.last") == 0
    differs = "p.customer_id IS DISTINCT FROM i.customer_id"
    assert whole.one(f"SELECT count(*) FROM {joined} {differs}") == 0


def test_every_invoice_that_sells_is_paid_or_failed(whole: Whole) -> None:
    sells = "SELECT invoice FROM invoices WHERE total > 0 AND invoice NOT SIMILAR TO '[AC].*'"
    tried = "SELECT invoice FROM payments WHERE status <> 'refunded'"
    assert whole.one(f"SELECT count(*) FROM ({sells} EXCEPT {tried})") == 0
    assert whole.one(f"SELECT count(*) FROM ({tried} EXCEPT {sells})") == 0
    steps = "SELECT string_agg(status, ' ' ORDER BY seconds) s FROM payments GROUP BY invoice"
    found = whole.lake.execute(f"SELECT DISTINCT s FROM ({steps})").fetchall()
    paid = "authorised captured"
    assert {s for (s,) in found} == {paid, f"failed {paid}", "failed", "refunded"}
    failed = whole.one("SELECT count(*) / 40076 FROM payments WHERE status = 'failed'")
    assert 0.03 < failed < 0.05


def test_a_parcel_has_the_goods_of_an_invoice_that_was_paid(whole: Whole) -> None:
    items = """SELECT invoice, unnest(items).stock_code AS c, unnest(items).quantity AS q
        FROM shipments WHERE status = 'packed'"""
    lines = """SELECT invoice, stock_code, quantity FROM orders WHERE NOT again AND quantity > 0
        AND regexp_matches(stock_code, '^([0-9]|DCGS)')
        AND invoice IN (SELECT invoice FROM payments WHERE status = 'captured')"""
    assert whole.one(f"SELECT count(*) FROM ({items} EXCEPT ALL {lines})") == 0
    assert whole.one(f"SELECT count(*) FROM ({lines} EXCEPT ALL {items})") == 0
    wrong = """SELECT count(*) FROM shipments s JOIN invoices i USING (invoice)
        LEFT JOIN payments p ON p.invoice = s.invoice AND p.status = 'captured'
        WHERE s.address.country <> i.country OR s.customer_id IS DISTINCT FROM i.customer_id
        OR p.seconds IS NULL OR s.seconds <= p.seconds"""
    assert whole.one(wrong) == 0
    steps = """SELECT count(*) FROM (SELECT string_agg(status, ' ' ORDER BY seconds) s
        FROM shipments GROUP BY shipment_id) WHERE s <> 'packed shipped delivered'"""
    assert whole.one(steps) == 0
    late = """SELECT avg((delivered_date > promised_date)::INT) FROM shipments
        WHERE status = 'delivered'"""
    assert 0.05 < whole.one(late) < 0.11


@pytest.mark.parametrize(
    ("stream", "key"),
    [
        ("orders", "stock_code"),
        ("page_views", "stock_code"),
        ("orders", "customer_id"),
        ("page_views", "customer_id"),
    ],
)
def test_products_and_customers_are_known_before(whole: Whole, stream: str, key: str) -> None:
    dimension = "products" if key == "stock_code" else "customers"
    early = f"""SELECT count(*) FROM (SELECT {key}, min(seconds) s FROM {stream}
        WHERE {key} IS NOT NULL GROUP BY {key}) f LEFT JOIN
        (SELECT {key}, min(seconds) s FROM {dimension} GROUP BY {key}) d USING ({key})
        WHERE d.s IS NULL OR d.s > f.s"""
    assert whole.one(early) == 0


def test_a_customer_is_in_the_country_of_the_order(whole: Whole) -> None:
    wrong = """SELECT count(*) FROM (FROM invoices WHERE customer_id IS NOT NULL) i
        ASOF JOIN (SELECT customer_id, seconds, last(country ORDER BY rowid) AS country
                   FROM customers GROUP BY customer_id, seconds) c
        ON i.customer_id = c.customer_id AND i.first >= c.seconds WHERE i.country <> c.country"""
    assert whole.one(wrong) == 0


def test_products_and_customers_change_when_they_say_so(whole: Whole) -> None:
    for stream, key in (("products", "stock_code"), ("customers", "customer_id")):
        names = [f.name for f in CONTRACTS[stream].fields if f.name != "event_time"]
        now = f"row({', '.join(names)})"
        same = f"""SELECT count(*) FROM (SELECT {now} AS now, lag({now}) OVER
            (PARTITION BY {key} ORDER BY rowid) AS before FROM {stream}) WHERE now = before"""
        assert whole.one(same) == 0
    priced = "SELECT count(*) FROM products WHERE list_price IS NOT NULL"
    assert whole.one(priced) > 2 * whole.one("SELECT count(DISTINCT stock_code) FROM products")


def test_a_visit_comes_before_its_order_and_sees_what_it_buys(whole: Whole) -> None:
    visits = """CREATE TEMP TABLE visits AS SELECT session_id, max(invoice) AS invoice,
        min(seconds) AS first, max(seconds) AS last, list(stock_code) AS codes,
        list(page ORDER BY seconds) AS pages, count(invoice) AS named, count(DISTINCT seconds) AS n
        FROM page_views GROUP BY session_id"""
    whole.lake.execute(visits)
    assert whole.one("SELECT count(*) FROM visits WHERE pages[1] <> 'home' OR n <> len(pages)") == 0
    ends = "(pages[-1] = 'checkout') <> (named = 1) OR named > 1"
    assert whole.one(f"SELECT count(*) FROM visits WHERE {ends}") == 0
    wrong = """SELECT count(*) FROM visits v JOIN invoices i USING (invoice)
        WHERE v.last >= i.first OR v.first < i.first - 7200"""
    assert whole.one(wrong) == 0
    unseen = """SELECT count(*) FROM visits v JOIN (SELECT invoice, list(DISTINCT stock_code) AS c
        FROM orders GROUP BY invoice) o USING (invoice)
        WHERE len(list_intersect(v.codes, o.c)) < least(8, (SELECT count(DISTINCT item.stock_code)
            FROM (SELECT unnest(items) AS item FROM shipments s
                  WHERE s.invoice = v.invoice AND s.status = 'packed')))"""
    assert whole.one(unseen) == 0
    assert whole.one("SELECT count(*) - count(DISTINCT invoice) FROM visits WHERE named = 1") == 0
    assert 0.3 < whole.one("SELECT avg((named = 0)::INT) FROM visits") < 0.4
