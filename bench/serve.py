"""What `verydeep serve` stands: throughput, overload, memory, slow clients; beside other servers.

    uv run python bench/serve.py                                  # D whole, random weights, minutes
    uv run python bench/serve.py runs/photos-A --requests 10000
    uv run --with fastapi --with litserve python bench/serve.py   # beside those, where installed

Clients are threads of this process, on the same machine; each server is a process of its own,
with the same net and pictures. Rounds are taken in turn: the engine alone in batches, then each
server at 32 clients. What is printed: the seconds of an answer and of a map; pictures a second, and
in shares of the engine's in the same round, the median over rounds; of ours at ten times as many
clients what accepted and refused ones take, its memory over many requests, and what one client
takes beside 64 that drip.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from time import monotonic, sleep

import numpy as np
from PIL import Image

from verydeep import build, save
from verydeep.evaluation.predictor import Predictor
from verydeep.runtime.machine import Machine
from verydeep.serving.maps import METHODS

CLIENTS, SLOW, OVER = 32, 64, 10
PORT = 8765
BATCH = 8
FASTAPI = """
import sys, uvicorn
from fastapi import FastAPI, Request
from verydeep.evaluation.predictor import Predictor
from verydeep.runtime.machine import Machine
predictor, app = Predictor.of(sys.argv[1], Machine.this()), FastAPI()

@app.post("/predict")
async def predict(request: Request):
    return predictor.ask(await request.body()).top()

uvicorn.run(app, port=int(sys.argv[2]), log_level="error")
"""
"""As one writes it who has an hour: the picture in, the answer out, one after another."""
LITSERVE = """
import base64, sys, litserve
from verydeep.evaluation.predictor import Predictor
from verydeep.runtime.machine import Machine

class Api(litserve.LitAPI):
    def setup(self, device):
        self.predictor = Predictor.of(sys.argv[1], Machine.this())

    def decode_request(self, request):
        return self.predictor.read(base64.b64decode(request["picture"]))

    def batch(self, inputs):
        return list(inputs)

    def predict(self, pictures):
        return [answer.top() for answer in self.predictor.answers(pictures)]

    def unbatch(self, output):
        return list(output)

    def encode_response(self, output):
        return {"top": output}

if __name__ == "__main__":
    api = Api(max_batch_size=8, batch_timeout=0.005)
    litserve.LitServer(api, accelerator="cpu", timeout=600).run(
        port=int(sys.argv[2]), log_level="error", generate_client_file=False)
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("weights", nargs="?")
    parser.add_argument("--net", default="D")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--crop", type=int, default=224)
    parser.add_argument("--seconds", type=float, default=30, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="in which all are measured in turn")
    parser.add_argument("--requests", type=int, default=1000, help="over which memory is looked at")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        weights = given.weights
        if weights is None:
            weights = str(Path(folder, "net.safetensors"))
            save(build(given.net, 1000, width=given.width, crop=given.crop, initial="he"), weights)
        pictures = [photo(seed) for seed in range(16)]
        with ours(weights) as (port, process):
            one_by_one(port, pictures)
            servers = {"verydeep serve": (port, False)}
            with ExitStack() as beside:
                for i, (name, text, as_json) in enumerate(OTHERS):
                    if find_spec(name) is None:
                        print(f"{name}: not installed")
                    else:
                        beside.enter_context(other(name, text, weights, folder, PORT + i))
                        servers[name] = (PORT + i, as_json)
                usual = in_turn(weights, servers, pictures, given.seconds, given.rounds)
            overload(port, pictures, given.seconds, usual)
            slow_clients(port, pictures)
            memory(port, pictures, given.requests, process.pid)


def photo(seed: int) -> bytes:
    """A JPEG of 500 x 375, as photographs of the field are."""
    small = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(small).resize((500, 375), Image.Resampling.BICUBIC).save(buffer, "JPEG")
    return buffer.getvalue()


class Alone:
    """The engine by itself, on pictures that are read already, in full batches."""

    def __init__(self, weights: str, pictures: Sequence[bytes]) -> None:
        self._predictor = Predictor.of(weights, Machine.this())
        self._batch = [self._predictor.read(picture) for picture in pictures[:BATCH]]
        self._predictor.answers(self._batch)

    def rate(self, seconds: float) -> float:
        """Pictures a second over at least so many seconds."""
        began, done = monotonic(), 0
        while monotonic() - began < seconds:
            self._predictor.answers(self._batch)
            done += BATCH
        return done / (monotonic() - began)


# --- servers


