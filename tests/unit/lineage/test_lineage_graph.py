"""What feeds what, in the gallery and in models that read models."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp
from sqlglot.lineage import lineage as sqlglot_lineage

from lakehead.contracts.iceberg import dead_schema, landing_schema
from lakehead.contracts.load import load_contracts
from lakehead.contracts.model import LANDING
from lakehead.lineage.graph import ROWS, Column, Edge, Edges, Graph
from lakehead.models.iceberg import mart_schema
from lakehead.models.model import load_models
from lakehead.settings import Settings

BOTH = pytest.mark.parametrize("which", ["gallery", "layered"])


@pytest.fixture
def settings(which: str, request: pytest.FixtureRequest) -> Settings:
    found: Settings = request.getfixturevalue(which)
    return found


@pytest.fixture
def graph(which: str, request: pytest.FixtureRequest) -> Graph:
    found: Graph = request.getfixturevalue(f"{which}_graph")
    return found


def origins(graph: Graph, column: str) -> set[str]:
    return set(map(str, graph.derived[graph.column(column)].origins))


def fields(graph: Graph, column: str) -> list[str]:
    return list(map(str, graph.fields(graph.column(column))))


def targets(edges: tuple[Edge, ...]) -> set[str]:
    return {edge.target for edge in edges}


def sources(edges: tuple[Edge, ...]) -> set[str]:
    return {edge.source for edge in edges}


@BOTH
def test_datasets_are_those_that_lakehead_makes(settings: Settings, graph: Graph) -> None:
    made = {}
    for contract in load_contracts(settings.schemas):
        made[contract.topic] = [f.name for f in contract.fields]
        made[contract.landing_table] = [f.name for f in landing_schema(contract).fields]
        made[contract.dead_table] = [f.name for f in dead_schema().fields]
    for model in load_models(settings.pipelines):
        made[model.table] = [f.name for f in mart_schema(model).fields]
        if model.alert_topic:
            made[model.alert_topic] = made[model.table][:-1]
    assert {name: list(d.columns) for name, d in graph.datasets.items()} == made


@BOTH
def test_every_column_comes_from_somewhere_or_says_what_it_is(graph: Graph) -> None:
    """What has no origin is a constant, or what Kafka and Flink know of a record."""
    without = set()
    for step in graph.steps:
        wanted = {Column(o, leaf) for o in step.outputs for leaf in graph.datasets[o].leaves}
        assert {made.column for made in step.derived} == wanted
        for made in step.derived:
            assert made.expression
            for origin in made.origins:
                assert origin.table in step.inputs
                assert origin.name in (*graph.datasets[origin.table].leaves, ROWS)
            if not made.origins:
                without.add(made.column.name)
    known = {"kafka_partition", "kafka_offset", "kafka_timestamp", "watermark"}
    assert without - known <= {"shop"}


@BOTH
def test_only_what_counts_rows_has_no_field_of_a_contract(graph: Graph) -> None:
    kafkas = ("kafka_", "right_", "watermark", "settled_offsets", "record", "cause")
    bare = [
        made
        for step in graph.steps
        for made in step.derived
        if not graph.fields(made.column) and not made.column.name.startswith(kafkas)
    ]
    assert {made.expression for made in bare} <= {"COUNT(*)", "'here'"}


@BOTH
def test_no_circle_and_upstream_is_the_inverse_of_downstream(graph: Graph) -> None:
    for edges in (graph.tables, graph.columns):
        names = {name for edge in edges.all for name in (edge.source, edge.target)}
        below = {name: targets(edges.downstream([name])) for name in names}
        above = {name: sources(edges.upstream([name])) for name in names}
        for name in names:
            assert name not in below[name]
            assert below[name] == {other for other in names if name in above[other]}


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=25),
    st.integers(0, 9),
    st.integers(1, 4),
)
def test_any_graph_is_walked_alike_both_ways(
    pairs: list[tuple[int, int]], start: int, depth: int
) -> None:
    edges = Edges(Edge(str(a), str(b), "m", "") for a, b in pairs if a < b)
    for limit in (None, depth):
        for end in targets(edges.downstream([str(start)], limit)):
            assert str(start) in sources(edges.upstream([end], limit))
    near, far = edges.downstream([str(start)], depth), edges.downstream([str(start)])
    assert set(near) <= set(far)
    assert far == edges.downstream([str(start)], 10)


@BOTH
def test_columns_are_those_that_sqlglot_finds_through_models(
    settings: Settings, graph: Graph
) -> None:
    models = {m.name: m for m in load_models(settings.pipelines)}
    schema = {
        c.stream: {f.name: f.type.duckdb() for f in c.fields}
        for c in load_contracts(settings.schemas)
    }
    for model in models.values():
        read = {n: models[n].select for n in model.streams if n in models}
        for name, root in sqlglot_lineage(None, model.select, schema, sources=read).items():
            ends = {
                f"{node.expression.name}.{exp.to_column(node.name).name}"
                for node in root.walk()
                if isinstance(node.expression, exp.Table)
            }
            found = graph.fields(Column(model.table, name))
            ours = {f"{f.table}.{f.name.split('.')[0]}" for f in found}
            assert ours == ends, f"{model.name}.{name}"


def test_a_mart_of_the_gallery(gallery_graph: Graph) -> None:
    assert origins(gallery_graph, "marts.revenue_by_country.revenue") == {
        "landing.orders.quantity",
        "landing.orders.price",
    }
    assert fields(gallery_graph, "marts.revenue_by_country.window_end") == ["orders.event_time"]
    assert origins(gallery_graph, "marts.revenue_by_country.lines") == {"landing.orders.*"}
    step = gallery_graph.made_by("marts.top_products")
    assert step is not None
    assert step.by_use == {
        "FILTER": ["landing.orders.stock_code"],
        "GROUP_BY": ["landing.orders.stock_code"],
        "WINDOW": ["landing.orders.event_time"],
        "SORT": [f"landing.orders.{c}" for c in ("quantity", "price", "stock_code")],
    }


def test_an_alert_goes_to_the_lake_and_to_a_topic(gallery_graph: Graph) -> None:
    step = gallery_graph.made_by("alerts.failed_payments")
    assert step is gallery_graph.made_by("marts.failed_payments")
    assert step is not None
    assert step.inputs == ("landing.payments",)
    # The steps of a sequence are conditions as well.
    assert step.by_use["FILTER"] == ["landing.payments.customer_id", "landing.payments.status"]
    assert fields(gallery_graph, "alerts.failed_payments.amount") == ["payments.amount"]


def test_a_join_reads_both_sides(gallery_graph: Graph) -> None:
    assert fields(gallery_graph, "marts.order_to_payment.paid_within") == [
        "orders.event_time",
        "payments.event_time",
    ]
    assert fields(gallery_graph, "marts.order_to_payment.right_event_time") == [
        "payments.event_time"
    ]
    above = sources(gallery_graph.tables.upstream(["marts.orders_with_customer"]))
    assert above == {"landing.orders", "landing.customers", "orders", "customers"}


def test_what_only_decides_rows_reaches_the_rows(gallery_graph: Graph) -> None:
    below = targets(gallery_graph.columns.downstream([f"{LANDING}.customers.customer_id"]))
    assert below == {"marts.orders_with_customer.*"}
    assert "marts.basket_size.*" in targets(gallery_graph.columns.downstream(["orders.status"]))


def test_models_are_followed_through_models(layered_graph: Graph) -> None:
    graph = layered_graph
    assert [s.name for s in graph.steps].index("sales") < [s.name for s in graph.steps].index(
        "sales_by_country"
    )
    assert origins(graph, "marts.sales_by_country.revenue") == {"marts.sales.worth"}
    assert fields(graph, "marts.sales_by_country.revenue") == ["orders.price", "orders.quantity"]
    # The condition of the first decides the rows of the second.
    below = targets(graph.columns.downstream(["orders.status"]))
    assert {"marts.sales.*", "marts.sales_by_country.*", "marts.sales_by_country.lines"} <= below
    assert "marts.sales_by_country.revenue" not in below


def test_fields_within_objects_are_told_apart(layered_graph: Graph) -> None:
    graph = layered_graph
    assert fields(graph, "marts.first_lines.zip") == ["orders.address.zip"]
    assert fields(graph, "marts.sales_by_country.city") == ["orders.address.city"]
    below = targets(graph.columns.downstream(["orders.address.zip"]))
    assert below == {
        "landing.orders.address.zip",
        "marts.first_lines.zip",
        # Whether there is an address at all decides.
        "marts.sales.*",
        "marts.sales_by_country.*",
        "marts.sales_by_country.lines",
    }
    assert graph.derived[Column("marts.first_lines", "shop")].origins == ()
    step = graph.made_by("marts.first_lines")
    assert step is not None
    assert step.by_use["GROUP_BY"] == ["landing.orders.invoice"]
