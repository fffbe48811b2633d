"""Sessions have no end that can be reckoned: which ones are open is asked of the landed rows."""

from dataclasses import replace
from datetime import UTC, datetime

from lakehead.contracts.model import Contract
from lakehead.lake.catalog import open_catalog
from lakehead.models import duckdb as model_duckdb
from lakehead.models.bind import Bound
from lakehead.models.windows import Session
from lakehead.settings import Settings


def last_session_end(
    settings: Settings, contract: Contract, bound: Bound, before: datetime
) -> datetime | None:
    """The end of the last session that begins before ``before``, as far as it is landed.

    Read are the rows from one gap before on: a session that goes on after it has one there.
    """
    import duckdb

    assert isinstance(bound.model.window, Session)
    start = before - bound.model.window.gap
    table = open_catalog(settings).load_table(contract.landing_table)
    rows = table.scan(row_filter=f"{contract.event_time} >= '{start.isoformat()}'")
    # Every session counts, whether it is shown or not.
    plain = replace(bound, having=None, order=(), limit=None)
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.register("landed", rows.to_arrow())
        answer = model_duckdb.answer(plain, {bound.root.stream: '"landed"'})
        found = con.execute(
            f"SELECT max(window_end) FROM ({answer}) WHERE window_start < ?", [before]
        ).fetchone()
    end = found[0] if found else None
    return end.astimezone(UTC) if isinstance(end, datetime) else None
