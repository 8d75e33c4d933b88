"""What a training run is made of, whole: two runs with equal settings and data are equal."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from verydeep.errors import UserError

LEAST = {"crop": 1, "scale": 1, "batch": 1, "shard": 1, "epochs": 1, "patience": 1, "seed": 0}
"""The least that whole numbers may be."""


@dataclass(frozen=True)
class Settings:
    """The net and how it is trained; the defaults that stand here are the paper's (Sect. 3.1).

    `scale` is S, the smaller side in pixels that pictures are rescaled to before a crop is cut.
    The rate is divided by 10 whenever the error on the test part has not fallen for `patience`
    epochs, or at the latest after these shares of all epochs (`latest_cuts`); after the last cut
    the next plateau ends the run. `epochs` is the ceiling. On a CPU a batch is worked on in shards
    of so many pictures, whose gradients are summed in a fixed order: the number of threads cannot
    change what is learnt. `start` is a weights file whose layers the net starts from, over the
    random ones of `initial`.
    """

    net: str = "D"
    width: float = 1.0
    crop: int = 224
    fc: int | None = None
    scale: int = 256
    batch: int = 256
    epochs: int = 74
    rate: float = 1e-2
    momentum: float = 0.9
    decay: float = 5e-4
    dropout: float = 0.5
    patience: int = 5
    latest_cuts: tuple[float, ...] = (0.6, 0.8, 0.93)
    initial: str = "glorot"
    start: str | None = None
    shard: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses what cannot be trained, with a line for the user."""
        for name, lowest in LEAST.items():
            if getattr(self, name) < lowest:
                raise UserError(f"{name} is {getattr(self, name)}; at least {lowest} is needed")
        if not 0 < self.rate < inf:
            raise UserError(f"rate is {self.rate}; it must be above 0, such as 0.01")
        for name in ("momentum", "decay", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}; it must be in [0, 1)")
        if self.scale < self.crop:
            raise UserError(
                f"a scale S of {self.scale} is below the crop of {self.crop}: no crop can be cut; "
                f"take --scale {self.crop + 32} or a smaller --crop"
            )
