"""The bytes of one connection, in and out, in the clear or by TLS."""

import asyncio
import ssl

from lakehead.server.postgres import messages as m


class Gone(Exception):
    """The client has gone."""


class Channel:
    """Messages of one client. All methods raise `Gone` once it has gone."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @property
    def encrypted(self) -> bool:
        return self._writer.get_extra_info("ssl_object") is not None

    async def encrypt(self, tls: ssl.SSLContext) -> None:
        # What came before TLS was not protected by it, and is not to be taken for what comes in it.
        if self._reader._buffer:  # type: ignore[attr-defined]
            raise m.ProtocolError("data before TLS began")
        await self.send(b"S")
        await self._writer.start_tls(tls)

    async def packet(self, most: int) -> bytes:
        """A message's body, which its length precedes.

        Raises:
            ProtocolError: it is longer than ``most`` bytes.
        """
        size = m.Body(await self.exactly(4)).int32() - 4
        if not 0 <= size <= most:
            raise m.ProtocolError(f"a message of {size} bytes")
        return await self.exactly(size)

    async def exactly(self, size: int) -> bytes:
        try:
            return await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError) as error:
            raise Gone from error

    async def send(self, *parts: bytes) -> None:
        """Returns once the client has taken most of what it was sent."""
        self._writer.write(b"".join(parts))
        try:
            await self._writer.drain()
        except (ConnectionError, ssl.SSLError) as error:
            raise Gone from error
