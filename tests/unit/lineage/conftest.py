"""The gallery's lineage, and that of a project whose models read models and objects."""

import shutil
from pathlib import Path

import pytest
import yaml

from lakehead.lineage.build import project_graph
from lakehead.lineage.graph import Graph
from lakehead.settings import INSTALL_ROOT, Settings

ADDRESS = {
    "name": "address",
    "logicalType": "object",
    "properties": [
        {"name": "city", "logicalType": "string"},
        {"name": "zip", "logicalType": "string"},
    ],
}
MODELS = {
    "sales": (
        {"stream": "orders"},
        {"invoice": "string", "country": "string", "worth": "decimal(23,3)", "town": "string"},
        "SELECT invoice, country, quantity * price AS worth, o.address.city AS town\n"
        "FROM orders AS o WHERE address IS NOT NULL AND status = 'placed'",
    ),
    "sales_by_country": (
        {"stream": "sales", "window": {"tumble": "1 minute"}, "keys": ["country"]},
        {"country": "string", "revenue": "decimal(33,3)", "lines": "long", "city": "string"},
        "SELECT country, SUM(worth) AS revenue, COUNT(*) AS lines, MAX(s.town) AS city\n"
        "FROM sales AS s GROUP BY country\n"
        "HAVING COUNT(*) > 1 ORDER BY lines DESC LIMIT 3",
    ),
    "first_lines": (
        {"stream": "orders", "window": {"tumble": "1 day"}, "dedup": {"keys": ["invoice"]}},
        {"invoice": "string", "zip": "string", "shop": "string"},
        "SELECT invoice, address.zip AS zip, 'here' AS shop FROM orders",
    ),
}


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The repository's own contracts and models, with an empty home."""
    return Settings(home=tmp_path_factory.mktemp("home"), project=INSTALL_ROOT)


@pytest.fixture(scope="session")
def gallery_graph(gallery: Settings) -> Graph:
    return project_graph(gallery)


@pytest.fixture(scope="session")
def layered(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Orders with an address; ``MODELS``, one of which reads another."""
    project = tmp_path_factory.mktemp("layered")
    (project / "schemas").mkdir()
    (project / "pipelines").mkdir()
    shutil.copy(INSTALL_ROOT / "schemas" / "customers.yaml", project / "schemas")
    contract = yaml.safe_load((INSTALL_ROOT / "schemas" / "orders.yaml").read_text())
    contract["schema"][0]["properties"].append(ADDRESS)
    (project / "schemas" / "orders.yaml").write_text(yaml.safe_dump(contract, sort_keys=False))
    for name, (header, columns, select) in MODELS.items():
        whole = {"model": name, **header, "output": {"table": f"marts.{name}", "columns": columns}}
        text = f"/*\n{yaml.safe_dump(whole, sort_keys=False)}*/\n{select}\n"
        Path(project / "pipelines" / f"{name}.sql").write_text(text)
    return Settings(home=project / ".lakehead", project=project)


@pytest.fixture(scope="session")
def layered_graph(layered: Settings) -> Graph:
    return project_graph(layered)
