"""What becomes of a task that failed for good: a line in ``alerts.jsonl`` of the home."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lakehead.files import append_line


def alert(context: Mapping[str, Any]) -> None:
    """Airflow's ``on_failure_callback``: appends one JSON object."""
    task = context.get("task_instance")
    run = context.get("dag_run")
    line = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "dag": getattr(run, "dag_id", None),
        "run": getattr(run, "run_id", None),
        "task": getattr(task, "task_id", None),
        "map_index": getattr(task, "map_index", -1),
        "error": str(context.get("exception") or context.get("reason") or ""),
    }
    path = Path(os.environ["LAKEHEAD_HOME"]) / "alerts.jsonl"
    append_line(path, json.dumps(line, default=str))