@contextmanager
def ours(weights: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Within, our server is at work: its port and its process."""
    command = [sys.executable, "-m", "verydeep", "serve", weights, "--port", "0", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2])
        try:
            yield port, process
        finally:
            process.terminate()


OTHERS = (("fastapi", FASTAPI, False), ("litserve", LITSERVE, True))
"""By what is installed: a script, and whether pictures go there in JSON."""


@contextmanager
def other(name: str, text: str, weights: str, folder: str, port: int) -> Iterator[None]:
    """Within, another server is at work with the same net."""
    script = Path(folder, f"on_{name}.py")
    script.write_text(text)
    command = [sys.executable, str(script), weights, str(port)]
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            await_port(port)
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # LitServe's children outlive it otherwise


def await_port(port: int) -> None:
    """Until something listens at a port, and answers."""
    end = monotonic() + 120
    while monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            sleep(5)
            return
        sleep(0.2)
    raise SystemExit(f"nothing listens at {port}")


# --- clients


class Clients:
    """Clients that ask one request after another for some seconds; what each took, by status."""

    def __init__(
        self,
        port: int,
        pictures: Sequence[bytes],
        count: int,
        seconds: float,
        as_json: bool,
        path: str = "/predict",
    ) -> None:
        self.path = path
        self.took: dict[int, list[float]] = {}
        self._lock = threading.Lock()
        bodies = [_json(picture) for picture in pictures] if as_json else list(pictures)
        kind = "application/json" if as_json else "image/jpeg"
        end = monotonic() + seconds
        threads = [
            threading.Thread(target=self._ask, args=(port, bodies, i, end, kind))
            for i in range(count)
        ]
        began = monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.seconds = monotonic() - began

    def _ask(self, port: int, bodies: Sequence[bytes], first: int, end: float, kind: str) -> None:
        connection, turn = HTTPConnection("127.0.0.1", port, timeout=600), first
        while monotonic() < end:
            began, status, turn = monotonic(), 0, turn + 1
            try:
                body = bodies[turn % len(bodies)]
                connection.request("POST", self.path, body, {"content-type": kind})
                reply = connection.getresponse()
                reply.read()
                status = reply.status
            except OSError:
                connection.close()
            with self._lock:
                self.took.setdefault(status, []).append(monotonic() - began)
            if status == 503:
                sleep(1)  # as one does who is told to come again
        connection.close()


def _json(picture: bytes) -> bytes:
    return b'{"picture": "%s"}' % b64encode(picture)


def one_by_one(port: int, pictures: Sequence[bytes]) -> None:
    """Prints what one client waits for an answer, and for each kind of map, with nobody beside."""
    for path in ("/predict", *(f"/explain?method={name}" for name in METHODS)):
        took = Clients(port, pictures, 1, 5, as_json=False, path=path).took[200]
        print(f"  {path}, alone: {spread(took)}")


def in_turn(
    weights: str,
    servers: Mapping[str, tuple[int, bool]],
    pictures: Sequence[bytes],
    seconds: float,
    rounds: int,
) -> float:
    """Prints pictures a second at 32 clients; gives the median seconds of one of the first's."""
    alone, shares, usual = Alone(weights, pictures), defaultdict[str, list[float]](list), [0.0]
    for port, as_json in servers.values():
        Clients(port, pictures, CLIENTS, min(2, seconds), as_json)  # warms up
    for turn in range(rounds):
        engine = alone.rate(seconds)
        print(f"round {turn + 1}: the engine alone, batches of {BATCH}, {engine:.2f} a second")
        for name, (port, as_json) in servers.items():
            found = Clients(port, pictures, CLIENTS, seconds, as_json)
            took = found.took.get(200, [])
            if not took:
                print(f"  {name}: no answer, but { ({k: len(v) for k, v in found.took.items()}) }")
                continue
            rate = len(took) / found.seconds
            shares[name].append(rate / engine)
            print(f"  {name}, {CLIENTS} clients: {rate:.2f} a second; {spread(took)}")
            if name == next(iter(servers)):
                usual.append(statistics.median(took))
    for name, each in shares.items():
        listed = ", ".join(f"{share:.2f}" for share in each)
        print(f"{name}: {statistics.median(each):.2f} of the engine's ({listed})")
    return usual[-1]


def overload(port: int, pictures: Sequence[bytes], seconds: float, usual: float) -> None:
    """Prints what accepted and refused ones take at ten times as many clients."""
    found = Clients(port, pictures, OVER * CLIENTS, seconds, as_json=False)
    for status, took in sorted(found.took.items()):
        print(f"  {OVER * CLIENTS} clients, status {status}: {len(took)}, {spread(took)}")
    accepted = found.took.get(200, [])
    if accepted and usual:
        print(f"  accepted take {statistics.median(accepted) / usual:.2f} of their usual time")


def slow_clients(port: int, pictures: Sequence[bytes]) -> None:
    """Prints what one takes beside 64 whose bodies drip."""
    alone = Clients(port, pictures, 1, 3, as_json=False).took[200]
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n\r\nx"
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(SLOW)]
    for connection in slow:
        connection.sendall(head)
    beside = Clients(port, pictures, 1, 3, as_json=False).took[200]
    for connection in slow:
        connection.close()
    print(f"  one client: {spread(alone)}; beside {SLOW} that drip: {spread(beside)}")


def memory(port: int, pictures: Sequence[bytes], requests: int, process: int) -> None:
    """Prints by how much the server's memory grows over so many requests."""
    before, done = resident(process), 0
    first = before
    while done < requests:
        found = Clients(port, pictures, CLIENTS, 2, as_json=False)
        done += sum(len(took) for took in found.took.values())
        first = first if done > requests // 10 else resident(process)
    after = resident(process)
    print(
        f"  memory: {before:.0f} MB, after a tenth of {done:,} requests {first:.0f} MB, after all "
        f"{after:.0f} MB"
    )


def resident(process: int) -> float:
    """Megabytes of memory that a process holds, on Linux."""
    lines = Path(f"/proc/{process}/status").read_text().split("\n")
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmRSS"))


def spread(took: Sequence[float]) -> str:
    """The median and the 99th percentile of seconds."""
    most = sorted(took)[min(len(took) - 1, int(0.99 * len(took)))]
    return f"median {statistics.median(took):.3f} s, of 99 in 100 at most {most:.3f} s"


if __name__ == "__main__":
    main()
