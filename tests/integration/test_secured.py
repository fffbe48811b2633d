"""A broker that takes known users only: who is refused, and what those with rights can do.

The whole loop on such a home is in test_secured_loop.py.
"""

import json
import socket
import ssl
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Producer

from lakehead.contracts.load import load_contract
from lakehead.deadletters.kafka_log import KafkaLog
from lakehead.deadletters.log import Batch, Outgoing
from lakehead.errors import NotRunning, UserError
from lakehead.jobs.site import home_site
from lakehead.live.topic import KafkaTopic
from lakehead.settings import STACK_USER, Settings
from lakehead.stack import health, kafka_secrets
from lakehead.stack.java import java_home
from lakehead.streams import topics, users
from lakehead.streams.client import probe, producer_config
from lakehead.streams.empty import count_empty
from tests.conftest import ROOT, Stack, free_port_base, wait_until

pytestmark = pytest.mark.integration

TOPIC = "orders"
BEFORE = 50
ORDERS = load_contract(ROOT / "schemas", "orders")


@contextmanager
def broker(stack: Stack) -> Iterator[psutil.Process]:
    """The home's broker by itself, ended by its own process id."""
    stack.settings.logs.mkdir(parents=True, exist_ok=True)
    with (stack.settings.logs / "kafka.log").open("a") as log:
        process = psutil.Popen(
            stack.command("part", "run", "kafka"),
            env=stack.environment(),
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: health.answers(stack.settings, "kafka"), "the broker")
        yield process
    finally:
        process.terminate()
        process.wait(30)


def set_up(home: Path, **said: object) -> Stack:
    home.mkdir(exist_ok=True)
    known = home / "settings.json"
    before = json.loads(known.read_text()) if known.exists() else {}
    known.write_text(json.dumps(before | said))
    return Stack(home, 0)


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Stack, psutil.Process]]:
    """A secured broker, whose home was not secured when its first records came."""
    home = tmp_path_factory.mktemp("secured")
    stack = set_up(home, port_base=free_port_base())
    with broker(stack):
        stack.ok("produce", TOPIC, "-n", str(BEFORE), "--no-pace")
    set_up(home, kafka_security=True)
    with broker(stack) as process:
        yield stack, process


@pytest.fixture(scope="module")
def secured(running: tuple[Stack, psutil.Process]) -> Stack:
    return running[0]


Client = Callable[..., Settings]


@pytest.fixture
def client(secured: Stack, tmp_path: Path) -> Client:
    """Settings of another home, which is ``name`` to the secured broker."""

    def home_of(name: str, secret: str, **words: object) -> Settings:
        home = tmp_path / name
        home.mkdir(exist_ok=True)
        (home / "password").write_text(secret)
        said = {
            "bootstrap": secured.settings.bootstrap,
            "username": name,
            "password": {"file": "password"},
            "ca": str(kafka_secrets.authority(secured.settings)),
        }
        return set_up(home, kafka_client=said | words).settings

    return home_of


def new_user(secured: Stack, name: str, *rights: str) -> str:
    """The password of a new user."""
    return str(secured.json("kafka", "user", "add", name, *rights)["password"])


def end(settings: Settings) -> int:
    return sum(high for _, high in topics.offsets(settings, TOPIC).values())


def read_all(settings: Settings) -> int:
    topic = KafkaTopic(settings, TOPIC)
    try:
        bounds = topic.bounds()
        begin, upto = ({p: b[i] for p, b in bounds.items()} for i in (0, 1))
        return sum(len(records) for records in topic.read(begin, upto))
    finally:
        topic.close()


# Who is refused


