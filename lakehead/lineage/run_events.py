"""The batch's runs as OpenLineage's RunEvents, in ``lineage/events.jsonl`` of the home.

A line is written at once and none is ever changed. A run is never stopped by what cannot be
written of it: that is a warning. Nothing goes over a network.
"""

import json
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lakehead.errors import LakeheadError
from lakehead.files import append_line
from lakehead.lake.snapshots import table_state
from lakehead.lineage.facets import Json, event, facet, job_namespace, table_namespace
from lakehead.settings import Settings

log = logging.getLogger(__name__)


@dataclass
class Run:
    """A run that goes on; who sets ``failed`` says why it changed nothing."""

    failed: str | None = None


def events_path(settings: Settings) -> Path:
    return settings.home / "lineage" / "events.jsonl"


@contextmanager
def recorded(
    settings: Settings, job: str, inputs: Mapping[str, int | None], outputs: Sequence[str]
) -> Iterator[Run]:
    """Write that a run of ``job`` starts, and then that it is complete or failed.

    ``inputs`` are tables by the snapshot that is read. Of ``outputs``, which are tables too, the
    snapshot is told that each has in the end.
    """
    writer = _Writer(settings, job, inputs, outputs)
    writer.write("START")
    run = Run()
    try:
        yield run
    except BaseException as error:
        writer.write("FAIL", str(error) or type(error).__name__)
        raise
    if run.failed is None:
        writer.write("COMPLETE", versions=True)
    else:
        writer.write("FAIL", run.failed)


class _Writer:
    def __init__(
        self, settings: Settings, job: str, inputs: Mapping[str, int | None], outputs: Sequence[str]
    ) -> None:
        self._settings = settings
        self._job = job
        self._inputs = inputs
        self._outputs = outputs
        self._id = str(uuid.uuid4())

    def write(self, state: str, why: str | None = None, versions: bool = False) -> None:
        outputs = [self._dataset(n, self._snapshot(n) if versions else None) for n in self._outputs]
        try:
            append_line(events_path(self._settings), json.dumps(self._event(state, why, outputs)))
        except OSError as error:
            log.warning("the lineage of %s is not written: %s", self._job, error)

    def _snapshot(self, name: str) -> int | None:
        try:
            return table_state(self._settings, name).snapshot_id
        except LakeheadError as error:
            log.warning("the snapshot of %s is not known: %s", name, error)
            return None

    def _event(self, state: str, why: str | None, outputs: list[Json]) -> Json:
        run: Json = {"runId": self._id}
        if why is not None:
            said = facet("ErrorMessageRunFacet", message=why, programmingLanguage="Python")
            run["facets"] = {"errorMessage": said}
        kind = facet(
            "JobTypeJobFacet", processingType="BATCH", integration="LAKEHEAD", jobType="JOB"
        )
        return event(
            "RunEvent",
            datetime.now(UTC).isoformat(),
            eventType=state,
            run=run,
            job={
                "namespace": job_namespace(self._settings),
                "name": self._job,
                "facets": {"jobType": kind},
            },
            inputs=[self._dataset(name, version) for name, version in self._inputs.items()],
            outputs=outputs,
        )

    def _dataset(self, name: str, snapshot: int | None) -> Json:
        found: Json = {"namespace": table_namespace(self._settings), "name": name}
        if snapshot is not None:
            version = facet("DatasetVersionDatasetFacet", datasetVersion=str(snapshot))
            found["facets"] = {"version": version}
        return found
