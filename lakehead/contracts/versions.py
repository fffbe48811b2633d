"""Earlier versions of contracts: those of a git revision, or of another file."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from lakehead.contracts.diff import Change, compare, compatible
from lakehead.contracts.load import contract_from_text, contract_names, load_contract
from lakehead.contracts.model import Contract
from lakehead.errors import UserError

_SECONDS = 30


@dataclass(frozen=True)
class Comparison:
    """The changes of one stream's contract; ``known`` is whether it was there before."""

    stream: str
    known: bool
    changes: list[Change]

    @property
    def compatible(self) -> bool:
        return compatible(self.changes)


def compare_all(schemas: Path, against: str) -> list[Comparison]:
    """Every contract against the git revision ``against``; one that is gone is not compatible.

    Raises:
        UserError: no such revision, or a contract of today is wrong.
    """
    before = _streams_at(schemas, against)
    found = []
    for stream in contract_names(schemas):
        found.append(compare_with(schemas, stream, contract_at(schemas, stream, against)))
    for stream in sorted(before - set(contract_names(schemas))):
        gone = Change(
            f"the contract of {stream} is gone",
            "who reads the stream was promised it",
            f"restore {schemas / f'{stream}.yaml'}",
        )
        found.append(Comparison(stream, True, [gone]))
    return found


def compare_with(schemas: Path, stream: str, before: Contract | None) -> Comparison:
    """The contract of today against ``before``."""
    contract = load_contract(schemas, stream)
    changes = compare(before, contract) if before else []
    return Comparison(stream, before is not None, changes)


def contract_at(schemas: Path, stream: str, against: str) -> Contract | None:
    """The contract as of a file or a git revision; None where the revision did not have it.

    Raises:
        UserError: neither such a file nor such a revision, or the contract there is wrong.
    """
    file = Path(against)
    if file.is_file():
        # A contract is named as its file is called, whatever the copy is called.
        return contract_from_text(file.read_text(encoding="utf-8"), file.with_name(stream))
    if stream not in _streams_at(schemas, against):
        return None
    text = _git(schemas, "show", f"{against}:./{stream}.yaml")
    return contract_from_text(text, Path(against) / f"{stream}.yaml")


def _streams_at(schemas: Path, revision: str) -> set[str]:
    # The dashes keep a revision from being read as an option.
    known = _git(schemas, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    listed = _git(schemas, "ls-tree", "--name-only", known.strip(), "./")
    return {Path(name).stem for name in listed.splitlines() if name.endswith(".yaml")}


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise UserError(f"git cannot be asked: {error}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise UserError(
            f"{arguments[-1].split('^')[0]!r} is neither a file nor a git revision of {folder}: "
            f"{said[-1] if said else done.returncode}",
            "give a file, a branch such as origin/main, or a commit",
        )
    return done.stdout
