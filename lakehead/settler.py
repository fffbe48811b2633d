"""The process that settles late rows, for models that say ``late: update``, and keeps the ledger.

python -m lakehead.settler HOME PROJECT
"""

import logging
import sys
import time
from dataclasses import replace
from pathlib import Path

from lakehead.errors import LakeheadError
from lakehead.jobs.records import job_names
from lakehead.models.model import load_model, model_names
from lakehead.settings import Settings, load_settings
from lakehead.streams.interrupt import ends_by_signal

PASS_SECONDS = 1.0
LEDGER_SECONDS = 60.0
READY = "settler.ready"

log = logging.getLogger("lakehead.settler")


class Settler:
    """Looks at each model that wants it at each pass, and at each stream every minute."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._read: dict[Path, tuple[float, bool]] = {}
        self._recorded = time.monotonic()

    def one_pass(self) -> None:
        """Settle what is late. What is wrong with one model does not hold up the others."""
        for name in self._wanted():
            # Heavy, and for most homes never needed.
            from lakehead.proof.publish import Busy
            from lakehead.proof.settle import settle_late
            from lakehead.quality.publish import gates

            try:
                done = settle_late(self._settings, name, gates(self._settings, [name]).get(name))
            except Busy:
                # What it does not settle is settled at one of the next passes.
                continue
            except LakeheadError as error:
                log.warning("%s: %s", name, error.message)
                continue
            except Exception:
                log.exception("%s", name)
                continue
            if done.refused:
                log.warning("%s", done.refused)
            elif done.windows:
                log.info("%s: %s late rows, %s windows settled", name, done.late_rows, done.windows)

    def keep_ledger(self) -> None:
        """Write down what was committed, now and then: before snapshots may go."""
        if time.monotonic() - self._recorded < LEDGER_SECONDS:
            return
        for stream in job_names(self._settings):
            from lakehead.proof.ledger import record

            try:
                record(self._settings, stream)
            except LakeheadError as error:
                log.warning("the ledger of %s: %s", stream, error.message)
            except Exception:
                log.exception("the ledger of %s", stream)
        self._recorded = time.monotonic()

    def _wanted(self) -> list[str]:
        """The models with ``late: update``; a file is read again when it has changed."""
        wanted = []
        for name in model_names(self._settings.pipelines):
            path = self._settings.pipelines / f"{name}.sql"
            try:
                changed = path.stat().st_mtime
                if path not in self._read or self._read[path][0] != changed:
                    updates = load_model(self._settings.pipelines, name).late == "update"
                    self._read[path] = (changed, updates)
            except (OSError, LakeheadError):
                # A model that is wrong is told by submit.
                continue
            if self._read[path][1]:
                wanted.append(name)
        return wanted


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    ended = ends_by_signal()
    settings = replace(load_settings(Path(sys.argv[1])), project=Path(sys.argv[2]))
    settler = Settler(settings)
    (settings.run / READY).write_text("")
    while not ended.is_set():
        settler.one_pass()
        settler.keep_ledger()
        ended.wait(PASS_SECONDS)


if __name__ == "__main__":
    main()
