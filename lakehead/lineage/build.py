"""The lineage of a project: what its contracts and models say, as they are written."""

from collections.abc import Iterable, Mapping

from lakehead.contracts.load import load_contracts
from lakehead.contracts.model import KAFKA_COLUMNS, LANDING, Contract
from lakehead.contracts.types import FieldType
from lakehead.lineage.columns import Tracer
from lakehead.lineage.graph import ROWS, Column, Dataset, Derived, Graph, Step, leaves
from lakehead.models.bind import Bound
from lakehead.models.explain import window_text
from lakehead.models.header import SETTLED
from lakehead.models.load import bound_models
from lakehead.models.model import Model
from lakehead.settings import Settings

_TIME = FieldType("timestamp")
_KAFKA = dict(zip(KAFKA_COLUMNS, (FieldType("int"), FieldType("long"), _TIME), strict=True))


def project_graph(settings: Settings) -> Graph:
    """The lineage of the project. Nothing need run, and no lake need be there.

    Raises:
        UserError: a contract or a model that is wrong.
    """
    return build(load_contracts(settings.schemas), bound_models(settings))


def build(contracts: Iterable[Contract], models: Iterable[Bound]) -> Graph:
    """The lineage of these contracts and of the models over them."""
    datasets: dict[str, Dataset] = {}
    steps = []
    for contract in contracts:
        for dataset in _of_stream(contract):
            datasets[dataset.name] = dataset
        steps.append(_landing(contract))
    waiting = {bound.model.name: bound for bound in models}
    while waiting:
        # Binding has refused circles: one of those that wait reads none that waits.
        name = next(n for n, b in waiting.items() if not any(i.stream in waiting for i in b.inputs))
        bound = waiting.pop(name)
        for dataset in _of_model(bound.model):
            datasets[dataset.name] = dataset
        steps.append(_answer(bound, datasets))
    return Graph(datasets, tuple(steps))


def kind_text(model: Model) -> str:
    """``window, tumble 10 seconds``; with the topic that it alerts, where it does."""
    words = [model.kind, *([window_text(model.window)] if model.window else [])]
    return ", ".join([*words, *([f"alerts {model.alert_topic}"] if model.alert_topic else [])])


def _of_stream(contract: Contract) -> list[Dataset]:
    fields = {f.name: f.type for f in contract.fields}
    comments = {f.name: f.description for f in contract.fields if f.description}
    lateness = {"watermark": _TIME, "late": FieldType("boolean")}
    dead = {"record": FieldType("binary"), "cause": FieldType("string"), **_KAFKA}
    said = contract.description
    return [
        Dataset(contract.topic, "topic", said, fields, comments),
        Dataset(
            contract.landing_table, "landing", said, {**fields, **_KAFKA, **lateness}, comments
        ),
        Dataset(contract.dead_table, "dead", f"Dead letters of {contract.stream}.", dead),
    ]


def _landing(contract: Contract) -> Step:
    topic, landing, dead = contract.topic, contract.landing_table, contract.dead_table
    clock = Column(topic, contract.event_time)
    derived = [
        Derived(Column(landing, path), (Column(topic, path),), path, "IDENTITY")
        for field in contract.fields
        for path in leaves(field.name, field.type)
    ]
    for table in (landing, dead):
        for name in _KAFKA:
            words = f"the record's {name.removeprefix('kafka_')} in Kafka"
            derived.append(Derived(Column(table, name), (), words, "TRANSFORMATION"))
    rows = (Column(topic, ROWS),)
    late = f"{contract.event_time} <= watermark"
    derived += [
        Derived(Column(landing, "watermark"), (), "watermark of the stream", "TRANSFORMATION"),
        Derived(Column(landing, "late"), (clock,), late, "TRANSFORMATION"),
        Derived(Column(dead, "record"), rows, "the record's bytes", "IDENTITY"),
        Derived(Column(dead, "cause"), rows, "what the contract refuses", "TRANSFORMATION"),
    ]
    return Step(
        contract.stream, "landing", contract.description, (topic,), (landing, dead), tuple(derived)
    )


def _of_model(model: Model) -> list[Dataset]:
    mart = Dataset(model.table, "mart", model.description, model.mart_columns)
    if model.alert_topic is None:
        return [mart]
    columns = {n: t for n, t in model.mart_columns.items() if n != SETTLED}
    return [mart, Dataset(model.alert_topic, "alerts", model.description, columns)]


def _answer(bound: Bound, datasets: Mapping[str, Dataset]) -> Step:
    model = bound.model
    inputs = [_input(given.stream, given.upstream) for given in bound.inputs]
    tracer = Tracer(bound, [datasets[name] for name in inputs])
    derived = list(tracer.derived())
    outputs = [model.table]
    if model.alert_topic is not None:
        outputs.append(model.alert_topic)
        # The same rows, each once.
        derived += [
            Derived(Column(model.alert_topic, d.column.name), d.origins, d.expression, d.how)
            for d in derived
            if d.column.name != SETTLED
        ]
    return Step(
        name=model.name,
        what=kind_text(model),
        description=model.description,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        derived=tuple(derived),
        uses=tracer.uses(),
        sql=model.select.sql(pretty=True),
    )


def _input(stream: str, upstream: Bound | None) -> str:
    return f"{LANDING}.{stream}" if upstream is None else upstream.model.table
