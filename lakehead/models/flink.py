"""A model as Flink statements.

The stream's answer leaves out exactly the rows that were late by the watermark which their landed
row records. Flink drops late rows too, but by the watermark of the operator, which lags the
source's; leaving them out here makes the answer a function of what was landed. Where windows are
fixed a row is left out of each window that had closed; elsewhere it is left out if it is late.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from sqlglot import exp

from lakehead.contracts.sql import identifier, interval, literal, table_identifier
from lakehead.contracts.types import FieldType
from lakehead.models.bind import Bound, Input
from lakehead.models.expressions import render
from lakehead.models.flink_sequence import COORDINATES, matches
from lakehead.models.model import Model
from lakehead.models.slices import Parts, split
from lakehead.models.windows import Cumulate, Hop, Session

LEFT_OUT = "ops.left_out"
_ROWTIME, _WATERMARK = "`rowtime`", "`watermark$`"
_MILLISECOND = interval(timedelta(milliseconds=1))


@dataclass(frozen=True)
class Side:
    """Another stream that a model reads by a scan of its own, and the name it has there."""

    stream: str
    name: str


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


def statements(
    bound: Bound, table: str | None = None, since: datetime | None = None, version: str = ""
) -> Statements:
    """The model's views and inserts, over streams.

    ``table`` is the mart's, where it is not the model's own. ``since`` leaves out windows that
    begin before it, and rows before it where there are no windows. ``version`` is the model's; its
    name ends in ``$version`` while it stands beside another.
    """
    return _Writer(bound, table or bound.model.table, since, version).write()


def alert_table(
    model: Model, topic: str, bootstrap: str, client: Mapping[str, str] = MappingProxyType({})
) -> str:
    """The table of a model's alert topic: one JSON object an answer, each once.

    ``client`` are settings of Kafka's producer beside these.
    """
    columns = ",\n".join(
        f"  {identifier(name)} {kind.flink()}" for name, kind in _answer_columns(model).items()
    )
    options = {
        "connector": "kafka",
        "topic": topic,
        "properties.bootstrap.servers": bootstrap,
        **{f"properties.{key}": value for key, value in client.items()},
        "format": "json",
        "json.timestamp-format.standard": "ISO-8601",
        "sink.delivery-guarantee": "exactly-once",
        "sink.transactional-id-prefix": transactional_prefix(model),
        # The longest that the broker allows: a transaction that is given up is an alert lost.
        "properties.transaction.timeout.ms": "900000",
    }
    settings = ",\n".join(f"  {literal(k)} = {literal(v)}" for k, v in options.items())
    name = identifier(alert_table_name(model))
    return f"CREATE TEMPORARY TABLE {name} (\n{columns}\n) WITH (\n{settings}\n)"


def transactional_prefix(model: Model) -> str:
    """What the ids of the transactions begin with in which a model's alerts are sent."""
    return f"lakehead-{model.name}"


def alert_table_name(model: Model) -> str:
    return f"{model.name}$alert"


def _answer_columns(model: Model) -> Mapping[str, FieldType]:
    return {**model.head, **model.columns}


