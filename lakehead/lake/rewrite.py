"""Put rows in the place of whole data files, in one snapshot.

pyiceberg's overwrite by a filter holds the filter against each file, and reads and writes each one
that may match by itself: its cost is that of files times terms.
"""

import itertools
import uuid
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from lakehead.lake.snapshots import local_path

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyiceberg.table import Table


def replace_files(
    table: "Table", branch: str, paths: Collection[str], rows: Iterable["pa.Table"]
) -> None:
    """Commit to the branch: the data files at these local paths are out, these rows in. Each part
    of the rows is in memory by itself.

    Raises:
        ValueError: another branch was committed to meanwhile; nothing was changed.
    """
    from pyiceberg.io.pyarrow import _dataframe_to_data_files

    head = table.metadata.snapshot_by_name(branch)
    assert head
    entries = (
        entry.data_file
        for manifest in head.manifests(table.io)
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    )
    gone = [file for file in entries if local_path(file.file_path) in paths] if paths else []
    assert len(gone) == len(paths)
    schema = table.schema().as_arrow()
    numbers, name = itertools.count(), uuid.uuid4()
    with (
        table.transaction() as transaction,
        transaction.update_snapshot(branch=branch).overwrite() as files,
    ):
        for file in gone:
            files.delete_data_file(file)
        for part in rows:
            for file in _dataframe_to_data_files(
                table.metadata, part.cast(schema), table.io, name, numbers
            ):
                files.append_data_file(file)
