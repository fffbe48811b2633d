"""The embedded Iceberg catalog: SQLite, shared by pyiceberg, Flink and Spark.

Flink and Spark open the same file by Iceberg's JdbcCatalog; ``CATALOG`` must be one name for all.
"""

from typing import TYPE_CHECKING

from lakehead.lake.snapshots import BUSY_TIMEOUT_S, CATALOG
from lakehead.settings import Settings

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog

__all__ = ["CATALOG", "jdbc_properties", "open_catalog"]


def open_catalog(settings: Settings) -> "SqlCatalog":
    """The catalog of this home; made if it is not there."""
    # It takes seconds to import, and who asks where the catalog is does not need it.
    from pyiceberg.catalog.sql import SqlCatalog

    settings.warehouse.mkdir(parents=True, exist_ok=True)
    return SqlCatalog(
        CATALOG,
        uri=f"sqlite:///{settings.catalog_db}?timeout={BUSY_TIMEOUT_S:.0f}",
        warehouse=f"file://{settings.warehouse}",
        **{"pool_pre_ping": "true"},
    )


def jdbc_properties(settings: Settings) -> dict[str, str]:
    """The same catalog as Flink and Spark name it."""
    return {
        "catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
        "uri": f"jdbc:sqlite:file:{settings.catalog_db}?busy_timeout={int(BUSY_TIMEOUT_S * 1000)}",
        "warehouse": f"file://{settings.warehouse}",
        "io-impl": "org.apache.iceberg.hadoop.HadoopFileIO",
        "jdbc.schema-version": "V1",
    }
