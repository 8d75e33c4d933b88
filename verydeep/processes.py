"""Several processes that work on one thing together, started by torchrun.

Alone, every exchange gives back what came in, so that work need not ask how many there are. Each
process tells the others once a second that it lives and where it stands; one that dies, fails or
stalls is named by the others, which then leave.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import uuid4

from verydeep.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from torch._C._distributed_c10d import Store

BEAT = 1.0
"""Seconds between two signs of life."""
DEAD = 8.0
"""Seconds without a sign of life after which a process is taken for dead."""
STALLED = 45.0
"""Seconds that the others wait for a process, at the least, before it is taken for stalled."""
PATIENCE = timedelta(days=30)
"""How long PyTorch may wait for another process: who is lost is for `_Watch` to say."""
BUCKET = 2**25
"""Bytes that are exchanged at once: 32 MiB."""


class Processes:
    """The processes that work together, seen from number `number` of `count`.

    Gradients are summed in the order of the processes where `in_order`, and travel as bfloat16
    where `half`.
    """

    def __init__(
        self,
        number: int = 0,
        count: int = 1,
        store: Store | None = None,
        *,
        in_order: bool = False,
        half: bool = False,
    ) -> None:
        self.number, self.count = number, count
        self.in_order, self.half = in_order, half
        self._watch = None if store is None else _Watch(number, count, store)

    def __str__(self) -> str:
        return f"process {self.number} of {self.count}"

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files and speaks."""
        return self.number == 0

    @property
    def started_by_another(self) -> bool:
        """Whether something started these that starts them again when they are lost.

        torchrun, or Slurm after it has put a job back into its queue. Not every process can know
        whether that has happened.
        """
        again = ("TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT")
        return self.count > 1 or any(int(os.environ.get(name, "0")) > 0 for name in again)

    @contextmanager
    def together(self, what: str) -> Iterator[None]:
        """Around each exchange: a process that waits here for another says so."""
        if self._watch is None:
            yield
            return
        self._watch.enter(what)
        try:
            yield
        except RuntimeError as error:
            self._watch.name_the_lost(_first_line(error))
        finally:
            self._watch.leave()

    def sum(self, tensors: Sequence[Tensor], what: str) -> None:
        """Sums tensors over all processes, in place, in the way that was chosen."""
        if self.count == 1:
            return
        import torch

        with self.together(what):
            for bucket in _buckets(tensors):
                flat = torch.cat([t.reshape(-1) for t in bucket])
                sent = flat.bfloat16() if self.half and flat.dtype == torch.float32 else flat
                _spread(self._summed(sent).to(flat.dtype), bucket)

    def _summed(self, sent: Tensor) -> Tensor:
        """In order it is a tree over the processes' numbers: the same bits whatever their count."""
        import torch
        import torch.distributed as dist

        if not self.in_order:
            dist.all_reduce(sent)
            return sent
        all_of_them = [torch.empty_like(sent) for _ in range(self.count)]
        dist.all_gather(all_of_them, sent)
        summed: Tensor = tree_sum(all_of_them)
        return summed

    def largest(self, values: Sequence[float], what: str) -> list[float]:
        """The largest of each value over all processes."""
        if self.count == 1:
            return list(values)
        import torch
        import torch.distributed as dist

        found = torch.tensor(values, dtype=torch.float64, device=_device())
        with self.together(what):
            dist.all_reduce(found, dist.ReduceOp.MAX)
        return [float(value) for value in found.tolist()]

    def joined(self, rows: np.ndarray, what: str) -> np.ndarray:
        """Rows that each process has filled in part, the others left at zero, put together."""
        if self.count == 1:
            return rows
        import torch
        import torch.distributed as dist

        both = torch.from_numpy(rows).to(_device())
        with self.together(what):
            dist.all_reduce(both)
        return both.cpu().numpy()

    def agree(self, about: Mapping[str, Any]) -> None:
        """Raises UserError, naming process and setting, where one was started differently."""
        if self._watch is None:
            return
        ours = json.loads(json.dumps(about))
        for number, theirs in enumerate(self._watch.exchanged(ours)):
            for name in ours.keys() | theirs.keys():
                if ours.get(name) != theirs.get(name):
                    raise UserError(
                        f"process {number} was started differently: its {name} is "
                        f"{theirs.get(name)}, that of process {self.number} is {ours.get(name)}"
                    )

    def gathered(self, value: Any) -> list[Any]:
        """What every process gives, plain data, in the order of their numbers."""
        return [value] if self._watch is None else self._watch.exchanged(value)

    def say(self, text: str) -> str:
        """The text of process 0, on every process."""
        first: str = self.gathered(text)[0]
        return first

    def share(self, files: dict[str, bytes] | None) -> dict[str, bytes] | None:
        """Process 0's files, on every process."""
        if self._watch is None:
            return files
        import torch
        import torch.distributed as dist

        sizes = self._watch.exchanged(files and {k: len(v) for k, v in files.items()})[0]
        if sizes is None:
            return None
        given = files or {}
        for name, size in sizes.items():
            content = torch.empty(size, dtype=torch.uint8, device=_device())
            if self.first:
                content.copy_(torch.frombuffer(bytearray(given[name]), dtype=torch.uint8))
            with self.together(f"what process 0 has read of {name}"):
                dist.broadcast(content, 0)
            given[name] = content.cpu().numpy().tobytes()
        return given

    @contextmanager
    def aside(self, what: str) -> Iterator[None]:
        """Around work that the others may have to wait for as long as it takes."""
        if self._watch is None:
            yield
            return
        self._watch.busy(what)
        try:
            yield
        finally:
            self._watch.busy("")

    def failed(self, cause: str) -> None:
        """Tells the others why this process will leave."""
        if self._watch is not None:
            self._watch.fail(cause)

    def wait(self, what: str) -> None:
        """Goes on when all processes have come here."""
        if self._watch is not None:
            import torch.distributed as dist

            with self.together(what):
                dist.barrier()

    def close(self) -> None:
        """Leaves the others when all is done."""
        if self._watch is not None:
            import torch.distributed as dist

            self.wait("the end")
            self._watch.end()
            dist.destroy_process_group()


