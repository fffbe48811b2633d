"""Text that matches a pattern, drawn at random; for the language that ``patterns`` allows."""

import string
from collections.abc import Callable
from random import Random

from lakehead.contracts.patterns import compile_pattern

# What an open repeat (* and +) adds at most, so that text stays as short as people write it.
_OPEN_REPEATS = 6
_TRIES = 500
_PRINTABLE = "".join(chr(c) for c in range(32, 127))
_DIGITS, _SPACE = string.digits, " "
_WORD = string.ascii_letters + string.digits + "_"
_CLASSES = {"d": _DIGITS, "s": _SPACE, "w": _WORD}
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}
Draw = Callable[[Random], str]


def matching(pattern: str, least: int = 0, most: int | None = None) -> Draw:
    """A function that draws text which ``pattern`` matches, of ``least`` to ``most`` characters.

    Raises, when it draws:
        ValueError: no such text was found.
    """
    draw = _Parser(pattern).parse()
    compiled = compile_pattern(pattern)

    def fits(text: str) -> bool:
        long_enough = len(text) >= least and (most is None or len(text) <= most)
        return long_enough and compiled.search(text) is not None

    def drawn(random: Random) -> str:
        for _ in range(_TRIES):
            text = draw(random)
            # A pattern without anchors leaves room around what it matches.
            for padded in (text, text.ljust(least, "x"), text.rjust(least, "x")):
                if fits(padded):
                    return padded
        size = f"{least} or more" if most is None else f"{least} to {most}"
        raise ValueError(f"no text of {size} characters was found that matches {pattern}")

    return drawn


class _Parser:
    """Recursive descent; each node is the function that draws it."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def parse(self) -> Draw:
        return self._choice()

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _next(self) -> str:
        self._at += 1
        return self._pattern[self._at - 1]

    def _choice(self) -> Draw:
        branches = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            branches.append(self._sequence())
        if len(branches) == 1:
            return branches[0]
        return lambda random: random.choice(branches)(random)

    def _sequence(self) -> Draw:
        parts: list[Draw] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._repeated(self._atom()))
        return lambda random: "".join([part(random) for part in parts])

    def _atom(self) -> Draw:
        char = self._next()
        if char == "(":
            if self._pattern.startswith("?:", self._at):
                self._at += 2
            inner = self._choice()
            self._at += 1
            return inner
        if char in "^$":
            return lambda random: ""
        if char == "[":
            return _one_of(self._set())
        if char == ".":
            return _one_of(_PRINTABLE)
        if char == "\\":
            return _one_of(_escaped(self._next()))
        return lambda random: char

    def _set(self) -> str:
        negated = self._peek() == "^"
        self._at += negated
        members: list[str] = []
        while (char := self._next()) != "]":
            signs = _escaped(self._next()) if char == "\\" else char
            follows = self._pattern[self._at + 1 : self._at + 2]
            if self._peek() == "-" and follows not in ("", "]") and len(signs) == 1:
                self._at += 1
                end = self._next()
                end = self._next() if end == "\\" else end
                signs = "".join(chr(c) for c in range(ord(signs), ord(end) + 1))
            members.append(signs)
        listed = "".join(members)
        return _without(listed) if negated else listed

    def _repeated(self, part: Draw) -> Draw:
        least, most = 1, 1
        match self._peek():
            case "*":
                least, most = 0, _OPEN_REPEATS
            case "+":
                least, most = 1, 1 + _OPEN_REPEATS
            case "?":
                least, most = 0, 1
            case "{":
                end = self._pattern.index("}", self._at)
                low, comma, high = self._pattern[self._at + 1 : end].partition(",")
                least = int(low)
                most = int(high) if high else least + (_OPEN_REPEATS if comma else 0)
                self._at = end
            case _:
                return part
        self._at += 1
        self._at += self._peek() == "?"
        return lambda random: "".join([part(random) for _ in range(random.randint(least, most))])


def _one_of(signs: str) -> Draw:
    return lambda random: random.choice(signs) if signs else ""


def _escaped(char: str) -> str:
    if char.lower() in _CLASSES:
        listed = _CLASSES[char.lower()]
        return listed if char in _CLASSES else _without(listed)
    return _CONTROLS.get(char, char)


def _without(signs: str) -> str:
    return "".join(c for c in _PRINTABLE if c not in signs)
