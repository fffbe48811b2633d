"""The Kafka topic of a contract."""

from lakehead.contracts.model import Contract


def topic_config(contract: Contract) -> dict[str, str]:
    """Topic settings. Records are stamped by the broker, whose clock guards the event time.

    A compacted topic keeps the newest record of a key for ever, and every record for ``retention``:
    until then the job has landed it.
    """
    kept = str(int(contract.retention.total_seconds() * 1000))
    stamped = {"message.timestamp.type": "LogAppendTime", "cleanup.policy": contract.cleanup}
    if contract.cleanup == "compact":
        return stamped | {"min.compaction.lag.ms": kept}
    return stamped | {"retention.ms": kept}
