"""The sample's Parquet file, in batches. Loaded when it is read, for pyarrow is slow to load."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from lakehead.errors import UserError

_TIME, _CUSTOMER = "InvoiceDate", "Customer ID"
_TIME_FORMAT = "%m/%d/%Y %H:%M"
_BATCH = 8192
# A batch by columns: invoice, stock code, description or None, pieces, epoch seconds, pounds a
# piece, customer or None, country.
Lines = tuple[
    list[str],
    list[str],
    list[str | None],
    list[int],
    list[int],
    list[float],
    list[int | None],
    list[str],
]


def read_times(path: Path) -> list[int]:
    """The file's times in its own order, epoch seconds; one or more.

    Raises:
        UserError: it is not the sample's file, or it has no lines.
    """
    with _opened(path) as file:
        batches = file.iter_batches(batch_size=_BATCH * 16, columns=[_TIME])
        times = [t for batch in batches for t in _seconds(batch)]
    if not times:
        raise UserError(f"{path} has no lines; expected invoice lines")
    return times


def read_lines(path: Path) -> Iterator[Lines]:
    """All lines in the file's order, in batches.

    Raises:
        UserError: it is not the sample's file.
    """
    with _opened(path) as file:
        for batch in file.iter_batches(batch_size=_BATCH):
            yield (
                _texts(batch.column("Invoice")),
                _texts(batch.column("StockCode")),
                _texts(batch.column("Description")),
                _integers(batch.column("Quantity")),
                _seconds(batch),
                _floats(batch.column("Price")),
                # 0 stands for null; no customer has that number.
                [number or None for number in _integers(batch.column(_CUSTOMER).fill_null(0))],
                _texts(batch.column("Country")),
            )


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, KeyError, OSError) as error:
        raise UserError(f"{path} is not the sample's Parquet file: {error}") from error


# What follows makes lists by way of buffers and dictionaries: to_pylist makes a scalar of each
# value first, which is slow, and to_numpy loads pandas, which takes a second.


def _seconds(batch: pa.RecordBatch) -> list[int]:
    encoded = batch.column(_TIME).dictionary_encode()
    times = pc.strptime(encoded.dictionary, format=_TIME_FORMAT, unit="s")
    return _integers(times.cast(pa.int64()).take(encoded.indices))


def _texts(array: pa.Array) -> list[Any]:
    encoded = array.dictionary_encode()
    words = [*encoded.dictionary.to_pylist(), None]
    return [words[i] for i in _integers(encoded.indices.fill_null(len(words) - 1))]


def _integers(array: pa.Array) -> list[Any]:
    return _numbers(array.cast(pa.int64()), "q")


def _floats(array: pa.Array) -> list[Any]:
    return _numbers(array.cast(pa.float64()), "d")


def _numbers(array: pa.Array, code: Literal["q", "d"]) -> list[Any]:
    if array.null_count:
        raise pa.ArrowInvalid("numbers are missing")
    values = memoryview(array.buffers()[1]).cast(code)
    listed: list[Any] = values[array.offset : array.offset + len(array)].tolist()
    return listed
