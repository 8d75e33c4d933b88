"""What is let in, who leaves, and how a server ends; with a net that waits until it is let go on.

The last test is of the command itself, in a process of its own.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.serving.at_work import Reply, Running, Waiting, model_of, net, picture, running, wait_for
from verydeep.errors import UserError
from verydeep.serving.app import application
from verydeep.serving.receiving import Limits
from verydeep.serving.server import listening, run
from verydeep.serving.service import Service
from verydeep.weights import save

LIMITS = Limits(bytes=100_000, seconds=5.0, pictures=3)


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Waiting]:
    found = Waiting.of(model_of(net(), tmp_path))
    yield found
    found.gate.set()


class Asking:
    """Requests for a picture each, in threads, whose answers are waited for."""

    def __init__(self, server: Running, count: int) -> None:
        self.replies: list[Reply] = []
        self._threads = [threading.Thread(target=self._ask, args=(server,)) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _ask(self, server: Running) -> None:
        self.replies.append(server.ask("/predict", picture()))

    def statuses(self) -> list[int]:
        """Those of all, once they are there."""
        for thread in self._threads:
            thread.join(30)
        return [reply.status for reply in self.replies]


def left_behind(server: Running) -> None:
    """A request whose client leaves as soon as its picture is let in."""
    before, body = server.service.inside, picture()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
        connection.sendall(head % len(body) + body)
        wait_for(lambda: server.service.inside > before)


def test_a_full_queue_refuses_at_once_and_says_when_to_come_again(model: Waiting) -> None:
    with running(model, LIMITS, batch=2) as server:
        asking = Asking(server, 3)
        wait_for(lambda: server.service.inside == 3)
        reply = server.ask("/predict", picture())
        assert (reply.status, int(reply.headers["retry-after"]) >= 1) == (503, True)
        assert server.form("/", picture()).status == 503
        assert server.ask("/health").status == server.ask("/ready").status == 200
        model.gate.set()
        assert asking.statuses() == [200] * 3
        assert server.ask("/predict", picture()).status == 200
        assert 'verydeep_refusals_total{cause="queue"} 2' in server.ask("/metrics").body.decode()


def test_what_waits_is_worked_on_together(model: Waiting) -> None:
    with running(model, LIMITS, batch=2) as server:
        first = Asking(server, 1)
        assert model.begun.wait(30)
        others = Asking(server, 2)
        wait_for(lambda: server.service.inside == 3)
        wait_for(lambda: len(server.service._network._waiting) == 2)
        model.gate.set()
        assert first.statuses() + others.statuses() == [200] * 3
        assert model.batches == [1, 1, 2]  # the first of all is the server's own


def test_a_client_that_left_is_not_computed_for(model: Waiting) -> None:
    with running(model, LIMITS, batch=1) as server:
        first = Asking(server, 1)
        assert model.begun.wait(30)
        left_behind(server)
        wait_for(lambda: server.service.inside == 1)
        model.gate.set()
        assert first.statuses() == [200]
        assert server.ask("/predict", picture()).status == 200
        assert model.batches == [1, 1, 1]
        text = server.ask("/metrics").body.decode()
        assert 'verydeep_requests_total{path="/predict",status="499"} 1' in text


def test_the_end_waits_for_what_was_let_in_and_takes_no_more(model: Waiting) -> None:
    with running(model, LIMITS, batch=1) as server:
        asking = Asking(server, 2)
        wait_for(lambda: server.service.inside == 2)
        kept = HTTPConnection("127.0.0.1", server.port, timeout=30)
        server.end()
        wait_for(lambda: not server.service.is_ready)
        kept.request("GET", "/ready")
        assert kept.getresponse().read() == b'{"status":"ending"}'
        reply = server.ask("/predict", picture())
        assert (reply.status, "about to end" in reply.data["detail"]) == (503, True)
        kept.close()
        model.gate.set()
        assert asking.statuses() == [200, 200]


def test_the_end_does_not_wait_for_uploads(model: Waiting) -> None:
    model.gate.set()
    with running(model, Limits(bytes=100_000, seconds=30.0)) as server:
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
        with socket.create_connection(("127.0.0.1", server.port), timeout=15) as uploading:
            uploading.sendall(head + b"Expect: 100-continue\r\n\r\n")
            assert uploading.recv(65536).startswith(b"HTTP/1.1 100 ")
            uploading.sendall(b"abc")
            server.end()
            assert uploading.recv(65536).startswith(b"HTTP/1.1 503 ")


def test_a_port_that_another_takes_meanwhile_is_told(model: Waiting) -> None:
    service, told = Service(model, LIMITS, threads=1, batch=1), list[str]()
    with (
        listening("127.0.0.1", 0) as bound,
        listening("127.0.0.1", bound.getsockname()[1]) as other,
    ):
        other.listen()
        with pytest.raises(UserError, match=r"^port \d+ is taken by another program"):
            run(application(service), service, bound, lambda: told.append("ready"))
    assert not told


def test_slow_clients_do_not_hinder_another(model: Waiting) -> None:
    model.gate.set()
    with running(model, LIMITS) as server:
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n\r\n" + b"x"
        slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(64)]
        for connection in slow:
            connection.sendall(head)
        assert server.ask("/predict", picture()).status == 200
        for connection in slow:
            connection.close()


def test_weights_whose_answers_are_no_numbers_are_refused(tmp_path: Path) -> None:
    network = net()
    network.get_submodule("fc8").get_parameter("bias").data.fill_(float("nan"))
    with pytest.raises(UserError, match="no finite numbers"):
        Service(model_of(network, tmp_path), LIMITS, threads=1, batch=1)


def test_the_command_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    save(net(), tmp_path / "net.safetensors")
    command = [sys.executable, "-m", "verydeep", "serve", "net.safetensors", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        server = Running(int(url.rpartition(":")[2]))
        assert server.ask("/ready").data == {"status": "ready"}
        assert server.ask("/predict", picture()).status == 200
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert err.rstrip().endswith("verydeep serve: ended")
