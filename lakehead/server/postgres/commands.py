"""Statements about the session, which no worker need see: SET, SHOW, BEGIN and the like.

A transaction is a fiction here, since nothing is written and each query reads a consistent set of
snapshots of its own; drivers want it kept up.
"""

import re
from dataclasses import dataclass, field

from lakehead.errors import UserError

VERSION = "16.0"
_COMMENT = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)
_SET = re.compile(
    r"set\s+(?:session\s+|local\s+)?([a-z_.]+|time\s+zone)\s*(?:=|\bto\b|\s)\s*(.+)", re.I | re.S
)
_SHOW = re.compile(r"show\s+([a-z_.]+(?:\s+[a-z]+)*)", re.IGNORECASE)
_PLAIN = re.compile(
    r"(discard|deallocate|close|unlisten|listen|reset|savepoint|release|lock)\b.*", re.I | re.S
)
# Answers up to the last event.
LIVE = "lakehead.live"
_SWITCH = dict.fromkeys(("on", "true", "yes", "1"), True)
_SWITCH |= dict.fromkeys(("off", "false", "no", "0", "default"), False)
_OPTION = re.compile(r"(?:-c\s*|--)([A-Za-z_.-]+)=((?:\\.|[^\\\s])*)")
_DURATION = re.compile(r"(\d+)\s*(ms|s|min|h)?")
_MS = {"": 1, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000}
# What a driver may set to anything: it changes nothing in what lakehead answers.
_FREE = frozenset(
    (
        "application_name",
        "extra_float_digits",
        "bytea_output",
        "intervalstyle",
        "lc_messages",
        "lc_monetary",
        "lc_numeric",
        "lc_time",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
        "idle_session_timeout",
        "client_min_messages",
        "jit",
        "row_security",
        "synchronize_seqscans",
        "default_transaction_isolation",
        "default_transaction_read_only",
        "transaction_read_only",
        "enable_seqscan",
        "geqo",
        "max_parallel_workers_per_gather",
        "quote_all_identifiers",
        "transaction_timeout",
    )
)
# What may be set to what it is already.
_FIXED = {
    "client_encoding": ("utf8", "utf-8", "unicode"),
    "names": ("utf8", "utf-8", "unicode"),
    "timezone": ("utc", "gmt", "etc/utc", "default", "z", "0"),
    "datestyle": ("iso", "iso, mdy", "iso,mdy", "default"),
    "standard_conforming_strings": ("on", "true", "1"),
}


@dataclass(frozen=True)
class Reply:
    """``tag`` completes the command; ``rows`` of the one column ``name``, where it shows one."""

    tag: str
    name: str = ""
    value: str | None = None


@dataclass
class Session:
    """``status``: I outside of a transaction, T in one, E in one that failed."""

    user: str
    status: str = "I"
    timeout_seconds: float | None = None
    live: bool = False
    settings: dict[str, str] = field(default_factory=dict)

    def shown(self, name: str) -> str | None:
        fixed = {
            "server_version": VERSION,
            "server_version_num": "160000",
            "server_encoding": "UTF8",
            "client_encoding": "UTF8",
            "datestyle": "ISO, MDY",
            "intervalstyle": "postgres",
            "timezone": "UTC",
            "time zone": "UTC",
            "integer_datetimes": "on",
            "standard_conforming_strings": "on",
            "transaction isolation level": "repeatable read",
            "transaction_isolation": "repeatable read",
            "default_transaction_isolation": "repeatable read",
            "default_transaction_read_only": "on",
            "transaction_read_only": "on",
            "in_hot_standby": "off",
            "is_superuser": "off",
            "search_path": '"$user", public',
            "max_identifier_length": "63",
            "max_index_keys": "32",
            "lc_collate": "C",
            "lc_ctype": "C",
            "session_authorization": self.user,
            LIVE: "on" if self.live else "off",
            "statement_timeout": f"{round((self.timeout_seconds or 0) * 1000)}",
        }
        return fixed.get(name, self.settings.get(name))


def started(user: str, options: str) -> Session:
    """The session of a client that connects with these ``options``, such as ``-c name=value``. What
    drivers ask for besides lakehead's own is let go.

    Raises:
        UserError: one of lakehead's own cannot be set so.
    """
    session = Session(user)
    for name, value in _OPTION.findall(options):
        if name.lower().startswith("lakehead."):
            answer(session, f"SET {name} = {value}")
    return session


def answer(session: Session, sql: str) -> Reply | None:
    """What a statement about the session does; None where it is a query.

    Raises:
        UserError: it would set what cannot be set.
    """
    text = _COMMENT.sub(" ", sql).strip().rstrip(";").strip()
    word = text.split(None, 1)[0].lower() if text else ""
    if word in ("begin", "start"):
        session.status = "T" if session.status == "I" else session.status
        return Reply("BEGIN")
    if word in ("commit", "end", "rollback", "abort"):
        if re.match(r"rollback\s+to\b", text, re.IGNORECASE):
            session.status = "T"
            return Reply("ROLLBACK")
        failed, session.status = session.status == "E", "I"
        return Reply("ROLLBACK" if failed or word in ("rollback", "abort") else "COMMIT")
    if session.status == "E":
        raise UserError("the transaction has failed; nothing runs before ROLLBACK")
    if word == "set":
        return _set(session, text)
    if word == "show" and (match := _SHOW.fullmatch(text)):
        name = " ".join(match[1].lower().split())
        value = session.shown(name)
        return None if value is None else Reply("SHOW", name, value)
    if word == "reset" or text.lower() == "discard all":
        reset = text.split()[1].lower() if word == "reset" and len(text.split()) > 1 else "all"
        if reset in ("all", LIVE):
            session.live = False
        if reset != LIVE:
            session.timeout_seconds = None
            session.settings.clear()
    if _PLAIN.fullmatch(text):
        return Reply(word.upper() + (" ALL" if word == "discard" else ""))
    return None


def _set(session: Session, text: str) -> Reply:
    if re.match(r"set\s+(session\s+characteristics|transaction)\b", text, re.IGNORECASE):
        return Reply("SET")
    match = _SET.fullmatch(text)
    if not match:
        raise UserError(f"expected SET name = value, not {text[:60]!r}")
    name = match[1].lower()
    name = "timezone" if name.startswith("time") and name != "timezone" else name
    value = match[2].strip().strip("'\"")
    if name == "statement_timeout":
        found = _DURATION.fullmatch(value.lower())
        if not found:
            raise UserError(f"statement_timeout is {value!r}, expected such as '30s'")
        milliseconds = int(found[1]) * _MS[found[2] or ""]
        session.timeout_seconds = milliseconds / 1000 or None
    elif name == LIVE:
        if value.lower() not in _SWITCH:
            raise UserError(f"{LIVE} is {value!r}, expected on or off")
        session.live = _SWITCH[value.lower()]
    elif name in _FIXED:
        if value.lower() not in _FIXED[name]:
            raise UserError(f"{name} is {session.shown(name)!r} here and cannot be {value!r}")
    elif name in _FREE:
        session.settings[name] = value
    else:
        raise UserError(f"{name!r} cannot be set: queries read the lake and nothing else")
    return Reply("SET")
