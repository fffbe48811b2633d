"""Make the lake's tables. The toolkit owns their definitions; engines only write rows."""

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema

from lakehead.errors import UserError

# Small files and many commits are the stream's nature: keep metadata short, let readers prune.
_PROPERTIES = {
    "format-version": "2",
    "write.parquet.compression-codec": "zstd",
    "write.distribution-mode": "none",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    "commit.retry.num-retries": "20",
    "commit.retry.min-wait-ms": "50",
    # Batch replaces windows by rewriting their files, so that readers never merge deletes.
    "write.delete.mode": "copy-on-write",
    "write.update.mode": "copy-on-write",
    "write.merge.mode": "copy-on-write",
    # The stream appends while the batch replaces closed windows, which it never touches again.
    "write.merge.isolation-level": "snapshot",
}


def ensure_table(catalog: SqlCatalog, name: str, schema: Schema, spec: PartitionSpec) -> bool:
    """Make the table if it is not there; gives whether it was made.

    Raises:
        UserError: a table of that name has other columns.
    """
    catalog.create_namespace_if_not_exists(name.split(".")[0])
    if not catalog.table_exists(name):
        catalog.create_table(name, schema, partition_spec=spec, properties=_PROPERTIES)
        return True
    existing = {f.name: str(f.field_type) for f in catalog.load_table(name).schema().fields}
    wanted = {f.name: str(f.field_type) for f in schema.fields}
    if existing != wanted:
        changed = sorted({k for k, _ in set(existing.items()) ^ set(wanted.items())})
        raise UserError(
            f"table {name} has other columns than its definition: {', '.join(changed)} differ",
            "undo the change of the model, or give its output another table",
        )
    return False
