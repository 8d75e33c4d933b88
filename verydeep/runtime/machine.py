"""The machine that work runs on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verydeep.errors import UserError, one_line

if TYPE_CHECKING:
    import torch


def cores() -> int:
    """Cores that this process may use; all there are where the system does not say."""
    if hasattr(os, "sched_getaffinity"):  # on Linux alone
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Machine:
    """A device, "cpu" or "cuda", and the number of cores that feed it or do its work.

    `beside` is the number of our processes that share them.
    """

    device: str
    cores: int
    beside: int = 1

    @property
    def threads(self) -> int:
        """Threads for this process."""
        return max(1, self.cores // self.beside)

    def __str__(self) -> str:
        return f"{self.device}, {self.cores} core{'' if self.cores == 1 else 's'}"

    @classmethod
    def this(cls, device: str | None = None, threads: int | None = None) -> Machine:
        """The machine at hand: its GPU where it has one, and the cores this process may use.

        Raises UserError where the device asked for is not there.
        """
        import torch  # here, because it takes seconds

        there = torch.cuda.is_available()
        if device not in (None, "cpu", "cuda"):
            raise UserError(f"no device '{device}'; there are cpu and cuda")
        if device == "cuda" and not there:
            raise UserError("no CUDA device on this machine; leave --device out, or take cpu")
        if threads is not None and threads < 1:
            raise UserError(f"{threads} threads; at least 1 is needed")
        beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        return cls(device or ("cuda" if there else "cpu"), threads or cores(), beside)


def usable(device: str | torch.device) -> torch.device:
    """A device of PyTorch's ("cpu", "cuda", "cuda:1"), once it is known to be here.

    Raises UserError where it is none, or this machine has no such.
    """
    import torch

    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        raise UserError(f"no device '{one_line(device)}'; there are cpu and cuda") from None
    if found.type == "cpu" and found.index:
        raise UserError(f"no device '{found}'; all cores are the one device cpu")
    if found.type == "cuda":
        there = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (found.index or 0) >= there:
            here = f"GPUs are numbered from 0 to {there - 1}" if there else "take cpu"
            raise UserError(f"no CUDA device '{found}' on this machine; {here}")
        return found
    try:
        torch.empty(0, device=found)
    except Exception:  # each kind of device has an error of its own
        raise UserError(f"no device '{found}' on this machine; take cpu") from None
    return found
