"""The sample's file: where it is, and its extent."""

from dataclasses import dataclass
from pathlib import Path

from lakehead.errors import UserError
from lakehead.settings import INSTALL_ROOT, Settings

_FILE = Path("sample-data") / "online_retail.parquet"
# A replay starts one minute, the resolution of the file's clock, behind the newest event before it.
GAP = 60


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
        return self.newest - self.first + GAP

    def newest_of(self, count: int) -> int:
        """The newest file time among the first ``count`` lines, replays included."""
        from lakehead.streams.retail.file import read_times

        replay, rest = divmod(count - 1, self.rows)
        inside = max(read_times(self.path)[: rest + 1])
        # The end of one replay is newer than the begin of the next only where times step back.
        return max(inside + replay * self.period, self.newest + (replay - 1) * self.period)


def sample_of(settings: Settings) -> Sample:
    """The sample of the project, else of the installation.

    Raises:
        UserError: neither has the file, or it is not the Parquet file that it should be.
    """
    from lakehead.streams.retail.file import read_times

    places = list(dict.fromkeys([settings.project / _FILE, INSTALL_ROOT / _FILE]))
    path = next((p for p in places if p.is_file()), None)
    if path is None:
        raise UserError(
            f"there is no sample data; looked for {' and '.join(str(p) for p in places)}",
            "see sample-data/README.md for where it comes from",
        )
    times = read_times(path)
    return Sample(path, len(times), times[0], max(times))
