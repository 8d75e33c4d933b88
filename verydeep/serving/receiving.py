"""Bodies of requests, received within limits: their bytes, those of all at once, and the time.

A client may send as slowly as it likes until the one deadline, and costs nothing but what it sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.types import Receive

from verydeep.serving.refusals import Refusal, ending, left

Result = TypeVar("Result")
TOGETHER = 16
"""Bodies of the largest size that are held at once, all together."""
PATIENCE = 1.0
"""Seconds that what a refused client still sends is taken for, so that it reads the answer."""


@dataclass(frozen=True)
class Limits:
    """What is taken: bytes of a request, seconds until they are there, pictures at once."""

    bytes: int = 20_000_000
    seconds: float = 30.0
    pictures: int = 32


class Held:
    """Bytes of bodies that are held now, of all requests."""

    def __init__(self, most: int) -> None:
        self.most, self.now = most, 0

    @contextmanager
    def body(self) -> Iterator[bytearray]:
        """Within, a body to be grown by `more`; it counts until the end."""
        body = bytearray()
        try:
            yield body
        finally:
            self.now -= len(body)
            body.clear()

    def more(self, body: bytearray, data: bytes) -> None:
        """Adds to a body; Refusal where all of them together would be too many bytes."""
        if self.now + len(data) > self.most:
            raise Refusal(503, "too many bytes are being received; try again", "bytes", 1)
        self.now += len(data)
        body += data


async def received(receive: Receive, body: bytearray, held: Held, limits: Limits) -> None:
    """Receives a body whole; Refusal where it is too large, too slow, or the client leaves."""
    try:
        async with asyncio.timeout(limits.seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise left()
                data = message.get("body", b"")
                if len(body) + len(data) > limits.bytes:
                    raise too_large(limits)
                held.more(body, data)
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        said = f"the request was not there after {limits.seconds:g} seconds"
        raise Refusal(408, said, "time") from None


def refuse_declared(headers: Mapping[str, str], limits: Limits) -> None:
    """Raises Refusal for a body whose header tells that it is too large."""
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limits.bytes:
        raise too_large(limits)


def too_large(limits: Limits) -> Refusal:
    """The refusal of a body that has too many bytes."""
    most = limits.bytes / 1e6
    return Refusal(413, f"a request has at most {most:g} MB here; send a smaller picture", "bytes")


async def drained(receive: Receive) -> None:
    """Takes what is still sent of a refused body, for a moment, and forgets it.

    A connection that is closed before is reset, and the client may never read why.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while (await receive()).get("more_body", False):
                pass


async def unless_left(receive: Receive, work: Coroutine[Any, Any, Result]) -> Result:
    """What comes of work, which is cancelled where the client leaves meanwhile: Refusal.

    Nothing of a body may be left to be received.
    """
    return await _unless(_leaves(receive), left, work)


async def unless_ending(end: asyncio.Event, work: Coroutine[Any, Any, Result]) -> Result:
    """What comes of work, which is cancelled where the server is about to end: Refusal."""
    return await _unless(end.wait(), ending, work)


async def _unless(
    event: Coroutine[Any, Any, Any],
    refusal: Callable[[], Refusal],
    work: Coroutine[Any, Any, Result],
) -> Result:
    """What comes of work, or, where an event comes first, a refusal."""
    doing, watching = asyncio.ensure_future(work), asyncio.ensure_future(event)
    try:
        await asyncio.wait({doing, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise refusal()
        return doing.result()
    finally:
        for task in (doing, watching):
            task.cancel()
        await asyncio.gather(doing, watching, return_exceptions=True)


async def _leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
