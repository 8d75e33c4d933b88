"""What work runs under: where, with whom beside it, who listens. What comes of it is the same."""

from __future__ import annotations

from dataclasses import dataclass, field

from verydeep.runtime.distributed import Ranks
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import SILENT, Progress


@dataclass(frozen=True)
class Runtime:
    """The machine, the processes that work together, and who is told how far they are.

    A run writes a checkpoint every `save_every` steps, or about once a minute without it.
    """

    machine: Machine = field(default_factory=Machine.this)
    ranks: Ranks = field(default_factory=Ranks)
    progress: Progress = SILENT
    save_every: int | None = None
