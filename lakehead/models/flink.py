"""A model as Flink statements.

The stream's answer leaves out exactly the rows that were late by the watermark which their landed
row records. Flink drops late rows too, but by the watermark of the operator, which lags the
source's; leaving them out here makes the answer a function of what was landed. Where windows are
fixed a row is left out of each window that had closed; elsewhere it is left out if it is late.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlglot import exp

from lakehead.contracts.sql import identifier, interval, literal, table_identifier
from lakehead.contracts.types import FieldType
from lakehead.models.bind import Bound, Input
from lakehead.models.expressions import render
from lakehead.models.model import Model
from lakehead.models.windows import Cumulate, Hop, Session

LEFT_OUT = "ops.left_out"
_ROWTIME, _WATERMARK = "`rowtime`", "`watermark$`"
_COORDINATES = ("kafka_partition", "kafka_offset")
_MILLISECOND = interval(timedelta(milliseconds=1))


@dataclass(frozen=True)
class Side:
    """Another stream that a model reads by a scan of its own, and the source table that it is."""

    stream: str
    table: str


@dataclass(frozen=True)
class Statements:
    """``views`` are declared in order; each of ``inserts`` is a SELECT by the table it fills."""

    views: tuple[str, ...]
    inserts: dict[str, str]


def side(model: Model) -> Side | None:
    """The second stream of a model that joins."""
    if model.kind not in ("enrich", "join"):
        return None
    stream = model.streams[1]
    return Side(stream, f"{model.name}${stream}")


def statements(bound: Bound, table: str | None = None, since: datetime | None = None) -> Statements:
    """The model's views and inserts over the source tables of its streams.

    ``table`` is the mart's, where it is not the model's own. ``since`` leaves out windows that
    begin before it, and rows before it where there are no windows.
    """
    return _Writer(bound, table or bound.model.table, since).write()


def alert_table(model: Model, topic: str, bootstrap: str) -> str:
    """The table of a model's alert topic: one JSON object an answer, each once."""
    columns = ",\n".join(
        f"  {identifier(name)} {kind.flink()}" for name, kind in _answer_columns(model).items()
    )
    options = {
        "connector": "kafka",
        "topic": topic,
        "properties.bootstrap.servers": bootstrap,
        "format": "json",
        "json.timestamp-format.standard": "ISO-8601",
        "sink.delivery-guarantee": "exactly-once",
        "sink.transactional-id-prefix": f"lakehead-{model.name}",
        # The longest that the broker allows: a transaction that is given up is an alert lost.
        "properties.transaction.timeout.ms": "900000",
    }
    settings = ",\n".join(f"  {literal(k)} = {literal(v)}" for k, v in options.items())
    name = identifier(alert_table_name(model))
    return f"CREATE TEMPORARY TABLE {name} (\n{columns}\n) WITH (\n{settings}\n)"


def alert_table_name(model: Model) -> str:
    return f"{model.name}$alert"


def _answer_columns(model: Model) -> Mapping[str, FieldType]:
    return {**model.head, **model.columns}


