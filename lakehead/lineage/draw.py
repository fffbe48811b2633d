"""A view as the text of a drawing program: Mermaid, Graphviz."""

from collections.abc import Mapping

from lakehead.lineage.graph import Graph
from lakehead.lineage.view import View

FORMATS = ("tree", "json", "mermaid", "dot")
# Mermaid's shapes, and Graphviz's, by kind of dataset.
_MERMAID: Mapping[str, tuple[str, str]] = {
    "topic": ("([", "])"),
    "alerts": ("([", "])"),
    "landing": ("[(", ")]"),
    "dead": ("[(", ")]"),
    "mart": ("[(", ")]"),
    "column": ("[", "]"),
}
_DOT: Mapping[str, str] = {"topic": "cds", "alerts": "cds", "column": "box"}


def node_kind(graph: Graph, name: str) -> str:
    """The kind of a dataset; ``column`` for a column."""
    dataset = graph.datasets.get(name)
    return dataset.kind if dataset else "column"


def mermaid(graph: Graph, view: View) -> str:
    """A flowchart for Mermaid, as Markdown renderers draw it."""
    ids = {name: f"n{i}" for i, name in enumerate(view.nodes)}
    lines = ["flowchart LR"]
    for name, id_ in ids.items():
        left, right = _MERMAID[node_kind(graph, name)]
        lines.append(f"  {id_}{left}{_mermaid_text(name)}{right}")
    for edge in view.edges:
        lines.append(f"  {ids[edge.source]} -->|{_mermaid_text(edge.how)}| {ids[edge.target]}")
    return "\n".join(lines) + "\n"


def dot(graph: Graph, view: View) -> str:
    """A digraph for Graphviz."""
    lines = ["digraph lineage {", "  rankdir=LR;"]
    for name in view.nodes:
        shape = _DOT.get(node_kind(graph, name), "cylinder")
        lines.append(f"  {_dot_text(name)} [shape={shape}];")
    for edge in view.edges:
        lines.append(
            f"  {_dot_text(edge.source)} -> {_dot_text(edge.target)} [label={_dot_text(edge.how)}];"
        )
    return "\n".join([*lines, "}"]) + "\n"


def _mermaid_text(text: str) -> str:
    """In quotes; what has a meaning within them as an entity."""
    escaped = text.replace("#", "#35;").replace('"', "#quot;").replace("\n", " ")
    return '"' + escaped.replace("<", "#lt;").replace(">", "#gt;") + '"'


def _dot_text(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'
