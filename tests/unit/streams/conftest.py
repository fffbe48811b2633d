from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehead.contracts.convert import parse_json
from lakehead.contracts.load import contract_from_text, load_contract
from lakehead.contracts.model import Contract
from lakehead.contracts.validate import Validator
from lakehead.settings import INSTALL_ROOT, Settings
from lakehead.streams import retail
from lakehead.streams.events import Source
from lakehead.streams.own_data.columns import Columns
from lakehead.streams.retail import Sample, retail_source

NOW = 1_750_000_000.0

EVERYTHING = """
apiVersion: v3.2.0
kind: DataContract
id: everything
name: everything
version: 1.0.0
status: active
schema:
  - name: everything
    physicalType: topic
    properties:
      - name: id
        logicalType: string
        required: true
        unique: true
        customProperties: [{property: uniqueWithin, value: 1 day}]
      - {name: city, logicalType: string, logicalTypeOptions: {minLength: 2, maxLength: 12}}
      - {name: zip, logicalType: string, logicalTypeOptions: {pattern: '^[0-9]{5}(-[0-9]{4})?$'}}
      - {name: kind, logicalType: string, required: true, enum: [{value: car}, {value: bike}]}
      - name: seats
        logicalType: integer
        physicalType: int
        required: true
        logicalTypeOptions: {minimum: 1, maximum: 9}
      - {name: meters, logicalType: integer, logicalTypeOptions: {minimum: 0}}
      - {name: fare, logicalType: number, physicalType: 'decimal(10,2)', required: true}
      - {name: wide, logicalType: number, physicalType: 'decimal(38,9)'}
      - {name: rating, logicalType: number, logicalTypeOptions: {maximum: 5}}
      - {name: heat, logicalType: number, physicalType: float}
      - {name: paid, logicalType: boolean}
      - {name: day, logicalType: date, logicalTypeOptions: {minimum: '2024-01-01'}}
      - {name: started_at, logicalType: timestamp}
      - {name: local_time, logicalType: timestamp, physicalType: timestamp_ntz}
      - {name: opened_at, logicalType: timestamp, logicalTypeOptions: {maximum: '2020-01-01'}}
      - {name: photo, logicalType: string, physicalType: binary}
      - name: customer_id
        logicalType: integer
        relationships: [{to: customers.customer_id}]
      - name: address
        logicalType: object
        required: true
        properties:
          - {name: street, logicalType: string, required: true}
          - {name: floor, logicalType: integer, physicalType: int}
          - {name: since, logicalType: timestamp}
      - name: tags
        logicalType: array
        items: {logicalType: string}
        logicalTypeOptions: {minItems: 1, maxItems: 4}
      - name: prices
        logicalType: map
        map: {key: {logicalType: string}, value: {logicalType: number}}
      - {name: event_time, logicalType: timestamp, required: true}
    quality:
      - type: custom
        engine: lakehead
        name: started_before
        implementation: started_at <= event_time
      - type: custom
        engine: lakehead
        name: bikes_are_small
        implementation: kind = 'car' OR seats <= 2
customProperties:
  - {property: eventTime, value: event_time}
  - {property: key, value: id}
"""


class ManualClock:
    """A clock that moves when somebody sleeps, and a little with every look at it."""

    def __init__(self, drift: float = 0.0) -> None:
        self.time = NOW
        self.slept: list[float] = []
        self._drift = drift

    def now(self) -> float:
        self.time += self._drift
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def new_clock() -> type[ManualClock]:
    return ManualClock


@pytest.fixture(scope="session")
def contract() -> Contract:
    return load_contract(INSTALL_ROOT / "schemas", "orders")


@pytest.fixture(scope="session")
def small_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose sample is 900 lines of the real one, the step back in time among them."""
    project = tmp_path_factory.mktemp("project")
    (project / "sample-data").mkdir()
    whole = pq.read_table(INSTALL_ROOT / "sample-data" / "online_retail.parquet")
    table = pa.concat_tables([whole.slice(0, 500), whole.slice(525_261, 400)])
    pq.write_table(table, project / "sample-data" / "online_retail.parquet")
    return project


@pytest.fixture(scope="session")
def settings(small_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("home"), project=small_project)


@pytest.fixture(scope="session")
def sample(settings: Settings) -> Sample:
    return retail.sample_of(settings)


@pytest.fixture(scope="session")
def everything() -> Contract:
    """A contract with every type, nested ones, and every kind of rule."""
    return contract_from_text(EVERYTHING, Path("everything.yaml"))


@pytest.fixture(scope="session")
def source(settings: Settings) -> Source:
    """The small project's lines as a source."""
    return retail_source(settings, ["orders"])


@pytest.fixture
def fresh(settings: Settings, tmp_path: Path) -> Settings:
    """The same project with an empty home."""
    return replace(settings, home=tmp_path)


Judge = Callable[[Contract, bytes | None, float], str | None]


@pytest.fixture(scope="session")
def judge() -> Judge:
    """Why a JSON record that arrives at a moment (epoch seconds) is dead; None where it is landed.

    Says it as the dead table does.
    """
    validators: dict[int, tuple[Contract, Validator]] = {}

    def validator_of(contract: Contract) -> Validator:
        # With the contract beside it, whose id is not another's as long as it is held.
        if id(contract) not in validators:
            validators[id(contract)] = contract, Validator(contract)
        return validators[id(contract)][1]

    def why(contract: Contract, value: bytes | None, arrived: float) -> str | None:
        if value is None:
            return "tombstone: the record has no value"
        if not value:
            return "empty: the record's value has no bytes"
        if len(value) > 1024 * 1024:
            return "too large: the record has more bytes than max-record-bytes"
        try:
            event = parse_json(value.decode())
        except UnicodeDecodeError:
            return "not UTF-8"
        except ValueError as error:
            return "not a JSON object" if value[:1] != b"{" else f"malformed JSON: {error}"
        if type(event) is not dict:
            return "not a JSON object"
        columns = Columns(contract, list(event), None)
        problems = validator_of(contract).problems(columns.event(list(event.values())), arrived)
        return "; ".join(problems) or None

    return why


@pytest.fixture(scope="session")
def refusal(contract: Contract, judge: Judge) -> Callable[[bytes | None, float], str | None]:
    """As ``judge``, for ``orders``."""
    return lambda value, arrived: judge(contract, value, arrived)