def test_who_says_no_name_is_refused(secured: Stack, tmp_path: Path) -> None:
    nobody = set_up(tmp_path / "nobody", port_base=secured.settings.tuning.port_base).settings
    with pytest.raises(UserError, match="is secured, and this home has no user for it") as caught:
        topics.offsets(nobody, TOPIC)
    assert not isinstance(caught.value, NotRunning)
    assert "kafka_client" in caught.value.hint
    done = Stack(nobody.home, 0).run("produce", TOPIC, "-n", "1")
    assert done.returncode == 2
    assert "is secured" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_a_wrong_password_is_refused(secured: Stack, client: Client, mechanism: str) -> None:
    name = STACK_USER if mechanism == "PLAIN" else "wrong"
    if name == "wrong":
        new_user(secured, name, "--produce", TOPIC)
    other = client(name, "not-the-password", sasl_mechanism=mechanism)
    for ask in (probe, end, read_all):
        with pytest.raises(UserError, match=f"refuses the user '{name}'") as caught:
            ask(other)
        assert "--new-password" in caught.value.hint
        assert "not-the-password" not in str(caught.value)


def test_an_unknown_user_is_refused(client: Client) -> None:
    with pytest.raises(UserError, match="refuses the user 'ghost'"):
        end(client("ghost", "any"))


def test_a_mechanism_that_is_not_taken_is_named(client: Client) -> None:
    with pytest.raises(UserError, match="does not take SCRAM-SHA-256"):
        probe(client("ghost", "any", sasl_mechanism="SCRAM-SHA-256"))


def test_a_broker_of_another_authority_is_not_trusted(client: Client, tmp_path: Path) -> None:
    other = Settings(tmp_path / "other", ROOT)
    kafka_secrets.ensure(other)
    with pytest.raises(UserError, match="does not vouch for"):
        probe(client("ghost", "any", ca=str(kafka_secrets.authority(other))))


def test_without_rights_neither_side_is_open(secured: Stack, client: Client) -> None:
    idle = client("idle", new_user(secured, "idle"))
    probe(idle)
    for ask in (end, read_all, lambda s: topics.ensure_topic(s, ORDERS)):
        with pytest.raises(UserError, match=f"gives idle no right to the topic {TOPIC}") as caught:
            ask(idle)
        assert "lakehead kafka user add idle" in caught.value.hint
    done = Stack(idle.home, 0).run("produce", TOPIC, "-n", "1")
    assert done.returncode == 2
    assert f"no right to the topic {TOPIC}" in done.stderr


def test_a_right_to_one_stream_is_none_to_another(secured: Stack, client: Client) -> None:
    shop = client("narrow", new_user(secured, "narrow", "--produce", "payments"))
    with pytest.raises(UserError, match=f"no right to the topic {TOPIC}"):
        end(shop)


def test_who_may_read_may_not_write(secured: Stack, client: Client) -> None:
    board = client("board", new_user(secured, "board", "--consume", TOPIC))
    before = end(board)
    done = Stack(board.home, 0).run("produce", TOPIC, "-n", "5", "--no-pace")
    assert done.returncode != 0
    assert "uthoriz" in done.stderr + done.stdout
    assert end(board) == before


def answered(port: int, context: ssl.SSLContext) -> bool:
    """Whether a request for ApiVersions (key 18, version 0) is answered there."""
    request = struct.pack(">hhih", 18, 0, 1, -1)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(struct.pack(">i", len(request)) + request)
        return len(connection.recv(8)) == 8


def test_the_controller_takes_the_brokers_certificate_alone(secured: Stack) -> None:
    settings = secured.settings
    context = ssl.create_default_context(cafile=str(kafka_secrets.authority(settings)))
    # In TLS 1.3 the server's refusal comes with the first answer.
    with pytest.raises(ssl.SSLError, match=r"(?i)certificate"):
        answered(settings.ports.kafka_quorum, context)
    context.load_cert_chain(kafka_secrets.broker_identity(settings))
    assert answered(settings.ports.kafka_quorum, context)


# What rights give


def test_what_was_there_before_the_home_was_secured_is_there_still(secured: Stack) -> None:
    assert end(secured.settings) >= BEFORE
    assert read_all(secured.settings) >= BEFORE


