"""What a training run is made of, whole: two runs with equal settings and data are equal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from verydeep import schema
from verydeep.errors import UserError
from verydeep.nets import named
from verydeep.nets.named import Sizes
from verydeep.schema import Between, Line, Most, Positive, Seed, Share

SIDE, MANY = 2**16 - 1, 2**24
"""The largest side in pixels, and the largest number of anything else."""
LATEST_CUTS = (0.6, 0.8, 0.93)
"""When short runs, that may see no plateau, cut the rate at the latest; none of the paper's."""
STEP = 32
"""Pixels between neighbouring positions of the dense net: how far S is above the crop, or several
times as far, so that the net sees all of a picture of that side."""
RENAMED = {"learn": "tune", "shard": "micro_batch"}
"""Settings by the names that they had in earlier versions, which are taken for them."""
BEFORE = {"divide": True, "bad_start": "train"}
"""What earlier versions did without a setting: how weights of theirs were trained, and what their
run.toml, taken as a recipe, trains again."""
LATER = {
    "task": "classify", "fall": "plateau", "warm_up": 0.0, "class_weights": "none",
    "sampling": "plain", "cached": False, "views": 8, "validation": "found", "at_steps": (),
    "stairs": (1.0, 1), "border": 0, "mirror": True, "area": 1.0, "aspect": 1.0, "smoothing": 0.0,
    "disturb": 0.0, "mean_from": 0, "each": 4, "cut_by": 10.0,
}  # fmt: skip
"""Settings that came later, and what is meant where a run.toml does not say them."""
OF_FALLS = {
    "patience": ("plateau",),
    "latest_cuts": ("plateau",),
    "cut_by": ("plateau", "steps"),
    "at_steps": ("steps",),
    "stairs": ("stairs",),
}
"""Settings that some ways of falling have alone."""


