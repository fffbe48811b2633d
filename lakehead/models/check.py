"""What is wrong with a project's contracts and models: each on its own, and with each other."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from lakehead.contracts.document import Document, Where, read_document
from lakehead.contracts.load import contract_names, read_contract
from lakehead.contracts.model import Contract, Field
from lakehead.contracts.problems import ContractError
from lakehead.contracts.versions import compare_all
from lakehead.errors import UserError
from lakehead.models import duckdb, flink, spark
from lakehead.models.bind import bind
from lakehead.models.cases import CaseError, cases_path, load_cases
from lakehead.models.header import ModelProblem
from lakehead.models.model import Model, check_outputs, load_model, model_names


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
    found += _models_of(read, paths, pipelines)
    return _sorted(found)


def check_models(
    schemas: Path, pipelines: Path, names: Collection[str] | None = None
) -> list[Finding]:
    """Every problem of the models ``names``, all by default, of their tests, and of the contracts
    that they read, in order. Never raises for what a file holds, nor for a name without a file.
    """
    found: list[Finding] = []
    contracts: dict[str, Contract] = {}
    broken: dict[str, list[Finding]] = {}
    for stream in contract_names(schemas):
        problems, _, contract = _read(schemas / f"{stream}.yaml")
        if contract is not None:
            contracts[stream] = contract
        else:
            broken[stream] = problems
    models, unread = _read_models(pipelines)
    chosen = [*models, *unread] if names is None else list(names)
    found += [f for name, f in unread.items() if name in chosen]
    found += _shared_outputs(pipelines, models, chosen)
    for name in chosen:
        if name not in models:
            if name not in unread:
                known = ", ".join([*models, *unread]) or "no models"
                message = f"there is no model {name!r}; {pipelines} has {known}"
                found.append(Finding(pipelines / f"{name}.sql", 1, message))
            continue
        streams = _roots(models[name], models)
        found += [f for s in streams & broken.keys() for f in broken[s] if f not in found]
        if not streams & broken.keys():
            found += _model(pipelines, models, name, contracts)
    if names is None:
        found += [
            Finding(path, 1, f"there is no model {path.stem!r} that these are tests of")
            for path in sorted((pipelines / "tests").glob("*.yaml"))
            if path.stem not in models and path.stem not in unread
        ]
    return _sorted(found)


def _sorted(found: list[Finding]) -> list[Finding]:
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


def _models_of(read: dict[Path, Contract], paths: list[Path], pipelines: Path) -> list[Finding]:
    """Models that cannot be read, or not over the contracts that are checked."""
    if not read:
        return []
    folder = next(iter(read)).parent
    streams = contract_names(folder)
    complete = {p.stem for p in paths} >= set(streams)
    checked = {c.stream: c for c in read.values()}
    models, unread = _read_models(pipelines)
    found = list(unread.values())
    if complete:
        found += _shared_outputs(pipelines, models, models)
    contracts = dict(checked)
    for name, model in models.items():
        roots = _roots(model, models)
        if not (roots & checked.keys() or (complete and roots - set(streams))):
            continue
        for stream in roots & set(streams) - contracts.keys():
            # Another side of a join, whose problems are not asked for.
            _, _, other = _read(folder / f"{stream}.yaml")
            if other is not None:
                contracts[stream] = other
        if roots & set(streams) <= contracts.keys():
            found += _model(pipelines, models, name, contracts)
    return found


def _read_models(pipelines: Path) -> tuple[dict[str, Model], dict[str, Finding]]:
    """The models that can be read by name, and what is wrong with each other one."""
    models: dict[str, Model] = {}
    unread: dict[str, Finding] = {}
    for name in model_names(pipelines):
        try:
            models[name] = load_model(pipelines, name)
        except UserError as error:
            unread[name] = _located(pipelines / f"{name}.sql", error.message)
    return models, unread


def _roots(model: Model, models: Mapping[str, Model]) -> set[str]:
    """The names that a model reads which are no models: streams, or nothing at all."""
    seen = {model.name}
    roots: set[str] = set()
    wanted = list(model.streams)
    while wanted:
        name = wanted.pop()
        if name not in models:
            roots.add(name)
        elif name not in seen:
            seen.add(name)
            wanted += models[name].streams
    return roots


def _shared_outputs(
    pipelines: Path, models: Mapping[str, Model], chosen: Collection[str]
) -> list[Finding]:
    """Models that write what one before them writes."""
    found = []
    before: list[Model] = []
    for name, model in models.items():
        try:
            check_outputs([*before, model])
            before.append(model)
        except UserError as error:
            if name in chosen:
                found.append(Finding(pipelines / f"{name}.sql", 1, error.message))
    return found


def _model(
    pipelines: Path, models: Mapping[str, Model], name: str, contracts: Mapping[str, Contract]
) -> list[Finding]:
    """What is wrong with a model over its contracts, or with its tests."""
    path = pipelines / f"{name}.sql"
    try:
        bound = bind(models[name], contracts, {n: m for n, m in models.items() if n != name})
        relations = {stream: stream for stream in bound.streams}
        for engine in (spark, duckdb):
            engine.answer(bound, relations)
        flink.statements(bound)
    except ModelProblem as error:
        return [Finding(path, error.line, error.message)]
    tests = cases_path(pipelines, name)
    if not tests.exists():
        return []
    try:
        load_cases(tests, bound, contracts)
    except CaseError as error:
        return [Finding(tests, p.line, p.message) for p in error.problems]
    except UserError as error:
        return [_located(tests, error.message)]
    return []
