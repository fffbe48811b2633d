"""Find the state that a job must go on from: the newest complete checkpoint or savepoint.

A directory without ``_metadata`` is incomplete, however new. Going on from anything but the newest
complete one would land records twice.
"""

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from lakehead.settings import Settings


def newest_complete(settings: Settings, job_ids: Sequence[str]) -> Path | None:
    """The state of the latest of ``job_ids`` (oldest first) that left any, or None."""
    for job_id in reversed(job_ids):
        if complete := completed(settings, job_id):
            return complete[-1]
    return None


def completed(settings: Settings, job_id: str) -> list[Path]:
    """Complete checkpoints and savepoints of one submission, oldest first."""
    checkpoints = (settings.checkpoints / job_id).glob("chk-*/_metadata")
    savepoints = savepoint_folder(settings, job_id).glob("savepoint-*/_metadata")
    dated = []
    for metadata in (*checkpoints, *savepoints):
        # Flink may drop an older one at any time.
        with contextlib.suppress(FileNotFoundError):
            dated.append((metadata.stat().st_mtime_ns, metadata.parent))
    return [folder for _, folder in sorted(dated)]


def savepoint_folder(settings: Settings, job_id: str) -> Path:
    """Each submission has a folder of its own, so that a savepoint is found after any crash."""
    return settings.savepoints / job_id


def prune(settings: Settings, job_ids: Sequence[str]) -> None:
    """Remove the state of all submissions but the last, once the last has left its own."""
    if len(job_ids) < 2 or not completed(settings, job_ids[-1]):
        return
    for job_id in job_ids[:-1]:
        shutil.rmtree(settings.checkpoints / job_id, ignore_errors=True)
        shutil.rmtree(savepoint_folder(settings, job_id), ignore_errors=True)
