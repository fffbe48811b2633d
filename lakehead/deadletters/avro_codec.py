"""Avro records in Confluent's wire format, read field by field as far as they can be read."""

import io
import struct
from functools import cache, cached_property
from typing import Any
from urllib.parse import quote

from lakehead.contracts.avro import avro_schema
from lakehead.contracts.model import Contract
from lakehead.deadletters.codec import CannotEncode, Decoded, Event
from lakehead.deadletters.json_codec import reader
from lakehead.errors import LakeheadError, UserError
from lakehead.settings import Settings
from lakehead.streams import registry

_HEADER = struct.Struct(">bI")
_TIMEOUT_SECONDS = 10.0


class AvroCodec:
    """The records of one contract. The registry is asked for the schemas they were written with."""

    def __init__(self, settings: Settings, contract: Contract) -> None:
        self._settings = settings
        self._contract = contract
        self._readers = {f.name: reader(f.type) for f in contract.fields}
        self._written = cache(self._ask)

    def decode(self, record: bytes) -> Decoded:
        if len(record) < _HEADER.size or record[0] != 0:
            return Decoded(None, ["no schema id: the record has no header of five bytes"])
        _, number = _HEADER.unpack_from(record)
        written = self._written(number)
        if isinstance(written, str):
            return Decoded(None, [written])
        body = io.BytesIO(record)
        body.seek(_HEADER.size)
        event, problem = self._resolved(body, written)
        if problem:
            body.seek(_HEADER.size)
            partial = _prefix(body, written)
            return Decoded(partial or None, [problem], partial=True)
        if rest := len(record) - body.tell():
            return Decoded(event, [f"trailing content: {rest} bytes follow the Avro data"])
        return Decoded(event, [])

    def values(self, event: Event) -> Event:
        """Values of a patch are as JSON has them; the record's own are typed already."""
        return {name: self._readers.get(name, _same)(value) for name, value in event.items()}

    def encode(self, event: Event) -> bytes:
        try:
            record: bytes = self._encoder.encode(self.values(event))
        except UserError as error:
            raise CannotEncode(error.message) from error
        return record

    @cached_property
    def _wanted(self) -> Any:
        import fastavro

        return fastavro.parse_schema(avro_schema(self._contract))

    @cached_property
    def _encoder(self) -> Any:
        from lakehead.streams.encode import registered_avro

        return registered_avro(self._settings, self._contract)

    def _resolved(self, body: io.BytesIO, written: dict[str, Any]) -> tuple[Event, str]:
        """The event by the contract's schema, or why there is none."""
        import fastavro

        try:
            event = fastavro.schemaless_reader(body, written, self._wanted)
        except Exception as error:
            # Whatever bytes that are no Avro lead the decoder to: it has no error of its own.
            name = type(error).__name__
            return {}, f"not decoded: {name}: {error}" if str(error) else f"not decoded: {name}"
        assert isinstance(event, dict)
        return event, ""

    def _ask(self, number: int) -> dict[str, Any] | str:
        """The schema of that number, or why there is none."""
        import json

        import fastavro
        import httpx

        try:
            registry.probe(self._settings)
            answer = httpx.get(
                f"{self._settings.registry_url}/schemas/ids/{quote(str(number))}",
                timeout=_TIMEOUT_SECONDS,
                trust_env=False,
            )
        except LakeheadError as error:
            return f"not decoded: {error.message}"
        except httpx.HTTPError as error:
            return f"not decoded: the schema registry does not answer: {error}"
        if answer.is_error:
            return f"the schema registry knows no schema with the id {number}"
        parsed = fastavro.parse_schema(json.loads(answer.json()["schema"]))
        assert isinstance(parsed, dict)
        return parsed


def _prefix(body: io.BytesIO, written: dict[str, Any]) -> Event:
    """The fields before the first that cannot be read."""
    import fastavro

    known: dict[str, Any] = {}
    fastavro.parse_schema(written, named_schemas=known, _force=True)
    event: Event = {}
    for field in written["fields"]:
        try:
            schema = fastavro.parse_schema(field["type"], named_schemas=dict(known))
            event[field["name"]] = fastavro.schemaless_reader(body, schema, None)
        except Exception:
            # As above.
            break
    return event


def _same(value: Any) -> Any:
    return value
