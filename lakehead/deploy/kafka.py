"""Strimzi's manifests: the Kafka cluster, and of each stream its topics and users.

Source: Strimzi's custom resources, kafka.strimzi.io/v1.
"""

from collections.abc import Iterable
from typing import Any

from lakehead.contracts.topic import topic_config
from lakehead.deploy.manifest import Manifest, manifest
from lakehead.deploy.names import label
from lakehead.deploy.profile import Profile
from lakehead.deploy.project import StreamJob, user_name

_API = "kafka.strimzi.io/v1"
_CLUSTER = "strimzi.io/cluster"
# Of a quorum's log, which holds no events.
_CONTROLLER_GB = 20
# Alerts are few, and whoever reads them wants them in order.
_ALERT_PARTITIONS = 1


def cluster(profile: Profile) -> list[Manifest]:
    """Node pools of controllers and brokers, and the cluster: TLS, SCRAM, no topic by accident."""
    kafka = profile.kafka
    copies = min(3, kafka.replicas)
    in_sync = max(1, copies - 1)
    config = {
        "auto.create.topics.enable": False,
        "default.replication.factor": kafka.replicas,
        "min.insync.replicas": kafka.in_sync,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
    }
    listener = {
        "name": "tls",
        "port": 9093,
        "type": "internal",
        "tls": True,
        "authentication": {"type": "scram-sha-512"},
    }
    spec = {
        "kafka": {
            "version": kafka.version,
            "listeners": [listener],
            "authorization": {"type": "simple"},
            "config": config,
        },
        "entityOperator": {"topicOperator": {}, "userOperator": {}},
    }
    return [
        _pool(profile, "controllers", "controller", kafka.controllers, _CONTROLLER_GB),
        _pool(profile, "brokers", "broker", kafka.brokers, kafka.storage_gb),
        manifest(_API, "Kafka", profile.name, profile.namespaces.kafka, spec=spec),
    ]


def stream(profile: Profile, job: StreamJob, first_alerts: Iterable[str]) -> list[Manifest]:
    """A stream's topic, those of ``first_alerts``, and who may read and write them."""
    contract = job.contract
    topics = [_topic(profile, contract.topic, contract.partitions, topic_config(contract))]
    topics += [
        _topic(profile, name, _ALERT_PARTITIONS, {"cleanup.policy": "delete"})
        for name in first_alerts
    ]
    producer = [_allow("topic", contract.topic, "Write", "Describe")]
    reader = [_allow("topic", name, "Read", "Describe") for name in job.reads]
    reader += [_allow("group", group, "Read") for groups in job.reads.values() for group in groups]
    for name, prefix in job.alerts.items():
        reader.append(_allow("topic", name, "Write", "Describe"))
        # The ids go on with a dash (TransactionalIdFactory of Flink's connector).
        reader.append(
            _allow("transactionalId", f"{prefix}-", "Write", "Describe", pattern="prefix")
        )
    return [
        *topics,
        _user(profile, job.user, reader),
        _user(profile, user_name(contract, "producer"), producer),
    ]


def _pool(profile: Profile, name: str, role: str, replicas: int, gigabytes: int) -> Manifest:
    kafka = profile.kafka
    volume: dict[str, Any] = {
        "id": 0,
        "type": "persistent-claim",
        "size": f"{gigabytes}Gi",
        "deleteClaim": False,
        "kraftMetadata": "shared",
    }
    if kafka.storage_class:
        volume["class"] = kafka.storage_class
    spec: dict[str, Any] = {
        "replicas": replicas,
        "roles": [role],
        "storage": {"type": "jbod", "volumes": [volume]},
    }
    if role == "broker":
        memory = f"{kafka.memory_mb}Mi"
        spec["resources"] = {
            "requests": {"cpu": str(kafka.cores), "memory": memory},
            "limits": {"memory": memory},
        }
        # The rest is for the page cache, from which consumers read.
        spec["jvmOptions"] = {
            "-Xmx": f"{kafka.memory_mb // 2}m",
            "-Xms": f"{kafka.memory_mb // 2}m",
        }
    labels = {_CLUSTER: profile.name}
    pool = f"{profile.name}-{name}"
    return manifest(_API, "KafkaNodePool", pool, profile.namespaces.kafka, labels, spec=spec)


def _topic(profile: Profile, name: str, partitions: int, config: dict[str, str]) -> Manifest:
    kafka = profile.kafka
    spec = {
        "topicName": name,
        "partitions": partitions,
        "replicas": kafka.replicas,
        "config": {**config, "min.insync.replicas": str(kafka.in_sync)},
    }
    labels = {_CLUSTER: profile.name}
    space = profile.namespaces.kafka
    return manifest(_API, "KafkaTopic", label(name), space, labels, spec=spec)


def _user(profile: Profile, name: str, acls: list[dict[str, Any]]) -> Manifest:
    spec = {
        "authentication": {"type": "scram-sha-512"},
        "authorization": {"type": "simple", "acls": acls},
    }
    labels = {_CLUSTER: profile.name}
    return manifest(_API, "KafkaUser", name, profile.namespaces.kafka, labels, spec=spec)


def _allow(kind: str, name: str, *operations: str, pattern: str = "literal") -> dict[str, Any]:
    resource = {"type": kind, "name": name, "patternType": pattern}
    return {"resource": resource, "operations": list(operations), "host": "*"}
