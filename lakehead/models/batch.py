"""A model as one query over landed rows: what Spark and DuckDB have in common.

Times are reckoned in whole milliseconds since the epoch, as Flink's watermarks are. Generated names
have a ``$``, which no column of a contract or a model has.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import timedelta

from sqlglot import exp

from lakehead.models.bind import Bound, Input
from lakehead.models.expressions import render
from lakehead.models.windows import Cumulate, Hop, Session

MS = "event$ms"
# What a row was too late for: see ``Engine.answer``.
LATE = "late$ms"
_START, _END = "start$ms", "end$ms"


def millis(length: timedelta) -> int:
    return length // timedelta(milliseconds=1)


class Engine(ABC):
    """How an engine's SQL differs from the base."""

    name: str
    # The type of a timestamp with zone.
    no_time: str

    @abstractmethod
    def quote(self, name: str) -> str: ...

    @abstractmethod
    def micros(self, timestamp: str) -> str:
        """Whole microseconds since the epoch."""

    @abstractmethod
    def timestamp(self, ms: str) -> str:
        """The timestamp, with zone, that lies ``ms`` after the epoch."""

    @abstractmethod
    def divided(self, left: str, right: int) -> str:
        """Whole division of a multiple of ``right``."""

    def null_order(self, descending: bool) -> str:
        """Null is the least value, as it is in Flink."""
        return "DESC NULLS LAST" if descending else "ASC NULLS FIRST"

    def floor(self, number: str, step: int) -> str:
        """The largest multiple of ``step`` up to ``number``, below zero too."""
        return f"(({number}) - ((({number}) % {step} + {step}) % {step}))"

    def answer(self, bound: Bound, relations: Mapping[str, str], late: bool = False) -> str:
        """The rows of the model's mart but for its last column, by the name of each column.

        ``relations`` are the landed rows of each stream: its fields, ``kafka_partition``,
        ``kafka_offset``. With ``late`` they have ``late$ms`` too, null or milliseconds since the
        epoch: such a row is left out of each window that ends at or before it, where rows are
        judged by window, and out of the answer if its time is at or before it, where they are not.
        """
        return _Query(self, bound, relations, late).sql()

    def in_windows(self, bound: Bound, relations: Mapping[str, str]) -> str:
        """The landed rows that the model counts, once for each of their windows, with
        ``window_start``, ``window_end`` and their ``late$ms``. For models whose rows are judged by
        window."""
        return _Query(self, bound, relations, late=False, carry=True).in_windows()