def test_with_rights_records_are_produced_and_read(secured: Stack, client: Client) -> None:
    shop = client("shop", new_user(secured, "shop", "--produce", TOPIC, "--consume", TOPIC))
    before = end(shop)
    Stack(shop.home, 0).ok("produce", TOPIC, "-n", "200", "--no-pace")
    assert end(shop) == before + 200
    assert read_all(shop) == before + 200
    # What an audit asks beside: where the job is, and which offsets hold no record.
    assert set(topics.committed(shop, TOPIC, "lakehead-orders").values()) == {-1}
    first, last = topics.offsets(shop, TOPIC)[0]
    assert count_empty(shop, TOPIC, 0, first, last) == 0


def test_transactions_go_under_the_users_own_name(secured: Stack, client: Client) -> None:
    bank = client("bank", new_user(secured, "bank", "--produce", TOPIC, "--consume", TOPIC))
    before = read_all(bank)
    producer = Producer(producer_config(bank) | {"transactional.id": "bank.transfers"})
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce(TOPIC, b"{}")
    producer.commit_transaction(10)
    assert read_all(bank) == before + 1


def test_a_home_elsewhere_makes_topics_and_users_as_the_stack(
    secured: Stack, client: Client
) -> None:
    password = kafka_secrets.password(secured.settings).read_text()
    twin = client(STACK_USER, password, sasl_mechanism="PLAIN")
    assert topics.make_topic(twin, "from_elsewhere", 3, {})
    assert topics.offsets(secured.settings, "from_elsewhere") == dict.fromkeys(range(3), (0, 0))
    assert users.add(twin, "made-elsewhere", [])
    assert users.find(secured.settings, "made-elsewhere").rights == ()


def test_a_redrive_sends_over_tls_as_a_user_of_scram(secured: Stack, client: Client) -> None:
    mender = client("mender", new_user(secured, "mender", "--produce", TOPIC, "--consume", TOPIC))
    log = KafkaLog(mender, TOPIC)
    try:
        producer = log.new_producer()
        record = Outgoing(0, 7, b"k", b"{}")
        batch = Batch(1, "orders", 0, producer, 0, log.ends()[0], 1_750_000_000.0, (record,))
        offset = log.append(batch)
        assert log.find(batch) == offset
    finally:
        log.close()


def test_rights_add_up_and_go_with_the_user(secured: Stack, client: Client) -> None:
    password = new_user(secured, "temp", "--produce", TOPIC)
    assert secured.json("kafka", "user", "add", "temp", "--consume", TOPIC)["password"] is None
    temp = client("temp", password)
    assert read_all(temp) >= BEFORE
    [listed] = [u for u in secured.json("kafka", "user", "list") if u["name"] == "temp"]
    assert {"write topic orders", "read topic orders", "read group temp.*"} <= {*listed["rights"]}
    secured.ok("kafka", "user", "revoke", "temp", "--dry-run")
    assert read_all(temp) >= BEFORE
    secured.ok("kafka", "user", "revoke", "temp")
    with pytest.raises(UserError, match="refuses the user 'temp'"):
        end(temp)
    assert "temp" not in [u["name"] for u in secured.json("kafka", "user", "list")]
    again = secured.run("kafka", "user", "revoke", "temp")
    assert again.returncode == 2
    assert "no user 'temp'" in again.stderr


def test_a_new_password_ends_the_old_one(secured: Stack, client: Client) -> None:
    old = new_user(secured, "rotated", "--consume", TOPIC)
    new = new_user(secured, "rotated", "--new-password")
    with pytest.raises(UserError, match="refuses the user"):
        end(client("rotated", old))
    assert end(client("rotated", new)) >= BEFORE


# Java clients, and secrets


