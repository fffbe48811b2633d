"""The topics and tables that a job writes, made where they are not there yet."""

import contextlib
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from pyiceberg.exceptions import NoSuchTableError

from lakehead.contracts.iceberg import by_day, dead_schema, landing_schema
from lakehead.contracts.model import Contract
from lakehead.jobs.versions import Part
from lakehead.lake.catalog import open_catalog
from lakehead.lake.evolve import evolve_table
from lakehead.lake.tables import ensure_table
from lakehead.models.flink import LEFT_OUT
from lakehead.models.iceberg import left_out_schema, mart_schema
from lakehead.settings import Settings

Answer = TypeVar("Answer")
_READS = 5


def steadily(read: Callable[[], Answer]) -> Answer:
    """What ``read`` gives, tried anew where a table's metadata went while it was read.

    A table that commits each second also drops its oldest metadata files each second.
    """
    for _ in range(_READS - 1):
        with contextlib.suppress(FileNotFoundError):
            return read()
    return read()


def make_tables(
    settings: Settings,
    contract: Contract,
    parts: Sequence[Part],
    known: bool = False,
    coming: Collection[str] = (),
) -> None:
    """Landing, dead and mart tables where they are not there yet; landing as the contract has it.

    ``known`` is whether the landing table was made by a contract that was applied before.
    ``coming`` are names that other tables will have before the job begins.

    Raises:
        UserError: a table that no contract made has other columns.
    """
    steadily(lambda: _make(settings, contract, parts, known, coming))


def _make(
    settings: Settings,
    contract: Contract,
    parts: Sequence[Part],
    known: bool,
    coming: Collection[str],
) -> None:
    catalog = open_catalog(settings)
    landing = landing_schema(contract)
    if known and catalog.table_exists(contract.landing_table):
        evolve_table(catalog, contract.landing_table, landing, contract.aliases)
    else:
        ensure_table(catalog, contract.landing_table, landing, by_day(landing, contract.event_time))
    dead = dead_schema()
    ensure_table(catalog, contract.dead_table, dead, by_day(dead, "kafka_timestamp"))
    for part in parts:
        model, table = part.bound.model, part.version.table
        if table not in coming:
            mart = mart_schema(model)
            ensure_table(catalog, table, mart, by_day(mart, model.partition_by))
        if model.kind == "join":
            left_out = left_out_schema()
            ensure_table(catalog, LEFT_OUT, left_out, by_day(left_out, "kafka_timestamp"))


def drop_tables(settings: Settings, names: Collection[str]) -> None:
    """Forget tables that nobody was shown and no job writes."""
    catalog = open_catalog(settings)
    for name in names:
        try:
            catalog.drop_table(name)
        except NoSuchTableError:
            continue
