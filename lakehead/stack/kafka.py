"""The Kafka broker: one KRaft process that is broker and controller."""

import subprocess
from pathlib import Path

from lakehead.errors import SystemFailure
from lakehead.files import write_whole
from lakehead.kafka_access import KAFKA_CLASSES, Secret, jaas
from lakehead.settings import STACK_USER, Settings
from lakehead.stack import kafka_secrets

_LOG4J = """\
status = ERROR
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = console
appender.console.name = console
appender.console.type = Console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %-5p %m (%c)%n
"""


def server_properties(settings: Settings) -> str:
    ports = settings.ports
    name = "SASL_SSL" if settings.tuning.kafka_security else "PLAINTEXT"
    return f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{ports.kafka_quorum}
listeners={name}://127.0.0.1:{ports.kafka},CONTROLLER://127.0.0.1:{ports.kafka_quorum}
advertised.listeners={name}://127.0.0.1:{ports.kafka}
controller.listener.names=CONTROLLER
log.dirs={settings.kafka / "data"}
num.partitions=4
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.retention.check.interval.ms=60000
{_security(settings) if settings.tuning.kafka_security else ""}"""


def _security(settings: Settings) -> str:
    """TLS on both listeners; deny by default; the stack itself may do all.

    The stack signs in by PLAIN within TLS, with a password that the broker reads from a file: so a
    home is secured whenever one likes, while a first SCRAM user would have to be there when the
    log directory is formatted. Users that are added later have SCRAM. The broker asks its
    controller by certificate, for SCRAM users are known only once the controller runs.
    """
    secret = Secret(file=kafka_secrets.password(settings))
    provider, provider_class, limit, reference = secret.provided()
    scram = f"{KAFKA_CLASSES}.security.scram.ScramLoginModule required;"
    login = jaas(KAFKA_CLASSES, "PLAIN", STACK_USER, reference).rstrip(";")
    return f"""\
inter.broker.listener.name=SASL_SSL
listener.security.protocol.map=SASL_SSL:SASL_SSL,CONTROLLER:SSL
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config={login} user_{STACK_USER}="{reference}";
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={scram}
listener.name.controller.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.keystore.location={kafka_secrets.broker_identity(settings)}
ssl.truststore.type=PEM
ssl.truststore.location={kafka_secrets.authority(settings)}
config.providers={provider}
config.providers.{provider}.class={KAFKA_CLASSES}.{provider_class}
{limit}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:{STACK_USER};User:CN={kafka_secrets.BROKER}
"""


def prepare(settings: Settings, java: Path) -> None:
    """Write the broker's configuration, and format its log directory once.

    Raises:
        UserError: the certificate of a secured broker has run out.
        SystemFailure: the log directory cannot be formatted.
    """
    if settings.tuning.kafka_security:
        kafka_secrets.ensure(settings)
    write_whole(_properties(settings), server_properties(settings))
    write_whole(settings.kafka / "log4j2.properties", _LOG4J)
    if (settings.kafka / "data" / "meta.properties").exists():
        return
    tool = [
        *_java(settings, java, 128),
        "kafka.tools.StorageTool",
        "format",
        # One word: an id may begin with a dash.
        f"--cluster-id={_cluster_id(settings)}",
        "--config",
        str(_properties(settings)),
    ]
    done = subprocess.run(tool, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemFailure(f"Kafka's log directory cannot be formatted: {_last(done.stderr)}")


def command(settings: Settings, java: Path) -> list[str]:
    """The broker's command line."""
    heap = settings.tuning.kafka_heap_mb
    return [*_java(settings, java, heap), "kafka.Kafka", str(_properties(settings))]


def _java(settings: Settings, java: Path, heap_mb: int) -> list[str]:
    return [
        str(java / "bin" / "java"),
        f"-Xmx{heap_mb}m",
        "-XX:+UseSerialGC",
        f"-Dlog4j2.configurationFile={settings.kafka / 'log4j2.properties'}",
        "-cp",
        f"{settings.jars / 'kafka'}/*",
    ]


def _properties(settings: Settings) -> Path:
    return settings.kafka / "server.properties"


def _cluster_id(settings: Settings) -> str:
    """A cluster id (22 characters of base64) that belongs to this home."""
    import base64
    import hashlib

    digest = hashlib.sha256(str(settings.home).encode()).digest()[:16]
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _last(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
