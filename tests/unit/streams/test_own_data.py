"""A person's own rows: what is valid is sent as it is, the rest is told and written down."""

import json
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from lakehead.contracts.model import Contract
from lakehead.contracts.samples import sample_events
from lakehead.contracts.validate import Validator
from lakehead.errors import SystemFailure, UserError
from lakehead.settings import Settings
from lakehead.streams.encode import JsonEncoder
from lakehead.streams.manifest import read_manifests
from lakehead.streams.own_data import OwnDataOptions, Published, RowsRejected, publish
from lakehead.streams.own_data.file import format_of
from lakehead.streams.produce.sending import Progress
from lakehead.streams.sinks import MemorySink
from tests.draws import draws

ROW = {
    "invoice": "489434",
    "stock_code": "85048",
    "description": "GLASS BALL",
    "quantity": "12",
    "price": "6.95",
    "customer_id": "13085",
    "country": "United Kingdom",
    "status": "placed",
    "event_time": "2009-12-01T07:45:00Z",
}
HEADER = list(ROW)


def csv(path: Path, *rows: dict[str, str], header: list[str] = HEADER) -> str:
    lines = [",".join(header), *(",".join(r.get(h, "") for h in header) for r in rows)]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def jsonl(path: Path, *rows: object) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture
def run(fresh: Settings, contract: Contract) -> Callable[..., tuple[Published, MemorySink]]:
    """Publish a file to ``orders``, in memory."""

    def run(path: str, *, to: Contract = contract, **options: Any) -> tuple[Published, MemorySink]:
        sink = MemorySink()
        stdin = options.pop("stdin", None)
        published = publish(fresh, to, OwnDataOptions(path, **options), sink=sink, stdin=stdin)
        return published, sink

    return run


Run = Callable[..., tuple[Published, MemorySink]]


def sent(sink: MemorySink) -> list[Any]:
    return [json.loads(r.value or b"") for r in sink.records]


def test_a_csv_row_becomes_an_event_with_its_own_time_and_key(run: Run, tmp_path: Path) -> None:
    published, sink = run(csv(tmp_path / "a.csv", ROW, ROW | {"customer_id": ""}))
    assert (published.rows, published.valid) == (2, 2)
    published.check()
    first, second = sent(sink)
    assert first == {
        "invoice": "489434",
        "stock_code": "85048",
        "description": "GLASS BALL",
        "quantity": 12,
        "price": 6.95,
        "customer_id": 13085,
        "country": "United Kingdom",
        "status": "placed",
        "event_time": "2009-12-01T07:45:00Z",
    }
    assert second.get("customer_id") is None
    assert {r.key for r in sink.records} == {b"489434"}
    manifest = published.manifest
    assert (manifest.acknowledged, manifest.source) == (2, str(tmp_path / "a.csv"))
    assert manifest.event_time == ("2009-12-01T07:45:00.000Z", "2009-12-01T07:45:00.000Z")
    assert manifest.natural.nulls == {"customer_id": 1}


def test_the_manifest_is_written(run: Run, tmp_path: Path, fresh: Settings) -> None:
    published, _ = run(csv(tmp_path / "a.csv", ROW))
    assert read_manifests(fresh, "orders") == [published.manifest]
    assert published.path == fresh.manifests / published.manifest.file_name


@examples(
    max_examples=draws(10),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 1000), kind=st.sampled_from(["jsonl", "csv", "parquet"]))
def test_any_valid_event_comes_through_any_format(
    seed: int, kind: str, everything: Contract, settings: Settings, tmp_path: Path
) -> None:
    events = list(islice(sample_events(everything, seed), 20))
    path = tmp_path / f"events.{kind}"
    written = [json.loads(JsonEncoder(everything).encode_event(e)) for e in events]
    if kind == "jsonl":
        jsonl(path, *written)
    elif kind == "csv":
        _write_csv(path, everything, written)
    else:
        _write_parquet(path, events)
    sink = MemorySink()
    published = publish(settings, everything, OwnDataOptions(str(path)), sink=sink)
    published.check()
    validator = Validator(everything)
    expected = [json.loads(validator.checked(event)) for event in events]
    assert sent(sink) == expected
    assert [r.key for r in sink.records] == [e["id"].encode() for e in events]


def _write_csv(path: Path, contract: Contract, written: list[dict[str, Any]]) -> None:
    import csv as files

    names = [f.name for f in contract.fields if f.name != "address"]
    with path.open("w", newline="") as file:
        writer = files.writer(file)
        writer.writerow([*names, "address.street", "address.floor", "address.since"])
        for event in written:
            cells = [event[n] for n in names]
            cells += [event["address"][n] for n in ("street", "floor", "since")]
            writer.writerow([_cell(c) for c in cells])


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict | bool) else value


