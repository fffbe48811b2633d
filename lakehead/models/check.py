"""What is wrong with a project's contracts, with each other and with the models that read them."""

import re
from dataclasses import dataclass
from pathlib import Path

from lakehead.contracts.document import Document, Where, read_document
from lakehead.contracts.load import contract_names, read_contract
from lakehead.contracts.model import Contract, Field
from lakehead.contracts.problems import ContractError
from lakehead.contracts.versions import compare_all
from lakehead.errors import UserError
from lakehead.models.model import check_against, load_model, model_names


@dataclass(frozen=True)
class Finding:
    """One problem. ``line`` counts from 1; 1 as well where no part of the file can be named."""

    file: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


def check_contracts(paths: list[Path], pipelines: Path) -> list[Finding]:
    """Every problem of the contracts in ``paths``, of models that read them, in order.

    A contract's references are looked up beside its file. Models that read a stream which has no
    contract are found where a whole folder is checked. Never raises for what a file holds.
    """
    found: list[Finding] = []
    read: dict[Path, Contract] = {}
    for path in paths:
        problems, document, contract = _read(path)
        found += problems
        if document is not None and contract is not None:
            read[path] = contract
            found += _references(path, document, contract)
    found += _models(read, pipelines, _complete(paths))
    return sorted(found, key=lambda f: (str(f.file), f.line))


def check_against_revision(schemas: Path, revision: str, streams: list[str]) -> list[Finding]:
    """What is not compatible with the contracts as of a git revision; all of them without streams.

    Raises:
        UserError: no such revision, or a contract that is wrong.
    """
    found = []
    for compared in compare_all(schemas, revision):
        path = schemas / f"{compared.stream}.yaml"
        gone = not path.exists()
        if streams and compared.stream not in streams and not gone:
            continue
        for change in compared.changes:
            if not change.compatible:
                line = 1 if gone else _line_of(read_document(path), change.what)
                message = f"{change.what}, but {change.refused}; instead: {change.way_out}"
                found.append(Finding(path, line, message))
    return found


def _line_of(document: Document, what: str) -> int:
    """The line of the field that a change, ``place.floor: ...``, is about."""
    where: Where = ("schema", 0, "properties")
    listed = document.data["schema"][0]["properties"]
    for name in what.split(":")[0].split("."):
        position = next((i for i, p in enumerate(listed or ()) if p.get("name") == name), None)
        if position is None:
            break
        where = (*where, position, "properties")
        listed = listed[position].get("properties")
    return document.line(where)


def _read(path: Path) -> tuple[list[Finding], Document | None, Contract | None]:
    try:
        document = read_document(path)
        return [], document, read_contract(document, path)
    except ContractError as error:
        return [Finding(path, p.line, p.message) for p in error.problems], None, None
    except UserError as error:
        return [_located(path, error.message)], None, None


def _located(path: Path, message: str) -> Finding:
    """A message that begins with the file, and may go on with the line, taken apart."""
    match = re.fullmatch(rf"{re.escape(str(path))}(?::(\d+))?:? (.*)", message, re.DOTALL)
    return Finding(path, int(match[1] or 1), match[2]) if match else Finding(path, 1, message)


def _complete(paths: list[Path]) -> bool:
    """Whether every contract of the first one's folder is among them."""
    folder = paths[0].parent if paths else Path()
    return {p.stem for p in paths} >= set(contract_names(folder))


def _references(path: Path, document: Document, contract: Contract) -> list[Finding]:
    found = []
    properties = document.data["schema"][0]["properties"]
    # Fields keep the order of their properties: a contract that was read has left none out.
    for i, (field, _) in enumerate(zip(contract.fields, properties, strict=True)):
        if field.references is None:
            continue
        if problem := _reference_problem(path, contract, field):
            line = document.line(("schema", 0, "properties", i, "relationships"))
            found.append(Finding(path, line, f"field {field.name}: {problem}"))
    return found


def _reference_problem(path: Path, contract: Contract, field: Field) -> str:
    reference = field.references
    assert reference is not None
    target = contract
    if reference.stream != contract.stream:
        other = path.with_name(f"{reference.stream}.yaml")
        if not other.exists():
            known = ", ".join(contract_names(path.parent))
            return f"references {reference}, but there is no such stream; expected one of {known}"
        _, _, read = _read(other)
        if read is None:
            return f"references {reference}, whose contract has problems of its own"
        target = read
    if reference.field != target.key:
        return f"references {reference}; expected the stream's key, {reference.stream}.{target.key}"
    key = target.field(target.key)
    if key.type != field.type:
        return f"is a {field.type}, but {reference} is a {key.type}; expected equal types"
    return ""


def _models(read: dict[Path, Contract], pipelines: Path, complete: bool) -> list[Finding]:
    """Models that cannot be read, or not over the contracts that are checked."""
    found = []
    contracts = {c.stream: c for c in read.values()}
    for name in model_names(pipelines) if read else ():
        path = pipelines / f"{name}.sql"
        try:
            model = load_model(pipelines, name)
            if model.stream in contracts:
                check_against(model, contracts[model.stream])
            elif complete and model.stream not in contract_names(next(iter(read)).parent):
                known = ", ".join(sorted(contracts))
                message = f"reads {model.stream!r}, which has no contract; expected one of {known}"
                found.append(Finding(path, 1, message))
        except UserError as error:
            found.append(_located(path, error.message))
    return found
