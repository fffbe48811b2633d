"""lakehead: a streaming lakehouse that proves its answers.

    con = lakehead.connect()
    con.sql("SELECT count(*) FROM landing.orders").df()

Nothing heavy is imported before `connect` is asked for.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakehead.query.session import connect, refresh

__version__ = "0.1.0"
__all__ = ["__version__", "connect", "refresh"]


def __getattr__(name: str) -> object:
    if name in ("connect", "refresh"):
        from lakehead.query import session

        return getattr(session, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