def _write_parquet(path: Path, events: list[dict[str, Any]]) -> None:
    prices = [None if e["prices"] is None else list(e["prices"].items()) for e in events]
    table = pa.Table.from_pylist([{k: v for k, v in e.items() if k != "prices"} for e in events])
    column = pa.array(prices, pa.map_(pa.string(), pa.float64()))
    pq.write_table(table.append_column("prices", column), path)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_rows_that_break_the_contract_are_written_down_and_the_others_sent(
    kind: str, run: Run, tmp_path: Path, fresh: Settings
) -> None:
    bad = [
        ROW | {"quantity": "many"},
        ROW | {"country": ""}
        if kind == "csv"
        else {k: v for k, v in ROW.items() if k != "country"},
        ROW | {"status": "teleported", "invoice": "?"},
        ROW | {"event_time": "2099-01-01T00:00:00Z"},
        ROW | {"event_time": "2009-12-01T07:45:00"},
    ]
    rows = [ROW, *bad, ROW]
    path = tmp_path / f"a.{kind}"
    published, sink = run(csv(path, *rows) if kind == "csv" else jsonl(path, *rows))
    assert (published.rows, published.valid, len(sink.records)) == (7, 2, 2)
    rejected = published.manifest.rejected
    assert rejected.count == 5
    assert "row 2: quantity.type: is 'many'" in (rejected.first_reason or "")
    with pytest.raises(RowsRejected, match="5 of 7 rows break the contract of orders") as caught:
        published.check()
    assert caught.value.exit_code == 1
    assert str(rejected.file) in caught.value.hint
    assert str(rejected.file).startswith(str(fresh.home / "rejected" / "orders-"))
    lines = [json.loads(line) for line in Path(rejected.file or "").read_text().splitlines()]
    assert [line["row"] for line in lines] == [2, 3, 4, 5, 6]
    reasons = ["; ".join(line["reasons"]) for line in lines]
    expected = ["quantity.type", "country.required", "status.enum", "event_time.clock"]
    for reason, part in zip(reasons, [*expected, "event_time.type"], strict=True):
        assert part in reason
    assert "invoice.pattern" in reasons[2]
    assert lines[0]["data"]["quantity"] == "many"


