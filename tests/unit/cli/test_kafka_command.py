"""kafka user and up --secure, where no broker is needed. With one: integration/test_secured.py."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lakehead.cli import stack
from lakehead.cli.main import app
from lakehead.errors import NotRunning, UserError
from lakehead.kafka_access import KAFKA_CLASSES
from lakehead.settings import Settings, Tuning
from lakehead.streams import users

RUN = CliRunner()
ELSEWHERE = {"bootstrap": "kafka:9092", "security_protocol": "PLAINTEXT"}


def run(home: Path, *args: str) -> str:
    done = RUN.invoke(app, [*args, "--home", str(home)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_dry_run_names_each_right_and_asks_no_broker(tmp_path: Path) -> None:
    asked = ["kafka", "user", "add", "shop", "--produce", "orders", "--consume", "payments"]
    said = json.loads(run(tmp_path, *asked, "--dry-run", "--json"))
    assert said == {
        "name": "shop",
        "rights": [
            "describe topic orders",
            "write topic orders",
            "describe transactional_id shop.*",
            "write transactional_id shop.*",
            "describe topic payments",
            "describe_configs topic payments",
            "read topic payments",
            "read group shop.*",
            "describe group lakehead-payments",
            "describe group lakehead-live",
            "describe group lakehead-empty",
        ],
    }
    assert "write topic orders" in run(tmp_path, *asked, "--dry-run")
    assert list(tmp_path.iterdir()) == []


def test_a_right_that_is_given_twice_is_named_once(tmp_path: Path) -> None:
    asked = ["kafka", "user", "add", "a", "--produce", "orders", "--consume", "orders"]
    rights = json.loads(run(tmp_path, *asked, "--dry-run", "--json"))["rights"]
    assert len(set(rights)) == len(rights)


@pytest.mark.parametrize("name", ["lakehead", "Ann", "a.b", "a b", "-a", "", "a" * 64, "a,b", "*"])
def test_a_name_that_is_not_fit_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="expected small letters"):
        asked = ["kafka", "user", "add", "--home", str(tmp_path), "--", name]
        RUN.invoke(app, asked, catch_exceptions=False)


def test_groups_of_one_user_are_not_those_of_another() -> None:
    """A prefix ends in a dot, which no name has: ann's is none of ann-b's, nor the reverse."""
    from lakehead.contracts.load import load_contract
    from lakehead.settings import INSTALL_ROOT

    orders = load_contract(INSTALL_ROOT / "schemas", "orders")
    for name in ("ann", "ann-b"):
        rights = [*users.rights_to_produce(name, orders), *users.rights_to_consume(name, orders)]
        prefixes = {r.name for r in rights if r.prefix}
        assert prefixes == {f"{name}."}


def test_an_unknown_stream_makes_no_user(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nonsuch"):
        run(tmp_path, "kafka", "user", "add", "ann", "--produce", "nonsuch")


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    there = tmp_path / "client.properties"
    there.write_text("mine")
    with pytest.raises(UserError, match="is there already"):
        run(tmp_path, "kafka", "user", "add", "ann", "--properties", str(there))
    assert there.read_text() == "mine"


@pytest.mark.parametrize("command", [["add", "ann"], ["list"], ["revoke", "ann"]])
def test_an_open_broker_has_no_users(tmp_path: Path, command: list[str]) -> None:
    with pytest.raises(UserError, match="it has no users") as caught:
        run(tmp_path, "kafka", "user", *command)
    assert "lakehead up --secure" in caught.value.hint


def test_a_secured_broker_that_is_down_is_named(tmp_path: Path) -> None:
    Settings(tmp_path, tmp_path, Tuning(port_base=1024, kafka_security=True)).save()
    with pytest.raises(NotRunning, match="does not answer"):
        run(tmp_path, "kafka", "user", "list")


def test_properties_are_those_of_a_java_client(tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path, Tuning(kafka_security=True))
    lines = users.client_properties(settings, "ann", "p4ss").splitlines()
    assert dict(line.split("=", 1) for line in lines) == {
        "bootstrap.servers": settings.bootstrap,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.jaas.config": (
            f"{KAFKA_CLASSES}.security.scram.ScramLoginModule required"
            ' username="ann" password="p4ss";'
        ),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(tmp_path / "secrets" / "kafka-ca.pem"),
    }


def test_a_home_stays_as_it_is_where_nothing_is_said(tmp_path: Path) -> None:
    for secured in (True, False):
        settings = Settings(tmp_path, tmp_path, Tuning(kafka_security=secured))
        assert stack._with_security(settings, None) is settings
        assert stack._with_security(settings, not secured).tuning.kafka_security is not secured


def test_another_brokers_security_is_not_ours_to_change(tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path, Tuning(kafka_client=ELSEWHERE))
    with pytest.raises(UserError, match="not the home's own"):
        stack._with_security(settings, True)
