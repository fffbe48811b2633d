"""lineage."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehead.cli.options import Home
from lakehead.cli.render import out, print_json
from lakehead.cli.render import table as show_table
from lakehead.errors import UserError
from lakehead.settings import Settings, find_project, load_settings

if TYPE_CHECKING:
    from rich.tree import Tree

    from lakehead.lineage.graph import Graph
    from lakehead.lineage.tree import Branch
    from lakehead.lineage.view import Target, View

_WIDE = 10_000


class Format(Enum):
    """Of `lakehead.lineage.draw.FORMATS`; written out, for help must come without it."""

    tree = "tree"
    json = "json"
    mermaid = "mermaid"
    dot = "dot"


def register(app: typer.Typer) -> None:
    app.command(
        rich_help_panel="Models",
        epilog="lakehead lineage   ·   lakehead lineage marts.revenue_by_country --columns   ·   "
        "lakehead lineage orders.price --downstream   ·   lakehead lineage --format mermaid",
    )(lineage)


def complete_target(incomplete: str) -> list[str]:
    """The topics and tables of the project that begin so; none where it is unreadable."""
    from lakehead.contracts.load import contract_names
    from lakehead.contracts.model import DEAD_SUFFIX, LANDING
    from lakehead.models.model import load_model, model_names

    project = find_project(Path.cwd())
    names = []
    for stream in contract_names(project / "schemas"):
        names += [stream, f"{LANDING}.{stream}", f"{LANDING}.{stream}{DEAD_SUFFIX}"]
    for name in model_names(project / "pipelines"):
        try:
            model = load_model(project / "pipelines", name)
        except UserError:
            continue
        names += [model.table, *([model.alert_topic] if model.alert_topic else [])]
    return [name for name in names if name.startswith(incomplete)]


def lineage(
    table: Annotated[
        str | None,
        typer.Argument(
            help="A table, a topic or a model, or a column of one, such as orders.price.",
            show_default="all",
            autocompletion=complete_target,
        ),
    ] = None,
    home: Home = None,
    upstream: Annotated[bool, typer.Option("--upstream", help="Only what it is made of.")] = False,
    downstream: Annotated[
        bool, typer.Option("--downstream", help="Only what is made of it.")
    ] = False,
    depth: Annotated[
        int | None, typer.Option(help="How many steps away.", min=1, show_default="all")
    ] = None,
    columns: Annotated[
        bool,
        typer.Option("--columns", help="Also each column: its expression, and what it reads."),
    ] = False,
    format_: Annotated[Format, typer.Option("--format", help="How it is drawn.")] = Format.tree,
    openlineage: Annotated[
        Path | None,
        typer.Option(
            "--openlineage",
            metavar="FILE",
            help="Write OpenLineage events of all the project to this file instead; - to print.",
        ),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Same as --format json.")] = False,
) -> None:
    """Draw what feeds what, by the project's contracts and models. Nothing need run.

    A column is followed through expressions, and through the conditions, keys and joins that
    decide which rows there are (`*`).
    """
    from lakehead.lineage.build import project_graph
    from lakehead.lineage.view import find, look

    settings = load_settings(home)
    if openlineage is not None and table is not None:
        raise UserError(
            f"--openlineage writes all of the project; expected no table, got {table!r}",
            f"lakehead lineage --openlineage {openlineage}",
        )
    format_ = Format.json if json_ else format_
    if columns and format_ in (Format.mermaid, Format.dot):
        raise UserError(
            f"--columns is for a tree and for JSON; the format is {format_.value}",
            f"lakehead lineage TABLE.COLUMN --format {format_.value}",
        )
    graph = project_graph(settings)
    if openlineage is not None:
        _write_events(settings, graph, openlineage, json_)
        return
    target = find(graph, table) if table is not None else None
    both = upstream == downstream
    view = look(graph, target, up=both or upstream, down=both or downstream, depth=depth)
    _show(graph, view, columns, format_)


def _show(graph: "Graph", view: "View", columns: bool, format_: Format) -> None:
    from lakehead.lineage.draw import dot, mermaid
    from lakehead.lineage.tree import branches

    if format_ is Format.json:
        print_json(_document(graph, view, columns))
    elif not graph.datasets:
        out().print("There is no contract yet.  Write one:  lakehead contract new NAME")
    elif format_ is not Format.tree:
        typer.echo((mermaid if format_ is Format.mermaid else dot)(graph, view), nl=False)
    else:
        console = out()
        if not console.is_terminal:
            # A file has no edge to wrap at.
            console.width = _WIDE
        for branch in branches(graph, view):
            console.print(_tree(branch))
        for name in _wanted(graph, view.target) if columns else ():
            _show_columns(graph, name, view.target)


def _write_events(settings: Settings, graph: "Graph", path: Path, json_: bool) -> None:
    import json

    from lakehead.files import write_whole
    from lakehead.lineage.job_events import job_events

    events = job_events(settings, graph)
    lines = "".join(json.dumps(event) + "\n" for event in events)
    if str(path) == "-":
        typer.echo(lines, nl=False)
        return
    try:
        write_whole(path, lines)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error}") from error
    if json_:
        print_json({"file": str(path), "events": len(events)})
    else:
        out().print(f"{len(events)} events: {path}", soft_wrap=True, highlight=False)


def _document(graph: "Graph", view: "View", columns: bool) -> dict[str, Any]:
    from lakehead.lineage.draw import node_kind
    from lakehead.lineage.tree import said

    found: dict[str, Any] = {
        "target": view.starts if view.target else None,
        "nodes": [
            {"name": n, "kind": node_kind(graph, n), "what": said(graph, n)} for n in view.nodes
        ],
        "upstream": view.up,
        "downstream": view.down,
    }
    if columns:
        found["columns"] = {
            name: _columns(graph, name, view.target) for name in _wanted(graph, view.target)
        }
    return found


def _wanted(graph: "Graph", target: "Target | None") -> list[str]:
    """The tables whose columns are shown."""
    if target is not None:
        return [target.table]
    return [d.name for d in graph.datasets.values() if d.kind == "mart"]


def _columns(graph: "Graph", name: str, target: "Target | None") -> list[dict[str, Any]]:
    from lakehead.lineage.graph import Column

    dataset = graph.datasets[name]
    chosen = [c.name for c in target.columns] if target else []
    found = []
    for leaf, kind in dataset.leaves.items():
        if chosen and leaf not in chosen:
            continue
        column = Column(name, leaf)
        made = graph.derived.get(column)
        found.append(
            {
                "column": leaf,
                "type": str(kind),
                "expression": made.expression if made else None,
                "origins": list(map(str, made.origins)) if made else [],
                "fields": list(map(str, graph.fields(column))) if made else [],
            }
        )
    return found


def _show_columns(graph: "Graph", name: str, target: "Target | None") -> None:
    rows = [
        [c["column"], c["type"], c["expression"], ", ".join(c["origins"]), ", ".join(c["fields"])]
        for c in _columns(graph, name, target)
    ]
    show_table(name, ["column", "type", "is", "of", "fields of the contract"], rows)
    step = graph.made_by(name)
    for how, used in step.by_use.items() if step else ():
        out().print(f"  {how}: {', '.join(used)}", soft_wrap=True, highlight=False, markup=False)


def _tree(branch: "Branch") -> "Tree":
    from rich.text import Text
    from rich.tree import Tree

    label = Text(branch.name, style="bold")
    if branch.said:
        label.append(f"  {branch.said}" if branch.name else branch.said, style="dim not bold")
    tree = Tree(label)
    for below in branch.below:
        tree.children.append(_tree(below))
    return tree
