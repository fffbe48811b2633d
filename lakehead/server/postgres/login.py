"""How a connection begins: TLS, a request to cancel, or a token."""

import ssl
from collections.abc import Callable

from lakehead.errors import UserError
from lakehead.server.desk import Desk
from lakehead.server.postgres import commands
from lakehead.server.postgres import messages as m
from lakehead.server.postgres.channel import Channel, Gone
from lakehead.server.tokens import Token

_LOGIN_BYTES = 10_000
# What a client is told of the session's settings before it asks.
_TOLD = (
    "server_encoding",
    "client_encoding",
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "integer_datetimes",
    "standard_conforming_strings",
    "default_transaction_read_only",
    "in_hot_standby",
    "is_superuser",
)


class _TurnedAway(Exception):
    """A client may not come in: SQLSTATE, reason and hint."""


async def log_in(
    desk: Desk,
    channel: Channel,
    tls: ssl.SSLContext | None,
    cancel: Callable[[int, int], None],
    full: bool,
) -> tuple[Token, commands.Session] | None:
    """The token of a client, which has been told that it may come in, and its session; None where
    it may not.

    ``cancel`` is called where that is all the client wants. ``full``: no more clients are taken.
    """
    try:
        while True:
            body = m.Body(await channel.packet(_LOGIN_BYTES))
            code = body.int32()
            if code == m.SSL_REQUEST and tls and not channel.encrypted:
                await channel.encrypt(tls)
            elif code in (m.SSL_REQUEST, m.GSS_REQUEST):
                await channel.send(b"N")
            elif code == m.CANCEL_REQUEST:
                cancel(body.int32(), body.int32())
                return None
            else:
                return await _greet(desk, channel, code, body, tls is not None, full)
    except _TurnedAway as refusal:
        await channel.send(m.error("FATAL", *refusal.args))
    except (Gone, m.ProtocolError, ssl.SSLError):
        pass
    return None


async def _greet(
    desk: Desk, channel: Channel, code: int, body: m.Body, tls: bool, full: bool
) -> tuple[Token, commands.Session]:
    if code >> 16 != m.PROTOCOL_3:
        raise _TurnedAway("0A000", f"protocol {code >> 16} is not spoken here")
    options = {}
    while name := body.text():
        options[name] = body.text()
    if tls and not channel.encrypted:
        raise _TurnedAway("28000", "this server speaks TLS only: sslmode=require")
    unknown = [name for name in options if name.startswith("_pq_.")]
    if unknown or code & 0xFFFF:
        names = b"".join(map(m.text, unknown))
        await channel.send(m.message(b"v", m.int32(0), m.int32(len(unknown)), names))
    await channel.send(m.authentication(3))
    kind = await channel.exactly(1)
    said = m.Body(await channel.packet(_LOGIN_BYTES)).text()
    user = options.get("user", "")
    token = desk.doorkeeper.admit(said, user) if kind == b"p" else None
    if token is None:
        desk.metrics.refused_logins += 1
        text = f"there is no token {user!r} with this secret"
        raise _TurnedAway("28P01", text, "lakehead token new NAME")
    if full:
        raise _TurnedAway("53300", "too many connections")
    try:
        session = commands.started(token.name, options.get("options", ""))
    except UserError as error:
        raise _TurnedAway("22023", error.message, error.hint) from None
    told = {
        "server_version": commands.VERSION,
        "application_name": options.get("application_name", ""),
        "session_authorization": token.name,
        **{name: session.shown(name.lower()) or "" for name in _TOLD},
    }
    statuses = (m.parameter_status(name, value) for name, value in told.items())
    await channel.send(m.authentication(0), *statuses)
    return token, session
