"""pytest runs the tests of models: each case of ``pipelines/tests/NAME.yaml`` is an item.

    pytest pipelines

All models share one DuckDB, made at the first case. Nothing but pytest is imported before that.
"""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lakehead.errors import UserError

if TYPE_CHECKING:
    from lakehead.models.cases import Case
    from lakehead.models.testing import Runner, Suite

_RUNNER = pytest.StashKey["Runner"]()
_OPEN = pytest.StashKey[ExitStack]()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A file of tests, where it lies in ``pipelines/tests`` beside a folder of contracts."""
    folder = file_path.parent
    ours = file_path.suffix == ".yaml" and (folder.parent.name, folder.name) == (
        "pipelines",
        "tests",
    )
    if ours and (folder.parent.parent / "schemas").is_dir():
        return ModelTests.from_parent(parent, path=file_path)
    return None


def pytest_unconfigure(config: pytest.Config) -> None:
    if (opened := config.stash.get(_OPEN, None)) is not None:
        opened.close()


class ModelFailure(Exception):
    """A case does not hold; the message is shown as it is."""


class ModelTests(pytest.File):
    """The cases of one model."""

    def collect(self) -> Iterable[pytest.Item]:
        from lakehead.models.testing import load_suite

        pipelines = self.path.parent.parent
        try:
            suite = load_suite(pipelines.parent / "schemas", pipelines, self.path.stem)
        except UserError as error:
            raise self.CollectError(error.message) from error
        for case in suite.cases:
            yield ModelTest.from_parent(self, name=case.name, suite=suite, case=case)


class ModelTest(pytest.Item):
    """One case."""

    def __init__(self, *, suite: "Suite", case: "Case", **named: Any) -> None:
        super().__init__(**named)
        self._suite = suite
        self._case = case

    def runtest(self) -> None:
        result = _runner(self.config).run(self._suite, self._case)
        if not result.passed:
            raise ModelFailure(f"{self._case.file}:{self._case.line}\n{result.explanation}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, ModelFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self._case.line - 1, f"{self._case.model}: {self._case.name}"


def _runner(config: pytest.Config) -> "Runner":
    from lakehead.models.testing import open_runner

    if _RUNNER not in config.stash:
        opened = config.stash[_OPEN] = ExitStack()
        config.stash[_RUNNER] = opened.enter_context(open_runner())
    return config.stash[_RUNNER]
