"""What memory a training takes, reckoned from its table and settings before any of it is taken.

What is counted is what stays: weights, their momentum, gradients and average; the values that the
backward pass needs of the micro-batches at work; batches that wait; pictures kept in memory. Held
against what processes take in `bench/memory.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

from verydeep.nets.cost import FLOAT, cost
from verydeep.nets.rows import PICTURE
from verydeep.nets.table import Table
from verydeep.training.settings import Settings
from verydeep.training.state import tuned_layers

INDEX = 8
"""Bytes of a place that max-pooling remembers for each value."""
AT_WORK = 4
"""Copies of the largest row's values while it is worked on: those that came, those that are made,
their gradient, and the same as the processor wants them laid out."""
KERNEL = 2**26
"""Bytes that the layers of one thread need beside, for weights as the processor wants them."""
MICRO_BATCH_BYTES = 3 * 2**27
"""Bytes of a micro-batch's values at most; 16 pictures of all but wide nets with large crops."""
HEAVY = 2**24
"""Weights of which the gradients stay in no cache."""


@dataclass(frozen=True)
class Footprint:
    """Bytes that a training takes on the device that it runs on, and in the memory beside it."""

    weights: int
    gradients: int
    values: int
    pictures: int

    @property
    def device(self) -> int:
        """What the network and its training take."""
        return self.weights + self.gradients + self.values

    @property
    def total(self) -> int:
        """All of it, where the device is a CPU."""
        return self.device + self.pictures


def footprint(
    table: Table,
    settings: Settings,
    threads: int,
    pictures: int,
    *,
    device: str = "cpu",
    in_order: bool = False,
    share: int | None = None,
) -> Footprint:
    """The footprint of a training of that table by so many threads; `pictures` are bytes kept.

    `share` is this process's part of the batch, or all of it.
    """
    share = share or settings.batch
    rows = [row for row in cost(table).rows if row.parameters]
    tuned = tuned_layers(table, settings.tune)
    learnt = [FLOAT * row.parameters for row in rows if row.name in tuned]
    weights = FLOAT * sum(row.parameters for row in rows)
    held = 1 + (int(log2(max(1, share // settings.micro_batch))) if in_order else 0)
    kept = weights * (2 if settings.average or settings.mean_from else 1) + sum(learnt)
    if device == "cpu":
        at_once = min(threads, -(-share // settings.micro_batch))
        values = bytes_of_values(table, min(share, settings.micro_batch), settings.tune)
        values = at_once * (values + KERNEL)
    else:
        size = settings.micro_batch if in_order else share
        values = bytes_of_values(table, size, settings.tune)
        values //= 2 if settings.precision == "bf16" else 1
    crops = (2 * threads + 1) * share * 3 * settings.crop**2
    gradients = held * sum(learnt) + max(learnt)
    return Footprint(kept, gradients, values, pictures + crops)


def bytes_of_values(table: Table, pictures: int, tune: str = "all") -> int:
    """Bytes that the values of so many pictures take in a forward and backward pass.

    ReLU keeps what it gives, of which the layer after it needs nothing more; pooling keeps the
    places too. Where the convolutions are not trained, nothing before the FC layers is kept.
    """
    price = cost(table)
    largest = max(row.values for row in price.rows)
    kept = 0
    for row in price.rows:
        if tune == "all" or row.name == PICTURE or row.kind == "FC":
            each = {
                "input": FLOAT, "Conv": FLOAT, "FC": 4 * FLOAT, "MaxPool": FLOAT + INDEX,
                "LRN": 5 * FLOAT, "BatchNorm": FLOAT, "AvePool": FLOAT, "WholeAvePool": FLOAT,
                "Add": FLOAT, "Concat": FLOAT, "L2": 2 * FLOAT, "Mean": FLOAT, "Connected": FLOAT,
                "Local": FLOAT, "Subsample": FLOAT, "Skip": FLOAT, "L2Pool": 2 * FLOAT,
                "Maxout": FLOAT + INDEX, "Grey": FLOAT, "PositionBias": FLOAT, "Flatten": FLOAT,
                "RBF": FLOAT, "Planes": FLOAT,
            }  # fmt: skip
            kept += each.get(row.kind, 0) * row.values
    return pictures * (kept + AT_WORK * FLOAT * largest)


def shared_batch(table: Table, batch: int) -> int:
    """Pictures of a micro-batch that leaves several in a batch, each for a thread: 8 to 16.

    Smaller ones cost more in gradients to be added than a second thread gains in small nets; heavy
    nets, whose gradients take long to write for the work of a picture, have 16 to 32. Norms go by
    micro-batches, and have as many pictures as there can be.

    >>> [shared_batch(build("D").table, batch) for batch in (8, 32, 48, 256)]
    [8, 8, 12, 16]
    """
    if table.has_norms:
        return Settings.micro_batch
    price = cost(table)
    is_heavy = price.parameters > max(HEAVY, price.multiply_adds / 16)
    least, most = (16, 32) if is_heavy else (8, 16)
    return max(least, min(most, batch // 4))


def micro_batch_of(table: Table, most: int) -> int:
    """Pictures whose values take up to `MICRO_BATCH_BYTES`: `most`, half of it, a quarter ..."""
    size = most
    while size > 1 and bytes_of_values(table, size) > MICRO_BATCH_BYTES:
        size //= 2
    return size
