"""From a stream's name to a publisher that is connected to Kafka."""

from pathlib import Path

from lakehead.contracts.load import load_contract
from lakehead.contracts.model import Contract
from lakehead.contracts.validate import Validator
from lakehead.errors import NotRunning, UserError
from lakehead.publisher.channel import Channel, Client, Encode, Limits
from lakehead.publisher.publish import Publisher
from lakehead.publisher.publish_async import AsyncPublisher
from lakehead.settings import Settings, load_settings
from lakehead.streams.client import producer_config
from lakehead.streams.topics import ensure_topic


def open(
    stream: str,
    *,
    home: Path | None = None,
    bootstrap: str | None = None,
    buffer: int = Limits.buffer,
    block: float = Limits.block,
    deliver: float = Limits.deliver,
    reports: bool = False,
) -> "Publisher":
    """A publisher of ``stream``, whose contract is in the project; close it, or use ``with``.

    Kafka is that of ``home`` (by default as the command line finds it), or at ``bootstrap``. The
    topic is created where it is missing. ``buffer``, ``block`` and ``deliver`` are as in Limits.
    ``reports`` lets ``publish`` take ``on_delivery``, which costs a tenth of the speed.

    Raises:
        UserError: there is no such stream.
        ContractError: its contract breaks the standard.
        NotRunning: Kafka does not answer, or the schema registry where the contract needs it.
    """
    limits = Limits(buffer, block, deliver)
    settings, contract = _opened(stream, home, bootstrap)
    client = kafka_client(settings, limits, linger_ms=20, only_failures=not reports)
    publisher = Publisher(contract, client, limits, reports, encoder_of(settings, contract))
    publisher.start()
    return publisher


def open_async(
    stream: str,
    *,
    home: Path | None = None,
    bootstrap: str | None = None,
    buffer: int = Limits.buffer,
    block: float = Limits.block,
    deliver: float = Limits.deliver,
) -> "AsyncPublisher":
    """As ``open``, for ``async with``, which is where it raises."""
    limits = Limits(buffer, block, deliver)

    def connect() -> Channel:
        settings, contract = _opened(stream, home, bootstrap)
        client = kafka_client(settings, limits, linger_ms=5, only_failures=False)
        return Channel(contract, client, encoder_of(settings, contract))

    return AsyncPublisher(connect, limits)


def kafka_client(settings: Settings, limits: Limits, linger_ms: int, only_failures: bool) -> Client:
    """The producer; ``only_failures`` are reported, which is what most publishers need."""
    from confluent_kafka import Producer

    client: Client = Producer(
        producer_config(settings)
        | {
            "linger.ms": linger_ms,
            "queue.buffering.max.messages": limits.buffer,
            "message.timeout.ms": int(limits.deliver * 1000),
            "delivery.report.only.error": only_failures,
        }
    )
    return client


def encoder_of(settings: Settings, contract: Contract) -> Encode | None:
    """The encoder of a contract that is not for JSON."""
    if contract.encoding != "avro":
        return None
    from lakehead.streams.encode import registered_avro

    avro, validator = registered_avro(settings, contract), Validator(contract)
    return lambda event, now: avro.encode(validator.checked_values(event, now))


class _Elsewhere(Settings):
    """A stack whose Kafka is at an address of its own."""

    address = ""

    @property
    def bootstrap(self) -> str:
        return self.address


def _opened(stream: str, home: Path | None, bootstrap: str | None) -> tuple[Settings, Contract]:
    settings = load_settings(home)
    contract = load_contract(settings.schemas, stream)
    if bootstrap is None:
        ensure_topic(settings, contract)
        return settings, contract
    away: NotRunning | None = None
    for address in bootstrap.split(","):
        elsewhere = _at(settings, address.strip())
        try:
            ensure_topic(elsewhere, contract)
            return _at(settings, bootstrap), contract
        except NotRunning as error:
            away = error
        except ValueError:
            raise UserError(f"bootstrap is {bootstrap!r}, expected host:port") from None
    assert away
    raise away


def _at(settings: Settings, address: str) -> Settings:
    elsewhere = _Elsewhere(settings.home, settings.project, settings.tuning)
    object.__setattr__(elsewhere, "address", address)
    return elsewhere
