"""What a secured broker is made of: certificates, a password, a configuration."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lakehead.errors import UserError
from lakehead.settings import Settings, Tuning
from lakehead.stack import health, kafka, kafka_secrets, lifecycle


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(tmp_path, tmp_path, Tuning(kafka_security=True))


def test_what_is_made_is_for_the_owner_alone_and_made_once(home: Settings) -> None:
    kafka_secrets.ensure(home)
    files = sorted(home.secrets.iterdir())
    assert [p.name for p in files] == ["kafka-broker.pem", "kafka-ca.pem", "kafka-password"]
    assert {p.stat().st_mode & 0o777 for p in files} == {0o600}
    assert home.secrets.stat().st_mode & 0o777 == 0o700
    before = [p.read_bytes() for p in files]
    kafka_secrets.ensure(home)
    assert [p.read_bytes() for p in files] == before
    assert len(kafka_secrets.password(home).read_text()) >= 40


def test_a_folder_that_others_could_read_is_closed(home: Settings) -> None:
    home.secrets.mkdir(mode=0o755)
    kafka_secrets.ensure(home)
    assert home.secrets.stat().st_mode & 0o777 == 0o700


def test_the_certificate_is_the_authoritys_and_of_this_machine_alone(home: Settings) -> None:
    kafka_secrets.ensure(home)
    root = x509.load_pem_x509_certificate(kafka_secrets.authority(home).read_bytes())
    broker = x509.load_pem_x509_certificate(kafka_secrets.broker_identity(home).read_bytes())
    broker.verify_directly_issued_by(root)
    names = broker.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("127.0.0.1")]
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert broker.subject.rfc4514_string() == f"CN={kafka_secrets.BROKER}"
    assert "PRIVATE KEY" not in kafka_secrets.authority(home).read_text()
    # The key of the authority is nowhere.
    assert kafka_secrets.broker_identity(home).read_text().count("PRIVATE KEY") == 2


def test_half_a_pair_is_made_anew(home: Settings) -> None:
    kafka_secrets.ensure(home)
    old = kafka_secrets.broker_identity(home).read_text()
    kafka_secrets.authority(home).unlink()
    kafka_secrets.ensure(home)
    assert kafka_secrets.broker_identity(home).read_text() != old


def test_a_certificate_near_its_end_is_named(home: Settings) -> None:
    kafka_secrets.ensure(home)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    ending = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=9))
        .not_valid_after(datetime.now(UTC) + timedelta(days=9))
    )
    signed = ending.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    kafka_secrets.authority(home).write_bytes(signed)
    with pytest.raises(UserError, match=r"certificate .* ends on") as caught:
        kafka_secrets.ensure(home)
    assert "rm " in caught.value.hint


def properties(settings: Settings) -> dict[str, str]:
    lines = kafka.server_properties(settings).splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_a_secured_broker_listens_by_tls_alone_and_denies_by_default(home: Settings) -> None:
    told = properties(home)
    ports = home.ports
    assert told["listeners"] == (
        f"SASL_SSL://127.0.0.1:{ports.kafka},CONTROLLER://127.0.0.1:{ports.kafka_quorum}"
    )
    kinds = dict(pair.split(":") for pair in told["listener.security.protocol.map"].split(","))
    assert kinds == {"SASL_SSL": "SASL_SSL", "CONTROLLER": "SSL"}
    assert told["listener.name.controller.ssl.client.auth"] == "required"
    assert told["allow.everyone.if.no.acl.found"] == "false"
    assert told["authorizer.class.name"].endswith("StandardAuthorizer")
    assert told["super.users"] == "User:lakehead;User:CN=lakehead-broker"


def test_the_brokers_configuration_holds_no_secret(home: Settings) -> None:
    kafka_secrets.ensure(home)
    told = kafka.server_properties(home)
    assert kafka_secrets.password(home).read_text() not in told
    assert told.count(f"${{directory:{home.secrets}:kafka-password}}") == 2


def test_a_broker_that_is_not_secured_is_told_nothing_of_it(tmp_path: Path) -> None:
    told = properties(Settings(tmp_path, tmp_path))
    assert told["listeners"].startswith("PLAINTEXT://")
    assert not {k for k in told if "ssl" in k or "sasl" in k or k == "authorizer.class.name"}


def test_a_home_whose_kafka_is_elsewhere_runs_no_broker(tmp_path: Path) -> None:
    access = {"bootstrap": "kafka:9092", "security_protocol": "PLAINTEXT"}
    away, own = (Settings(tmp_path, tmp_path, Tuning(kafka_client=c)) for c in (access, {}))
    assert "kafka" in health.wanted(own)
    assert "kafka" not in health.wanted(away)
    names = [program.name for program in lifecycle.programs(away, tmp_path)]
    assert "kafka" not in names
    assert "controller" in names
