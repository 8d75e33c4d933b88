"""Servers that tests ask: small random nets, or a stand-in that waits, behind real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.conftest import TWO_CORES
from verydeep.datasets import open_dataset
from verydeep.nets.network import Answer, Network, build
from verydeep.pictures.preprocessing import Pixels
from verydeep.report.units_file import NAME, KnownUnits, save_units
from verydeep.runtime.progress import SILENT
from verydeep.serving.app import application
from verydeep.serving.model import Asked, Classifier, Model, served
from verydeep.serving.receiving import Limits
from verydeep.serving.server import listening, serve
from verydeep.serving.service import Service
from verydeep.verbs.units import units
from verydeep.weights import save

CLASSES = ("cat", "dog", "<b>owl</b> & co", "zebra", "ant", "bee")
PIXELS = Pixels((40, 40), (100.0, 110.0, 120.0), (50.0, 50.0, 50.0))
LIMITS = Limits(bytes=100_000, seconds=2.0, pictures=16)


def net(seed: int = 0) -> Network:
    """A small classifier with random weights, unsure of what it sees."""
    found = build("A", CLASSES, width=0.125, crop=32, fc=16, pixels=PIXELS, initial="he", seed=seed)
    found.get_submodule("fc8").get_parameter("weight").data.mul_(0.2)
    return found


def model_of(network: Network, folder: Path, **options: Any) -> Model:
    """What is served of a network, by way of its file."""
    save(network, folder / "net.safetensors")
    return served(folder / "net.safetensors", TWO_CORES.machine, SILENT, **options)


def picture(height: int = 60, width: int = 80, seed: int = 0, form: str = "PNG") -> bytes:
    """The bytes of a picture of blots, which nets tell apart, where they do not noise."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    buffer = BytesIO()
    large = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    large.save(buffer, form)
    return buffer.getvalue()


def form_of(*pictures: bytes, boundary: str = "x1y2") -> tuple[bytes, dict[str, str]]:
    """A form with a file for each picture, and the header that says so."""
    body = b"".join(
        b'--%s\r\nContent-Disposition: form-data; name="picture"; filename="%d.png"\r\n'
        b"Content-Type: image/png\r\n\r\n%s\r\n" % (boundary.encode(), i, each)
        for i, each in enumerate(pictures)
    )
    header = {"content-type": f"multipart/form-data; boundary={boundary}"}
    return body + b"--%s--\r\n" % boundary.encode(), header


class Waiting(Classifier):
    """A model that notes what it is asked, and waits before it answers until `gate` is open."""

    gate: threading.Event
    begun: threading.Event
    batches: list[int]

    @classmethod
    def of(cls, model: Model) -> Waiting:
        """One that then answers as a model does."""
        assert isinstance(model, Classifier)
        found = cls(model.predictor, model.identity, model.name)
        of_its_own = {"gate": threading.Event(), "begun": threading.Event(), "batches": []}
        found.__dict__.update(of_its_own)
        return found

    def answers(self, asked: Sequence[Asked]) -> list[Answer]:
        """The first picture is the server's own, and waits for nothing."""
        if self.batches:
            self.begun.set()
            assert self.gate.wait(30)
        self.batches.append(len(asked))
        return super().answers(asked)


def wait_for(holds: Callable[[], bool]) -> None:
    """Until something holds; it must within half a minute."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


@dataclass(frozen=True)
class Reply:
    """An answer: status, header with small letters, body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        """The body as data."""
        return json.loads(self.body)


class Running:
    """A server at work in this process, to be asked over its socket."""

    service: Service
    end: Callable[[], object]

    def __init__(self, port: int) -> None:
        self.port = port

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, body: bytes | None = None, method: str = "", **headers: str) -> Reply:
        """The answer to a request; underlines in names of `headers` are hyphens."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, body, given)
            reply = connection.getresponse()
            found = {name.lower(): value for name, value in reply.getheaders()}
            return Reply(reply.status, found, reply.read())
        finally:
            connection.close()

    def form(self, path: str, *pictures: bytes, **headers: str) -> Reply:
        """The answer to a form of pictures."""
        body, of_form = form_of(*pictures)
        return self.ask(path, body, **of_form, **headers)

    def raw(self, sent: bytes, seconds: float = 10) -> bytes:
        """All that comes back for these bytes, until the connection is closed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            found = b""
            try:
                connection.sendall(sent)
                while data := connection.recv(65536):
                    found += data
            except ConnectionResetError:
                pass
            return found


def units_file(network: Network, folder: Path, rows: Sequence[str] = ("relu1_1",)) -> Path:
    """A folder with what units of a network like in pictures that code drew."""
    save_units(units(network, rows, open_dataset("drawn:10x40"), count=5), folder / NAME)
    return folder


@contextmanager
def running(
    model: Any, limits: Limits = LIMITS, batch: int = 8, known: KnownUnits | None = None
) -> Iterator[Running]:
    """Within, a server of a model is at work on a free port; at the end it ends well."""
    service = Service(model, limits, 2, batch, known)
    bound = listening("127.0.0.1", 0)
    port, ready = bound.getsockname()[1], threading.Event()
    ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def work() -> None:
        end = asyncio.Event()
        ends.append((asyncio.get_running_loop(), end))
        await serve(application(service), service, bound, ready.set, end)

    def end() -> None:
        loop, event = ends[0]
        with suppress(RuntimeError):  # that has ended
            loop.call_soon_threadsafe(event.set)

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    assert ready.wait(30)
    try:
        server = Running(port)
        server.service, server.end = service, end
        yield server
    finally:
        end()
        thread.join(60)
        assert not thread.is_alive()