def join(in_order: bool = False, half: bool = False) -> Processes:
    """The processes that torchrun started, or this one alone. Uses NCCL on GPUs, else gloo.

    Raises UserError where sums in order are asked of a number that is no power of two, and where
    the others cannot be met.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if in_order and count & (count - 1):
        raise UserError(
            f"{count} processes cannot sum in an order that one process has too; "
            f"take 1, 2, 4, 8 ... or leave --deterministic out"
        )
    if count == 1:
        return Processes(in_order=in_order, half=half)
    import torch
    import torch.distributed as dist
    from torch.distributed.rendezvous import rendezvous

    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        backend = "nccl"
    try:
        store, number, count = next(rendezvous("env://"))
        meeting = _meeting(store, number, count)
        store = dist.PrefixStore(meeting, store)  # type: ignore[attr-defined]
        dist.init_process_group(
            backend, store=store, rank=number, world_size=count, timeout=PATIENCE
        )
    except RuntimeError as error:
        raise UserError(f"the {count} processes could not meet: {_first_line(error)}") from None
    return Processes(number, count, store.clone(), in_order=in_order, half=half)


def _meeting(store: Store, number: int, count: int) -> str:
    """What this meeting of the processes is called: the same by all of them, and as none before.

    torchrun keeps its store when it starts processes again, with all that the lost ones said; and
    how often it has done so is told differently on different machines. So process 0 counts, and
    answers each of the others, by a name that no other process has had.
    """
    if number == 0:
        meeting = f"verydeep/{store.add('verydeep/meetings', 1)}"
        here = [f"{meeting}/here/{other}" for other in range(1, count)]
        while not store.check(here):
            for other in range(1, count):
                if store.check([f"verydeep/name/{other}"]):
                    name = store.get(f"verydeep/name/{other}").decode()
                    store.set(f"verydeep/answer/{name}", meeting)
            sleep(0.02)
        return meeting
    name = uuid4().hex
    store.set(f"verydeep/name/{number}", name)
    meeting = store.get(f"verydeep/answer/{name}").decode()
    store.set(f"{meeting}/here/{number}", "")
    return meeting


def tree_sum(parts: Sequence[Any]) -> Any:
    """The sum of the parts, halves first: the same bits when halves were summed beforehand.

    >>> tree_sum([1, 2, 3, 4])   # (1 + 2) + (3 + 4)
    10
    """
    if len(parts) % 2 == 0:
        middle = len(parts) // 2
        return tree_sum(parts[:middle]) + tree_sum(parts[middle:])
    return sum(parts[1:], parts[0])


class _Watch:
    """Signs of life, exchanged through the store that torchrun keeps; one thread a process."""

    def __init__(self, number: int, count: int, store: Store) -> None:
        self.number, self.count = number, count
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
        keys = [f"given/{self._asked}/{number}" for number in range(self.count)]
        with _named(self, "what the others were started with"), self._asking():
            self._store.set(keys[self.number], json.dumps(value))
            while not self._store.check(keys):
                sleep(0.02)
            return [json.loads(self._store.get(key)) for key in keys]

    def enter(self, what: str) -> None:
        self._entered = monotonic()
        self._longest = max(self._longest, self._entered - self._left)
        self._at["inside"] = what

    def leave(self) -> None:
        self._left = monotonic()
        self._at["place"] += 1
        self._at["inside"] = ""

    def busy(self, what: str) -> None:
        self._at["busy"] = what
        with self._asking():
            self._beat()

    def fail(self, cause: str) -> None:
        self._at["fault"] = cause
        with suppress(RuntimeError):  # nobody is there to be told
            self._beat()

    def end(self) -> None:
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
                theirs = {n: self._of(n) for n in range(self.count) if n != self.number}
            except Exception as error:
                if not self._ended.is_set():
                    self._leave_alone(error)
                return
            for number, at in theirs.items():
                self._judge(number, at, seen)

    def _judge(self, number: int, at: dict[str, Any], seen: dict[int, tuple[int, float]]) -> None:
        """Leaves, naming the process, where it has failed, died or stalled."""
        now = monotonic()
        if at["fault"]:
            self._leave(f"process {number} of {self.count} failed: {at['fault']}")
        if number not in seen or seen[number][0] != at["beat"]:
            seen[number] = at["beat"], now
        elif now - seen[number][1] > DEAD:
            self._leave(
                f"process {number} of {self.count} is dead: no sign of life for {DEAD:.0f} s"
            )
        ours = self._at
        waited = now - self._entered if ours["inside"] else 0.0
        behind = at["place"] < ours["place"] or not at["inside"]
        if waited > max(STALLED, 2 * self._longest) and behind and not at["busy"]:
            self._leave(
                f"process {number} of {self.count} has stalled: the others have waited "
                f"{waited:.0f} s for it at {ours['inside']}"
            )

    def _beat(self) -> None:
        self._at["beat"] += 1
        self._beats.set(f"beat/{self.number}", json.dumps(self._at))

    def _of(self, number: int) -> dict[str, Any]:
        key = f"beat/{number}"
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
            f"process 0, or torchrun, which kept the processes together, is gone: "
            f"{_first_line(error)}"
        )

    def _leave(self, line: str) -> NoReturn:
        print(f"verydeep: {line}; what was kept stays", file=sys.stderr, flush=True)
        os._exit(1)


@contextmanager
def _named(watch: _Watch, what: str) -> Iterator[None]:
    watch.enter(what)
    try:
        yield
    finally:
        watch.leave()


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """The tensors in their order, some at a time, about `BUCKET` bytes together."""
    bucket: list[Tensor] = []
    size = 0
    for tensor in tensors:
        bucket.append(tensor)
        size += tensor.numel() * tensor.element_size()
        if size >= BUCKET:
            yield bucket
            bucket, size = [], 0
    if bucket:
        yield bucket


def _spread(flat: Tensor, tensors: Sequence[Tensor]) -> None:
    """Copies a flat tensor back into those that it was made of."""
    start = 0
    for tensor in tensors:
        tensor.copy_(flat[start : start + tensor.numel()].view_as(tensor))
        start += tensor.numel()


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
