"""A view as trees: what is met twice is told in full once."""

from dataclasses import dataclass

from lakehead.lineage.graph import ROWS, Edge, Graph
from lakehead.lineage.view import View

AGAIN = "(as above)"


@dataclass(frozen=True)
class Branch:
    """A node and what ``said`` tells of it, with what hangs below; a title has no ``name``."""

    name: str
    said: str
    below: tuple["Branch", ...] = ()


def branches(graph: Graph, view: View) -> list[Branch]:
    """A tree for each start of the view."""
    if view.target is None:
        grow = _Growth(graph, view.down, up=False)
        return [Branch(s, said(graph, s), grow.below(s)) for s in view.starts]
    up, down = _Growth(graph, view.up, up=True), _Growth(graph, view.down, up=False)
    found = []
    for start in view.starts:
        titled = (("made of", up.below(start)), ("feeds", down.below(start)))
        below = tuple(Branch("", title, grown) for title, grown in titled if grown)
        found.append(Branch(start, said(graph, start), below))
    return found


def said(graph: Graph, name: str) -> str:
    """What a dataset or a column is, in a few words."""
    dataset = graph.datasets.get(name)
    if dataset is None:
        return _said_of_column(graph, name)
    if dataset.kind == "dead":
        return "dead letters"
    step = graph.made_by(name)
    if step is None:
        return "topic"
    return f"topic, by {step.name}" if dataset.kind == "alerts" else step.what


def _said_of_column(graph: Graph, name: str) -> str:
    column = graph.column(name)
    made = graph.derived.get(column)
    if column.name == ROWS:
        return "rows"
    if made is None:
        return str(graph.datasets[column.table].leaves[column.name])
    return "" if made.expression == column.name else made.expression


class _Growth:
    """Branches along edges, ``up`` or down; a node's own branches are grown once."""

    def __init__(self, graph: Graph, edges: tuple[Edge, ...], up: bool) -> None:
        self._graph = graph
        self._up = up
        self._grown: set[str] = set()
        self._edges: dict[str, dict[str, list[Edge]]] = {}
        for edge in edges:
            here, there = (edge.target, edge.source) if up else (edge.source, edge.target)
            self._edges.setdefault(here, {}).setdefault(there, []).append(edge)

    def below(self, name: str) -> tuple[Branch, ...]:
        self._grown.add(name)
        return tuple(self._branch(n, edges) for n, edges in self._edges.get(name, {}).items())

    def _branch(self, name: str, edges: list[Edge]) -> Branch:
        words = [said(self._graph, name)]
        uses = [e.how for e in edges if self._graph.is_rows(e.target) and e.how != "rows"]
        if uses:
            words = [*([] if self._up else words), f"by {', '.join(uses)}"]
        if name in self._grown and name in self._edges:
            return Branch(name, " ".join([*words, AGAIN]).strip())
        return Branch(name, " ".join(words), self.below(name))
