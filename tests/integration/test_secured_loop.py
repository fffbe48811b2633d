"""The whole loop on a home whose broker takes known users only."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lakehead.stack import kafka_secrets
from tests.conftest import ROOT, Stack

pytestmark = pytest.mark.integration

STREAM = "payments"
EVENTS = 3000


@pytest.fixture(scope="module")
def secured(new_stack: Callable[[], Stack], tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Its one model sends alerts, so that the job writes to Kafka too, in transactions."""
    project = tmp_path_factory.mktemp("till")
    shutil.copytree(ROOT / "schemas", project / "schemas")
    (project / "pipelines").mkdir()
    shutil.copy(ROOT / "pipelines" / "failed_payments.sql", project / "pipelines")
    made = new_stack().of(project)
    made.ok("up", "--secure", "--port-base", str(made.port_base))
    return made


def test_the_loop_runs_and_no_secret_leaves_its_file(secured: Stack, tmp_path: Path) -> None:
    said = [secured.ok("submit", STREAM)]
    user = secured.json("kafka", "user", "add", "shop", "--produce", STREAM)["password"]
    home = tmp_path / "shop"
    home.mkdir()
    (home / "password").write_text(user)
    client = {
        "bootstrap": secured.settings.bootstrap,
        "username": "shop",
        "password": {"file": "password"},
        "ca": str(kafka_secrets.authority(secured.settings)),
    }
    (home / "settings.json").write_text(json.dumps({"kafka_client": client}))
    shop = Stack(home, 0, secured.project)
    said.append(shop.ok("produce", STREAM, "-n", str(EVENTS), "--rate", "3000"))
    account = secured.audit(STREAM)
    assert account["produced"] == account["landed"] == EVENTS
    assert account["lost"] == 0
    # A restart goes on from the savepoint, as the same user.
    secured.ok("down")
    said.append(secured.ok("up"))
    assert secured.settings.tuning.kafka_security
    shop.ok("produce", STREAM, "-n", "500", "--rate", "3000")
    assert secured.audit(STREAM)["landed"] == EVENTS + 500
    counted = secured.json("query", "SELECT count(*) AS n FROM landing.payments", "--live")
    said += [str(counted), secured.ok("status"), secured.ok("jobs")]

    # While it runs, checkpoints come and go.
    secured.ok("down")
    stack = kafka_secrets.password(secured.settings).read_text()
    files = [
        path
        for path in secured.home.rglob("*")
        if path.is_file() and path.parent != secured.settings.secrets
    ]
    assert any(secured.settings.logs in path.parents for path in files)
    assert any(secured.settings.job_records in path.parents for path in files)
    for secret in (stack, user):
        assert [path for path in files if secret.encode() in path.read_bytes()] == []
        assert secret not in "".join(said)


def test_the_job_is_refused_nothing(secured: Stack) -> None:
    log = (secured.settings.logs / "taskmanager.log").read_text(errors="replace")
    assert "AuthorizationException" not in log
    assert "SaslAuthenticationException" not in log
