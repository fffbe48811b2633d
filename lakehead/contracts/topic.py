"""The Kafka topic of a contract."""

from lakehead.contracts.model import Contract


def topic_config(contract: Contract) -> dict[str, str]:
    """Topic settings. Records are stamped by the broker, whose clock guards the event time."""
    return {
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": str(int(contract.retention.total_seconds() * 1000)),
        "cleanup.policy": "delete",
    }
