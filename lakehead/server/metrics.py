"""Counts and times in Prometheus's text format."""

from collections import Counter
from collections.abc import Sequence

from lakehead.server import wire

_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Histogram:
    """Seconds, by upper bound."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_BOUNDS) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        self._sum += seconds
        at = next((i for i, bound in enumerate(_BOUNDS) if seconds <= bound), len(_BOUNDS))
        self._counts[at] += 1

    def lines(self, name: str) -> list[str]:
        found, total = [f"# TYPE {name} histogram"], 0
        for bound, count in zip((*map(str, _BOUNDS), "+Inf"), self._counts, strict=True):
            total += count
            found.append(f'{name}_bucket{{le="{bound}"}} {total}')
        return [*found, f"{name}_sum {self._sum:.6f}", f"{name}_count {total}"]


class Metrics:
    """What happened since the server started."""

    def __init__(self) -> None:
        self._queries: Counter[tuple[str, str]] = Counter()
        self._live: Counter[str] = Counter()
        self._took = Histogram()
        self._took_live = Histogram()
        self._waited = Histogram()
        self.rows = 0
        self.bytes = 0
        self.refused_logins = 0

    def waited(self, seconds: float) -> None:
        self._waited.add(seconds)

    def answered(self, protocol: str, outcome: str, seconds: float, live: bool) -> None:
        self._queries[protocol, outcome] += 1
        self._took.add(seconds)
        if live:
            self._live[outcome] += 1
            self._took_live.add(seconds)

    def sent(self, rows: int, size: int) -> None:
        self.rows += rows
        self.bytes += size

    def text(self, gauges: dict[str, float], tails: Sequence[wire.TailSize] = ()) -> str:
        """All of it; ``gauges`` and ``tails`` are what holds at this moment."""
        lines = ["# TYPE lakehead_server_queries_total counter"]
        for (protocol, outcome), count in sorted(self._queries.items()):
            labels = f'protocol="{protocol}",outcome="{outcome}"'
            lines.append(f"lakehead_server_queries_total{{{labels}}} {count}")
        for name, count in (
            ("rows", self.rows),
            ("bytes", self.bytes),
            ("refused_logins", self.refused_logins),
        ):
            lines.append(f"# TYPE lakehead_server_{name}_total counter")
            lines.append(f"lakehead_server_{name}_total {count}")
        lines.append("# TYPE lakehead_server_live_queries_total counter")
        for outcome, count in sorted(self._live.items()):
            lines.append(f'lakehead_server_live_queries_total{{outcome="{outcome}"}} {count}')
        lines += self._took.lines("lakehead_server_query_seconds")
        lines += self._took_live.lines("lakehead_server_live_query_seconds")
        lines += self._waited.lines("lakehead_server_wait_seconds")
        for name, value in gauges.items():
            lines.append(f"# TYPE lakehead_server_{name} gauge")
            lines.append(f"lakehead_server_{name} {value:g}")
        for name in ("records", "bytes", "behind"):
            lines.append(f"# TYPE lakehead_server_tail_{name} gauge")
            for tail in tails:
                label = f'{{stream="{tail.stream}"}}'
                lines.append(f"lakehead_server_tail_{name}{label} {getattr(tail, name)}")
        return "\n".join(lines) + "\n"
