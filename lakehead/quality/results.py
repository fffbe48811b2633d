"""What GX said of each check, kept under the home for Data Docs: the newest few of each table."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehead.files import write_whole
from lakehead.settings import Settings

if TYPE_CHECKING:
    from lakehead.quality.check import CheckResult

KEPT = 20


def keep_result(settings: Settings, result: "CheckResult", documents: list[dict[str, Any]]) -> None:
    """Keep GX's results of one check, those of its parts as one; the oldest go."""
    merged = {**documents[0], "results": [r for d in documents for r in d["results"]]}
    successes = sum(r["success"] for r in merged["results"])
    total = len(merged["results"])
    merged["success"] = successes == total
    merged["statistics"] = {
        "evaluated_expectations": total,
        "successful_expectations": successes,
        "unsuccessful_expectations": total - successes,
        "success_percent": 100 * successes / total,
    }
    about = {
        "table": result.table,
        "snapshot_id": result.snapshot_id,
        "branch": result.branch,
        "checked_at": result.checked_at,
        "rows": result.rows,
        "success": result.success,
        "expectations": total,
        "failed": total - successes,
    }
    folder = results_folder(settings) / result.table
    name = "".join(c for c in result.checked_at if c.isdigit())
    write_whole(folder / f"{name}.json", json.dumps({"about": about, "gx": merged}, default=str))
    for old in sorted(folder.glob("*.json"))[:-KEPT]:
        old.unlink(missing_ok=True)


def kept_results(settings: Settings) -> list[tuple[Path, dict[str, Any]]]:
    """Each kept check with its file, by table, the newest first."""
    found = []
    for folder in sorted(results_folder(settings).glob("*")):
        for path in sorted(folder.glob("*.json"), reverse=True):
            found.append((path, json.loads(path.read_text(encoding="utf-8"))))
    return found


def results_folder(settings: Settings) -> Path:
    return settings.home / "quality" / "results"
