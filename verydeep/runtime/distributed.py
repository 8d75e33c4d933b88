"""Several processes that work on one thing together, started by torchrun.

Alone, every exchange gives back what came in, so that work need not ask how many there are. One
that dies, fails or stalls is named by the others, which then leave.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from time import sleep
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from verydeep.errors import UserError, one_line
from verydeep.runtime.heartbeat import Heartbeat

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from torch._C._distributed_c10d import Store

Plain = TypeVar("Plain")
"""Plain data: what JSON has, and gives back as the same."""
PATIENCE = timedelta(days=30)
"""How long PyTorch may wait for another process: who is lost is for `Heartbeat` to say."""
BUCKET = 2**25
"""Bytes that are exchanged at once: 32 MiB."""


class Ranks:
    """The processes that work together, seen from number `number` of `count`.

    Gradients are summed in the order of the processes where `in_order`, and travel as bfloat16
    where `half`.
    """

    def __init__(
        self,
        rank: int = 0,
        world_size: int = 1,
        store: Store | None = None,
        *,
        in_order: bool = False,
        half: bool = False,
    ) -> None:
        self.rank, self.world_size = rank, world_size
        self.in_order, self.half = in_order, half
        self._heartbeat = None if store is None else Heartbeat(rank, world_size, store)

    def __str__(self) -> str:
        return f"process {self.rank} of {self.world_size}"

    @property
    def is_main(self) -> bool:
        """Whether this is the one that writes files and speaks."""
        return self.rank == 0

    @property
    def started_by_another(self) -> bool:
        """Whether something started these that starts them again when they are lost.

        torchrun, or Slurm after it has put a job back into its queue. Not every process can know
        whether that has happened.
        """
        again = ("TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT")
        return self.world_size > 1 or any(int(os.environ.get(name, "0")) > 0 for name in again)

    @contextmanager
    def together(self, what: str) -> Iterator[None]:
        """Around each exchange: a process that waits here for another says so."""
        if self._heartbeat is None:
            yield
            return
        with self._heartbeat.inside(what):
            try:
                yield
            except RuntimeError as error:
                self._heartbeat.name_the_lost(one_line(error))

    def all_reduce(self, tensors: Sequence[Tensor], what: str, *, exactly: bool = False) -> None:
        """Sums tensors over all processes, in place, in the way that was chosen.

        `exactly` sends them as they are, where gradients would go as bfloat16.
        """
        if self.world_size == 1 or not tensors:
            return
        import torch

        with self.together(what):
            for bucket in _buckets(tensors):
                flat = torch.cat([t.reshape(-1) for t in bucket])
                halved = self.half and not exactly and flat.dtype == torch.float32
                sent = flat.bfloat16() if halved else flat
                _spread(self._summed(sent).to(flat.dtype), bucket)

    def _summed(self, sent: Tensor) -> Tensor:
        """In order it is a tree over the processes' numbers: the same bits whatever their count."""
        import torch
        import torch.distributed as dist

        if not self.in_order:
            dist.all_reduce(sent)
            return sent
        all_of_them = [torch.empty_like(sent) for _ in range(self.world_size)]
        dist.all_gather(all_of_them, sent)
        summed: Tensor = tree_sum(all_of_them)
        return summed

    def all_reduce_max(self, values: Sequence[float], what: str) -> list[float]:
        """The largest of each value over all processes."""
        if self.world_size == 1:
            return list(values)
        import torch
        import torch.distributed as dist

        found = torch.tensor(values, dtype=torch.float64, device=_device())
        with self.together(what):
            dist.all_reduce(found, dist.ReduceOp.MAX)
        return [float(value) for value in found.tolist()]

    def all_reduce_rows(self, rows: np.ndarray, what: str) -> np.ndarray:
        """Rows that each process has filled in part, the others left at zero, put together."""
        if self.world_size == 1:
            return rows
        import torch
        import torch.distributed as dist

        both = torch.from_numpy(rows).to(_device())
        with self.together(what):
            dist.all_reduce(both)
        return both.cpu().numpy()

    def agree(self, about: Mapping[str, Any]) -> None:
        """Raises UserError, naming process and setting, where one was started differently."""
        if self._heartbeat is None:
            return
        ours = json.loads(json.dumps(about))
        for rank, theirs in enumerate(self._heartbeat.exchanged(ours)):
            for name in ours.keys() | theirs.keys():
                if ours.get(name) != theirs.get(name):
                    raise UserError(
                        f"process {rank} was started differently: its {name} is "
                        f"{theirs.get(name)}, that of process {self.rank} is {ours.get(name)}"
                    )

    def all_gather(self, value: Any) -> list[Any]:
        """What every process gives, plain data, in the order of their numbers."""
        return [value] if self._heartbeat is None else self._heartbeat.exchanged(value)

    def broadcast(self, value: Plain) -> Plain:
        """The value of process 0, plain data, on every process."""
        first: Plain = self.all_gather(value)[0]
        return first

    def broadcast_files(self, files: dict[str, bytes] | None) -> dict[str, bytes] | None:
        """Process 0's files, on every process."""
        if self._heartbeat is None:
            return files
        import torch
        import torch.distributed as dist

        sizes = self._heartbeat.exchanged(files and {k: len(v) for k, v in files.items()})[0]
        if sizes is None:
            return None
        given = files or {}
        for name, size in sizes.items():
            content = torch.empty(size, dtype=torch.uint8, device=_device())
            if self.is_main:
                content.copy_(torch.frombuffer(bytearray(given[name]), dtype=torch.uint8))
            with self.together(f"what process 0 has read of {name}"):
                dist.broadcast(content, 0)
            given[name] = content.cpu().numpy().tobytes()
        return given

    @contextmanager
    def aside(self, what: str) -> Iterator[None]:
        """Around work that the others may have to wait for as long as it takes."""
        if self._heartbeat is None:
            yield
            return
        self._heartbeat.busy(what)
        try:
            yield
        finally:
            self._heartbeat.busy("")

    def failed(self, cause: str) -> None:
        """Tells the others why this process will leave."""
        if self._heartbeat is not None:
            self._heartbeat.fail(cause)

    def barrier(self, what: str) -> None:
        """Goes on when all processes have come here."""
        if self._heartbeat is not None:
            import torch.distributed as dist

            with self.together(what):
                dist.barrier()

    def close(self) -> None:
        """Leaves the others when all is done."""
        if self._heartbeat is not None:
            import torch.distributed as dist

            self.barrier("the end")
            self._heartbeat.end()
            dist.destroy_process_group()


