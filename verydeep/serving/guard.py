"""What stands before every answer: whose requests are taken, what browsers are told, counts.

A page elsewhere may send forms to any address that its visitor can reach, and may have its own name
lead here (DNS rebinding). So requests that do something are taken from this page and from programs
alone, and under addresses and names of this server alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from ipaddress import ip_address
from time import monotonic
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from verydeep.errors import UserError, escaped
from verydeep.serving.metrics import Metrics
from verydeep.serving.refusals import LEFT, Refusal

SAFE = ("GET", "HEAD", "OPTIONS")
FOR_BROWSERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
"""In the header of every answer. Without a referrer browsers do not say where a form is from."""
PROBLEM = "application/problem+json"
OPEN = 512
"""Requests that are open at once; beyond them there is a 503."""


_HOST_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")


def refuse_no_names(names: Iterable[str]) -> None:
    """Raises UserError for what no request could give as the name of its host."""
    for given in names:
        name = _name(given)
        if name is None or not (_is_address(name) or _HOST_NAME.fullmatch(name)):
            raise UserError(
                f"--name '{escaped(given)}' is no host name; give one as pictures.example.org is"
            )


class Guard:
    """An application behind this: foreign requests refused, all of them counted.

    `names` are those that this server is known by, beside `localhost` and every address.
    """

    def __init__(
        self, app: ASGIApp, metrics: Metrics, paths: Collection[str], names: Collection[str] = ()
    ) -> None:
        self.app, self.metrics, self.paths = app, metrics, frozenset(paths)
        self.names, self._open = {"localhost", *filter(None, map(_name, names))}, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            return
        began, said = monotonic(), _Said(receive, send, Headers(scope=scope))
        self._open += 1
        try:
            if self._open > OPEN:
                raise Refusal(503, f"{OPEN} requests are open; try again later", "requests", 1)
            self._refuse_foreign(scope["method"], said.headers)
            await self.app(scope, said.receive, said.send)
        except Refusal as refusal:  # of the guard's own
            await said.refuse(refusal)
            self.metrics.refused(refusal.cause)
        finally:
            self._open -= 1
            path = scope["path"] if scope["path"] in self.paths else "other"
            self.metrics.answered(path, said.status, monotonic() - began)

    def _refuse_foreign(self, method: str, headers: Headers) -> None:
        """Raises Refusal for a name that is not this server's, and for what other pages send."""
        host = headers.get("host", "")
        if len(headers.getlist("host")) > 1 or not self._is_here(host):
            said = "no such host here; `verydeep serve --name NAME` adds one"
            raise Refusal(421, said, "host")
        if method in SAFE:
            return
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None:
            is_ours = site in ("same-origin", "none")
        else:
            is_ours = origin is None or _netloc(origin) == host.casefold()
        if not is_ours:
            raise Refusal(403, "another page asks; this server answers its own alone", "origin")

    def _is_here(self, host: str) -> bool:
        name = _name(host)
        return name is not None and (name in self.names or _is_address(name))


class _Said:
    """What is received and sent of one request: whether its body came whole, and the status."""

    def __init__(self, receive: Receive, send: Send, headers: Headers) -> None:
        self.headers, self.status = headers, LEFT
        self._receive, self._send = receive, send
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        self._is_whole = not has_body

    async def receive(self) -> Message:
        """What comes next."""
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._is_whole = True
        return message

    async def send(self, message: Message) -> None:
        """Sends, with what every answer has; a body that is not there whole ends the connection."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = list(message.get("headers", []))
            names = {name for name, _ in given}
            ours = {name.encode(): value.encode() for name, value in FOR_BROWSERS.items()}
            given += [(name, value) for name, value in ours.items() if name not in names]
            if not self._is_whole:
                given.append((b"connection", b"close"))
            message = {**message, "headers": given}
        if self.status != LEFT:
            await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        """Sends a refusal."""
        body = json.dumps(refusal.problem).encode()
        headers = {
            **refusal.headers,
            "content-type": PROBLEM,
            "content-length": str(len(body)),
        }
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": refusal.status, "headers": raw})
        await self.send({"type": "http.response.body", "body": body})


def _name(host: str) -> str | None:
    """The name or the address in a Host header; None where it is none."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    if "@" in host or parts.netloc != host or parts.hostname is None:
        return None
    return parts.hostname.rstrip(".")


def _netloc(origin: str) -> str | None:
    """Host and port of an origin."""
    try:
        return urlsplit(origin).netloc.casefold() or None
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
