"""What memory there is, and a refusal of what will not fit, before any of it is taken."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from verydeep.errors import UserError

GROUPS = Path("/sys/fs/cgroup")
"""Where Linux says how much a group of processes, such as a container, may take."""


def available(device: str = "cpu") -> int | None:
    """Bytes that may still be taken; None where the system does not say.

    Of a CPU what Linux would give without swapping, and no more than a container is allowed; of a
    GPU what is free, with what PyTorch holds of it unused.
    """
    if device != "cpu":
        import torch

        free, _ = torch.cuda.mem_get_info()
        return free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    return min([*_of_machine(), *_of_groups()], default=None)


def _of_machine() -> Iterator[int]:
    with suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                yield int(line.split()[1]) * 1024
                return
    with suppress(OSError, ValueError):  # no Linux: all there is
        yield os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _of_groups(root: Path = GROUPS, listed: Path = Path("/proc/self/cgroup")) -> Iterator[int]:
    """What each group that this process is in has left, itself and those around it."""
    own = ""
    with suppress(OSError):
        own = next((e[3:] for e in listed.read_text().splitlines() if e.startswith("0::")), "")
    place = root / own.lstrip("/")
    for group in (place, *place.parents):
        if not group.is_relative_to(root):
            return
        with suppress(OSError, ValueError):  # where there is no limit it is "max"
            most, used = (int((group / f"memory.{n}").read_text()) for n in ("max", "current"))
            kept = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            yield max(0, most - used + int(kept.get("inactive_file", 0)))


def refuse(needed: int, what: str, remedy: str, device: str = "cpu") -> None:
    """Raises UserError where so many bytes are not to be had; what they are for, and what helps."""
    there = available(device)
    if there is not None and needed > there:
        raise UserError(
            f"{what} takes about {in_words(needed)}, and {in_words(there)} of "
            f"{'memory' if device == 'cpu' else 'GPU memory'} are free; {remedy}"
        )


def in_words(size: int) -> str:
    """A number of bytes to two digits or more: "0.55 GB", "23 GB"."""
    return f"{size / 1e6:.0f} MB" if size < 1e8 else f"{size / 1e9:,.{2 if size < 1e10 else 0}f} GB"
