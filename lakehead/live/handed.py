"""A tail handed from one process to another: a file of two Arrow streams, read in place."""

from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]

from lakehead.live.tail import Rows


def write(path: Path, rows: Rows) -> None:
    """Readable by the owner alone; it must not be there."""
    path.touch(mode=0o600, exist_ok=False)
    with pa.OSFile(str(path), "wb") as file:
        for table in (rows.landed, rows.dead):
            with pa.ipc.new_stream(file, table.schema) as stream:
                stream.write_table(table)


def read(path: Path) -> Rows:
    """The file may be removed meanwhile: what is mapped stays."""
    with pa.memory_map(str(path)) as file:
        landed, dead = (pa.ipc.open_stream(file).read_all() for _ in range(2))
    return Rows(landed, dead)
