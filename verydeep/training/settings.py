"""What a training run is made of, whole: two runs with equal settings and data are equal."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from difflib import get_close_matches
from math import inf
from typing import Any

from verydeep.errors import UserError

LEAST = {"crop": 1, "batch": 1, "shard": 1, "epochs": 1, "patience": 1, "seed": 0, "split": 0}
"""The least that whole numbers may be."""
SHARES = ("momentum", "decay", "dropout", "average")
"""Settings that lie in [0, 1)."""
WORDS = {
    "tune": ("all", "fc", "last"),
    "precision": ("float32", "bf16"),
    "bad_start": ("stop", "train"),
    "bad_loss": ("stop", "rollback"),
    "bad_picture": ("stop", "skip", "substitute"),
}
"""Settings that take one of a few words."""


LATEST_CUTS = (0.6, 0.8, 0.93)
"""When short runs, that may see no plateau, cut the rate at the latest; none of the paper's."""
STEP = 32
"""Pixels between neighbouring positions of the dense net: how far S is above the crop, or several
times as far, so that the net sees all of a picture of that side."""


RENAMED = {"learn": "tune"}
"""Settings by the names that they had in earlier versions, for the runs begun by those."""
BEFORE = {"divide": True, "bad_start": "train"}
"""What earlier versions did without a setting, for the runs begun by those."""


@dataclass(frozen=True)
class Settings:
    """The net and how it is trained; the defaults that stand here are the paper's (Sect. 3.1).

    `scale` is S, the smaller side in pixels that pictures are rescaled to before a crop is cut,
    (smallest, largest): drawn anew for each crop where they differ, both ends included. `colour`
    is the deviation of the random shift of colour along the training set's principal axes. The
    paper subtracts the mean and nothing more; with `divide` pixels are divided by the training
    set's deviation, too.

    The rate is divided by 10 whenever the error on the validation part has not fallen for
    `patience` epochs, three times; the next plateau ends the run. `epochs` is the ceiling.
    `latest_cuts` are shares of all epochs after which the rate is cut at the latest, in short runs:
    as many cuts as there are shares.

    `start` is a weights file whose layers the net starts from, over the random ones of `initial`;
    the pixels are then its own, too. `tune` says which layers are trained: "all", "fc" for the
    fully-connected ones, or "last" for the one that gives the scores.
    `average` above 0 tests and keeps an exponential moving average of the weights with that decay.

    A batch is cut into shards of so many pictures, each with its own dropout, whose gradients are
    summed in a fixed order on a CPU: the number of threads cannot change what is learnt.

    `seed` is that of all that is random in training; `split` that of the split of the data into
    parts, where it has none of its own, so that other seeds train other nets on the same parts.

    `bad_start`, `bad_loss` and `bad_picture` say what to do about random weights from which a net
    does not learn, about a loss that is not finite, and about a picture that cannot be read while
    training.
    """

    net: str = "D"
    width: float = 1.0
    crop: int = 224
    fc: int | None = None
    scale: tuple[int, int] = (256, 256)
    batch: int = 256
    epochs: int = 74
    rate: float = 1e-2
    momentum: float = 0.9
    decay: float = 5e-4
    dropout: float = 0.5
    colour: float = 0.1
    divide: bool = False
    patience: int = 5
    latest_cuts: tuple[float, ...] = ()
    initial: str = "glorot"
    start: str | None = None
    tune: str = "all"
    average: float = 0.0
    shard: int = 16
    precision: str = "float32"
    compiled: bool = False
    bad_start: str = "stop"
    bad_loss: str = "stop"
    bad_picture: str = "stop"
    seed: int = 0
    split: int = 0

    def __post_init__(self) -> None:
        """Refuses what cannot be trained, with a line for the user."""
        for name, lowest in LEAST.items():
            if getattr(self, name) < lowest:
                raise UserError(f"{name} is {getattr(self, name)}; at least {lowest} is needed")
        if not 0 < self.rate < inf:
            raise UserError(f"rate is {self.rate}; it must be above 0, such as 0.01")
        if not 0 <= self.colour < inf:
            raise UserError(f"colour is {self.colour}; it must be 0 or above, such as 0.1")
        for name in SHARES:
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}; it must be in [0, 1)")
        for name, words in WORDS.items():
            if getattr(self, name) not in words:
                raise UserError(f"{name} is '{getattr(self, name)}'; there are {', '.join(words)}")
        if any(not 0 < share <= 1 for share in self.latest_cuts):
            raise UserError(f"latest_cuts are {[*self.latest_cuts]}; shares in (0, 1] are needed")
        smallest, largest = self.scale
        if smallest > largest:
            raise UserError(f"scale {smallest}-{largest} is the wrong way round")
        if smallest < self.crop:
            raise UserError(
                f"a scale S of {smallest} is below the crop of {self.crop}: no crop can be cut; "
                f"take --scale {self.crop + 32} or a smaller --crop"
            )


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by name, each as its kind; raises UserError for an unknown name or another kind.

    >>> checked({"scale": "256-512", "rate": 1})
    {'scale': (256, 512), 'rate': 1.0}
    """
    known = {RENAMED.get(name, name): value for name, value in given.items()}
    return {name: _checked(name, value) for name, value in known.items()}


def scale_text(scale: tuple[int, int]) -> str:
    """S as it is printed and given: "256", or "256-512" where it is jittered."""
    return str(scale[0]) if scale[0] == scale[1] else f"{scale[0]}-{scale[1]}"


def _checked(name: str, value: Any) -> Any:
    kinds = {field.name: type(field.default) for field in fields(Settings)}
    kinds |= {"fc": int, "start": str}
    if name not in kinds:
        near = get_close_matches(name, kinds, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(kinds)}"
        raise UserError(f"no setting '{name}'; {hint}")
    if name == "scale":
        return _scale(value)
    kind = kinds[name]
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is tuple and isinstance(value, list | tuple):
        with suppress(TypeError, ValueError):
            return tuple(float(v) for v in value)
    if kind is tuple or type(value) is not kind:
        wanted = {
            int: "a whole number",
            float: "a number",
            tuple: "a list of numbers, such as [0.6, 0.8],",
            bool: "true or false",
        }.get(kind, "a name")
        raise UserError(f"{name} is {value!r}; {wanted} is needed")
    return value


def _scale(value: Any) -> tuple[int, int]:
    """S from 256, "256", "256-512" or [256, 512]."""
    try:
        ends = str(value).split("-") if isinstance(value, int | str) else list(value)
        smallest, largest = (int(end) for end in (ends if len(ends) == 2 else ends * 2))
    except (ValueError, TypeError):
        raise UserError(f"scale is {value!r}; S is a side such as 256, or 256-512") from None
    return smallest, largest