@dataclass(frozen=True)
class Settings:
    """The net and how it is trained; the defaults that stand here are the paper's (Sect. 3.1).

    `task` names what the net is trained for.

    `scale` is S, the smaller side in pixels that pictures are rescaled to before a crop is cut,
    (smallest, largest): drawn anew for each crop where they differ, both ends included. `colour`
    is the deviation of the random shift of colour along the training set's principal axes. The
    paper subtracts the mean and nothing more; with `divide` pixels are divided by the training
    set's deviation, too.

    With `fall` "plateau" the rate is divided by `cut_by`, 10, whenever the task's first figure, the
    error of a classifier, has not become better on the validation part for `patience` epochs, three
    times; the next plateau ends the run. `epochs` is the ceiling.
    `latest_cuts` are shares of all epochs after which the rate is cut at the latest, in short runs:
    as many cuts as there are shares. With "cosine" it falls from step to step along half a cosine
    to nothing at the end of `epochs` (Loshchilov & Hutter, 2017), and no plateau matters. With
    "steps" it is divided by `cut_by` after each of `at_steps` but the last, with whose epoch the
    run ends, as for CIFAR (He et al., 2016); with "stairs" (share, epochs) it is that share of
    itself after every so many epochs, as GoogLeNet's is 0.96 of itself after every 8. Whichever way
    it rises in proportion to the steps over the first `warm_up` epochs (Goyal et al., 2017).

    Crops are of the picture at S. With a `border` they are of it with so many pixels around it, of
    the colour that the mean makes zero (He et al., 2016, of CIFAR: 4). With an `area` below 1 or an
    `aspect` above it they are patches made as large as the crop: of a share of the picture from
    `area` to 1, their width over their height from 1 / aspect to aspect (Szegedy et al., 2015: 0.08
    and 4/3). Half of all crops are mirrored but where `mirror` is false, as of digits.

    `smoothing` is the share of each label that all classes have alike (Szegedy et al., 2016), and
    `disturb` how often a picture is learnt from under a label drawn from all of them (Xie et al.,
    2016).

    `start` is a weights file whose layers the net starts from, over the random ones of `initial`;
    the pixels are then its own, too. `tune` says which layers are trained: "all", "fc" for the
    fully-connected ones, or "last" for the one that gives the scores.
    Where nothing of the trunk is, `cached` has each picture shown as so many fixed `views`, whose
    values are worked out once (`training/cached.py`); the shift of colour must then be none.
    `average` above 0 tests and keeps an exponential moving average of the weights with that decay;
    `mean_from` the plain mean of the weights at the ends of the epochs, from that one on, counted
    from 1 (Izmailov et al., 2018): what a run's last checkpoints have, averaged.

    On a CPU, and wherever sums are in order, a batch is cut into micro-batches of so many pictures,
    whose gradients are summed in a fixed order: the number of threads cannot change what is learnt.
    Norms go by the pictures of a micro-batch; the rest of a net learns the same by any, but for
    rounding.

    With `class_weights` "balanced" every class counts the same in the loss, however few pictures it
    has; with `sampling` "balanced" every epoch draws as many pictures as ever, but so that classes
    come equally often; "grouped" makes each batch of so many pictures of a class as `each` says, or
    as there are, and of other classes until it is full. What is judged is the same.

    `validation` says what chooses the weights of data with two parts: the part that was "found"
    beside train, or a tenth of train "drawn" from the seed of the split, so that the part that was
    found is a test. With `fold` (i, k), of data that has no parts of its own, fold i of k is the
    test, and a tenth of the others chooses the weights.

    `seed` is that of all that is random in training; `split` that of the split of the data into
    parts, where it has none of its own, so that other seeds train other nets on the same parts.

    `bad_start`, `bad_loss` and `bad_picture` say what to do about random weights from which a net
    does not learn, about a loss that is not finite, and about a picture that cannot be read while
    training.
    """

    task: Line = "classify"
    net: Line = "D"
    width: Annotated[float, Between(0, 4, "(]")] = 1.0
    crop: Annotated[int, Between(1, SIDE)] = 224
    fc: Annotated[int, Between(0, MANY)] | None = None
    scale: tuple[Annotated[int, Between(1, SIDE)], Annotated[int, Between(1, SIDE)]] = (256, 256)
    batch: Annotated[int, Between(1, MANY)] = 256
    epochs: Annotated[int, Between(1, MANY)] = 74
    rate: Positive = 1e-2
    momentum: Share = 0.9
    decay: Share = 5e-4
    dropout: Share = 0.5
    colour: Annotated[float, Between(0, 1e6)] = 0.1
    divide: bool = False
    border: Annotated[int, Between(0, SIDE)] = 0
    area: Annotated[float, Between(0, 1, "(]")] = 1.0
    aspect: Annotated[float, Between(1, 16)] = 1.0
    mirror: bool = True
    smoothing: Share = 0.0
    disturb: Share = 0.0
    fall: Literal["plateau", "cosine", "steps", "stairs"] = "plateau"
    at_steps: Annotated[tuple[Annotated[int, Between(1, 2**53)], ...], Most(32)] = ()
    stairs: tuple[Positive, Annotated[int, Between(1, MANY)]] = (1.0, 1)
    warm_up: Annotated[float, Between(0, MANY)] = 0.0
    cut_by: Annotated[float, Between(1, 1e6)] = 10.0
    patience: Annotated[int, Between(1, MANY)] = 5
    latest_cuts: Annotated[tuple[Annotated[float, Between(0, 1, "(]")], ...], Most(32)] = ()
    initial: Line = "glorot"
    start: Line | None = None
    tune: Literal["all", "fc", "last"] = "all"
    cached: bool = False
    views: Annotated[int, Between(1, MANY)] = 8
    average: Share = 0.0
    mean_from: Annotated[int, Between(0, MANY)] = 0
    class_weights: Literal["none", "balanced"] = "none"
    sampling: Literal["plain", "balanced", "grouped"] = "plain"
    each: Annotated[int, Between(2, MANY)] = 4
    validation: Literal["found", "drawn"] = "found"
    micro_batch: Annotated[int, Between(1, MANY)] = 16
    precision: Literal["float32", "bf16"] = "float32"
    compiled: bool = False
    bad_start: Literal["stop", "train"] = "stop"
    bad_loss: Literal["stop", "rollback"] = "stop"
    bad_picture: Literal["stop", "skip", "substitute"] = "stop"
    seed: Seed = 0
    split: Seed = 0
    fold: tuple[Annotated[int, Between(0, MANY)], Annotated[int, Between(2, MANY)]] | None = None

    @property
    def sizes(self) -> Sizes:
        """What of them makes the net's table."""
        return Sizes(self.net, self.width, self.crop, self.fc)

    @property
    def without_effect(self) -> frozenset[str]:
        """Names of settings that change nothing beside the others."""
        others = [name for name, falls in OF_FALLS.items() if self.fall not in falls]
        dropping = not named.is_known(self.net) or named.has_dropout(self.net, self.fc)
        dropout = () if dropping else ("dropout",)
        each = () if self.sampling == "grouped" else ("each",)
        return frozenset([*others, *dropout, *each, *(() if self.cached else ("views",))])

    def __post_init__(self) -> None:
        """Refuses what cannot be trained, with a line for the user."""
        for name, value in vars(self).items():
            _fitting(name, value)
        smallest, largest = self.scale
        if smallest > largest:
            raise UserError(f"scale {smallest}-{largest} is the wrong way round")
        if self.warm_up >= self.epochs:
            raise UserError(
                f"warm_up is {self.warm_up:g} epochs of {self.epochs}; it must end before they do: "
                f"take --set warm_up=0"
            )
        if self.class_weights == self.sampling == "balanced":
            raise UserError(
                "class_weights and sampling are both balanced, so that rare classes would count "
                "twice; take one of them"
            )
        if self.average and self.mean_from:
            raise UserError("average and mean_from are two averages of the weights; take one")
        if self.mean_from > self.epochs:
            raise UserError(f"mean_from is {self.mean_from}, and there are {self.epochs} epochs")
        if self.fold and self.fold[0] >= self.fold[1]:
            raise UserError(f"fold {self.fold[0]} of {self.fold[1]}; the first of them is fold 0")
        if self.fall == "steps" and [*self.at_steps] != sorted({*self.at_steps} or [1]):
            raise UserError(
                f"at_steps is {[*self.at_steps]}; they are steps one after another, of which the "
                f"last ends the run: take --set 'at_steps=[32000, 48000, 64000]'"
            )
        if self.border and (self.area < 1 or self.aspect > 1):
            raise UserError("a border is for crops, area and aspect are of patches; leave one out")
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
    names = schema.keys_of(Settings)[0]
    if name not in names:
        near = get_close_matches(name, names, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(names)}"
        raise UserError(f"no setting {schema.shown(name)}; {hint}")
    value = named.called(value) if name == "net" and isinstance(value, str) else value
    return _fitting(name, _scale(value) if name == "scale" else value)


def _fitting(name: str, value: Any) -> Any:
    """A setting's value as its annotation has it; UserError where it cannot be that."""
    try:
        return schema.fitting(schema.keys_of(Settings)[0][name], value, name)
    except schema.MisfitError as error:
        raise UserError(str(error)) from None


def _scale(value: Any) -> tuple[int, int]:
    """S from 256, "256", "256-512" or [256, 512]."""
    try:
        ends = str(value).split("-") if isinstance(value, int | str) else list(value)
        smallest, largest = (int(end) for end in (ends if len(ends) == 2 else ends * 2))
    except (ValueError, TypeError, OverflowError):
        said = schema.shown(value)
        raise UserError(f"scale is {said}; S is a side such as 256, or 256-512") from None
    return smallest, largest
