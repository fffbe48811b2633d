"""What another tool needs to open the same lake, as text to paste or to run.

All of it reads: what writes to the tables beside lakehead spoils its proofs.
"""

import shlex
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime

from lakehead.contracts.sql import literal
from lakehead.errors import UserError
from lakehead.lake.snapshots import CATALOG, TableState, table_states
from lakehead.query.engine import connect_plans
from lakehead.query.pinned import pin
from lakehead.query.types import quoted, quoted_table
from lakehead.settings import Settings

# It is asked for Spark's text alone, since Iceberg's library takes a second to import.
Spark = Callable[[], Mapping[str, str]]
# Of a Spark session of lakehead's own, what opens the lake; the rest is how that session runs.
_SPARK = ("spark.jars", "spark.sql.extensions", "spark.sql.catalog.", "spark.sql.session.timeZone")


def attach(settings: Settings, tool: str, spark: Spark) -> str:
    """The text for ``tool``, one of `TOOLS`; ``spark`` gives the settings of a session that works.

    Raises:
        UserError: no such tool, there is no lake, or nothing in it.
        SystemFailure: the catalog or a table cannot be read.
    """
    if tool not in TOOLS:
        raise UserError(
            f"there is no text for {tool!r}; expected one of {', '.join(TOOLS)}",
            "lakehead attach duckdb",
        )
    states = table_states(settings)
    if not states:
        raise UserError("the lake has no tables", "lakehead demo")
    example = max(states.values(), key=_told).name
    return _TEXTS[tool](settings, example, spark)


def _told(state: TableState) -> int:
    """How much an example over this table shows."""
    rows = state.summary.get("total-records", "0")
    return int(rows) if rows.isdecimal() else 0


def _duckdb(settings: Settings, example: str, _: Spark) -> str:
    """A view of each table over its files. Only where rows were deleted is an extension needed."""
    pinned = pin(settings)
    with closing(pinned.lease), closing(connect_plans(settings, pinned.tables)) as con:
        asked = "SELECT schema_name || '.' || view_name, sql FROM duckdb_views() WHERE NOT internal"
        views = dict(con.execute(asked).fetchall())
    now = datetime.now(UTC).isoformat(timespec="seconds")
    lines = [
        f"-- The lake of {settings.home} as of {now}. For newer rows print it anew.",
        "-- The files of these snapshots go when they expire; a tag keeps them: lakehead tag NAME",
        "SET TimeZone = 'UTC';",
    ]
    lines += [
        f"CREATE SCHEMA IF NOT EXISTS {quoted(each)};"
        for each in dict.fromkeys(state.name.partition(".")[0] for state in pinned.states)
    ]
    scanned = [state for state in pinned.states if state.name not in views]
    if scanned:
        lines.append("INSTALL iceberg; LOAD iceberg;")
    lines += [str(views[state.name]) for state in pinned.states if state.name in views]
    lines += [_iceberg_scan(state) for state in scanned]
    return "\n".join([*lines, f"-- SELECT count(*) FROM {quoted_table(example)};"])


def _iceberg_scan(state: TableState) -> str:
    source = f"iceberg_scan({literal(state.metadata_location)}"
    if state.snapshot_id is not None:
        source += f", snapshot_from_id = {state.snapshot_id}"
    return f"CREATE VIEW {quoted_table(state.name)} AS FROM {source});"


def _spark(_: Settings, example: str, spark: Spark) -> str:
    name = ".".join(f"`{part}`" for part in (CATALOG, *example.split(".")))
    lines = ["spark-sql"]
    lines += [
        f"  --conf {shlex.quote(f'{key}={value}')}"
        for key, value in spark().items()
        if key.startswith(_SPARK)
    ]
    lines.append(f"  -e {shlex.quote(f'SELECT count(*) FROM {name}')}")
    return " \\\n".join(lines)


def _trino(settings: Settings, example: str, _: Spark) -> str:
    from lakehead.lake.catalog import jdbc_properties

    properties = jdbc_properties(settings)
    name = ".".join(map(quoted, (CATALOG, *example.split("."))))
    return "\n".join(
        [
            f"# etc/catalog/{CATALOG}.properties, on a machine where the lake is at the same path.",
            "# Put a sqlite-jdbc jar into Trino's folder plugin/iceberg.",
            f"# Then: SELECT count(*) FROM {name}",
            "connector.name=iceberg",
            "iceberg.catalog.type=jdbc",
            f"iceberg.jdbc-catalog.catalog-name={CATALOG}",
            "iceberg.jdbc-catalog.driver-class=org.sqlite.JDBC",
            f"iceberg.jdbc-catalog.connection-url={properties['uri']}",
            f"iceberg.jdbc-catalog.default-warehouse-dir={properties['warehouse']}",
            f"iceberg.jdbc-catalog.schema-version={properties['jdbc.schema-version']}",
            "iceberg.security=read_only",
            "fs.hadoop.enabled=true",
        ]
    )


def _pyiceberg(settings: Settings, example: str, _: Spark) -> str:
    return "\n".join(
        [
            "# pip install 'pyiceberg[pyarrow,sql-sqlite]'",
            "from pyiceberg.catalog.sql import SqlCatalog",
            "",
            f'catalog = SqlCatalog("{CATALOG}", uri={f"sqlite:///{settings.catalog_db}"!r},',
            '                     init_catalog_tables="false")',
            f"table = catalog.load_table({example!r})",
            "print(table.scan().count())",
        ]
    )


def _python(settings: Settings, example: str, _: Spark) -> str:
    return "\n".join(
        [
            "import lakehead",
            "",
            f"con = lakehead.connect({str(settings.home)!r})",
            f"print(con.sql({f'SELECT count(*) FROM {quoted_table(example)}'!r}).fetchone())",
            "# con.sql(...).df() is pandas, .pl() is Polars, .to_arrow_table() is Arrow",
        ]
    )


_TEXTS: dict[str, Callable[[Settings, str, Spark], str]] = {
    "duckdb": _duckdb,
    "spark": _spark,
    "trino": _trino,
    "pyiceberg": _pyiceberg,
    "python": _python,
}
TOOLS = tuple(_TEXTS)
