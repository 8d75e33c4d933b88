"""How large a study is: the paper's own, or its nets scaled down for less data and time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from verydeep.errors import UserError
from verydeep.evaluation.published import three_scales
from verydeep.training.settings import STEP, checked

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
    tried for each net in trainings of `trial` epochs, and `box_rates` for each that places boxes,
    which is a `net` of that name. The paper's own size tries none.
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
    net: str = "D"
    box_rates: tuple[float, ...] = (0.02, 0.005, 0.001)

    @property
    def is_papers(self) -> bool:
        """Whether nets are whole, and trained by the paper's own recipes."""
        return not self.rates

    def changed(self, given: Mapping[str, Any]) -> Size:
        """The same with those of these settings that are SIZED, the others left alone.

        What is not said goes with what is: S and its ends in proportion to the crop, or to the S,
        and epochs of a trial to the epochs. There may be several rates, to try. Raises UserError
        for what no training can have.
        """
        said = checked({k: v for k, v in given.items() if k in SIZED and k != "rate"})
        crop = said.get("crop", self.crop)
        low, high = said.get("scale", (round(self.scale * crop / self.crop),) * 2)
        if low != high:
            raise UserError(
                f"scale is {low}-{high}; a study trains at one S and jitters it about that; give "
                f"one side, such as {low}"
            )
        least, most = (max(crop, round(end * low / self.scale)) for end in self.jitter)
        if low < crop:
            raise UserError(
                f"a scale S of {low} is below the crop of {crop}: no crop can be cut; take --set "
                f"scale={crop + STEP} or a smaller --set crop"
            )
        epochs = said.get("epochs", self.epochs)
        rates = _rates(given["rate"]) if "rate" in given else None
        return replace(
            self,
            width=said.get("width", self.width),
            crop=crop,
            scale=low,
            jitter=(least, most),
            epochs=epochs,
            trial=min(epochs, max(2, round(epochs * self.trial / self.epochs))),
            batch=said.get("batch", self.batch),
            net=said.get("net", self.net),
            rates=rates or self.rates,
            box_rates=rates or self.box_rates,
        )

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
        tried = f"the best of the rates {rates} after {self.trial}"
        own = "" if self.net == Size.net else f"net {self.net}, "
        return (
            f"{self.name}: {own}width {self.width:g}, crop {self.crop}, S = {self.scale} or "
            f"{low} to {high}, {self.epochs} epochs, "
            f"{tried if len(self.rates) > 1 else f'a rate of {rates}'}"
        )


SIZED = ("width", "crop", "scale", "epochs", "batch", "rate", "net")
"""Settings of trainings that are sizes of a study."""


def _rates(given: Any) -> tuple[float, ...]:
    """One rate, or several as a list or in words: "0.02,0.005".

    Raises UserError for two that are told by the same name.
    """
    each = given.split(",") if isinstance(given, str) else given
    each = each if isinstance(each, list | tuple) else [each]
    rates = tuple(checked({"rate": _number(rate)})["rate"] for rate in each)
    names = [f"{rate:g}" for rate in rates]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"rate has {twice[0]} twice; each is tried once: leave one of them out")
    return rates


def _number(said: Any) -> Any:
    try:
        return float(said) if isinstance(said, str) else said
    except ValueError:
        return said  # refused by name


# Of `tiny` E stays at chance at twice the first rate, which no trial foretells (docs/results.md).
SIZES = {
    size.name: size
    for size in (
        Size("tiny", 0.125, 48, 56, (48, 80), 8, 3, (0.0025, 0.001), batch=8),
        Size("small", 0.125, 64, 96, (80, 128), 10, 3, (0.02, 0.005)),
        Size("medium", 0.5, 96, 128, (112, 192), 30, 6, (0.02, 0.008, 0.003)),
        Size("full", 1.0, 224, 256, (256, 512), 74, 74, ()),
    )
}
