"""What is looked at, and how it is drawn."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehead.errors import UserError
from lakehead.lineage.draw import dot, mermaid
from lakehead.lineage.graph import Dataset, Graph, Step
from lakehead.lineage.tree import AGAIN, Branch, branches
from lakehead.lineage.view import find, look


def names(branch: Branch) -> list[str]:
    return [branch.name, *(n for below in branch.below for n in names(below))]


def lines(branch: Branch, indent: int = 0) -> list[str]:
    own = " ".join(part for part in (branch.name, branch.said) if part)
    return ["  " * indent + own, *(x for b in branch.below for x in lines(b, indent + 1))]


@pytest.mark.parametrize(
    ("asked", "table", "columns"),
    [
        ("marts.revenue_by_country", "marts.revenue_by_country", []),
        ("revenue_by_country", "marts.revenue_by_country", []),
        ("LANDING.Orders", "landing.orders", []),
        ("alerts.failed_payments", "alerts.failed_payments", []),
        ("orders.price", "orders", ["orders.price"]),
        ("revenue_today.revenue", "marts.revenue_today", ["marts.revenue_today.revenue"]),
        ("landing.orders.*", "landing.orders", ["landing.orders.*"]),
    ],
)
def test_what_is_asked_for_is_found(
    gallery_graph: Graph, asked: str, table: str, columns: list[str]
) -> None:
    target = find(gallery_graph, asked)
    assert (target.table, [str(c) for c in target.columns]) == (table, columns)


def test_an_object_is_the_fields_within_it(layered_graph: Graph) -> None:
    found = find(layered_graph, "orders.address")
    assert [str(c) for c in found.columns] == ["orders.address.city", "orders.address.zip"]


@pytest.mark.parametrize(
    ("asked", "meant", "hint"),
    [
        ("marts.revenue_by_contry", "did you mean marts.revenue_by_country", "lakehead lineage"),
        ("landing.ordres", "did you mean landing.orders", "lakehead lineage"),
        ("revenue_by_contry", "marts.revenue_by_country", "lakehead lineage"),
        ("orders.prise", "did you mean price?", "lakehead lineage orders --columns"),
        ("marts.revenue_today.x", "columns: window_start, window_end", "--columns"),
        ("", "there is no table or topic ''", "lakehead lineage"),
    ],
)
def test_a_typo_gets_the_nearest(gallery_graph: Graph, asked: str, meant: str, hint: str) -> None:
    with pytest.raises(UserError) as error:
        find(gallery_graph, asked)
    assert meant in error.value.message
    assert hint in error.value.hint


def test_a_table_and_what_it_is_made_of(gallery_graph: Graph) -> None:
    view = look(gallery_graph, find(gallery_graph, "landing.payments"))
    [tree] = branches(gallery_graph, view)
    assert lines(tree) == [
        "landing.payments landing",
        "  made of",
        "    payments topic",
        "  feeds",
        "    marts.failed_payments sequence, alerts alerts.failed_payments",
        "    alerts.failed_payments topic, by failed_payments",
        "    marts.order_to_payment join",
    ]
    only = look(gallery_graph, find(gallery_graph, "landing.payments"), down=False)
    assert only.nodes == ("landing.payments", "payments")


def test_depth_counts_steps(gallery_graph: Graph) -> None:
    target = find(gallery_graph, "orders")
    near = look(gallery_graph, target, depth=1).nodes
    assert near == ("orders", "landing.orders", "landing.orders_dead")
    assert set(near) < set(look(gallery_graph, target, depth=2).nodes)


def test_a_column_with_its_rows(gallery_graph: Graph) -> None:
    view = look(gallery_graph, find(gallery_graph, "marts.stock_velocity.largest_line"))
    value, rows = branches(gallery_graph, view)
    assert lines(value) == [
        "marts.stock_velocity.largest_line MAX(quantity)",
        "  made of",
        "    landing.orders.quantity",
        "      orders.quantity int",
    ]
    assert "    landing.orders.status by FILTER" in lines(rows)
    assert f"    landing.orders.quantity by FILTER {AGAIN}" in lines(rows)


def test_all_of_it_is_told_once(gallery_graph: Graph) -> None:
    view = look(gallery_graph, None)
    told = [name for tree in branches(gallery_graph, view) for name in names(tree)]
    assert set(told) == set(gallery_graph.datasets)
    assert told.count("marts.orders_with_customer") == 2  # It has two inputs.
    assert set(view.edges) == set(gallery_graph.tables.all)


@pytest.mark.parametrize("asked", [None, "marts.order_to_payment", "orders.price"])
def test_drawings_have_every_node_and_edge(gallery_graph: Graph, asked: str | None) -> None:
    view = look(gallery_graph, find(gallery_graph, asked) if asked else None)
    chart, digraph = mermaid(gallery_graph, view), dot(gallery_graph, view)
    assert chart.startswith("flowchart LR\n")
    assert chart.count("-->") == digraph.count(" -> ") == len(view.edges)
    for name in view.nodes:
        assert f'"{name}"' in chart
        assert f'"{name}" [shape=' in digraph


@given(st.text(max_size=30))
def test_no_expression_breaks_out_of_its_quotes(text: str) -> None:
    datasets = {n: Dataset(n, "mart", "", {}) for n in ("a", "b")}
    graph = Graph(datasets, (Step("m", text, "", ("a",), ("b",), ()),))
    view = look(graph, find(graph, "a"))
    quoted = r'"(?:[^"\\]|\\.)*"'
    shape = rf"digraph lineage \{{\n  rankdir=LR;\n(?:  {quoted} \[shape=cylinder\];\n){{2}}"
    edge = rf"  {quoted} -> {quoted} \[label={quoted}\];\n\}}\n"
    assert re.fullmatch(shape + edge, dot(graph, view), re.DOTALL)
    [arrow] = [line for line in mermaid(graph, view).split("\n") if "-->" in line]
    assert re.fullmatch(r'  n0 -->\|"[^"]*"\| n1', arrow, re.DOTALL)
