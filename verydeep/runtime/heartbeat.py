"""What processes that work together tell each other, and how one that is lost is named.

Each says once a second, in the store through which they met, that it lives and where it stands. Who
sees that another has died, failed or stalled says so, and leaves.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, NoReturn

from verydeep.errors import one_line

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

BEAT = 1.0
"""Seconds between two signs of life."""
DEAD = 8.0
"""Seconds without a sign of life after which a process is taken for dead."""
STALLED = 45.0
"""Seconds that the others wait for a process, at the least, before it is taken for stalled."""


class Heartbeat:
    """Signs of life, exchanged through the store that torchrun keeps; one thread a process."""

    def __init__(self, rank: int, world_size: int, store: Store) -> None:
        self.rank, self.world_size = rank, world_size
        self._store, self._beats = store, store.clone()
        self._asked = 0
        self._at: dict[str, Any] = {"beat": 0, "place": 0, "inside": "", "busy": "", "fault": ""}
        self._entered = self._left = monotonic()
        self._longest = 0.0
        self._ended = threading.Event()
        threading.Thread(target=self._run, daemon=True, name="signs of life").start()

    def exchanged(self, value: Any) -> list[Any]:
        """What every process gave, in the order of their numbers."""
        self._asked += 1
        keys = [f"given/{self._asked}/{rank}" for rank in range(self.world_size)]
        with self.inside("what the others have to say"), self._asking():
            self._store.set(keys[self.rank], json.dumps(value))
            while not self._store.check(keys):
                sleep(0.02)
            return [json.loads(self._store.get(key)) for key in keys]

    @contextmanager
    def inside(self, what: str) -> Iterator[None]:
        """Around an exchange, at which this process waits for the others."""
        self._entered = monotonic()
        self._longest = max(self._longest, self._entered - self._left)
        self._at["inside"] = what
        try:
            yield
        finally:
            self._left = monotonic()
            self._at["place"] += 1
            self._at["inside"] = ""

    def busy(self, what: str) -> None:
        """Tells the others what they may have to wait for; "" when that is over."""
        self._at["busy"] = what
        with self._asking():
            self._beat()

    def fail(self, cause: str) -> None:
        """Tells the others why this process will leave."""
        self._at["fault"] = cause
        with suppress(RuntimeError):  # nobody is there to be told
            self._beat()

    def end(self) -> None:
        """From here on nobody is looked after."""
        self._ended.set()

    def name_the_lost(self, error: str) -> NoReturn:
        """An exchange broke: another process is gone; the watching thread will say which."""
        sleep(2 * DEAD + 5 * BEAT)
        self._leave(f"lost the other processes: {error}")

    def _run(self) -> None:
        seen: dict[int, tuple[int, float]] = {}
        while not self._ended.wait(BEAT):
            try:
                self._beat()
                theirs = {n: self._of(n) for n in range(self.world_size) if n != self.rank}
            except Exception as error:
                if not self._ended.is_set():
                    self._leave_alone(error)
                return
            for rank, at in theirs.items():
                self._judge(rank, at, seen)

    def _judge(self, rank: int, at: dict[str, Any], seen: dict[int, tuple[int, float]]) -> None:
        """Leaves, naming the process, where it has failed, died or stalled."""
        now = monotonic()
        if at["fault"]:
            self._leave(f"process {rank} of {self.world_size} failed: {at['fault']}")
        if rank not in seen or seen[rank][0] != at["beat"]:
            seen[rank] = at["beat"], now
        elif now - seen[rank][1] > DEAD:
            self._leave(
                f"process {rank} of {self.world_size} is dead: no sign of life for {DEAD:.0f} s"
            )
        ours = self._at
        waited = now - self._entered if ours["inside"] else 0.0
        behind = at["place"] < ours["place"] or not at["inside"]
        if waited > max(STALLED, 2 * self._longest) and behind and not at["busy"]:
            self._leave(
                f"process {rank} of {self.world_size} has stalled: the others have waited "
                f"{waited:.0f} s for it at {ours['inside']}"
            )

    def _beat(self) -> None:
        self._at["beat"] += 1
        self._beats.set(f"beat/{self.rank}", json.dumps(self._at))

    def _of(self, rank: int) -> dict[str, Any]:
        key = f"beat/{rank}"
        if not self._beats.check([key]):  # none yet: it may be lost before its first
            return {"beat": -1, "place": -1, "inside": "", "busy": "", "fault": ""}
        found: dict[str, Any] = json.loads(self._beats.get(key))
        return found

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Around what the main thread asks of the store, which ends with the one who keeps it."""
        try:
            yield
        except RuntimeError as error:
            self._leave_alone(error)

    def _leave_alone(self, error: Exception) -> NoReturn:
        self._leave(
            f"process 0, or torchrun, which kept the processes together, is gone: {one_line(error)}"
        )

    def _leave(self, line: str) -> NoReturn:
        print(f"verydeep: {line}; what was kept stays", file=sys.stderr, flush=True)
        os._exit(1)
