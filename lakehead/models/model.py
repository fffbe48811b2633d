"""A model: a header and one SELECT, read from ``pipelines/NAME.sql``."""

from dataclasses import dataclass, field
from pathlib import Path

import sqlglot
from sqlglot import exp

from lakehead.contracts.expression import parse_condition
from lakehead.contracts.types import FieldType
from lakehead.errors import UserError
from lakehead.models.header import (
    SETTLED,
    WINDOW_COLUMNS,
    Header,
    ModelProblem,
    parse_header,
    split,
)
from lakehead.models.windows import Cumulate, Hop

_TIME = FieldType("timestamp")
_COORDINATES = {"kafka_partition": FieldType("int"), "kafka_offset": FieldType("long")}
_WINDOW = dict.fromkeys(WINDOW_COLUMNS, _TIME)
# What stands before a model's own columns in its mart, by kind.
_HEADS: dict[str, dict[str, FieldType]] = {
    "window": _WINDOW,
    "dedup": {**_WINDOW, "event_time": _TIME, **_COORDINATES},
    "rows": {"event_time": _TIME, **_COORDINATES},
    "enrich": {"event_time": _TIME, **_COORDINATES},
    "join": {
        "event_time": _TIME,
        **_COORDINATES,
        "right_event_time": _TIME,
        "right_partition": FieldType("int"),
        "right_offset": FieldType("long"),
        "watermark": _TIME,
    },
    "sequence": {"first_event_time": _TIME, "event_time": _TIME, **_COORDINATES},
}


@dataclass(frozen=True)
class Model(Header):
    """A header with its parsed SELECT; ``line`` is that of the file on which the SQL begins."""

    select: exp.Select = field(default_factory=exp.Select)
    line: int = 0

    @property
    def stream(self) -> str:
        """The stream in whose job the model runs."""
        return self.streams[0]

    @property
    def head(self) -> dict[str, FieldType]:
        """The mart's columns before the model's own."""
        return _HEADS[self.kind]

    @property
    def mart_columns(self) -> dict[str, FieldType]:
        """All columns of the mart, in order."""
        return {**self.head, **self.columns, SETTLED: FieldType("string")}

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns that tell one row of the mart from another."""
        match self.kind:
            case "window":
                return (*WINDOW_COLUMNS, *self.keys)
            case "dedup":
                assert self.dedup
                return (*WINDOW_COLUMNS, *self.dedup.keys)
            case "join":
                return (*_COORDINATES, "right_partition", "right_offset")
        return tuple(_COORDINATES)

    @property
    def measures(self) -> list[str]:
        """What is compared between two answers for one row."""
        apart = {*self.identity, SETTLED, "watermark"}
        return [c for c in self.mart_columns if c not in apart]

    @property
    def clock(self) -> str:
        """The column that says when an answer is closed: at or before the newest of the mart."""
        if self.kind == "join":
            return "watermark"
        return "window_end" if "window_end" in self.head else "event_time"

    @property
    def ends(self) -> tuple[str, ...]:
        """The columns all of which lie at or before the time up to which an answer is closed."""
        return ("event_time", "right_event_time") if self.kind == "join" else (self.clock,)

    @property
    def partition_by(self) -> str:
        """The time column that the mart is partitioned by."""
        return "window_start" if "window_start" in self.head else "event_time"

    @property
    def judged_by_window(self) -> bool:
        """Whether a row can be late for one of its windows and not for another."""
        return isinstance(self.window, Hop | Cumulate)


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
    except ModelProblem as error:
        raise UserError(f"{path}:{error.line}: {error.message}", error.hint) from error


def load_models(pipelines: Path, stream: str | None = None) -> list[Model]:
    """All models, or those that run in the job of ``stream``.

    Raises:
        UserError: a model that is wrong, or two that write one table or one topic.
    """
    models = [load_model(pipelines, name) for name in model_names(pipelines)]
    check_outputs(models)
    by_name = {m.name: m for m in models}
    return [m for m in models if stream in (None, root_stream(m, by_name))]


def root_stream(model: Model, models: dict[str, Model]) -> str:
    """The stream that a model reads in the end, where it reads other models."""
    seen = [model.name]
    while model.stream in models:
        if model.stream in seen:
            raise UserError(f"models read each other in a circle: {' -> '.join(seen)}")
        model = models[model.stream]
        seen.append(model.name)
    return model.stream


def check_outputs(models: list[Model]) -> None:
    """Raises UserError where two models have one output."""
    for what in ("table", "alert_topic"):
        writers: dict[str, str] = {}
        for model in models:
            output = getattr(model, what)
            if output is None:
                continue
            if output in writers:
                raise UserError(
                    f"models {writers[output]} and {model.name} both write {output}; "
                    "expected an output each"
                )
            writers[output] = model.name


def parse_model(text: str, name: str) -> Model:
    """A model from its text. Raises ModelProblem that says what was expected, and where."""
    yaml, line, sql = split(text)
    header = parse_header(yaml, name)
    # The blank lines between the header and the SQL.
    line += sql[: len(sql) - len(sql.lstrip())].count("\n")
    model = Model(**vars(header), select=_select(sql.lstrip(), line), line=line)
    for expect in model.expect:
        try:
            parse_condition(expect.condition, model.mart_columns)
        except ValueError as error:
            raise ModelProblem(expect.line, f"expect: {expect.condition}: {error}") from error
    return model


def _select(sql: str, line: int) -> exp.Select:
    try:
        statements = sqlglot.parse("\n" * line + sql)
    except sqlglot.errors.ParseError as error:
        at = error.errors[0].get("line") if error.errors else None
        raise ModelProblem(
            at or line + 1, f"the SELECT does not parse: {str(error).splitlines()[0]}"
        ) from error
    except sqlglot.errors.SqlglotError as error:
        said = str(error).splitlines()[0]
        raise ModelProblem(line + 1, f"the SELECT does not parse: {said}") from error
    except RecursionError as error:
        raise ModelProblem(line + 1, "the SELECT is nested too deep") from error
    statements = [s for s in statements if not isinstance(s, exp.Semicolon)]
    if len(statements) != 1 or not isinstance(statements[0], exp.Select):
        raise ModelProblem(line + 1, "expected exactly one SELECT after the header")
    return statements[0]