def join(in_order: bool = False, half: bool = False) -> Ranks:
    """The processes that torchrun started, or this one alone. Uses NCCL on GPUs, else gloo.

    Raises UserError where sums in order are asked of a number that is no power of two, and where
    the others cannot be met.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if in_order and world_size & (world_size - 1):
        raise UserError(
            f"{world_size} processes cannot sum in an order that one process has too; "
            f"take 1, 2, 4, 8 ... or leave --deterministic out"
        )
    if world_size == 1:
        return Ranks(in_order=in_order, half=half)
    import torch
    import torch.distributed as dist
    from torch.distributed.rendezvous import rendezvous

    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        backend = "nccl"
    try:
        store, rank, world_size = next(rendezvous("env://"))
        meeting = _meeting(store, rank, world_size)
        store = dist.PrefixStore(meeting, store)  # type: ignore[attr-defined]
        dist.init_process_group(
            backend, store=store, rank=rank, world_size=world_size, timeout=PATIENCE
        )
    except RuntimeError as error:
        raise UserError(f"the {world_size} processes could not meet: {one_line(error)}") from None
    return Ranks(rank, world_size, store.clone(), in_order=in_order, half=half)


def _meeting(store: Store, rank: int, world_size: int) -> str:
    """What this meeting of the processes is called: the same by all of them, and as none before.

    torchrun keeps its store when it starts processes again, with all that the lost ones said; and
    how often it has done so is told differently on different machines. So process 0 counts, and
    answers each of the others, by a name that no other process has had.
    """
    if rank == 0:
        meeting = f"verydeep/{store.add('verydeep/meetings', 1)}"
        here = [f"{meeting}/here/{other}" for other in range(1, world_size)]
        while not store.check(here):
            for other in range(1, world_size):
                if store.check([f"verydeep/name/{other}"]):
                    name = store.get(f"verydeep/name/{other}").decode()
                    store.set(f"verydeep/answer/{name}", meeting)
            sleep(0.02)
        return meeting
    name = uuid4().hex
    store.set(f"verydeep/name/{rank}", name)
    meeting = store.get(f"verydeep/answer/{name}").decode()
    store.set(f"{meeting}/here/{rank}", "")
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


def tree_merges(world_size: int) -> list[int]:
    """How many sums of two are due after each of so many parts, to be `tree_sum` as they come.

    >>> tree_merges(4)   # 1, 1 + 2, 3, (3 + 4) and (1 + 2) + (3 + 4)
    [0, 1, 0, 2]
    """
    if world_size % 2 == 0:
        half = tree_merges(world_size // 2)
        return [*half, *half[:-1], half[-1] + 1]
    return [min(1, rank) for rank in range(world_size)]


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """The tensors in their order, some at a time, about `BUCKET` bytes together.

    Larger ones come in pieces, which are their own memory.
    """
    bucket: list[Tensor] = []
    size = 0
    for tensor in (piece for whole in tensors for piece in _pieces(whole)):
        bucket.append(tensor)
        size += tensor.numel() * tensor.element_size()
        if size >= BUCKET:
            yield bucket
            bucket, size = [], 0
    if bucket:
        yield bucket


def _pieces(tensor: Tensor) -> Sequence[Tensor]:
    """A tensor as pieces of `BUCKET` bytes, or whole where it does not lie in one row."""
    import torch

    if not tensor.is_contiguous():
        return [tensor]
    pieces: Sequence[Tensor] = torch.split(tensor.view(-1), BUCKET // tensor.element_size())
    return pieces


def _spread(flat: Tensor, tensors: Sequence[Tensor]) -> None:
    """Copies a flat tensor back into those that it was made of."""
    start = 0
    for tensor in tensors:
        tensor.copy_(flat[start : start + tensor.numel()].view_as(tensor))
        start += tensor.numel()


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
