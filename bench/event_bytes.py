"""How many bytes a sample event takes: as JSON, compressed as Kafka keeps it, and as Parquet.

    .venv/bin/python bench/event_bytes.py --events 500000

No engine runs. Records are encoded as producers do; LZ4 is over 1,000 of them, as over a batch of
Kafka's. The landing table's columns are written by pyarrow with the codec of the lake's tables:
in files as two writers leave them that commit each second, and in one file as compaction makes it,
sorted by key and time.
"""

import argparse
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zlib import crc32

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import schema_to_pyarrow

from lakehead.contracts.convert import converter
from lakehead.contracts.iceberg import landing_schema
from lakehead.contracts.load import load_contract
from lakehead.contracts.model import Contract
from lakehead.settings import INSTALL_ROOT, Settings
from lakehead.streams.encode import JsonEncoder
from lakehead.streams.retail.source import retail_source

BEGIN = datetime(2026, 1, 31, tzinfo=UTC)
BATCH = 1000
WRITERS = 2
RATES = (1_000, 10_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--streams", nargs="+", default=["orders", "payments", "page_views"])
    args = parser.parse_args()
    print(json.dumps({s: measure(s, args.events) for s in args.streams}, indent=2))


def measure(stream: str, count: int) -> dict[str, float]:
    """Bytes an event, by form."""
    settings = Settings(Path("/nonexistent"), INSTALL_ROOT)
    contract = load_contract(settings.schemas, stream)
    rate = max(RATES)
    records, rows = [], []
    for i, fields in enumerate(events(settings, stream, count)):
        at = BEGIN + timedelta(seconds=i / rate)
        at = at.replace(microsecond=at.microsecond // 1000 * 1000)
        records.append(JsonEncoder(contract).encode(fields, int(at.timestamp() * 1000)))
        rows.append(landed(contract, fields, at, i))
    lz4 = pa.Codec("lz4")
    batches = (b"".join(records[i : i + BATCH]) for i in range(0, count, BATCH))
    schema = schema_to_pyarrow(landing_schema(contract))
    table = pa.Table.from_pylist(rows, schema=schema)
    sorted_rows = table.sort_by([(contract.key, "ascending"), (contract.event_time, "ascending")])
    measured = {
        "json": sum(map(len, records)) / count,
        "json_lz4": sum(len(lz4.compress(b, asbytes=True)) for b in batches) / count,
        "parquet_compacted": written(sorted_rows) / count,
    }
    for each in RATES:
        share = each // WRITERS
        files = [table.slice(i, share) for i in range(0, min(count, 20 * each), share)]
        measured[f"parquet_commit_of_{each}"] = sum(map(written, files)) / sum(map(len, files))
    return {name: round(value, 1) for name, value in measured.items()}


def events(settings: Settings, stream: str, count: int) -> Iterator[dict[str, Any]]:
    for event in islice(retail_source(settings, [stream]).events(count), count):
        yield event.fields


def landed(contract: Contract, fields: dict[str, Any], at: datetime, i: int) -> dict[str, Any]:
    """The row of the landing table; the stamps are those of a stream on time."""
    row: dict[str, Any] = {}
    for field in contract.fields:
        value = fields.get(field.name)
        exact = field.type.kind == "decimal" and value is not None
        row[field.name] = converter(field.type)(value) if exact else value
    return row | {
        contract.event_time: at,
        "kafka_partition": crc32(str(fields.get(contract.key)).encode()) % contract.partitions,
        "kafka_offset": i // contract.partitions,
        "kafka_timestamp": at + timedelta(milliseconds=3),
        "watermark": at - contract.watermark_delay,
        "late": False,
    }


def written(table: pa.Table) -> int:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return int(sink.getvalue().size)


if __name__ == "__main__":
    main()
