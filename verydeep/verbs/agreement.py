"""Whether the processes of a run were started alike, and can share its batches."""

from __future__ import annotations

from verydeep.datasets import Dataset
from verydeep.errors import UserError
from verydeep.runtime.distributed import Ranks
from verydeep.runtime.runtime import Runtime
from verydeep.training.settings import Settings


def agree(dataset: Dataset, settings: Settings, ranks: Ranks) -> None:
    """Raises UserError where a process was started differently."""
    said = {name: str(value) for name, value in vars(settings).items()}
    ways = [ranks.in_order, ranks.half]
    ranks.agree({"data": dataset.fingerprint, **said, "way of summing": ways})


def check_shares(settings: Settings, runtime: Runtime) -> None:
    """Refuses a batch that the processes, and the micro-batches within them, do not divide.

    On a GPU there are micro-batches only where sums are in order.
    """
    ranks, on_gpu = runtime.ranks, runtime.machine.device != "cpu"
    count = ranks.world_size
    if count == 1:
        return
    if settings.batch % count:
        raise UserError(
            f"a batch of {settings.batch} cannot be shared by {count} processes; take --batch "
            f"{settings.batch // count * count or count}, or another number of processes"
        )
    share = settings.batch // count
    if share % settings.micro_batch and (ranks.in_order or not on_gpu):
        fitting = max(n for n in range(1, min(settings.micro_batch, share) + 1) if share % n == 0)
        raise UserError(
            f"micro-batches of {settings.micro_batch} do not divide the {share} pictures a step "
            f"that each of {count} processes has; take --set micro_batch={fitting}, with any "
            f"number of processes"
        )
