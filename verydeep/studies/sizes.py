"""How large a study is: the paper's own, or its nets scaled down for less data and time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from verydeep.evaluation.published import three_scales

PLAIN: Mapping[str, Any] = {
    "initial": "he", "divide": True, "fall": "cosine",
    "dropout": 0.0, "colour": 0.0, "bad_start": "train",
}  # fmt: skip
"""How nets are trained that are smaller than the paper's, all of them alike: He's weights, for
narrow nets learn nothing from the paper's gaussian, and a rate that falls along a cosine, so that
all have the same epochs. Without dropout and colour, which want more epochs than there are."""


@dataclass(frozen=True)
class Size:
    """Sizes of nets and pictures, and how long is trained.

    `scale` is the S of training at one scale, `jitter` its ends where it is drawn; `rates` are
    tried for each net in trainings of `trial` epochs.
    """

    name: str
    width: float
    crop: int
    scale: int
    jitter: tuple[int, int]
    epochs: int
    trial: int
    rates: tuple[float, ...]
    batch: int = 32

    @property
    def is_papers(self) -> bool:
        """Whether nets are whole, and trained by the paper's own recipes."""
        return self.width == 1

    def training(self, epochs: int) -> dict[str, Any]:
        """The settings of every training of so many epochs; the paper's recipes have theirs."""
        if self.is_papers:
            return {}
        own = {"width": self.width, "crop": self.crop, "batch": self.batch, "epochs": epochs}
        return {**PLAIN, **own, "warm_up": min(1.0, epochs / 4)}

    @property
    def fixed_scales(self) -> tuple[int, ...]:
        """The three Q of nets that were trained at one S."""
        return three_scales(self.scale, self.scale, self.crop)

    @property
    def jittered_scales(self) -> tuple[int, ...]:
        """The three Q of nets that were trained at all S between two."""
        return three_scales(*self.jitter, self.crop)

    def __str__(self) -> str:
        if self.is_papers:
            return f"{self.name}: the paper's nets, by its recipes"
        low, high = self.jitter
        rates = ", ".join(f"{rate:g}" for rate in self.rates)
        return (
            f"{self.name}: width {self.width:g}, crop {self.crop}, S = {self.scale} or "
            f"{low} to {high}, {self.epochs} epochs, the best of the rates {rates} after "
            f"{self.trial}"
        )


SIZES = {
    size.name: size
    for size in (
        Size("tiny", 0.125, 32, 40, (32, 56), 6, 2, (0.05, 0.02), batch=16),
        Size("small", 0.125, 64, 96, (80, 128), 10, 3, (0.05, 0.02)),
        Size("medium", 0.5, 96, 128, (112, 192), 30, 6, (0.05, 0.02, 0.008)),
        Size("full", 1.0, 224, 256, (256, 512), 74, 74, ()),
    )
}
