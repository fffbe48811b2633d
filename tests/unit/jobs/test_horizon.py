"""From when on a new version has seen all, and until when the batch must answer."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from lakehead.contracts.iceberg import by_day, landing_schema
from lakehead.contracts.load import load_contract
from lakehead.contracts.model import Contract
from lakehead.jobs.horizon import closes, newest_landed, next_begin
from lakehead.lake.catalog import open_catalog
from lakehead.models.bind import Bound, bind
from lakehead.models.model import parse_model
from lakehead.settings import INSTALL_ROOT, Settings

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract(INSTALL_ROOT / "schemas", "orders")


def bound(contract: Contract, window: str) -> Bound:
    text = (
        f"/*\nmodel: m\nstream: orders\n{window}\n"
        f"output:\n  table: marts.m\n  columns: {{lines: long}}\n*/\n"
        "SELECT COUNT(*) AS lines FROM orders"
    )
    return bind(parse_model(text, "m"), {"orders": contract})


@pytest.mark.parametrize(
    ("window", "begin", "close"),
    [
        ("window: {tumble: 10 seconds}\nkeys: []", 10, 10),
        ("window: {hop: {size: 1 minute, every: 10 seconds}}\nkeys: []", 10, 60),
        ("window: {cumulate: {size: 1 minute, step: 10 seconds}}\nkeys: []", 60, 60),
    ],
)
def test_answers_begin_after_the_newest_event_and_the_batch_gives_those_before(
    contract: Contract, window: str, begin: int, close: int
) -> None:
    model = bound(contract, window)
    for seconds in (0, 3, 9.999):
        found = next_begin(model, NOON + timedelta(seconds=seconds))
        assert found == NOON + timedelta(seconds=begin)
        assert closes(model, found) == NOON + timedelta(seconds=close)


def test_a_session_is_closed_where_the_last_one_that_began_before_ends(
    contract: Contract,
) -> None:
    model = bound(contract, "window: {session: {gap: 30 seconds}}\nkeys: []")
    found = next_begin(model, NOON)
    assert timedelta(seconds=30) < found - NOON <= timedelta(seconds=30.001)
    assert closes(model, found) == found + timedelta(seconds=30)
    later = found + timedelta(minutes=5)
    assert closes(model, found, later) == later


@pytest.fixture
def home(tmp_path: Path, contract: Contract) -> Settings:
    """A landing table with a commit each of two Flink jobs, and one of nobody's."""
    settings = Settings(home=tmp_path, project=tmp_path)
    catalog = open_catalog(settings)
    catalog.create_namespace("landing")
    schema = landing_schema(contract)
    table = catalog.create_table(
        contract.landing_table, schema, partition_spec=by_day(schema, contract.event_time)
    )
    for job, moment in (
        ("old", NOON),
        (None, NOON + timedelta(days=1, seconds=5)),
        ("new", NOON + timedelta(days=1, seconds=7)),
        ("old", NOON + timedelta(hours=1)),
    ):
        arrow = schema.as_arrow()
        row = {f.name: [None] for f in arrow} | {contract.event_time: [moment]}
        rows = pa.table({f.name: pa.array(row[f.name], f.type) for f in arrow}, schema=arrow)
        table.append(rows, snapshot_properties={"flink.job-id": job} if job else {})
    catalog.close()
    return settings


def test_the_newest_event_is_that_of_any_day_and_writer(home: Settings, contract: Contract) -> None:
    assert newest_landed(home, contract) == NOON + timedelta(days=1, seconds=7)


def test_what_a_job_has_landed_itself_is_left_out(home: Settings, contract: Contract) -> None:
    assert newest_landed(home, contract, {"new"}) == NOON + timedelta(days=1, seconds=5)
    assert newest_landed(home, contract, {"new", "old"}) == NOON + timedelta(days=1, seconds=5)


def test_without_a_table_nothing_is_landed(tmp_path: Path, contract: Contract) -> None:
    assert newest_landed(Settings(home=tmp_path, project=tmp_path), contract) is None
