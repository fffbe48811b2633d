"""Queries over HTTP: Arrow or JSON lines out; health and metrics.

=======  =================  ======================================================================
POST     /query             the body is the SQL, or an object with ``sql``, ``params``, ``as_of``,
                            ``live``
GET      /query?sql=        the same, for small ones
GET      /queries           what runs and waits (role operator)
DELETE   /queries/ID        cancel (role operator)
GET      /metrics           Prometheus's text format (role operator)
GET      /health            200 while a query is answered, without a token
=======  =================  ======================================================================

Rows come as ``application/vnd.apache.arrow.stream`` or ``application/x-ndjson``, as ``Accept`` or
``?format=arrow|jsonl`` asks. An answer that fails on the way is cut off, and never looks whole.
"""

import json
import time
from typing import Any

from aiohttp import web

from lakehead.errors import LakeheadError, UserError
from lakehead.server.desk import Desk, Question
from lakehead.server.fair import Busy
from lakehead.server.pool import Cancelled, TooBig, TooLong
from lakehead.server.tokens import Token

_ARROW, _JSONL = "application/vnd.apache.arrow.stream", "application/x-ndjson"
_TYPES = {"arrow": _ARROW, "jsonl": _JSONL}
_KEYS = {"sql", "params", "as_of", "live", "format", "timeout_seconds"}
_SWITCH = {"true": True, "false": False}


class Http:
    """The handlers, over one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def application(self) -> web.Application:
        app = web.Application(
            client_max_size=self._desk.limits.sql_bytes + 2**20, middlewares=[_explained]
        )
        app.router.add_post("/query", self._query)
        app.router.add_get("/query", self._query)
        app.router.add_get("/queries", self._queries)
        app.router.add_delete("/queries/{id}", self._cancel)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/health", self._health)
        return app

    async def _query(self, request: web.Request) -> web.StreamResponse:
        token = self._token(request)
        question = await _question(request)
        async with self._desk.ask(token, "http", question) as answer:
            response = web.StreamResponse(headers={"Content-Type": _TYPES[question.form]})
            response.headers["Lakehead-Snapshots"] = json.dumps(answer.header.tables)
            if answer.header.freshness:
                response.headers["Lakehead-Freshness"] = json.dumps(answer.header.freshness)
            response.enable_chunked_encoding()
            some = await answer.next()
            # Only now: what failed before its first rows is told by the status.
            await response.prepare(request)
            try:
                while some is not None:
                    count, chunk = some
                    self._desk.metrics.sent(count, len(chunk))
                    await response.write(chunk)
                    some = await answer.next()
            except LakeheadError:
                # The status is sent; that the body has no end is what tells the client.
                if request.transport:
                    request.transport.abort()
                raise
        await response.write_eof()
        return response

    async def _queries(self, request: web.Request) -> web.Response:
        self._operator(request)
        now = time.time()
        return web.json_response(
            [
                {
                    "id": entry.id,
                    "token": entry.token,
                    "protocol": entry.protocol,
                    "state": entry.state,
                    "seconds": round(now - entry.began, 3),
                    "sql": entry.sql,
                }
                for entry in self._desk.running.values()
            ]
        )

    async def _cancel(self, request: web.Request) -> web.Response:
        self._operator(request)
        number = request.match_info["id"]
        if not (number.isdecimal() and self._desk.cancel(int(number[:18]))):
            raise web.HTTPNotFound(text=f"there is no query {number}\n")
        return web.Response(status=204)

    async def _metrics(self, request: web.Request) -> web.Response:
        self._operator(request)
        workers = self._desk.pool.workers
        text = self._desk.metrics.text(
            {
                "running": sum(self._desk.queue.running.values()),
                "waiting": self._desk.queue.waiting,
                "workers": len(workers),
                "worker_resident_bytes": sum(w.resident_bytes() for w in workers),
            },
            await self._desk.tails.sizes(),
        )
        return web.Response(
            body=text.encode(), headers={"Content-Type": "text/plain; version=0.0.4"}
        )

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"healthy": True})

    def _token(self, request: web.Request) -> Token:
        kind, _, secret = request.headers.get("Authorization", "").partition(" ")
        token = self._desk.doorkeeper.admit(secret.strip()) if kind.lower() == "bearer" else None
        if token is None:
            self._desk.metrics.refused_logins += 1
            raise web.HTTPUnauthorized(
                text="expected Authorization: Bearer TOKEN; lakehead token new NAME makes one\n",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return token

    def _operator(self, request: web.Request) -> None:
        if not self._token(request).rules:
            raise web.HTTPForbidden(text="this needs a token of the role operator\n")


@web.middleware
async def _explained(request: web.Request, handler: Any) -> web.StreamResponse:
    """A LakeheadError as a status and a JSON object."""
    try:
        answer: web.StreamResponse = await handler(request)
        return answer
    except LakeheadError as error:
        body = {"error": error.message, "hint": error.hint}
        headers = {"Retry-After": "1"} if isinstance(error, Busy) else {}
        return web.json_response(body, status=_status(error), headers=headers)


def _status(error: LakeheadError) -> int:
    match error:
        case Busy():
            return 429
        case TooLong():
            return 408
        case TooBig():
            return 413
        case Cancelled():
            return 499
        case UserError():
            return 400
        case _:
            return 500


async def _question(request: web.Request) -> Question:
    asked: dict[str, Any] = dict(request.query)
    if request.method == "POST":
        try:
            text = await request.text()
            if request.content_type == "application/json":
                asked |= json.loads(text)
            else:
                asked["sql"] = text
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            raise UserError(f"the body cannot be read: {error}") from None
    if unknown := set(asked) - _KEYS:
        raise UserError(f"there is no {', '.join(sorted(unknown))}; known: {', '.join(_KEYS)}")
    sql, params, as_of = asked.get("sql"), asked.get("params"), asked.get("as_of")
    if not isinstance(sql, str) or not sql.strip():
        raise UserError("expected SQL, as the body or as sql")
    if params is not None and not isinstance(params, list):
        raise UserError("params is no list")
    if as_of is not None and not isinstance(as_of, str):
        raise UserError("as_of is no text")
    live = asked.get("live", False)
    # As a parameter of the address it is text.
    live = _SWITCH.get(live, live) if isinstance(live, str) else live
    if not isinstance(live, bool):
        raise UserError(f"live is {live!r}, expected true or false")
    if live and as_of:
        raise UserError("expected one of live and as_of")
    form = asked.get("format") or (
        "arrow" if _ARROW in request.headers.get("Accept", "") else "jsonl"
    )
    if form not in _TYPES:
        raise UserError(f"there is no format {form!r}; expected {' or '.join(_TYPES)}")
    try:
        seconds = float(asked["timeout_seconds"]) if "timeout_seconds" in asked else None
    except (ValueError, TypeError):
        raise UserError("timeout_seconds is no number") from None
    if seconds is not None and not 0 < seconds < 10**9:
        raise UserError("timeout_seconds must be above 0")
    return Question(sql, form, params, as_of=as_of, seconds=seconds, live=live)
