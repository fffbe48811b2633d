"""How a home reaches a secured Kafka: what settings may say, and what each client is told."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from lakehead.errors import UserError
from lakehead.jobs.site import home_site
from lakehead.kafka_access import FLINK_CLASSES, KafkaAccess, Secret, jaas, read_access
from lakehead.settings import Settings, Tuning, load_settings
from lakehead.streams.client import client_config, producer_config

WORDS: dict[str, object] = {
    "bootstrap": "kafka-1:9093,kafka-2:9093",
    "username": "shop",
    "password": {"file": "password"},
    "ca": "ca.pem",
}


def home(tmp_path: Path, client: Mapping[str, object]) -> Settings:
    (tmp_path / "settings.json").write_text(json.dumps({"kafka_client": client}))
    (tmp_path / "password").write_text("s3cret")
    return load_settings(tmp_path)


def test_every_client_is_told_the_same(tmp_path: Path) -> None:
    settings = home(tmp_path, WORDS)
    assert settings.bootstrap == "kafka-1:9093,kafka-2:9093"
    assert not settings.runs_kafka
    expected = {
        "bootstrap.servers": "kafka-1:9093,kafka-2:9093",
        "security.protocol": "sasl_ssl",
        "ssl.ca.location": str(tmp_path / "ca.pem"),
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "shop",
        "sasl.password": "s3cret",
    }
    assert expected.items() <= client_config(settings).items()
    assert expected.items() <= producer_config(settings).items()


def test_flink_is_told_where_the_secret_is_and_never_the_secret(tmp_path: Path) -> None:
    assert dict(home_site(home(tmp_path, WORDS)).kafka) == {
        "security.protocol": "SASL_SSL",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(tmp_path / "ca.pem"),
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.jaas.config": (
            f"{FLINK_CLASSES}.security.scram.ScramLoginModule required"
            f' username="shop" password="${{directory:{tmp_path}:password}}";'
        ),
        "config.providers": "directory",
        "config.providers.directory.class": (
            f"{FLINK_CLASSES}.config.provider.DirectoryConfigProvider"
        ),
        "config.providers.directory.param.allowed.paths": str(tmp_path),
    }


def test_a_secret_may_be_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = home(tmp_path, WORDS | {"password": {"env": "SHOP_PASSWORD"}})
    with pytest.raises(UserError, match="variable SHOP_PASSWORD, which is empty or not set"):
        client_config(settings)
    monkeypatch.setenv("SHOP_PASSWORD", "from-the-environment")
    assert client_config(settings)["sasl.password"] == "from-the-environment"
    told = home_site(settings).kafka
    assert 'password="${env:SHOP_PASSWORD}"' in told["sasl.jaas.config"]
    assert told["config.providers.env.param.allowlist.pattern"] == "SHOP_PASSWORD"
    assert "from-the-environment" not in str(told)


def test_a_home_that_says_nothing_tells_its_clients_nothing_more(tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path)
    assert settings.kafka_access is None
    assert dict(home_site(settings).kafka) == {}
    assert set(client_config(settings)) == {
        *("bootstrap.servers", "client.id", "reconnect.backoff.max.ms", "logger", "error_cb")
    }


def test_the_homes_own_broker_is_reached_as_the_stack_itself(tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path, Tuning(kafka_security=True))
    assert settings.runs_kafka
    assert settings.kafka_access == KafkaAccess(
        bootstrap=settings.bootstrap,
        sasl_mechanism="PLAIN",
        username="lakehead",
        password=Secret(file=tmp_path / "secrets" / "kafka-password"),
        ca=tmp_path / "secrets" / "kafka-ca.pem",
    )


def test_what_was_saved_is_loaded_and_holds_no_secret(tmp_path: Path) -> None:
    settings = home(tmp_path, WORDS)
    settings.save()
    assert load_settings(tmp_path).tuning == settings.tuning
    assert "s3cret" not in (tmp_path / "settings.json").read_text()
    assert "s3cret" not in repr(settings) + repr(settings.kafka_access)
    secured = replace(settings, tuning=Tuning(kafka_security=True))
    secured.save()
    assert load_settings(tmp_path).tuning == secured.tuning


@pytest.mark.parametrize(
    "value", ["hunter2", {"value": "hunter2"}, ["hunter2"], {"env": "hunter 2"}]
)
def test_a_secret_itself_is_refused_and_not_repeated(tmp_path: Path, value: object) -> None:
    with pytest.raises(UserError, match="password is not") as caught:
        home(tmp_path, WORDS | {"password": value})
    assert "hunter" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"bootstrap": "kafka"}, "bootstrap is 'kafka', expected host:port"),
        ({"bootstrap": None}, "bootstrap is None, expected host:port"),
        ({"username": 'a" b'}, "username is 'a\" b', expected letters"),
        ({"username": "${env:HOME}"}, "expected letters"),
        ({"security_protocol": "TLS"}, "security_protocol is 'TLS', expected one of SASL_SSL"),
        ({"security_protocol": "SASL_PLAINTEXT"}, "expected one of SASL_SSL, SSL, PLAINTEXT"),
        ({"security_protocol": "SSL"}, "username is for SASL_SSL, the protocol is SSL"),
        ({"sasl_mechanism": "GSSAPI"}, "sasl_mechanism is 'GSSAPI', expected one of SCRAM"),
        ({"ca": 7}, "ca is 7, expected a path"),
        ({"password": {"file": "a:b"}}, "file is 'a:b', expected a path without"),
        ({"password": None}, "password is not"),
        ({"colour": "red"}, "unknown word 'colour'; known: bootstrap"),
    ],
)
def test_what_settings_cannot_say_is_named(
    tmp_path: Path, changed: dict[str, object], says: str
) -> None:
    with pytest.raises(UserError, match=says.replace("[", r"\[")) as caught:
        home(tmp_path, WORDS | changed)
    assert str(tmp_path / "settings.json") in caught.value.message


def test_one_broker_or_the_other(tmp_path: Path) -> None:
    said = {"kafka_security": True, "kafka_client": WORDS}
    (tmp_path / "settings.json").write_text(json.dumps(said))
    with pytest.raises(UserError, match="secures the home's own broker"):
        load_settings(tmp_path)


@pytest.mark.parametrize("value", [1, "yes", None])
def test_security_is_on_or_off(tmp_path: Path, value: object) -> None:
    (tmp_path / "settings.json").write_text(json.dumps({"kafka_security": value}))
    with pytest.raises(UserError, match="expected true or false"):
        load_settings(tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [("", "empty or not set"), ("one\n", "has a line break"), (None, "cannot be read")],
)
def test_a_file_without_a_fit_secret_is_named(
    tmp_path: Path, content: str | None, says: str
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=says) as caught:
        Secret(file=path).read()
    assert str(path) in caught.value.message
    assert not content or content.strip() not in caught.value.message


def test_tls_alone_needs_no_user(tmp_path: Path) -> None:
    words = {"bootstrap": "kafka:9093", "security_protocol": "SSL", "ca": "/etc/ca.pem"}
    access = read_access("kafka_client", words, tmp_path)
    assert access.librdkafka() == {"security.protocol": "ssl", "ssl.ca.location": "/etc/ca.pem"}
    assert access.java() == {
        "security.protocol": "SSL",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": "/etc/ca.pem",
    }


def test_an_open_kafka_elsewhere_is_told_as_such(tmp_path: Path) -> None:
    words = {"bootstrap": "kafka:9092", "security_protocol": "PLAINTEXT"}
    access = read_access("kafka_client", words, tmp_path)
    assert access.librdkafka() == {"security.protocol": "plaintext"}
    assert access.java() == {"security.protocol": "PLAINTEXT"}


def test_each_mechanism_has_its_login_module() -> None:
    assert ".plain.PlainLoginModule " in jaas("c", "PLAIN", "u", "p")
    assert ".scram.ScramLoginModule " in jaas("c", "SCRAM-SHA-256", "u", "p")
