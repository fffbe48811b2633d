"""OpenLineage's words for what is here: namespaces, names, facets.

Source: https://openlineage.io/docs/spec/naming and the JSON schemas of its spec 2-0-2. Plain
dictionaries, which tests hold against those schemas (docs/adr/0025).
"""

from typing import Any

from lakehead.settings import Settings

Json = dict[str, Any]
SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
PRODUCER = "urn:lakehead:lineage"
# The versions of the facets, by their names in the spec.
_FACETS = {
    "ColumnLineageDatasetFacet": "1-2-0",
    "DatasetTypeDatasetFacet": "1-0-1",
    "DatasetVersionDatasetFacet": "1-0-1",
    "DocumentationDatasetFacet": "1-1-0",
    "DocumentationJobFacet": "1-1-0",
    "ErrorMessageRunFacet": "1-0-1",
    "JobTypeJobFacet": "2-0-4",
    "SchemaDatasetFacet": "1-2-0",
    "SQLJobFacet": "1-1-0",
}


def topic_namespace(settings: Settings) -> str:
    """Of a topic; its name is the topic's."""
    return f"kafka://{settings.bootstrap}"


def table_namespace(settings: Settings) -> str:
    """Of an Iceberg table: the warehouse; its name is that of the catalog, ``landing.orders``.

    Not the folder of its files, which stays where it is when a table is renamed.
    """
    return f"file://{settings.warehouse}"


def job_namespace(settings: Settings) -> str:
    return f"lakehead:{settings.project.name}"


def facet(name: str, **values: Any) -> Json:
    """A facet of the spec, such as ``SchemaDatasetFacet``."""
    url = f"https://openlineage.io/spec/facets/{_FACETS[name]}/{name}.json#/$defs/{name}"
    return {"_producer": PRODUCER, "_schemaURL": url, **values}


def event(kind: str, at: str, **values: Any) -> Json:
    """A ``JobEvent`` or ``RunEvent`` of the time ``at`` (ISO-8601)."""
    return {
        "eventTime": at,
        "producer": PRODUCER,
        "schemaURL": f"{SPEC}#/$defs/{kind}",
        **values,
    }
