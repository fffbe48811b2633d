"""Topics and their offsets, as the broker knows them."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from lakehead.contracts.model import Contract
from lakehead.contracts.topic import topic_config
from lakehead.errors import LakeheadError, SystemFailure, UserError
from lakehead.settings import Settings
from lakehead.streams.client import client_config, not_running, probe

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

Answer = TypeVar("Answer")
_SECONDS = 5.0
_AGAIN = 0.05
NO_OFFSET = -1
_AS_THE_BROKER_SAYS = -1


def ensure_topic(settings: Settings, contract: Contract) -> bool:
    """Create the contract's topic where it is missing; True where it was.

    Raises:
        NotRunning: the broker does not answer.
        SystemFailure: the broker refuses.
    """
    return make_topic(settings, contract.topic, contract.partitions, topic_config(contract))


def make_topic(settings: Settings, name: str, partitions: int, config: dict[str, str]) -> bool:
    """Create a topic where it is missing; True where it was. Raises as ``ensure_topic``."""
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.cimpl import NewTopic

    admin = _admin(settings)
    if name in _partitions(settings, admin):
        return False
    # One broker keeps one copy; others know best how many they keep.
    copies = 1 if settings.runs_kafka else _AS_THE_BROKER_SAYS
    topic = NewTopic(name, partitions, copies, config=config)
    try:
        admin.create_topics([topic], operation_timeout=_SECONDS, request_timeout=_SECONDS)[
            name
        ].result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        raise failure(settings, error, name) from error
    return True


def topic_changes(settings: Settings, contract: Contract) -> list[str]:
    """How the topic differs from what the contract says, in words; empty where it is missing.

    Raises:
        NotRunning: the broker does not answer.
        SystemFailure: the broker refuses.
    """
    admin = _admin(settings)
    partitions = _partitions(settings, admin).get(contract.topic)
    if partitions is None:
        return []
    changes = [f"set {k} to {v}" for k, v in _differing(settings, admin, contract).items()]
    if len(partitions) < contract.partitions:
        changes.append(f"add partitions up to {contract.partitions}")
    return [f"topic {contract.topic}: {change}" for change in changes]


def adapt_topic(settings: Settings, contract: Contract) -> None:
    """Bring the settings and the number of partitions of the topic to what the contract says.

    Raises:
        NotRunning: the broker does not answer.
        SystemFailure: the broker refuses.
    """
    from confluent_kafka.admin import (  # type: ignore[attr-defined]
        AlterConfigOpType,
        ConfigEntry,
        ConfigResource,
        NewPartitions,
    )

    admin = _admin(settings)
    if differing := _differing(settings, admin, contract):
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            for name, value in differing.items()
        ]
        topic = ConfigResource(
            ConfigResource.Type.TOPIC, contract.topic, incremental_configs=entries
        )
        altered = admin.incremental_alter_configs([topic], request_timeout=_SECONDS)
        _answer(settings, lambda: [future.result() for future in altered.values()])
    if len(_partitions(settings, admin)[contract.topic]) < contract.partitions:
        wanted = NewPartitions(contract.topic, contract.partitions)
        added = admin.create_partitions([wanted], request_timeout=_SECONDS)
        _answer(settings, lambda: [future.result() for future in added.values()])


def _differing(settings: Settings, admin: "AdminClient", contract: Contract) -> dict[str, str]:
    """The settings of the topic that are not as the contract says, as it says them."""
    from confluent_kafka.admin import ConfigResource  # type: ignore[attr-defined]

    topic = ConfigResource(ConfigResource.Type.TOPIC, contract.topic)
    asked = admin.describe_configs([topic], request_timeout=_SECONDS)
    found = _answer(settings, lambda: [future.result() for future in asked.values()])[0]
    wanted = topic_config(contract)
    return {k: v for k, v in wanted.items() if k not in found or found[k].value != v}


def offsets(settings: Settings, topic: str) -> dict[int, tuple[int, int]]:
    """First offset and end (one past the last) by partition; empty where there is no such topic.

    Raises:
        NotRunning: the broker does not answer.
        SystemFailure: the broker refuses.
    """
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

    admin = _admin(settings)
    partitions = _partitions(settings, admin).get(topic, [])
    if not partitions:
        check_rights(settings, topic)
        return {}

    def ask(spec: OffsetSpec) -> dict[int, int]:
        asked = {TopicPartition(topic, p): spec for p in partitions}
        answers = admin.list_offsets(asked, request_timeout=_SECONDS)
        return {tp.partition: future.result().offset for tp, future in answers.items()}

    earliest = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    low = _answer(settings, lambda: ask(earliest))
    high = _answer(settings, lambda: ask(latest))
    return {p: (low[p], high[p]) for p in sorted(partitions)}


def committed(settings: Settings, topic: str, group: str) -> dict[int, int]:
    """The group's committed offset (the next to read) by partition, -1 where it has none.

    Raises:
        NotRunning: the broker does not answer.
        SystemFailure: the broker refuses.
    """
    from confluent_kafka import Consumer, TopicPartition

    partitions = _partitions(settings, _admin(settings)).get(topic, [])
    if not partitions:
        check_rights(settings, topic)
        return {}
    # A consumer that never subscribes reads offsets and does not join the group. The AdminClient's
    # list_consumer_group_offsets (2.16.1) crashes the process while the coordinator is starting.
    reader = Consumer(client_config(settings) | {"group.id": group, "enable.auto.commit": False})
    try:
        asked = [TopicPartition(topic, p) for p in partitions]
        found = _answer(settings, lambda: reader.committed(asked, timeout=_SECONDS))
    finally:
        reader.close()
    known = {tp.partition: tp.offset for tp in found if tp.error is None and tp.offset >= 0}
    return {p: known.get(p, NO_OFFSET) for p in sorted(partitions)}


def check_rights(settings: Settings, topic: str) -> None:
    """A secured Kafka lists no topic to whom it is not for, as if there were none: ask for it.

    Raises:
        UserError: the home's user has no right to the topic.
    """
    from confluent_kafka import KafkaError, KafkaException, TopicCollection

    if settings.kafka_access is None:
        return
    admin = _admin(settings)
    asked = admin.describe_topics(TopicCollection([topic]), request_timeout=_SECONDS)
    try:
        asked[topic].result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise failure(settings, error, topic) from error


def _admin(settings: Settings) -> "AdminClient":
    from confluent_kafka.admin import AdminClient

    probe(settings)
    return AdminClient(client_config(settings))


def _partitions(settings: Settings, admin: "AdminClient") -> dict[str, list[int]]:
    """Partitions by topic. Asks for all topics, for a question about one might create it."""
    found = _answer(settings, lambda: admin.list_topics(timeout=_SECONDS)).topics
    return {name: list(topic.partitions) for name, topic in found.items() if topic.error is None}


def _answer(settings: Settings, ask: Callable[[], Answer]) -> Answer:
    """What Kafka answers; asks again while a partition or a group is just about to get its leader.

    That is so for a moment after a topic was created, and after the broker was started.
    """
    from confluent_kafka import KafkaError, KafkaException

    settling = {
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    }
    patience = time.monotonic() + _SECONDS
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in settling or time.monotonic() > patience:
                raise failure(settings, error) from error
            time.sleep(_AGAIN)


def failure(settings: Settings, error: Exception, topic: str = "") -> LakeheadError:
    """What a KafkaException means to a person; ``topic`` is what was asked about, if one was."""
    from confluent_kafka import KafkaError

    absent = {
        KafkaError._TRANSPORT,
        KafkaError._TIMED_OUT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
    }
    forbidden = {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
    code = error.args[0].code()
    if code in absent:
        return not_running(settings)
    access = settings.kafka_access
    if code in forbidden and access:
        what = f"the topic {topic}" if topic else "that"
        return UserError(
            f"Kafka at {settings.bootstrap} gives {access.username} no right to {what}:"
            f" {error.args[0].str()}",
            "where that Kafka is at home:  lakehead kafka user add"
            f" {access.username} --produce STREAM --consume STREAM",
        )
    return SystemFailure(f"Kafka at {settings.bootstrap} refuses: {error.args[0].str()}")
