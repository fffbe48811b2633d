"""The certificate of a parity: what was compared, by which snapshots and offsets, and the result.

It is a row in ``ops.parity`` and a JSON file under the home, ``certificates/``. Whoever has the
lake can check it with plain SQL (docs/how-it-proves.md): the snapshots name the rows, the hashes
are of what they held.
"""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from lakehead import __version__
from lakehead.contracts.types import FieldType
from lakehead.files import write_whole
from lakehead.jobs.live import live_model
from lakehead.jobs.reconcile import ALL, Range
from lakehead.lake.ops import Records, append
from lakehead.proof.parity import ParityReport
from lakehead.settings import Settings

_STRING, _LONG, _TIME = map(FieldType, ("string", "long", "timestamp"))
PARITY = Records(
    "ops.parity",
    (
        ("certified_at", _TIME),
        ("model", _STRING),
        ("version", _STRING),
        ("mart", _STRING),
        ("mart_snapshot", _LONG),
        ("landing_snapshot", _LONG),
        ("offsets", _STRING),
        ("range_from", _TIME),
        ("range_to", _TIME),
        ("closed_until", _TIME),
        ("windows", _LONG),
        ("different", _LONG),
        ("explained_by_late", _LONG),
        ("explained_by_redriven", _LONG),
        ("explained_by_duplicate", _LONG),
        ("unexplained", _LONG),
        ("settled", _LONG),
        ("late_rows", _LONG),
        ("mart_hash", _STRING),
        ("batch_hash", _STRING),
        ("result", _STRING),
    ),
    "certified_at",
)


@dataclass(frozen=True)
class Certificate:
    """``result`` is equal, explained or unexplained. Times are ISO-8601 in UTC, None is no bound.

    All else is as in `ParityReport`.
    """

    certified_at: str
    lakehead: str
    model: str
    version: str | None
    mart: str
    mart_snapshot: int | None
    landing_snapshot: int | None
    offsets: dict[str, int]
    range_from: str | None
    range_to: str | None
    closed_until: str | None
    windows: int
    different: int
    explained_by_late: int
    explained_by_redriven: int
    explained_by_duplicate: int
    unexplained: int
    settled: int
    late_rows: int
    mart_hash: str
    batch_hash: str
    result: str


def certify(
    settings: Settings, model: str, report: ParityReport, within: Range = ALL
) -> tuple[Certificate, Path]:
    """Keep the result of a parity; gives it and its file.

    Raises:
        UserError: no such model, or ``ops.parity`` has other columns.
    """
    bound, version = live_model(settings, model)
    at = datetime.now(UTC)
    shared = {k: v for k, v in asdict(report).items() if k not in ("examples", "given_up")}
    certificate = Certificate(
        certified_at=at.isoformat(),
        lakehead=__version__,
        model=model,
        version=version,
        mart=bound.model.table,
        range_from=within.start.isoformat() if within.start else None,
        range_to=within.end.isoformat() if within.end else None,
        result=_result(report),
        **shared,
    )
    path = settings.home / "certificates" / f"{model}-{at:%Y%m%dT%H%M%S%f}.json"
    write_whole(path, json.dumps(asdict(certificate), indent=2) + "\n")
    row = {name: getattr(certificate, name) for name, _ in PARITY.columns}
    times = {name: _time(row[name]) for name, kind in PARITY.columns if kind == _TIME}
    append(settings, PARITY, [{**row, **times, "offsets": json.dumps(certificate.offsets)}])
    return certificate, path


def _result(report: ParityReport) -> str:
    if report.unexplained:
        return "unexplained"
    return "explained" if report.different else "equal"


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