class _Writer:
    def __init__(
        self, bound: Bound, table: str = "", since: datetime | None = None, version: str = ""
    ) -> None:
        self._bound = bound
        self._model = bound.model
        self._table = table
        self._since = since
        self._version = version
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
        return ",\n  ".join(_written(self._bound.select))

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
            return _Writer(given.upstream)._read_by(reader, self._views)
        second = side(self._model)
        table = second.name if second and second.stream == given.stream else given.stream
        columns = ", ".join(identifier(n) for n in [*given.fields, *COORDINATES])
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
        coordinates = ", ".join(identifier(c) for c in COORDINATES)
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

    def _in_windows(self, rows: str) -> str:
        """Each of the view's rows once for each of its windows that had not closed."""
        window = self._model.window
        if isinstance(window, Hop):
            function = "TUMBLE" if window.tumbles else "HOP"
            lengths = [window.size] if window.tumbles else [window.every, window.size]
        else:
            assert isinstance(window, Cumulate)
            function, lengths = "CUMULATE", [window.step, window.size]
        spans = ", ".join(interval(length) for length in lengths)
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

    def _slices(self, parts: Parts) -> str:
        """A view of what the rows of each slice add up to.

        A row that is late, or may be, is passed on by itself: it is left out of those windows only
        that had closed. What comes on time cannot be late for the slice.
        """
        rows = self._rows()
        name = self._model.name
        values = "".join(f", {column}" for column in _written(parts.values))
        on_time = self._view(
            identifier(f"{name}$on_time"),
            f"SELECT *{values} FROM {rows} WHERE {_ROWTIME} > {_WATERMARK}",
        )
        keys = [identifier(k) for k in self._model.keys]
        groups = [*keys, *map(identifier, parts.values)]
        added = ", ".join([*groups, *_written(parts.of_rows)])
        alone = ", ".join([*keys, *_written(parts.values), *_written(parts.of_row)])
        window = self._model.window
        assert isinstance(window, Hop | Cumulate)
        length = interval(window.slice)
        return self._view(
            identifier(f"{name}$slices"),
            f"SELECT {added},\n"
            f"  CAST(NULL AS TIMESTAMP_LTZ(3)) AS {_WATERMARK}, `window_time` AS {_ROWTIME}\n"
            f"FROM TABLE(TUMBLE(TABLE {on_time}, DESCRIPTOR({_ROWTIME}), {length}))\n"
            f"GROUP BY `window_start`, `window_end`, `window_time`"
            f"{''.join(f', {g}' for g in groups)}\n"
            f"UNION ALL SELECT {alone}, {_WATERMARK}, {_ROWTIME}\n"
            f"FROM {rows} WHERE {_WATERMARK} IS NULL OR {_ROWTIME} <= {_WATERMARK}",
        )

    def _windows(self) -> str:
        window, having = self._model.window, self._bound.having
        trees = [*self._bound.select.values(), *([having] if having is not None else [])]
        parts = None
        if isinstance(window, Session):
            rows = self._in_sessions()
        elif (isinstance(window, Hop) and window.tumbles) or (parts := split(trees)) is None:
            rows = self._in_windows(self._rows())
        else:
            rows = self._in_windows(self._slices(parts))
            trees = list(parts.of_slices)
        keys = "".join(f", {identifier(k)}" for k in self._model.keys)
        columns = ",\n  ".join(_written(dict(zip(self._bound.select, trees, strict=False))))
        condition = f"\nHAVING {render(trees[-1], 'flink')}" if having is not None else ""
        return (
            f"SELECT `window_start`, `window_end`,\n  {columns}\nFROM {rows}\n"
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
        order = ", ".join(f"{c} {direction}" for c in (_ROWTIME, *map(identifier, COORDINATES)))
        ranked = (
            f"(SELECT *, ROW_NUMBER() OVER (PARTITION BY `window_start`, `window_end`, {keys}"
            f" ORDER BY {order}) AS `rank$` FROM {self._in_windows(self._rows())})"
        )
        time = identifier(self._bound.input.event_time)
        return (
            f"SELECT `window_start`, `window_end`, {time} AS `event_time`,"
            f" `kafka_partition`, `kafka_offset`,\n  {self._columns()}\n"
            f"FROM {ranked} WHERE `rank$` = 1"
        )

    def _sequence(self) -> str:
        rows = self._rows(self._on_time(), self._from_since(_ROWTIME))
        return matches(self._bound, rows, self._columns())

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
        name = self._model.name.removesuffix(f"${self._version}")
        whose = ", ".join(map(literal, (name, self._version, second.stream)))
        return (
            f"SELECT {whose}, `kafka_partition`, `kafka_offset`, `kafka_timestamp`, {_WATERMARK}\n"
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


def _written(trees: Mapping[str, exp.Expr]) -> list[str]:
    return [f"{render(tree, 'flink')} AS {identifier(name)}" for name, tree in trees.items()]
