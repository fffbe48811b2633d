"""A model: a header and one SELECT, read from ``pipelines/NAME.sql``.

The header is YAML in the leading comment; the SELECT is parsed by sqlglot. A model here is an
aggregation by key over tumbling event-time windows.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlglot
import yaml
from sqlglot import exp

from lakehead.contracts.durations import MAXIMUM_DAYS, parse_duration
from lakehead.contracts.model import Contract
from lakehead.contracts.types import FieldType, parse_type
from lakehead.errors import UserError

_HEADER = re.compile(r"\s*/\*(.*?)\*/(.*)", re.DOTALL)
_COLUMN = re.compile(r"[a-z][a-z0-9_]*")
_PARTS = {"expressions", "from_", "where", "group"}
_KEYS = {"model", "description", "stream", "window", "keys", "output"}
WINDOW_COLUMNS = ("window_start", "window_end")
SETTLED = "settled_offsets"


@dataclass(frozen=True)
class Model:
    """``columns`` are the output's own, keys first; ``select`` is the parsed SELECT.

    ``window`` is the length of the tumbling window, aligned to the epoch.
    """

    name: str
    description: str
    stream: str
    window: timedelta
    keys: tuple[str, ...]
    table: str
    columns: dict[str, FieldType]
    select: exp.Select

    @property
    def measures(self) -> list[str]:
        return [c for c in self.columns if c not in self.keys]

    @property
    def window_ms(self) -> int:
        return int(self.window.total_seconds() * 1000)


def model_names(pipelines: Path) -> list[str]:
    return sorted(p.stem for p in pipelines.glob("*.sql"))


def load_model(pipelines: Path, name: str) -> Model:
    """The model ``name``.

    Raises:
        UserError: no such model (names those that exist), or a header or SELECT that is wrong.
    """
    path = pipelines / f"{name}.sql"
    names = model_names(pipelines)
    if name not in names:
        raise UserError(
            f"there is no model {name!r}; {pipelines} has {', '.join(names) or 'no models'}"
        )
    try:
        return parse_model(path.read_text(encoding="utf-8"), name)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    except UserError as error:
        raise UserError(f"{path}: {error.message}", error.hint) from error


def load_models(pipelines: Path, stream: str | None = None) -> list[Model]:
    """All models, or those that read ``stream``."""
    models = [load_model(pipelines, name) for name in model_names(pipelines)]
    return [m for m in models if stream in (None, m.stream)]


def parse_model(text: str, name: str) -> Model:
    """A model from its text. Raises UserError that says what was expected."""
    match = _HEADER.match(text)
    if not match:
        raise UserError("expected a leading /* ... */ comment with the header, then one SELECT")
    header = _header(match[1], name)
    select = _select(match[2])
    columns = _columns(header["output"])
    keys = tuple(header["keys"])
    _check_select(select, header["stream"], keys, list(columns))
    return Model(
        name=name,
        description=str(header.get("description", "")),
        stream=header["stream"],
        window=_window(header["window"]),
        keys=keys,
        table=header["output"]["table"],
        columns=columns,
        select=select,
    )


def check_against(model: Model, contract: Contract) -> None:
    """Every column that the SELECT reads must be a field of the contract."""
    fields = [f.name for f in contract.fields]
    for column in model.select.find_all(exp.Column):
        if column.name not in fields:
            raise UserError(
                f"model {model.name} reads {column.name!r}, which is not a field of "
                f"{contract.stream}; expected one of {', '.join(fields)}"
            )


def _header(text: str, name: str) -> dict[str, Any]:
    try:
        header = yaml.safe_load(text)
    # ValueError: a scalar that cannot be, such as the date 2020-13-45.
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"the header is not YAML: {error}") from error
    if not isinstance(header, dict):
        raise UserError("the header is not a YAML mapping")
    if unknown := set(header) - _KEYS:
        raise UserError(
            f"the header has unknown keys {sorted(map(str, unknown))}; known: {sorted(_KEYS)}"
        )
    if missing := _KEYS - {"description"} - set(header):
        raise UserError(f"the header lacks {', '.join(sorted(missing))}")
    if header["model"] != name:
        raise UserError(f"model is {header['model']!r}, expected {name!r} as the file is called")
    keys = header["keys"]
    if not isinstance(keys, list) or not all(isinstance(k, str) for k in keys):
        raise UserError(f"keys is {keys!r}, expected a list of column names")
    if len(set(keys)) < len(keys):
        raise UserError(f"keys is {keys!r}, expected each column once")
    output = header["output"]
    if not isinstance(output, dict) or set(output) != {"table", "columns"}:
        raise UserError("output: expected table and columns")
    if not re.fullmatch(r"marts\.[a-z][a-z0-9_]*", str(output["table"])):
        raise UserError(f"output.table is {output['table']!r}, expected such as 'marts.{name}'")
    return header


def _window(window: object) -> timedelta:
    if not isinstance(window, dict) or list(window) != ["tumble"]:
        raise UserError(f"window is {window!r}, expected such as {{tumble: 10 seconds}}")
    try:
        length = parse_duration(window["tumble"])
    except ValueError as error:
        raise UserError(f"window.tumble: {error}") from error
    if length < timedelta(seconds=1) or length.microseconds:
        raise UserError(f"window.tumble is {window['tumble']!r}, expected whole seconds, 1 or more")
    if length.days > MAXIMUM_DAYS:
        raise UserError(
            f"window.tumble is {window['tumble']!r}, expected {MAXIMUM_DAYS} days at most"
        )
    return length


def _columns(output: dict[str, Any]) -> dict[str, FieldType]:
    columns = output["columns"]
    if not isinstance(columns, dict) or not columns:
        raise UserError("output.columns: expected a mapping of column to type")
    if taken := {SETTLED, *WINDOW_COLUMNS} & set(columns):
        raise UserError(f"output.columns: {', '.join(sorted(taken))} is added by lakehead itself")
    if strange := [c for c in columns if not _COLUMN.fullmatch(str(c))]:
        raise UserError(
            f"output.columns: {strange[0]!r}: expected lower case letters, digits and _, "
            "a letter first"
        )
    try:
        return {str(name): parse_type(str(kind)) for name, kind in columns.items()}
    except ValueError as error:
        raise UserError(f"output.columns: {error}") from error


def _select(sql: str) -> exp.Select:
    try:
        statements = sqlglot.parse(sql)
    except sqlglot.errors.SqlglotError as error:
        raise UserError(f"the SELECT does not parse: {str(error).splitlines()[0]}") from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Select):
        raise UserError("expected exactly one SELECT after the header")
    return statements[0]


def _check_select(
    select: exp.Select, stream: str, keys: tuple[str, ...], columns: list[str]
) -> None:
    tables = [t.sql(comments=False) for t in select.find_all(exp.Table)]
    if [t.strip('"') for t in tables] != [stream]:
        raise UserError(f"the SELECT reads {tables}, expected the stream {stream!r} and no other")
    for part, given in select.args.items():
        if given and part not in _PARTS:
            raise UserError(f"{part.strip('_').upper()} is not supported in a model")
    if inner := [e for e in select.find_all(exp.Window, exp.Query) if e is not select]:
        raise UserError(f"{inner[0].sql()} is not supported in a model, expected plain aggregates")
    for column in select.find_all(exp.Column):
        if column.table:
            raise UserError(f"the SELECT has {column.sql()}, expected {column.name} alone")
    names = [e.alias_or_name for e in select.expressions]
    if names != columns:
        raise UserError(f"the SELECT gives {names}, output.columns says {columns}")
    group = select.args.get("group") or exp.Group()
    grouped = [g.name if isinstance(g, exp.Column) else g.sql() for g in group.expressions]
    grouped += [
        part.upper() for part, given in group.args.items() if given and part != "expressions"
    ]
    if set(grouped) != set(keys):
        raise UserError(f"GROUP BY has {grouped}, the header's keys are {list(keys)}")
    # A key under another name, or changed, would not be the key of the mart's rows.
    plain = [e.alias_or_name for e in select.expressions if _is_plain(e)]
    for key in keys:
        if key not in plain:
            raise UserError(f"the key {key} is not selected as it is; expected {key} in the SELECT")


def _is_plain(expression: exp.Expression) -> bool:
    value = expression.unalias()
    return isinstance(value, exp.Column) and value.name == expression.alias_or_name
