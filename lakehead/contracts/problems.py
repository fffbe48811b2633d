"""What is wrong with a contract, each with its line."""

from dataclasses import dataclass
from pathlib import Path

from lakehead.contracts.document import Document, Where
from lakehead.errors import UserError


@dataclass(frozen=True)
class Problem:
    """``line`` counts from 1."""

    line: int
    message: str


class ContractError(UserError):
    """A contract that breaks the standard, or what lakehead reads of it."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        lines = [f"{path}:{p.line}: {p.message}" for p in problems]
        super().__init__("\n".join(lines), f"lakehead contract check {path.stem}")
        self.path = path
        self.problems = problems


class Problems:
    """Collects what is wrong with one document."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._found: list[Problem] = []

    def add(self, where: Where, message: str) -> None:
        self._found.append(Problem(self._document.line(where), message))

    def raise_any(self, path: Path) -> None:
        """Raises ContractError where there are any, in the order of their lines."""
        if self._found:
            raise ContractError(path, sorted(self._found, key=lambda p: p.line))

    def __bool__(self) -> bool:
        return bool(self._found)