def java_records(
    settings: Settings, properties: dict[str, str], tmp_path: Path
) -> "subprocess.CompletedProcess[str]":
    """KafkaProbe.java, as told ``properties``, about the topic."""
    file = tmp_path / "probe.properties"
    file.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    jars = settings.jars
    [connector] = (jars / "flink").glob("flink-sql-connector-kafka-*.jar")
    command = [str(java_home() / "bin" / "java"), "-cp", f"{connector}:{jars / 'kafka'}/*"]
    command += ["-Dlog4j2.level=INFO", str(Path(__file__).with_name("KafkaProbe.java"))]
    return subprocess.run(
        [*command, str(file), TOPIC],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("place", ["stack", "file", "variable"])
def test_flinks_client_reads_the_secret_from_its_place(
    secured: Stack, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """With the properties that stand in a job's statements, by the jar that Flink runs."""
    if place == "stack":
        settings = secured.settings
        password = kafka_secrets.password(settings).read_text()
    else:
        password = new_user(secured, f"java-{place}", "--consume", TOPIC)
        words = {"password": {"env": "KAFKA_PASSWORD"}} if place == "variable" else {}
        monkeypatch.setenv("KAFKA_PASSWORD", password if words else "")
        settings = client(f"java-{place}", password, **words)
    site = home_site(settings)
    told = {"bootstrap.servers": site.bootstrap, **site.kafka}
    assert password not in str(told)
    done = java_records(settings, told, tmp_path)
    assert f"records {end(settings)}" in done.stdout.splitlines(), done.stderr
    assert "ConsumerConfig values" in done.stdout + done.stderr
    assert password not in done.stdout + done.stderr


def test_a_file_of_properties_is_for_its_owner_alone(secured: Stack, tmp_path: Path) -> None:
    path = tmp_path / "client.properties"
    said = secured.ok(
        "kafka", "user", "add", "javan", "--consume", TOPIC, "--properties", str(path)
    )
    assert said == ""
    assert path.stat().st_mode & 0o777 == 0o600
    told = dict(line.split("=", 1) for line in path.read_text().splitlines())
    renamed = "org.apache.flink.kafka.shaded.org.apache.kafka"
    told["sasl.jaas.config"] = told["sasl.jaas.config"].replace("org.apache.kafka", renamed)
    done = java_records(secured.settings, told, tmp_path)
    assert f"records {end(secured.settings)}" in done.stdout.splitlines(), done.stderr
    again = secured.run("kafka", "user", "add", "javan", "--properties", str(tmp_path / "other"))
    assert again.returncode == 2
    assert "--new-password" in again.stderr
    assert not (tmp_path / "other").exists()


def test_secrets_lie_in_their_files_alone(running: tuple[Stack, psutil.Process]) -> None:
    """Not in a log, a configuration or the broker's command line; nobody else can read them."""
    secured, process = running
    user = new_user(secured, "seen", "--produce", TOPIC)
    settings = secured.settings
    secret = kafka_secrets.password(settings).read_text()
    assert settings.secrets.stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in settings.secrets.iterdir()} == {0o600}
    files = [p for p in settings.home.rglob("*") if p.is_file() and p.parent != settings.secrets]
    assert any(p.name == "kafka.log" for p in files)
    assert any(p.name == "server.properties" for p in files)
    for word in (secret, user):
        assert [p for p in files if word.encode() in p.read_bytes()] == []
        assert word not in " ".join(process.cmdline())


def test_a_home_whose_settings_are_newer_than_its_broker_is_to_be_restarted(
    tmp_path: Path,
) -> None:
    stack = set_up(tmp_path / "home", port_base=free_port_base())
    with broker(stack):
        set_up(stack.home, kafka_security=True)
        kafka_secrets.ensure(stack.settings)
        with pytest.raises(UserError, match="does not speak TLS") as caught:
            end(stack.settings)
    assert caught.value.hint == "lakehead down; lakehead up"


def test_an_open_kafka_has_no_users(secured: Stack) -> None:
    plain = replace(secured.settings, tuning=replace(secured.settings.tuning, kafka_security=False))
    with pytest.raises(UserError, match="it has no users") as caught:
        users.listed(plain)
    assert "--secure" in caught.value.hint
