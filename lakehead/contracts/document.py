"""A YAML document that knows its lines, so that an error can say where it is.

The text comes from anyone: what YAML leaves open to surprise (a key written twice, anchors that
expand without end, nesting without end) is refused.
"""

from pathlib import Path
from typing import Any

import yaml

from lakehead.errors import UserError

# What PyYAML raises beside its own errors on a scalar that its tag does not allow.
_CANNOT_BE = (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError)
Where = tuple[str | int, ...]
_MOST_CHARACTERS = 1_000_000
_DEEPEST = 60
_LONGEST_NUMBER = 400
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class Document:
    """``data`` is the document's value; ``line`` says where a part of it stands."""

    def __init__(self, data: Any, lines: dict[Where, int]) -> None:
        self.data = data
        self._lines = lines

    def line(self, where: Where) -> int:
        """The line, from 1, of the part at ``where``, or of the nearest part around it."""
        while where and where not in self._lines:
            where = where[:-1]
        return self._lines.get(where, 1)


def read_document(path: Path) -> Document:
    """The document in ``path``.

    Raises:
        UserError: not a readable file, not UTF-8, not YAML; names file and line.
    """
    return parse_document(read_text(path), str(path))


def read_text(path: Path) -> str:
    """What is in ``path``. Raises UserError: not a readable file, not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8: {error}") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error


def parse_document(text: str, name: str) -> Document:
    """The document that ``text`` is; ``name`` is what errors call it.

    Raises:
        UserError: not YAML, or a form of it that is refused; names the line.
    """
    if len(text) > _MOST_CHARACTERS:
        raise UserError(f"{name}: has {len(text)} characters, expected at most {_MOST_CHARACTERS}")
    lines: dict[Where, int] = {}
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            _note(node, (), lines)
            data = loader.construct_document(node) if node is not None else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        said = error.problem or error.context
        refused = isinstance(error, _Refused)
        raise UserError(f"{name}:{line}: {'' if refused else 'is not YAML: '}{said}") from error
    # ValueError and the like: a scalar that cannot be, such as the date 2020-13-45.
    except _CANNOT_BE as error:
        raise UserError(f"{name}: is not YAML: {error}") from error
    return Document(data, lines)


class _Loader(yaml.SafeLoader):
    """Refuses what may not stand in a document while it is composed, before any of it expands."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _refused("an alias (*name) is not supported, write the value out", event)
        self._depth += isinstance(event, yaml.CollectionStartEvent)
        if self._depth > _DEEPEST:
            raise _refused(f"nested more than {_DEEPEST} deep", event)
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= isinstance(event, yaml.CollectionStartEvent)
        return node


def _note(node: yaml.Node | None, where: Where, lines: dict[Where, int]) -> None:
    if node is None:
        return
    lines.setdefault(where, node.start_mark.line + 1)
    if isinstance(node, yaml.ScalarNode):
        _check_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        for i, inner in enumerate(node.value):
            _note(inner, (*where, i), lines)
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, inner in node.value:
            name = str(key.value)
            if name in seen:
                raise _refused(f"{name!r} is there twice", key)
            seen.add(name)
            lines[(*where, name)] = key.start_mark.line + 1
            _note(inner, (*where, name), lines)


def _check_scalar(node: yaml.ScalarNode) -> None:
    # Python refuses to print longer numbers, which an error message would.
    if node.tag in _NUMBERS and len(node.value) > _LONGEST_NUMBER:
        raise _refused(f"a number of {len(node.value)} characters", node)
    if any(char == "\0" or "\ud800" <= char <= "\udfff" for char in node.value):
        raise _refused("a NUL or half a character, which no engine stores as text", node)


class _Refused(yaml.MarkedYAMLError):
    """It is YAML, and a form of it that a contract may not have."""


def _refused(problem: str, at: Any) -> _Refused:
    return _Refused(problem=problem, problem_mark=at.start_mark)
