"""How each table is to lie: its order within files, and how long what it was is kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from lakehead.contracts.applied import contract_in_force
from lakehead.jobs.live import fed_models
from lakehead.jobs.records import job_names
from lakehead.lake.snapshots import TableState
from lakehead.proof.evidence import closings_upto, recorded_checkpoint
from lakehead.settings import Settings

# Of a table that no contract speaks for.
_KEEP = timedelta(hours=1)


@dataclass(frozen=True)
class Layout:
    """``sort`` are columns, none where rows stay in the order in which they came.

    ``recorded`` is the checkpoint up to which the ledger has read the table; None where it need
    not.
    """

    sort: tuple[str, ...] = ()
    keep: timedelta = _KEEP
    recorded: int | None = None


def layouts(settings: Settings, states: dict[str, TableState]) -> dict[str, Layout]:
    """The layout of each of these tables.

    Raises:
        UserError: the contract of a stream, or a model, cannot be read.
    """
    known = dict(_of_streams(settings, states))
    return {name: known.get(name, Layout()) for name in states}


def _of_streams(settings: Settings, states: dict[str, TableState]) -> Iterator[tuple[str, Layout]]:
    for stream in job_names(settings):
        contract = contract_in_force(settings, stream)
        keep, recorded = contract.snapshot_retention, recorded_checkpoint(settings, stream)
        sort = tuple(dict.fromkeys((contract.key, contract.event_time)))
        yield contract.landing_table, Layout(sort, keep, recorded)
        yield contract.dead_table, Layout(("kafka_partition", "kafka_offset"), keep, recorded)
        for model in fed_models(settings, stream):
            if model.table in states:
                sort = tuple(dict.fromkeys((*model.keys, model.partition_by)))
                closed = closings_upto(settings, states[model.table])
                yield model.table, Layout(sort, keep, closed)
