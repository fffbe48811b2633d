"""Contracts as documents: the one of ``orders`` to change, and a way to load what came of it."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lakehead.contracts.load import load_contract
from lakehead.contracts.model import Contract
from lakehead.settings import INSTALL_ROOT

ORDERS: Any = yaml.safe_load((INSTALL_ROOT / "schemas" / "orders.yaml").read_text())


@pytest.fixture
def document() -> Any:
    """The document of ``orders``, to change as one likes."""
    return copy.deepcopy(ORDERS)


@pytest.fixture
def load_text(tmp_path: Path) -> Callable[[str], Contract]:
    """Load a text as the contract of ``orders``."""

    def load(text: str) -> Contract:
        (tmp_path / "orders.yaml").write_text(text)
        return load_contract(tmp_path, "orders")

    return load


@pytest.fixture
def load(load_text: Callable[[str], Contract]) -> Callable[[Any], Contract]:
    """Load a document as the contract of ``orders``."""
    return lambda document: load_text(yaml.safe_dump(document))


@pytest.fixture(scope="session")
def orders() -> Contract:
    return load_contract(INSTALL_ROOT / "schemas", "orders")
