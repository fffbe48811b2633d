"""Tokens: who may ask, as what, and how much.

A token is 256 random bits, shown once; the home keeps its SHA-256, which is enough for what cannot
be guessed. ``server/tokens.json`` is readable by its owner only.
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from lakehead.errors import UserError
from lakehead.files import locked, write_private
from lakehead.settings import Settings

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,62}")
_PATTERN = re.compile(r"[A-Za-z0-9_*?.-]+")
_PREFIX = "lh_"
_BYTES = 32


@dataclass(frozen=True)
class Role:
    """What a token may do unless it says otherwise: see these tables, and get so many rows.

    ``rules``: it may list and cancel the queries of others, and read the metrics.
    """

    tables: tuple[str, ...]
    max_rows: int
    rules: bool = False


ROLES = {
    "reader": Role(("landing.*", "marts.*"), 1_000_000),
    "operator": Role(("*",), 100_000_000, rules=True),
}


@dataclass(frozen=True)
class Token:
    """``tables`` are patterns with ``*`` and ``?``; ``digest`` is the hash of the secret."""

    name: str
    role: str
    tables: tuple[str, ...]
    max_rows: int
    created: str
    digest: str

    @property
    def rules(self) -> bool:
        return ROLES[self.role].rules

    def sees(self, table: str) -> bool:
        return sees(self.tables, table)


def sees(patterns: Sequence[str], table: str) -> bool:
    """Whether a table is one of those that the patterns name; case does not matter."""
    return any(fnmatchcase(table.lower(), pattern.lower()) for pattern in patterns)


def new(
    settings: Settings,
    name: str,
    role: str,
    tables: Sequence[str] = (),
    max_rows: int | None = None,
) -> str:
    """Make a token; gives its secret, which is kept nowhere.

    Raises:
        UserError: the name is taken or no name, no such role, or no such pattern.
    """
    if not _NAME.fullmatch(name):
        raise UserError(f"a token's name is letters, digits, '_', '.' and '-', not {name!r}")
    if role not in ROLES:
        raise UserError(f"there is no role {role!r}; roles: {', '.join(ROLES)}")
    for pattern in tables:
        if not _PATTERN.fullmatch(pattern):
            raise UserError(f"{pattern!r} is no pattern of tables, expected such as 'marts.*'")
    if max_rows is not None and max_rows < 1:
        raise UserError(f"--max-rows is {max_rows}, expected 1 or more")
    secret = _PREFIX + secrets.token_urlsafe(_BYTES)
    token = Token(
        name=name,
        role=role,
        tables=tuple(tables) or ROLES[role].tables,
        max_rows=max_rows or ROLES[role].max_rows,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        digest=_digest(secret),
    )
    with _only_one(settings):
        known = listed(settings)
        if any(t.name == name for t in known):
            raise UserError(f"there is a token {name!r} already", f"lakehead token revoke {name}")
        _save(settings, [*known, token])
    return secret


def revoke(settings: Settings, name: str) -> None:
    """From now on it opens no connection, and those that it opened are asked no more.

    Raises:
        UserError: there is no such token.
    """
    with _only_one(settings):
        known = listed(settings)
        left = [token for token in known if token.name != name]
        if len(left) == len(known):
            raise UserError(f"there is no token {name!r}", "lakehead token list")
        _save(settings, left)


def listed(settings: Settings) -> list[Token]:
    """All tokens, by the time they were made.

    Raises:
        UserError: the file is unreadable.
    """
    path = _path(settings)
    try:
        raw = json.loads(path.read_text())
        return [Token(**{**entry, "tables": tuple(entry["tables"])}) for entry in raw]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path} cannot be read: {error}", f"rm {path}") from error


class Doorkeeper:
    """Knows the tokens as the file has them now."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._read: tuple[int, int] | None = None
        self._tokens: list[Token] = []

    def admit(self, secret: str, name: str | None = None) -> Token | None:
        """The token of this secret; of that name, where one is given."""
        digest = _digest(secret)
        found = None
        for token in self._current():
            if hmac.compare_digest(token.digest, digest) and name in (None, token.name):
                found = token
        return found

    def still(self, token: Token) -> bool:
        """Whether the token has not been revoked since."""
        return token in self._current()

    def _current(self) -> list[Token]:
        try:
            stat = _path(self._settings).stat()
            seen = (stat.st_mtime_ns, stat.st_ino)
        except FileNotFoundError:
            seen = (0, 0)
        if seen != self._read:
            self._tokens, self._read = listed(self._settings), seen
        return self._tokens


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _path(settings: Settings) -> Path:
    return settings.home / "server" / "tokens.json"


def _save(settings: Settings, tokens: Sequence[Token]) -> None:
    write_private(_path(settings), json.dumps([asdict(token) for token in tokens], indent=2))


def _only_one(settings: Settings) -> AbstractContextManager[None]:
    folder = _path(settings).parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return locked(folder / "lock")
