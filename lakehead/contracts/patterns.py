"""Regular expressions that mean the same wherever a contract is enforced.

A pattern runs in Flink (Java), in publishers (Python) and in DuckDB (RE2). What these read
differently, or one of them cannot do, is refused: groups other than ``( )`` and ``(?: )``, back
references, possessive quantifiers, sets within sets, escapes beyond the common ones.
Sources: java.util.regex.Pattern, Python's re, https://github.com/google/re2/wiki/Syntax
"""

import re
import warnings

_ESCAPES = set("dDsSwWnrtf") | set("\\^$.|?*+()[]{}-/")
_QUANTIFIER = re.compile(r"\{(\d+)(?:,(\d*))?\}")
_MOST_REPEATS = 1000
_LONGEST = 1000


def check_pattern(pattern: object) -> str:
    """The pattern, once it is known to mean one thing.

    Raises:
        ValueError: it is no regular expression, or engines would disagree on it; says why.
    """
    if not isinstance(pattern, str) or not pattern:
        raise ValueError("expected a regular expression that is not empty")
    if len(pattern) > _LONGEST:
        raise ValueError(f"has {len(pattern)} characters, expected at most {_LONGEST}")
    if not pattern.isprintable():
        raise ValueError("has a character that does not print; write it as an escape")
    _scan(pattern)
    try:
        with warnings.catch_warnings():
            # Python warns of what it will read in another way some day.
            warnings.simplefilter("error")
            compile_pattern(pattern)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise ValueError(f"is not a regular expression: {error}") from error
    return pattern


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """As Flink reads it: the classes are ASCII, and ``search`` is what must succeed."""
    return re.compile(pattern, re.ASCII)


def _scan(pattern: str) -> None:
    position = 0
    while position < len(pattern):
        char = pattern[position]
        if char == "\\":
            position = _escape(pattern, position)
        elif char == "[":
            position = _set(pattern, position + 1)
        elif pattern.startswith("(?", position) and not pattern.startswith("(?:", position):
            raise ValueError(f"has {pattern[position : position + 4]!r}, expected ( ) or (?: )")
        elif char in "*+?{}":
            position = _quantifier(pattern, position)
        else:
            position += 1


def _escape(pattern: str, position: int) -> int:
    following = pattern[position + 1 : position + 2]
    if following not in _ESCAPES:
        raise ValueError(
            f"has \\{following}, which engines read differently; expected one of \\d \\s \\w, "
            "their negations, or an escaped sign"
        )
    return position + 2


def _set(pattern: str, position: int) -> int:
    """Past the set whose content begins at ``position``."""
    begun = position
    position += pattern.startswith("^", position)
    first = position
    while position < len(pattern):
        char = pattern[position]
        if char == "]":
            if position == first:
                raise ValueError("has an empty set, or one that begins with ]; write \\]")
            return position + 1
        if char == "[" or pattern.startswith("&&", position):
            raise ValueError(f"has {char!r} within a set; write it as \\{char}")
        position = _escape(pattern, position) if char == "\\" else position + 1
    raise ValueError(f"the set from character {begun} on has no end")


def _quantifier(pattern: str, position: int) -> int:
    """Past the quantifier at ``position`` and its ``?``."""
    if pattern[position] in "{}":
        match = _QUANTIFIER.match(pattern, position)
        if not match:
            raise ValueError(f"has {pattern[position]!r} that repeats nothing; write it escaped")
        if max(int(n) for n in match.groups(default="0") if n) > _MOST_REPEATS:
            raise ValueError(f"repeats {match[0]}, expected at most {_MOST_REPEATS}")
        position = match.end()
    else:
        position += 1
    position += pattern.startswith("?", position)
    if pattern[position : position + 1] in ("*", "+", "?", "{") and position < len(pattern):
        raise ValueError("has a quantifier on a quantifier")
    return position