def test_times_without_a_zone_are_where_they_are_said_to_be(run: Run, tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", ROW | {"event_time": "2026-01-02 03:04:05.678"})
    published, sink = run(path, time_zone="Europe/Vienna")
    published.check()
    assert sent(sink)[0]["event_time"] == "2026-01-02T02:04:05.678000Z"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_an_unknown_column_is_named_before_anything_is_sent(
    kind: str, run: Run, tmp_path: Path, fresh: Settings
) -> None:
    row = ROW | {"colour": "red"}
    path = tmp_path / f"a.{kind}"
    if kind == "csv":
        csv(path, row, header=[*HEADER, "colour"])
    elif kind == "jsonl":
        jsonl(path, row)
    else:
        pq.write_table(pa.Table.from_pylist([row]), path)
    with pytest.raises(
        UserError, match=r"'colour' is no field of orders.*invoice, .*event_time"
    ) as e:
        run(str(path))
    assert "--ignore-unknown" in e.value.hint
    assert not (fresh.home / "rejected").exists()
    published, sink = run(str(path), ignore_unknown=True)
    published.check()
    assert "colour" not in sent(sink)[0]


def test_a_later_line_with_an_unknown_key_is_rejected(run: Run, tmp_path: Path) -> None:
    published, sink = run(jsonl(tmp_path / "a.jsonl", ROW, ROW | {"colour": "red"}, ROW))
    assert len(sink.records) == 2
    assert "'colour' is no field of orders" in (published.manifest.rejected.first_reason or "")


def test_a_missing_column_is_named_before_anything_is_sent(run: Run, tmp_path: Path) -> None:
    header = [h for h in HEADER if h not in ("price", "country", "description")]
    with pytest.raises(UserError, match="no column for price, country, which orders requires"):
        run(csv(tmp_path / "a.csv", ROW, header=header))


def test_an_alias_is_its_field_but_not_beside_it(
    run: Run, tmp_path: Path, contract: Contract
) -> None:
    fields = tuple(
        replace(f, aliases=("land",)) if f.name == "country" else f for f in contract.fields
    )
    renamed = replace(contract, fields=fields)
    header = ["land" if h == "country" else h for h in HEADER]
    path = csv(tmp_path / "a.csv", ROW | {"land": "Wales"}, header=header)
    published, sink = run(path, to=renamed)
    published.check()
    assert sent(sink)[0]["country"] == "Wales"
    path = csv(tmp_path / "b.csv", ROW, header=[*HEADER, "land"])
    with pytest.raises(UserError, match="'country' and 'land' are both the field 'country'"):
        run(path, to=renamed)


@pytest.mark.parametrize("sep", [";", "\t", "|"])
def test_a_csv_may_have_another_separator(sep: str, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [HEADER, list(ROW.values()), list(ROW.values())]
    path.write_text("\n".join(sep.join(row) for row in rows))
    published, _ = run(str(path))
    published.check()
    assert published.valid == 2


def test_a_line_with_too_many_cells_is_rejected_and_the_others_sent(
    run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    csv(path, *[ROW] * 50)
    lines = path.read_text().splitlines()
    lines[20] += ",one more"
    path.write_text("\n".join(lines) + "\n")
    published, sink = run(str(path))
    assert len(sink.records) == 49
    assert published.manifest.rejected.count == 1
    assert "line 21" in (published.manifest.rejected.first_reason or "")
    [line] = Path(published.manifest.rejected.file or "").read_text().splitlines()
    assert "one more" in json.loads(line)["data"]


@pytest.mark.parametrize("bad", ["{", "[1]", "7", '{"a": NaN}', "\ufffd"])
def test_a_line_that_is_no_object_is_rejected(bad: str, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"{json.dumps(ROW | NUMBERS)}\n{bad}\n\n{json.dumps(ROW | NUMBERS)}\n")
    published, sink = run(str(path))
    assert (published.rows, len(sink.records)) == (3, 2)
    assert "line 2 is not" in (published.manifest.rejected.first_reason or "")


NUMBERS = {"quantity": 12, "price": 6.95, "customer_id": None}


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("a.csv", None, "a.csv is not a file"),
        ("a.parquet", b"PAR1 no", "cannot be read as parquet"),
        ("a.csv", b"", "a.csv"),
        ("a.csv", b"\xff\xfe\x00a,b\n1,2\n", "a.csv"),
        ("a.csv", b"one\ntwo\n", "'one' is no field"),
    ],
)
def test_a_file_that_is_none_is_named(
    name: str, content: bytes | None, named: str, run: Run, tmp_path: Path
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=named):
        run(str(path))


@pytest.mark.parametrize("name", ["a*.csv", "a[1].csv", "it's.csv", "a?.csv", "a b;--.csv"])
def test_a_files_name_is_no_pattern_and_no_sql(name: str, run: Run, tmp_path: Path) -> None:
    csv(tmp_path / name, ROW)
    csv(tmp_path / "a1.csv", ROW, ROW)
    csv(tmp_path / "ab.csv", ROW, ROW)
    published, _ = run(str(tmp_path / name))
    assert published.rows == 1


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"path": "a.txt"}, "a.txt: its format is not known by its name"),
        ({"path": "a.txt", "format": "xml"}, "format is 'xml'"),
        ({"path": "-", "format": "csv"}, "standard input is read as jsonl only"),
        ({"path": "a.csv", "rate": 0.0}, "rate is 0.0"),
        ({"path": "a.csv", "rows": 0}, "events is 0"),
        ({"path": "a.csv", "time_zone": "Vienna"}, "time zone 'Vienna' is unknown"),
        ({"path": "a.csv", "time_zone": "../x"}, "time zone '../x' is unknown"),
    ],
)
def test_options_that_cannot_be_are_refused(given: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=named):
        OwnDataOptions(**given)


def test_the_format_is_the_files_name_or_what_is_said() -> None:
    assert format_of("A.PARQUET", None) == "parquet"
    assert format_of("a.ndjson", None) == format_of("-", None) == "jsonl"
    assert format_of("a.txt", "csv") == "csv"


def test_a_dry_run_sends_and_writes_nothing_but_the_rejected(
    tmp_path: Path, fresh: Settings, contract: Contract
) -> None:
    path = csv(tmp_path / "a.csv", ROW, ROW | {"quantity": "x"})
    published = publish(fresh, contract, OwnDataOptions(path, dry_run=True))
    assert (published.rows, published.valid, published.path) == (2, 1, None)
    assert published.manifest.events == 0
    assert [p.name for p in fresh.home.iterdir() if p.is_dir()] == ["rejected"]
    with pytest.raises(RowsRejected):
        published.check()


def test_progress_is_told_of_rows_that_are_not_sent(
    tmp_path: Path, fresh: Settings, contract: Contract, new_clock: Callable[..., Any]
) -> None:
    path = csv(tmp_path / "a.csv", *[ROW, ROW | {"quantity": "x"}] * 3000)
    seen: list[Progress] = []
    clock = new_clock(drift=0.3)
    publish(fresh, contract, OwnDataOptions(path, dry_run=True), seen.append, clock=clock)
    assert len(seen) >= 6
    assert (seen[2].sent, seen[2].rejected) == (1536, 1535)
    assert (seen[-1].sent, seen[-1].rejected) == (3000, 3000)


