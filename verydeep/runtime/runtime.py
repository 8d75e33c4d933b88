"""What work runs under: where, with whom beside it, who listens. What comes of it is the same."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from verydeep.runtime.distributed import Ranks
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import Progress, Shown


@dataclass(frozen=True)
class Runtime:
    """The machine, the processes that work together, and who is told how far they are.

    That is whoever started the work, where nobody else is named; `SILENT` tells nobody. A run
    writes a checkpoint every `save_every` steps, or about once a minute without it.
    """

    machine: Machine = field(default_factory=Machine.this)
    ranks: Ranks = field(default_factory=Ranks)
    progress: Progress = field(default_factory=Shown)
    save_every: int | None = None


def told(runtime: Runtime | None, progress: Progress | None) -> Runtime:
    """What work runs under, with who listens to it, where somebody is named for that."""
    runtime = runtime or Runtime()
    return replace(runtime, progress=progress) if progress else runtime