class _Query:
    """``carry`` keeps ``late$ms`` as a column, for a model that reads this one."""

    def __init__(
        self,
        engine: Engine,
        bound: Bound,
        relations: Mapping[str, str],
        late: bool,
        carry: bool = False,
    ) -> None:
        self._engine = engine
        self._bound = bound
        self._model = bound.model
        self._relations = relations
        # A filter is in time for every row.
        self._late = late and bound.model.kind != "rows"
        self._carry = late or carry
        self._q = engine.quote

    def sql(self) -> str:
        match self._model.kind:
            case "window":
                return self._top(self._windows())
            case "rows":
                return self._plain(self._rows())
            case "dedup":
                return self._dedup()
            case "sequence":
                return self._sequence()
            case "join":
                return self._interval_join()
        return self._as_of_join()

    def _render(self, tree: exp.Expr) -> str:
        return render(tree, self._engine.name)

    def _columns(self) -> str:
        """The model's own columns, over the relation of its input."""
        return ",\n  ".join(
            f"{self._render(tree)} AS {self._q(name)}" for name, tree in self._bound.select.items()
        )

    def _names(self, *names: str) -> str:
        return ", ".join(self._q(name) for name in names)

    def _input(self, given: Input) -> str:
        """The input's rows with their time in milliseconds; late ones left out where that is told
        by row."""
        relation = self._relations.get(given.stream, "")
        if given.upstream is not None:
            relation = self._upstream(given.upstream)
        q = self._q
        micros = self._engine.micros(q(given.event_time))
        ms = self._engine.divided(self._engine.floor(micros, 1000), 1000)
        rows = f"SELECT *, {ms} AS {q(MS)} FROM {relation} AS {q('landed$')}"
        if not self._late or self._model.judged_by_window:
            return f"({rows})"
        return (
            f"(SELECT * FROM ({rows}) AS {q('timed$')}"
            f" WHERE {q(LATE)} IS NULL OR {q(MS)} > {q(LATE)})"
        )

    def _upstream(self, upstream: Bound) -> str:
        rows = _Query(self._engine, upstream, self._relations, False, self._carry)
        more = f", {self._q(LATE)}" if self._carry else ""
        return f"({rows._plain(rows._rows(), more)})"

    def _rows(self) -> str:
        """The rows that the WHERE keeps."""
        where = self._bound.where
        condition = f" WHERE {self._render(where)}" if where is not None else ""
        return f"(SELECT * FROM {self._input(self._bound.input)} AS {self._q('in$')}{condition})"

    def _plain(self, rows: str, more: str = "") -> str:
        time = self._q(self._bound.input.event_time)
        return (
            f"SELECT {time} AS {self._q('event_time')},"
            f" {self._names('kafka_partition', 'kafka_offset')},\n  {self._columns()}{more}\n"
            f"FROM {rows} AS {self._q('rows$')}"
        )

    def _in_windows(self) -> str:
        """Each row once for each of its windows."""
        q, engine, window = self._q, self._engine, self._model.window
        rows = self._rows()
        if isinstance(window, Hop):
            size, every = millis(window.size), millis(window.every)
            start = engine.floor(q(MS), every)
            if not window.tumbles:
                start += f" - {q('k$')} * {every}"
            spread = f"SELECT *, {start} AS {q(_START)}"
            ends = f"SELECT *, {q(_START)} + {size} AS {q(_END)}"
            # Where the size is no multiple it was refused: a row is in just ``count`` windows.
            holds = "TRUE"
        else:
            assert isinstance(window, Cumulate)
            size, step = millis(window.size), millis(window.step)
            spread = f"SELECT *, {engine.floor(q(MS), size)} AS {q(_START)}"
            ends = f"SELECT *, {q(_START)} + ({q('k$')} + 1) * {step} AS {q(_END)}"
            holds = f"{q(_END)} > {q(MS)}"
        source = f"{rows} AS {q('rows$')}"
        if window.count > 1:
            source += f" CROSS JOIN range({window.count}) AS {q('steps$')}({q('k$')})"
        open_ = f"({q(LATE)} IS NULL OR {q(_END)} > {q(LATE)})" if self._late else "TRUE"
        return (
            f"(SELECT * FROM ({ends} FROM ({spread} FROM {source}) AS {q('starts$')})"
            f" AS {q('ends$')} WHERE {holds} AND {open_})"
        )

    def in_windows(self) -> str:
        start, end = (self._engine.timestamp(self._q(c)) for c in (_START, _END))
        return (
            f"SELECT *, {start} AS {self._q('window_start')}, {end} AS {self._q('window_end')}"
            f" FROM {self._in_windows()} AS {self._q('in_windows$')}"
        )

    def _in_sessions(self) -> str:
        """Each row with the number of its session of the key."""
        assert isinstance(self._model.window, Session)
        q, gap = self._q, millis(self._model.window.gap)
        keys = [q(k) for k in self._model.keys]
        by = f"PARTITION BY {', '.join(keys)} " if keys else ""
        order = f"ORDER BY {self._names(MS, 'kafka_partition', 'kafka_offset')}"
        begins = f"CASE WHEN {q(MS)} - LAG({q(MS)}) OVER ({by}{order}) <= {gap} THEN 0 ELSE 1 END"
        return (
            f"(SELECT *, SUM({q('begins$')}) OVER ({by}{order}"
            f" ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS {q('session$')}"
            f" FROM (SELECT *, {begins} AS {q('begins$')} FROM {self._rows()} AS {q('rows$')})"
            f" AS {q('gaps$')})"
        )

    def _windows(self) -> str:
        q, engine, window = self._q, self._engine, self._model.window
        keys = [q(k) for k in self._model.keys]
        if isinstance(window, Session):
            rows, groups = self._in_sessions(), [q("session$")]
            start, end = f"MIN({q(MS)})", f"MAX({q(MS)}) + {millis(window.gap)}"
        else:
            rows, groups = self._in_windows(), [q(_START), q(_END)]
            start, end = q(_START), q(_END)
        having = self._bound.having
        condition = f"\nHAVING {self._render(having)}" if having is not None else ""
        return (
            f"SELECT {engine.timestamp(start)} AS {q('window_start')},"
            f" {engine.timestamp(end)} AS {q('window_end')},\n  {self._columns()}\n"
            f"FROM {rows} AS {q('in_windows$')}\n"
            f"GROUP BY {', '.join([*groups, *keys])}{condition}"
        )

    def _top(self, windows: str) -> str:
        if self._bound.limit is None:
            return windows
        q = self._q
        order = ", ".join(
            f"{q(name)} {self._engine.null_order(descending)}"
            for name, descending in self._bound.order
        )
        columns = self._names(*self._model.head, *self._model.columns)
        return (
            f"SELECT {columns} FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY"
            f" {self._names('window_start', 'window_end')} ORDER BY {order}) AS {q('rank$')}\n"
            f"FROM ({windows}) AS {q('windows$')}) AS {q('ranked$')}"
            f" WHERE {q('rank$')} <= {self._bound.limit}"
        )

    def _dedup(self) -> str:
        dedup = self._model.dedup
        assert dedup
        q, direction = self._q, "ASC" if dedup.keep == "first" else "DESC"
        order = ", ".join(f"{q(c)} {direction}" for c in (MS, "kafka_partition", "kafka_offset"))
        head = (
            f"{self._engine.timestamp(q(_START))} AS {q('window_start')},"
            f" {self._engine.timestamp(q(_END))} AS {q('window_end')},"
            f" {q(self._bound.input.event_time)} AS {q('event_time')},"
            f" {self._names('kafka_partition', 'kafka_offset')}"
        )
        return (
            f"SELECT {head},\n  {self._columns()}\n"
            f"FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY"
            f" {self._names(_START, *dedup.keys)} ORDER BY {order}) AS {q('rank$')}"
            f" FROM {self._in_windows()} AS {q('in_windows$')}) AS {q('ranked$')}"
            f" WHERE {q('rank$')} = 1"
        )

    def _sequence(self) -> str:
        sequence = self._model.sequence
        assert sequence
        q = self._q
        over = (
            f"OVER (PARTITION BY {self._names(*sequence.by)}"
            f" ORDER BY {self._names(MS, 'kafka_partition', 'kafka_offset')})"
        )
        holds = [
            f"COALESCE({self._render(tree)}, FALSE) AS {q(f'step${i}')}"
            for i, tree in enumerate(self._bound.steps)
        ]
        places = [i for i, step in enumerate(sequence.steps) for _ in range(step.times)]
        back = len(places) - 1
        matched = [
            f"LAG({q(f'step${i}')}, {back - place}) {over}" if place < back else q(f"step${i}")
            for place, i in enumerate(places)
        ]
        first = f"LAG({q(self._bound.input.event_time)}, {back}) {over}"
        length = f"{q(MS)} - LAG({q(MS)}, {back}) {over}"
        tested = f"(SELECT *, {', '.join(holds)} FROM {self._rows()} AS {q('rows$')})"
        found = (
            f"(SELECT *, ({' AND '.join(matched)}) AS {q('match$')}, {first} AS {q('first$')},"
            f" {length} AS {q('length$')} FROM {tested} AS {q('tested$')})"
        )
        return (
            f"SELECT {q('first$')} AS {q('first_event_time')},"
            f" {q(self._bound.input.event_time)} AS {q('event_time')},"
            f" {self._names('kafka_partition', 'kafka_offset')},\n  {self._columns()}\n"
            f"FROM {found} AS {q('found$')}"
            f" WHERE {q('match$')} AND {q('length$')} < {millis(sequence.within)}"
        )

    def _sides(self) -> tuple[str, str]:
        left, right = self._bound.inputs
        return self._q(left.alias or ""), self._q(right.alias or "")

    def _on_keys(self) -> str:
        assert self._bound.on
        left, right = self._sides()
        return " AND ".join(
            f"{left}.{self._q(a)} = {right}.{self._q(b)}" for a, b in self._bound.on.pairs
        )

    def _joined(self, right_rows: str, on: str, head: list[str]) -> str:
        """Both sides joined, the WHERE applied, the model's columns taken."""
        assert self._bound.on
        left, right = self._sides()
        where = self._bound.where
        condition = f"\nWHERE {self._render(where)}" if where is not None else ""
        kind = "LEFT JOIN" if self._bound.on.outer else "JOIN"
        return (
            f"SELECT {', '.join(head)},\n  {self._columns()}\n"
            f"FROM {self._input(self._bound.inputs[0])} AS {left}\n"
            f"{kind} {right_rows} AS {right} ON {self._on_keys()} AND {on}{condition}"
        )

    def _left_head(self) -> list[str]:
        left, q = self._sides()[0], self._q
        time = q(self._bound.input.event_time)
        return [
            f"{left}.{time} AS {q('event_time')}",
            *(f"{left}.{q(c)} AS {q(c)}" for c in ("kafka_partition", "kafka_offset")),
        ]

    def _interval_join(self) -> str:
        on, q = self._bound.on, self._q
        assert on and on.lower is not None and on.upper is not None
        left, right = self._sides()
        between = (
            f"{right}.{q(MS)} BETWEEN {left}.{q(MS)} + {millis(on.lower)}"
            f" AND {left}.{q(MS)} + {millis(on.upper)}"
        )
        head = [
            *self._left_head(),
            f"{right}.{q(self._bound.inputs[1].event_time)} AS {q('right_event_time')}",
            f"{right}.{q('kafka_partition')} AS {q('right_partition')}",
            f"{right}.{q('kafka_offset')} AS {q('right_offset')}",
            # No stream, no watermark.
            f"CAST(NULL AS {self._engine.no_time}) AS {q('watermark')}",
        ]
        return self._joined(self._input(self._bound.inputs[1]), between, head)

    def _as_of_join(self) -> str:
        """The newest version up to the left event's time; of versions of one time, the last."""
        q = self._q
        left, right = self._sides()
        key = q(self._bound.inputs[1].key)
        until = (
            f"LEAD({q(MS)}) OVER (PARTITION BY {key}"
            f" ORDER BY {self._names(MS, 'kafka_partition', 'kafka_offset')})"
        )
        versions = (
            f"(SELECT *, {until} AS {q('until$')} FROM {self._input(self._bound.inputs[1])}"
            f" AS {q('versions$')})"
        )
        on = (
            f"{left}.{q(MS)} >= {right}.{q(MS)}"
            f" AND ({right}.{q('until$')} IS NULL OR {left}.{q(MS)} < {right}.{q('until$')})"
        )
        return self._joined(versions, on, self._left_head())