def test_no_more_rows_than_asked(run: Run, tmp_path: Path) -> None:
    published, sink = run(csv(tmp_path / "a.csv", *[ROW] * 9), rows=4)
    assert (published.rows, len(sink.records)) == (4, 4)
    assert not published.manifest.interrupted


def test_a_rate_paces_the_rows(
    tmp_path: Path, fresh: Settings, contract: Contract, clock: Any
) -> None:
    path = csv(tmp_path / "a.csv", *[ROW] * 11)
    began = clock.time
    seen: list[Progress] = []
    options = OwnDataOptions(path, rate=5.0)
    publish(fresh, contract, options, seen.append, sink=MemorySink(), clock=clock)
    assert clock.time - began == pytest.approx(2.0, abs=0.01)
    assert (seen[-1].sent, seen[-1].rejected, seen[-1].total) == (11, 0, None)


@pytest.fixture
def pipe() -> Any:
    """A pipe, as the two files that it is."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source, os.fdopen(writing, "wb") as target:
        yield source, target


def test_standard_input_is_sent_as_it_comes(
    pipe: tuple[IO[bytes], IO[bytes]], fresh: Settings, contract: Contract
) -> None:
    source, target = pipe
    arrived = threading.Event()
    line = json.dumps(ROW | NUMBERS).encode()

    class Noticing(MemorySink):
        def produce(self, *record: Any) -> None:
            super().produce(*record)
            arrived.set()

    def write() -> None:
        target.write(line + b"\n" + line[:20])
        target.flush()
        # Only once the first is sent comes the rest of the second.
        assert arrived.wait(30)
        target.write(line[20:])
        target.close()

    writer = threading.Thread(target=write)
    writer.start()
    published = publish(fresh, contract, OwnDataOptions("-"), sink=Noticing(), stdin=source)
    writer.join()
    assert published.valid == 2
    assert published.manifest.source == "-"


def test_ctrl_c_ends_a_read_that_waits_and_keeps_the_account(
    pipe: tuple[IO[bytes], IO[bytes]], fresh: Settings, contract: Contract
) -> None:
    source, target = pipe
    target.write(json.dumps(ROW | NUMBERS).encode() + b"\n")
    target.flush()

    class Signalling(MemorySink):
        def produce(self, *record: Any) -> None:
            super().produce(*record)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        publish(fresh, contract, OwnDataOptions("-"), sink=Signalling(), stdin=source)
    [manifest] = read_manifests(fresh, "orders")
    assert (manifest.interrupted, manifest.acknowledged) == (True, 1)


def test_refused_deliveries_fail_the_run_after_the_manifest(
    tmp_path: Path, fresh: Settings, contract: Contract
) -> None:
    path = csv(tmp_path / "a.csv", *[ROW] * 5)
    sink = MemorySink(refuse=lambda n: "no room" if n == 2 else None)
    with pytest.raises(SystemFailure, match=r"did not take 1 of 5 events .no room"):
        publish(fresh, contract, OwnDataOptions(path), sink=sink)
    [manifest] = read_manifests(fresh, "orders")
    assert manifest.failed.count == 1


def test_what_parquet_files_hold_otherwise_is_taken_where_it_is_exact(
    run: Run, tmp_path: Path
) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901)
    rows = [
        {
            "invoice": "489434",
            "stock_code": "1",
            "quantity": 3.0,
            "price": Decimal("1.50"),
            "customer_id": None if i else 7.0,
            "country": "X",
            "status": "placed",
            "event_time": moment + timedelta(seconds=i),
        }
        for i in range(2)
    ]
    table = pa.Table.from_pylist(rows)
    times = pa.array([r["event_time"] for r in rows], pa.timestamp("ns"))
    at = table.schema.get_field_index("event_time")
    pq.write_table(table.set_column(at, "event_time", times), tmp_path / "a.parquet")
    published, sink = run(str(tmp_path / "a.parquet"), time_zone="UTC")
    published.check()
    first, second = sent(sink)
    assert (first["quantity"], first["customer_id"], first["price"]) == (3, 7, 1.5)
    assert first["event_time"] == "2026-01-02T03:04:05.678901Z"
    assert second.get("customer_id") is None


def test_a_date_may_be_a_midnight(run: Run, tmp_path: Path, everything: Contract) -> None:
    event = next(sample_events(everything)) | {"day": datetime(2026, 1, 2)}
    del event["prices"]
    pq.write_table(pa.Table.from_pylist([event]), tmp_path / "a.parquet")
    published, sink = run(str(tmp_path / "a.parquet"), to=everything)
    published.check()
    assert sent(sink)[0]["day"] == str(date(2026, 1, 2))
    assert (
        published.manifest.event_time
        == (event["event_time"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),) * 2
    )
