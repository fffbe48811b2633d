"""How long nothing was landed while a job was replaced by another."""

import time
from datetime import datetime
from itertools import pairwise

from lakehead.contracts.model import Contract
from lakehead.jobs.spec import consumer_group
from lakehead.lake.snapshots import table_state
from lakehead.settings import Settings
from lakehead.streams.topics import committed, offsets

_DEADLINE_S = 30.0


def pause_seconds(settings: Settings, contract: Contract, began: datetime) -> float | None:
    """The longest time between two commits of the landing table since the change ``began``.

    Waits for the first commit after now. None where all that was produced is landed already, for
    then there is nothing whose landing could pause.
    """
    seen = table_state(settings, contract.landing_table).sequence_number
    end = time.monotonic() + _DEADLINE_S
    while table_state(settings, contract.landing_table).sequence_number == seen:
        if _all_landed(settings, contract) or time.monotonic() > end:
            return None
        time.sleep(0.1)
    moments = [s.committed_at for s in table_state(settings, contract.landing_table).snapshots]
    before = [m for m in moments if m <= began][-1:]
    around = [*before, *(m for m in moments if m > began)]
    gaps = [(b - a).total_seconds() for a, b in pairwise(around)]
    return max(gaps, default=None)


def _all_landed(settings: Settings, contract: Contract) -> bool:
    reached = committed(settings, contract.topic, consumer_group(contract.stream))
    ends = offsets(settings, contract.topic)
    return all(reached.get(p, -1) >= high for p, (_, high) in ends.items())
