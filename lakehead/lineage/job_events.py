"""The lineage of a project as OpenLineage's JobEvents: one for each landing, one for each model."""

from datetime import UTC, datetime

from lakehead.contracts.types import FieldType
from lakehead.lineage.facets import (
    Json,
    event,
    facet,
    job_namespace,
    table_namespace,
    topic_namespace,
)
from lakehead.lineage.graph import ROWS, Column, Dataset, Derived, Graph, Step
from lakehead.settings import Settings


def job_events(settings: Settings, graph: Graph, at: datetime | None = None) -> list[Json]:
    """The events, in an order in which each step follows what it reads."""
    writer = _Writer(settings, graph)
    moment = (at or datetime.now(UTC)).isoformat()
    return [writer.event(step, moment) for step in graph.steps]


class _Writer:
    def __init__(self, settings: Settings, graph: Graph) -> None:
        self._settings = settings
        self._graph = graph

    def event(self, step: Step, at: str) -> Json:
        job = "model" if step.sql else "land"
        facets = {
            "jobType": facet(
                "JobTypeJobFacet",
                processingType="STREAMING",
                integration="LAKEHEAD",
                jobType="MODEL" if step.sql else "JOB",
            )
        }
        if step.description:
            facets["documentation"] = facet("DocumentationJobFacet", description=step.description)
        if step.sql:
            facets["sql"] = facet("SQLJobFacet", query=step.sql)
        return event(
            "JobEvent",
            at,
            job={
                "namespace": job_namespace(self._settings),
                "name": f"{job}.{step.name}",
                "facets": facets,
            },
            inputs=[self._dataset(name) for name in step.inputs],
            outputs=[self._dataset(name, step) for name in step.outputs],
        )

    def _dataset(self, name: str, by: Step | None = None) -> Json:
        """The dataset with its schema; where it is an output, with the lineage of its columns."""
        dataset = self._graph.datasets[name]
        is_topic = dataset.kind in ("topic", "alerts")
        facets = {
            "schema": facet("SchemaDatasetFacet", fields=_fields(dataset)),
            "datasetType": facet(
                "DatasetTypeDatasetFacet", datasetType="TOPIC" if is_topic else "TABLE"
            ),
        }
        if dataset.description:
            facets["documentation"] = facet(
                "DocumentationDatasetFacet", description=dataset.description
            )
        if by is not None:
            facets["columnLineage"] = facet(
                "ColumnLineageDatasetFacet",
                fields={
                    made.column.name: {"inputFields": inputs}
                    for made in by.derived
                    if made.column.table == name and (inputs := self._inputs(made))
                },
                dataset=[self._field(u.column, "INDIRECT", u.how) for u in by.uses],
            )
        return {**self._identity(name), "facets": facets}

    def _identity(self, name: str) -> Json:
        is_topic = self._graph.datasets[name].kind in ("topic", "alerts")
        namespace = topic_namespace if is_topic else table_namespace
        return {"namespace": namespace(self._settings), "name": name}

    def _inputs(self, made: Derived) -> list[Json]:
        # That a column reads rows, and no column of them, the spec has no word for.
        return [
            self._field(origin, "DIRECT", made.how, made.expression)
            for origin in made.origins
            if origin.name != ROWS
        ]

    def _field(self, column: Column, kind: str, how: str, expression: str = "") -> Json:
        described = {"description": expression} if expression else {}
        done = {"type": kind, "subtype": how, **described, "masking": False}
        return {**self._identity(column.table), "field": column.name, "transformations": [done]}


def _fields(dataset: Dataset) -> list[Json]:
    found = []
    for i, (name, kind) in enumerate(dataset.columns.items(), 1):
        comment = dataset.comments.get(name)
        said = {"description": comment} if comment else {}
        found.append({**_field_type(name, kind), "ordinal_position": i, **said})
    return found


def _field_type(name: str, kind: FieldType) -> Json:
    inner = [_field_type(n, t) for n, t in kind.members]
    return {"name": name, "type": str(kind), **({"fields": inner} if inner else {})}