class _Writer:
    def __init__(self, bound: Bound, table: str, since: datetime | None) -> None:
        self._bound = bound
        self._model = bound.model
        self._table = table
        self._since = since
        self._views: list[str] = []

    def write(self) -> Statements:
        model = self._model
        answer = identifier(f"{model.name}$answer")
        self._view(answer, self._answer())
        columns = ", ".join(identifier(c) for c in _answer_columns(model))
        inserts = {
            f"`lake`.{table_identifier(self._table)}": (
                f"SELECT {columns}, CAST(NULL AS STRING) FROM {answer}"
            )
        }
        if model.alert_topic:
            inserts[identifier(alert_table_name(model))] = f"SELECT {columns} FROM {answer}"
        if side(model) is not None:
            inserts[f"`lake`.{table_identifier(LEFT_OUT)}"] = self._left_out()
        return Statements(tuple(self._views), inserts)

    def _view(self, name: str, select: str) -> str:
        self._views.append(f"CREATE TEMPORARY VIEW {name} AS\n{select}")
        return name

    def _answer(self) -> str:
        match self._model.kind:
            case "window":
                return self._top(self._windows())
            case "rows":
                return self._plain()
            case "dedup":
                return self._dedup()
            case "sequence":
                return self._sequence()
            case "join":
                return self._interval_join()
        return self._as_of_join()

    def _columns(self) -> str:
        return ",\n  ".join(
            f"{render(tree, 'flink')} AS {identifier(name)}"
            for name, tree in self._bound.select.items()
        )

    def _where(self, *more: str) -> str:
        where = self._bound.where
        parts = [f"({render(where, 'flink')})"] if where is not None else []
        parts += [m for m in more if m]
        return f"\nWHERE {' AND '.join(parts)}" if parts else ""

    def _from_since(self, column: str) -> str:
        """Whether a row lies in what this version of the model counts."""
        if self._since is None:
            return ""
        at = self._since.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        return f"{column} >= TIMESTAMP {literal(at)}"

    def _source(self, given: Input, reader: str | None = None) -> str:
        """A view of the input's valid rows for the model ``reader``: its fields, coordinates,
        ``rowtime`` and ``watermark$``."""
        reader = reader or self._model.name
        if given.upstream is not None:
            return _Writer(given.upstream, "", None)._read_by(reader, self._views)
        second = side(self._model)
        table = second.table if second and second.stream == given.stream else given.stream
        columns = ", ".join(identifier(n) for n in [*given.fields, *_COORDINATES])
        return self._view(
            identifier(f"{reader}${given.stream}$valid"),
            f"SELECT {columns}, `kafka_timestamp`, {_ROWTIME},"
            f" CURRENT_WATERMARK({_ROWTIME}) AS {_WATERMARK}\n"
            f"FROM {identifier(table)} WHERE {_ROWTIME} IS NOT NULL",
        )

    def _read_by(self, reader: str, views: list[str]) -> str:
        """A view of this model, which is of kind rows, for another one to read."""
        self._views = views
        source = self._source(self._bound.input, reader)
        time = identifier(self._bound.input.event_time)
        coordinates = ", ".join(identifier(c) for c in _COORDINATES)
        return self._view(
            identifier(f"{reader}${self._model.name}$read"),
            f"SELECT {time} AS `event_time`, {self._columns()}, {coordinates}, `kafka_timestamp`,"
            f" {_ROWTIME}, {_WATERMARK}\nFROM {source}{self._where()}",
        )

    def _on_time(self, beyond: str = "") -> str:
        """Whether a row is not late; ``beyond`` is added to the watermark."""
        return f"({_WATERMARK} IS NULL OR {_ROWTIME} > {_WATERMARK}{beyond})"

    def _plain(self) -> str:
        source = self._source(self._bound.input)
        return (
            f"SELECT {identifier(self._bound.input.event_time)} AS `event_time`,"
            f" `kafka_partition`, `kafka_offset`,\n  {self._columns()}\n"
            f"FROM {source}{self._where(self._from_since(_ROWTIME))}"
        )

    def _rows(self, *conditions: str) -> str:
        """A view of the rows that the model counts."""
        source = self._source(self._bound.input)
        view = identifier(f"{self._model.name}$rows")
        return self._view(view, f"SELECT * FROM {source}{self._where(*conditions)}")

    def _in_windows(self) -> str:
        """Each row once for each of its windows that had not closed."""
        window = self._model.window
        if isinstance(window, Hop):
            function = "TUMBLE" if window.tumbles else "HOP"
            lengths = [window.size] if window.tumbles else [window.every, window.size]
        else:
            assert isinstance(window, Cumulate)
            function, lengths = "CUMULATE", [window.step, window.size]
        spans = ", ".join(interval(length) for length in lengths)
        rows = self._rows()
        open_ = f"({_WATERMARK} IS NULL OR `window_end` > CAST({_WATERMARK} AS TIMESTAMP(3)) + "
        open_ += f"{_MILLISECOND})"
        since = self._from_since("`window_start`")
        return (
            f"(SELECT * FROM TABLE({function}(TABLE {rows}, DESCRIPTOR({_ROWTIME}), {spans}))\n"
            f"WHERE {open_}{f' AND {since}' if since else ''})"
        )

    def _in_sessions(self) -> str:
        window = self._model.window
        assert isinstance(window, Session)
        # One millisecond more: a session that ends as the next row begins is one with it.
        rows = self._rows(self._on_time(f" + {_MILLISECOND}"), self._from_since(_ROWTIME))
        keys = ", ".join(identifier(k) for k in self._model.keys)
        by = f" PARTITION BY ({keys})" if keys else ""
        return (
            f"(SELECT * FROM TABLE(SESSION(TABLE {rows}{by}, DESCRIPTOR({_ROWTIME}),"
            f" {interval(window.gap)})))"
        )

    def _windows(self) -> str:
        session = isinstance(self._model.window, Session)
        rows = self._in_sessions() if session else self._in_windows()
        keys = "".join(f", {identifier(k)}" for k in self._model.keys)
        having = self._bound.having
        condition = f"\nHAVING {render(having, 'flink')}" if having is not None else ""
        return (
            f"SELECT `window_start`, `window_end`,\n  {self._columns()}\nFROM {rows}\n"
            f"GROUP BY `window_start`, `window_end`{keys}{condition}"
        )

    def _top(self, windows: str) -> str:
        if self._bound.limit is None:
            return windows
        order = ", ".join(
            f"{identifier(name)} {'DESC' if descending else 'ASC'}"
            for name, descending in self._bound.order
        )
        columns = ", ".join(identifier(c) for c in _answer_columns(self._model))
        return (
            f"SELECT {columns} FROM (SELECT *, ROW_NUMBER() OVER ("
            f"PARTITION BY `window_start`, `window_end` ORDER BY {order}) AS `rank$`\n"
            f"FROM ({windows})) WHERE `rank$` <= {self._bound.limit}"
        )

    def _dedup(self) -> str:
        dedup = self._model.dedup
        assert dedup
        direction = "ASC" if dedup.keep == "first" else "DESC"
        keys = ", ".join(identifier(k) for k in dedup.keys)
        order = ", ".join(f"{c} {direction}" for c in (_ROWTIME, *map(identifier, _COORDINATES)))
        ranked = (
            f"(SELECT *, ROW_NUMBER() OVER (PARTITION BY `window_start`, `window_end`, {keys}"
            f" ORDER BY {order}) AS `rank$` FROM {self._in_windows()})"
        )
        time = identifier(self._bound.input.event_time)
        return (
            f"SELECT `window_start`, `window_end`, {time} AS `event_time`,"
            f" `kafka_partition`, `kafka_offset`,\n  {self._columns()}\n"
            f"FROM {ranked} WHERE `rank$` = 1"
        )

    def _sequence(self) -> str:
        sequence = self._model.sequence
        assert sequence
        rows = self._rows(self._on_time(), self._from_since(_ROWTIME))
        steps = list(zip(sequence.steps, self._bound.steps, strict=True))
        pattern = " ".join(
            f"{identifier(s.name)}{f'{{{s.times}}}' if s.times > 1 else ''}" for s, _ in steps
        )
        define = ",\n    ".join(
            f"{identifier(s.name)} AS {render(_of(tree, s.name), 'flink')}" for s, tree in steps
        )
        first, last = (identifier(sequence.steps[i].name) for i in (0, -1))
        time = identifier(self._bound.input.event_time)
        taken = dict.fromkeys(
            [*_COORDINATES, *(c for t in self._bound.select.values() for c in _column_names(t))]
        )
        # The keys of the partition are there without being measured.
        measures = [f"FIRST({first}.{time}) AS `first$`", f"LAST({last}.{time}) AS `last$`"]
        measures += [
            f"LAST({last}.{identifier(c)}) AS {identifier(c)}"
            for c in taken
            if c not in sequence.by
        ]
        by = ", ".join(identifier(k) for k in sequence.by)
        order = ", ".join((_ROWTIME, *map(identifier, _COORDINATES)))
        return (
            f"SELECT `first$` AS `first_event_time`, `last$` AS `event_time`,"
            f" `kafka_partition`, `kafka_offset`,\n  {self._columns()}\n"
            f"FROM {rows} MATCH_RECOGNIZE (\n"
            f"  PARTITION BY {by} ORDER BY {order}\n"
            f"  MEASURES {', '.join(measures)}\n"
            "  ONE ROW PER MATCH AFTER MATCH SKIP TO NEXT ROW\n"
            f"  PATTERN ({pattern}) WITHIN {interval(sequence.within)}\n"
            f"  DEFINE {define}\n)"
        )

    def _on_keys(self) -> str:
        assert self._bound.on
        left, right = (identifier(i.alias or "") for i in self._bound.inputs)
        return " AND ".join(
            f"{left}.{identifier(a)} = {right}.{identifier(b)}" for a, b in self._bound.on.pairs
        )

    def _left_head(self) -> str:
        left = identifier(self._bound.input.alias or "")
        time = identifier(self._bound.input.event_time)
        return (
            f"{left}.{time} AS `event_time`, {left}.`kafka_partition` AS `kafka_partition`,"
            f" {left}.`kafka_offset` AS `kafka_offset`"
        )

    def _side_rows(self, given: Input) -> str:
        """A view of the rows of one side that are not late."""
        source = self._source(given)
        conditions = [c for c in (self._on_time(), self._from_since(_ROWTIME)) if c]
        view = identifier(f"{self._model.name}${given.stream}$rows")
        return self._view(view, f"SELECT * FROM {source}\nWHERE {' AND '.join(conditions)}")

    def _interval_join(self) -> str:
        on = self._bound.on
        assert on and on.lower is not None and on.upper is not None
        left_rows, right_rows = (self._side_rows(i) for i in self._bound.inputs)
        left, right = (identifier(i.alias or "") for i in self._bound.inputs)
        bounds = [
            f"{left}.{_ROWTIME} {'-' if b < timedelta() else '+'} {interval(abs(b))}"
            for b in (on.lower, on.upper)
        ]
        right_time = identifier(self._bound.inputs[1].event_time)
        return (
            f"SELECT {self._left_head()},"
            f" {right}.{right_time} AS `right_event_time`,"
            f" {right}.`kafka_partition` AS `right_partition`,"
            f" {right}.`kafka_offset` AS `right_offset`,\n"
            f"  CURRENT_WATERMARK({left}.{_ROWTIME}) AS `watermark`,\n  {self._columns()}\n"
            f"FROM {left_rows} AS {left} JOIN {right_rows} AS {right}\n"
            f"ON {self._on_keys()} AND {right}.{_ROWTIME} BETWEEN {' AND '.join(bounds)}"
            f"{self._where()}"
        )

    def _left_out(self) -> str:
        """The late rows of the second stream, as this job's scan found them."""
        second = side(self._model)
        assert second
        view = identifier(f"{self._model.name}${second.stream}$valid")
        return (
            f"SELECT {literal(self._model.name)}, {literal(second.stream)}, `kafka_partition`,"
            f" `kafka_offset`, `kafka_timestamp`, {_WATERMARK}\n"
            f"FROM {view} WHERE {_ROWTIME} <= {_WATERMARK}"
        )

    def _versions(self, given: Input) -> str:
        """A view of a dimension: the newest version by key, as the event time goes on.

        Flink's rank drops a version that comes after a newer one. The count before it has no other
        use than to put them in the order of their times.
        """
        key = identifier(given.key)
        columns = ", ".join(identifier(n) for n in given.fields)
        counted = (
            f"SELECT *, COUNT(*) OVER (PARTITION BY {key} ORDER BY {_ROWTIME}"
            " RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS `count$`"
            f" FROM {self._source(given)} WHERE {key} IS NOT NULL AND {self._on_time()}"
        )
        ranked = (
            f"SELECT *, ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY {_ROWTIME} DESC) AS `rank$`"
            f" FROM ({counted}) WHERE `count$` > 0"
        )
        return self._view(
            identifier(f"{self._model.name}${given.stream}$versions"),
            f"SELECT {columns}, {_ROWTIME} FROM ({ranked}) WHERE `rank$` = 1",
        )

    def _as_of_join(self) -> str:
        assert self._bound.on
        left, right = (identifier(i.alias or "") for i in self._bound.inputs)
        rows = self._side_rows(self._bound.input)
        versions = self._versions(self._bound.inputs[1])
        kind = "LEFT JOIN" if self._bound.on.outer else "JOIN"
        return (
            f"SELECT {self._left_head()},\n  {self._columns()}\n"
            f"FROM {rows} AS {left}\n"
            f"{kind} {versions} FOR SYSTEM_TIME AS OF {left}.{_ROWTIME} AS {right}\n"
            f"ON {self._on_keys()}{self._where()}"
        )


def _of(tree: exp.Expr, step: str) -> exp.Expr:
    """The condition over the rows of one step."""

    def qualified(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Column):
            return node
        first, *rest = (exp.to_identifier(name, quoted=True) for name in _path(node))
        field = exp.Column(this=first, table=exp.to_identifier(step, quoted=True))
        return exp.Dot.build([field, *rest]) if rest else field

    return tree.transform(qualified)


def _column_names(tree: exp.Expr) -> list[str]:
    return [_path(column)[0] for column in tree.find_all(exp.Column)]


def _path(column: exp.Column) -> list[str]:
    """``address.city`` as the names of the field and of its parts."""
    return [part.name for part in column.parts]
