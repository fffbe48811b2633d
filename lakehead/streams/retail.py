"""The sample data set as ``orders`` events: real invoice lines, in the file's own order.

Source: UCI "Online Retail II", Daqing Chen, https://doi.org/10.24432/C5CG6D, CC BY 4.0.
Its times have no zone and are taken as UTC.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import orjson

from lakehead.errors import UserError
from lakehead.settings import INSTALL_ROOT, Settings
from lakehead.streams.row import Row

FIELDS = (
    "invoice",
    "stock_code",
    "description",
    "quantity",
    "price",
    "customer_id",
    "country",
    "status",
    "event_time",
)

_FILE = Path("sample-data") / "online_retail.parquet"
# A replay starts one minute, the resolution of the file's clock, behind the newest line before it.
_GAP = 60


@dataclass(frozen=True)
class Sample:
    """The file and its extent: lines, time of the first line and newest time, epoch seconds."""

    path: Path
    rows: int
    first: int
    newest: int

    @property
    def period(self) -> int:
        """Seconds by which each replay is shifted behind the one before."""
        return self.newest - self.first + _GAP

    @property
    def rows_per_second(self) -> float:
        """Average of the file's own rhythm."""
        return self.rows / self.period

    def newest_of(self, count: int) -> int:
        """The newest file time among the first ``count`` lines, replays included."""
        from lakehead.streams.retail_file import read_times

        replay, rest = divmod(count - 1, self.rows)
        inside = max(read_times(self.path)[: rest + 1])
        # The end of one replay is newer than the begin of the next only where times step back.
        return max(inside + replay * self.period, self.newest + (replay - 1) * self.period)


def sample_of(settings: Settings) -> Sample:
    """The sample of the project, else of the installation.

    Raises:
        UserError: neither has the file, or it is not the Parquet file that it should be.
    """
    from lakehead.streams.retail_file import read_times

    places = list(dict.fromkeys([settings.project / _FILE, INSTALL_ROOT / _FILE]))
    path = next((p for p in places if p.is_file()), None)
    if path is None:
        raise UserError(
            f"there is no sample data; looked for {' and '.join(str(p) for p in places)}",
            "see sample-data/README.md for where it comes from",
        )
    times = read_times(path)
    return Sample(path, len(times), times[0], max(times))


def rows(sample: Sample, count: int) -> Iterator[Row]:
    """The first ``count`` lines in the file's order, replayed behind the newest where it ends."""
    from lakehead.streams.retail_file import read_rows

    for replay in range(-(-count // sample.rows)):
        left = count - replay * sample.rows
        yield from islice(read_rows(sample.path, replay * sample.period), left)


def is_cancelled(row: Row) -> bool:
    """Whether the line takes back what an invoice sold."""
    return row.invoice[0] == "C"


def encode(row: Row) -> bytes:
    """A line as JSON without its event time; see ``stamp``."""
    invoice, stock_code, description, quantity, _, price, customer, country = row
    return orjson.dumps(
        {
            "invoice": invoice,
            "stock_code": stock_code,
            "description": description,
            "quantity": quantity,
            "price": price,
            "customer_id": customer,
            "country": country,
            "status": "cancelled" if is_cancelled(row) else "placed",
        }
    )


def stamp(encoded: bytes, time: str) -> bytes:
    """A line of ``encode`` made an event of ``time`` (ISO-8601)."""
    return b'%b,"event_time":"%b"}' % (encoded[:-1], time.encode())
