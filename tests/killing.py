"""A process that trains a tiny network in forks of itself and kills them as it is told.

Run as `python -m tests.killing`; takes one JSON order a line, gives one JSON answer a line. Forks
start at once, for PyTorch is imported before; this process itself never computes anything.

An order: {"folder", "count" (processes), "kill": {"number", "event", "torn"}}; an event is a
change to a file, or an exchange between processes, counted within each process from the start, or
by name.
Or "kill": {"numbers", "after"}: SIGKILL from outside after so many seconds; "signal" sends another.
"resume" goes on with the folder, "weights" tests that file instead. "stall" sleeps instead of
being killed; "differ" are settings of the last process alone. An answer: {"codes", "events" (of
process 0, by name), "said", "seconds"}.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import torch._dynamo
import torch.fx.experimental.symbolic_shapes
import torch.utils.tensorboard  # noqa: F401 - these three so that forks need not import them

from verydeep.evaluation import journal
from verydeep.runtime import distributed, heartbeat
from verydeep.runtime.machine import Machine
from verydeep.runtime.runtime import Runtime
from verydeep.verbs import evaluate, train

DATA = "drawn:24x40"
SETTINGS: dict[str, Any] = {
    "net": "A", "width": 0.125, "crop": 32, "fc": 16, "scale": 34, "batch": 8, "micro_batch": 2,
    "epochs": 2, "patience": 2, "rate": 0.01, "initial": "he", "average": 0.5,
}  # fmt: skip
EVERY = 2
"""Steps between checkpoints; an epoch has three, and a run six."""


class Events:
    """Counts a process's changes to files and exchanges, and kills it at one of them."""

    def __init__(self, at: int | str | None, torn: bool, stall: bool, sent: int) -> None:
        self.at, self.torn, self.stall, self.sent = at, torn, stall, sent
        self.names: list[str] = []

    def happens(self, name: str, tear: Callable[[], object] = lambda: None) -> None:
        self.names.append(name)
        if self.at in (name, len(self.names) - 1):
            if self.torn:
                tear()
            if self.stall:
                time.sleep(60)
            os.kill(os.getpid(), self.sent)

    def progress(self) -> None:
        """From here on every change to a file, by whoever makes it, is an event."""
        opened, fsync, rmtree = Path.open, os.fsync, shutil.rmtree
        together = distributed.Ranks.together
        events = self

        def open_(path: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            file = opened(path, mode, *args, **kwargs)
            if mode != "wb":
                return file

            write = file.write

            def torn_write(content: Any) -> None:
                write(content[: len(content) // 2])
                file.flush()

            class Written:
                def __enter__(self) -> Any:
                    return self

                def __exit__(self, *_: object) -> None:
                    file.close()

                def write(self, content: Any) -> int:
                    events.happens(f"write {path.name}", lambda: torn_write(content))
                    return int(write(content))

                def writelines(self, pieces: Any) -> None:
                    for piece in pieces:
                        self.write(piece)

                def __getattr__(self, name: str) -> Any:
                    return getattr(file, name)

            return Written()

        def fsync_(descriptor: int) -> None:
            events.happens("fsync")
            fsync(descriptor)

        def rmtree_(path: Any, *args: Any, **kwargs: Any) -> None:
            if Path(path).exists():
                events.happens(f"remove {Path(path).name}", lambda: _half_removed(Path(path)))
            rmtree(path, *args, **kwargs)

        def changing(name: str) -> Any:
            before = getattr(Path, name)

            def changed(path: Path, *args: Any, **kwargs: Any) -> Any:
                events.happens(f"{name} {path.name}")
                return before(path, *args, **kwargs)

            return changed

        def together_(one: distributed.Ranks, what: str) -> Any:
            if one.world_size > 1:
                events.happens(f"exchange {what}")
            return together(one, what)

        for name in ("rename", "replace", "mkdir"):
            setattr(Path, name, changing(name))
        Path.open = open_  # type: ignore[method-assign, assignment]
        os.fsync = fsync_  # type: ignore[assignment]
        shutil.rmtree = rmtree_  # type: ignore[assignment]
        distributed.Ranks.together = together_  # type: ignore[method-assign, assignment]


def _half_removed(folder: Path) -> None:
    for file in sorted(folder.iterdir())[:2]:
        file.unlink()


def obey(order: dict[str, Any]) -> dict[str, Any]:
    """Runs the processes of an order to their ends."""
    count, folder = order.get("count", 1), Path(order["folder"])
    port = free_port()
    said = [folder.with_suffix(f".{n}.txt") for n in range(count)]
    start = time.monotonic()
    children = [_fork(order, number, port, said[number]) for number in range(count)]
    kill = order.get("kill", {})
    if "after" in kill:
        time.sleep(kill["after"])
        for number in kill["numbers"]:
            os.kill(children[number], kill.get("signal", signal.SIGKILL))
    if order.get("thaw"):  # a frozen process is let go once another has given up on it
        os.waitid(os.P_PID, children[0], os.WEXITED | os.WNOWAIT)
        os.kill(children[1], signal.SIGKILL)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    lines = [path.read_text() for path in said]
    events = [line[6:] for line in lines[0].split("\n") if line.startswith("event ")]
    spoken = "".join(
        f"{line}\n" for text in lines for line in text.split("\n") if "event " not in line
    )
    return {"codes": codes, "events": events, "said": spoken, "seconds": time.monotonic() - start}


def _fork(order: dict[str, Any], number: int, port: int, said: Path) -> int:
    child = os.fork()
    if not child:
        _child(order, number, port, said)
    return child


def _child(order: dict[str, Any], number: int, port: int, said: Path) -> NoReturn:
    """One process of a run; leaves without ever coming back to the parent's code."""
    code = 1
    try:
        descriptor = os.open(said, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        count = order.get("count", 1)
        os.environ |= {
            "RANK": str(number), "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count),
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        }  # fmt: skip
        heartbeat.DEAD, heartbeat.BEAT = order.get("dead", 15.0), 0.3
        kill = order.get("kill", {})
        events = Events(
            kill.get("event") if kill.get("number", 0) == number else None,
            kill.get("torn", False),
            order.get("stall", False),
            kill.get("signal", signal.SIGKILL),
        )
        events.progress()
        heartbeat.STALLED = order.get("stalled", 45.0)
        settings = dict(order.get("settings", {}))
        if number == count - 1:
            settings |= order.get("differ", {})
        try:
            _work(order, settings)
            code = 0
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        for name in events.names:
            print(f"event {name}")
    except BaseException as error:
        print(f"{type(error).__name__}: {error}")
    finally:
        sys.stdout.flush()
        os._exit(code)


def _work(order: dict[str, Any], settings: dict[str, Any]) -> None:
    folder = Path(order["folder"])
    together = distributed.join(in_order=True)
    runtime = Runtime(Machine("cpu", 1), together, save_every=EVERY)
    if "weights" in order:
        journal.SECONDS = -1.0  # kept after every chunk
        out = folder / "scores.safetensors"
        evaluate.evaluate(order["weights"], DATA, "both", runtime, scales=(34, 40), out=out)
    elif order.get("resume"):
        train.resume(folder, runtime)
    else:
        train.train(DATA, folder, runtime, **{**SETTINGS, **settings})
    together.close()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(obey(json.loads(line))), flush=True)
