"""Requests that are none, over a bare socket: each is refused or cut, and the server goes on.

What a server must make of most of them stands in RFC 9112 (messages) and RFC 9110 (statuses).
"""

from __future__ import annotations

import logging
import random
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.pictures.test_reading import VALID
from tests.serving.at_work import (
    Running,
    form_of,
    model_of,
    net,
    picture,
    running,
    wait_for,
)
from verydeep.serving.receiving import Limits

LIMITS = Limits(bytes=100_000, seconds=0.5, pictures=16)
HOST = b"Host: localhost\r\n"
POST = b"POST /predict HTTP/1.1\r\n" + HOST
MALFORMED = {
    "nothing but ends of lines": b"\r\n" * 40,
    "zeros": bytes(4000),
    "noise": random.Random(0).randbytes(4000),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "HTTP/9": b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
    "no target": b"GET  HTTP/1.1\r\n" + HOST + b"\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
    "a whole address": b"GET http://evil.example/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "a target of bytes": b"GET /\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n",
    "a target that is no UTF-8": b"GET /%ff%fe HTTP/1.1\r\n" + HOST + b"\r\n",
    "a way up": b"GET /../../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n",
    "a way up in disguise": b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n",
    "two slashes": b"GET //evil.example/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "a star": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT": b"CONNECT evil.example:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    "TRACE": b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a method of its own": b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a method with signs": b"G@T / HTTP/1.1\r\n" + HOST + b"\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\n" + HOST * 2 + b"\r\n",
    "a host of bytes": b"GET / HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\n" + HOST + b"X\r\n\r\n",
    "a header with a space": b"GET / HTTP/1.1\r\n" + HOST + b"X : y\r\n\r\n",
    "a header of zeros": b"GET / HTTP/1.1\r\n" + HOST + b"X: \0\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n",
    "a header without end": b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 200_000,
    "ten thousand headers": b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 10_000 + b"\r\n",
    "a negative length": POST + b"Content-Length: -5\r\n\r\n",
    "a length of letters": POST + b"Content-Length: many\r\n\r\n",
    "a length of a hundred digits": POST + b"Content-Length: " + b"9" * 100 + b"\r\n\r\n",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "a list of lengths": POST + b"Content-Length: 3, 4\r\n\r\nabcd",
    "a length and pieces": POST
    + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\n",
    "pieces of another kind": POST + b"Transfer-Encoding: gzip\r\n\r\nabc",
    "pieces twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "a piece of a negative size": POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n",
    "a piece of a huge size": POST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc",
    "a piece without its end": POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef",
    "a piece with a long word": POST + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"a" * 70_000,
    "less than was told": POST + b"Content-Length: 50\r\n\r\nabc",
    "an upgrade": b"GET / HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    "another upgrade": b"GET / HTTP/1.1\r\n" + HOST
    + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "an expectation": POST + b"Expect: 100-continue\r\nContent-Length: 900000\r\n\r\n",
    "another expectation": POST + b"Expect: a miracle\r\nContent-Length: 3\r\n\r\nabc",
    "a form without a boundary": POST
    + b"Content-Type: multipart/form-data\r\nContent-Length: 3\r\n\r\nabc",
    "a type of bytes": POST + b"Content-Type: multipart/form-data; boundary=\xff\xff\r\n"
    b"Content-Length: 3\r\n\r\nabc",
    "an endless query": b"POST /explain?class=" + b"a" * 60_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "a query of zeros": b"POST /explain?class=%00&top=%00&method=%00 HTTP/1.1\r\n" + HOST
    + b"Content-Length: 3\r\n\r\nabc",
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("verydeep.serving.server.HEADER_SECONDS", 1.0)
        patch.setattr("verydeep.serving.server.KEPT_SECONDS", 0)
        patch.setattr("verydeep.serving.receiving.PATIENCE", 0.1)
        with running(model_of(net(), tmp_path_factory.mktemp("hostile")), LIMITS) as found:
            yield found


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_request_is_refused_or_cut(
    server: Running, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    reply = server.raw(MALFORMED[name])
    for status in re.findall(rb"HTTP/1\.1 (\d+)", reply):
        assert status != b"500"
    assert b"passwd" not in reply
    assert b"/evil" not in reply
    assert server.ask("/health").status == 200
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def damaged(chance: random.Random, turn: int) -> bytes:
    """A form of a picture with a few bytes of it turned: of the whole, the header or the body."""
    body, header = form_of(chance.choice([*VALID.values()]))
    head = "POST /predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += f"Content-Type: {header['content-type']}\r\nContent-Length: {len(body)}\r\n\r\n"
    sent = bytearray(head.encode() + body)
    first, last = [(0, len(sent)), (0, len(head)), (len(head), len(sent))][turn % 3]
    for _ in range(1 + turn % 4):
        sent[chance.randrange(first, last)] = chance.randrange(256)
    return bytes(sent)


def test_damaged_requests_of_any_kind_make_no_fault(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(1)
    for turn in range(60):
        assert b"HTTP/1.1 500" not in server.raw(damaged(chance, turn))
    assert server.ask("/predict", picture()).status == 200
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="Linux tells of a process alone")
def test_a_thousand_of_them_leave_nothing_behind(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """No fault, nobody who waits for an answer in vain, no connection, no thread and no memory."""
    chance = random.Random(2)
    sent = [chance.choice([*MALFORMED.values()]) for _ in range(500)]
    sent += [damaged(chance, turn) for turn in range(500)]
    chance.shuffle(sent)

    def ask(pool: ThreadPoolExecutor, requests: list[bytes]) -> None:
        for reply in pool.map(server.raw, requests):
            assert b"HTTP/1.1 500" not in reply

    with ThreadPoolExecutor(16) as pool:
        ask(pool, sent[:200])
        before = left_behind()
        ask(pool, sent[200:])
    assert server.ask("/predict", picture()).status == 200
    wait_for(lambda: left_behind()[0] <= before[0])
    threads, megabytes = left_behind()[1:]
    assert threads <= before[1]
    assert megabytes < before[2] + 30
    assert server.service.inside == 0
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def left_behind() -> tuple[int, int, float]:
    """Open files and connections, threads, and megabytes of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    resident = next(float(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    return len([*Path("/proc/self/fd").iterdir()]), threading.active_count(), resident / 1e3
