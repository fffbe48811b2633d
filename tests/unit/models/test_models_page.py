"""docs/models.md holds: its models are sound, its tests pass, and it names all that there is."""

import re
from pathlib import Path

import pytest

from lakehead.contracts.load import load_contracts
from lakehead.models.bind import bind
from lakehead.models.cases import parse_cases
from lakehead.models.header import _OPTIONAL, _REQUIRED, KINDS
from lakehead.models.model import parse_model
from lakehead.models.testing import Suite, open_runner
from lakehead.settings import INSTALL_ROOT

PAGE = (INSTALL_ROOT / "docs" / "models.md").read_text()
CONTRACTS = {c.stream: c for c in load_contracts(INSTALL_ROOT / "schemas")}
MODELS = {
    re.findall(r"^model: (\w+)", text, re.MULTILINE)[0]: text
    for text in re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
}


@pytest.mark.parametrize("name", MODELS)
def test_each_model_is_sound(name: str) -> None:
    bind(parse_model(MODELS[name], name), CONTRACTS)


def test_there_is_one_of_each_kind_and_a_row_for_each_key() -> None:
    kinds = {parse_model(text, name).kind for name, text in MODELS.items()}
    assert kinds == set(KINDS)
    for key in (*_REQUIRED, *_OPTIONAL):
        assert f"| `{key}` |" in PAGE, key


def test_its_tests_pass_and_its_failure_is_one() -> None:
    (text,) = re.findall(r"```yaml\n(# tests of by_status.*?)```", PAGE, re.DOTALL)
    bound = bind(parse_model(MODELS["by_status"], "by_status"), CONTRACTS)
    path = Path("pipelines/tests/by_status.yaml")
    with open_runner() as runner:
        for case in parse_cases(text, path, bound, CONTRACTS):
            result = runner.run(Suite(bound, CONTRACTS, [case]), case)
            assert result.passed, result.explanation
        wrong = text.replace("events: 2", "events: 3")
        (case, _) = parse_cases(wrong, path, bound, CONTRACTS)
        failed = runner.run(Suite(bound, CONTRACTS, [case]), case)
    assert f"FAILED {path}:{case.line}: {case.name}\n{failed.explanation}\n" in PAGE
