"""What work runs under: where, with whom beside it, who listens. What comes of it is the same."""

from __future__ import annotations

from dataclasses import dataclass, field

from verydeep.runtime.distributed import Processes
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import SILENT, Watch


@dataclass(frozen=True)
class Conditions:
    """The machine, the processes that work together, and who is told how far they are.

    A run writes a checkpoint every `save_every` steps, or about once a minute without it.
    """

    machine: Machine = field(default_factory=Machine.this)
    processes: Processes = field(default_factory=Processes)
    watch: Watch = SILENT
    save_every: int | None = None
