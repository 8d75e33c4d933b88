"""The server: an address to listen at, connections that are not held for nothing, and a good end.

uvicorn runs the application. What it has no limit for is cut here: a connection whose header does
not come, be it silent or letter by letter, and one whose client does not take its answer.
"""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import h11
from starlette.types import ASGIApp
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from verydeep.errors import UserError, escaped
from verydeep.serving.receiving import Limits
from verydeep.serving.service import Service

HEADER_SECONDS = 10.0
"""Seconds in which the header of a request is there whole, or the connection is cut."""
KEPT_SECONDS = 5
"""Seconds that a connection is kept for another request."""
TAKING_SECONDS = 30.0
"""Seconds in which what was sent of an answer is taken, or the connection is cut."""
SPARE_SECONDS = 30
"""Seconds beyond those of the slowest body in which what was let in is done at the end."""
TICK = 0.05


def listening(host: str, port: int) -> socket.socket:
    """A socket bound to a host and a port, of which 0 is any free one.

    Raises UserError for what is no host, and for a port that cannot be had.
    """
    said = f"host '{escaped(host)}'"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise UserError(
            f"{said} is no address or name here; 127.0.0.1 is this machine alone, 0.0.0.0 all that "
            f"reach it"
        ) from None
    family, kind, protocol, _, address = found[0]
    bound = socket.socket(family, kind, protocol)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise UserError(_why_not(error, said, port)) from None
    return bound


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken by another program; give another --port, or 0 for a free one"
    if error.errno == errno.EACCES:
        return f"port {port} is not for every user; give a --port from 1024 on"
    return f"cannot listen at {host}: {error.strerror}; give an address of this machine"


def address_of(bound: socket.socket) -> str:
    """Where a bound socket is reached, for a browser."""
    host, port = bound.getsockname()[:2]
    anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    host = anywhere.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(
    app: ASGIApp,
    service: Service,
    bound: socket.socket,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Serves until SIGTERM or Ctrl-C: what was let in is done, then this ends; twice ends at once.

    `on_ready` is called when connections are taken.
    """
    asyncio.run(serve(app, service, bound, on_ready))


async def serve(
    app: ASGIApp,
    service: Service,
    bound: socket.socket,
    on_ready: Callable[[], None] = lambda: None,
    end: asyncio.Event | None = None,
) -> None:
    """The same within a loop that runs, until `end` is set too.

    Raises UserError where another program has come to listen at the port meanwhile.
    """
    server = _Server(_config(app, service.limits))
    end = end or asyncio.Event()
    with _ended(service), _signals(server, end):
        serving = asyncio.ensure_future(server.serve([bound]))
        while not (server.started or serving.done()):
            await asyncio.sleep(TICK)
        if not server.started:
            await _not_started(serving, bound)
        on_ready()
        ending = asyncio.ensure_future(end.wait())
        await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        service.ending.set()
        while service.inside and not server.force_exit:
            await asyncio.sleep(TICK)
        server.should_exit = True
        await serving


async def _not_started(serving: asyncio.Future[None], bound: socket.socket) -> NoReturn:
    """Raises UserError for why nothing listens at a socket, which binding to it does not tell."""
    host, port = bound.getsockname()[:2]
    try:
        await serving
    except OSError as error:
        raise UserError(_why_not(error, f"host '{host}'", port)) from None
    raise RuntimeError("the server ended before it listened")


def _config(app: ASGIApp, limits: Limits) -> Config:
    return Config(
        app,
        http=_Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEPT_SECONDS,
        timeout_graceful_shutdown=round(limits.seconds) + SPARE_SECONDS,
    )


class _Server(Server):
    """uvicorn's, which leaves signals to us."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


@contextmanager
def _ended(service: Service) -> Iterator[None]:
    """Ends a service afterwards, whatever happened."""
    try:
        yield
    finally:
        service.end()


@contextmanager
def _signals(server: _Server, end: asyncio.Event) -> Iterator[None]:
    """Within, a signal sets `end`, and another one ends at once; in the main thread alone."""
    loop, caught = asyncio.get_running_loop(), []

    def stop() -> None:
        server.force_exit = end.is_set()
        end.set()

    try:
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, stop)
            caught.append(each)
    except (RuntimeError, ValueError, NotImplementedError):  # another thread, or no such here
        pass
    try:
        yield
    finally:
        for each in caught:
            loop.remove_signal_handler(each)


class _Connection(H11Protocol):
    """uvicorn's, cut where a request's header is not there in time, or an answer is not taken."""

    _cutting: asyncio.TimerHandle | None = None
    _taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Waits for the first header, and is told of every byte that is not taken."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Waits for the rest of a header, if it is not whole."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._cutting is None:
            self._wait()

    def pause_writing(self) -> None:
        """Waits for the client to take what was sent; while it does not, no more is."""
        super().pause_writing()
        self._taking = self.loop.call_later(TAKING_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """All was taken."""
        super().resume_writing()
        self._stop_taking()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no more."""
        self._stop_waiting()
        self._stop_taking()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._cutting = self.loop.call_later(HEADER_SECONDS, self._cut)

    def _stop_waiting(self) -> None:
        if self._cutting is not None:
            self._cutting.cancel()
            self._cutting = None

    def _stop_taking(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

    def _cut(self) -> None:
        self._cutting = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.abort()
