"""The paper's trainings as records: what was trained, how, from which weights, and what came of it.

Each row of Tables 3 to 6 that one net gave stands here with its published errors beside it; what
is not said in a recipe is as the paper has it (`Settings`). Narrow versions of them begin with
Glorot's weights. `small` and `quick` are our own, for little data on a machine without a GPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

from verydeep import schema
from verydeep.errors import UserError
from verydeep.evaluation.published import Published, of_net
from verydeep.evaluation.published_nets import (
    PrintedAccuracy,
    PrintedError,
    accuracies_of,
    printed_of,
)
from verydeep.nets.named import bare, called
from verydeep.schema import AndOthers, Line
from verydeep.training.duration import MOST_EPOCHS
from verydeep.training.neighbours import NEIGHBOURS, PRINTED_AS
from verydeep.training.settings import BEFORE, STEP, checked

CROP = 224
"""The crop of the paper's trainings."""
GAUSSIAN, GLOROT = "gaussian:0.01", "glorot"
"""Caffe's of the prototxts in circulation, for whole nets, whose layers sum many terms; and what
the paper recommends since (Sect. 3.1), for all that the gaussian is too small for."""


OURS = {
    "net": "A-BN", "fc": 0, "crop": 64, "scale": 80, "batch": 32, "rate": 0.05, "initial": "he",
    "divide": True, "fall": "cosine", "warm_up": 1.0,
}  # fmt: skip
"""What is chosen for thousands of pictures without a GPU, whatever the machine's cores."""


@dataclass(frozen=True)
class Recipe:
    """Settings by name; `after` is the recipe whose weights it starts from.

    `published` are the rows of VGG's paper, `printed` and `accuracies` what others say of the net.
    """

    name: str
    settings: Mapping[str, Any]
    after: str | None = None
    published: tuple[Published, ...] = field(default=())
    printed: tuple[PrintedError, ...] = ()
    accuracies: tuple[PrintedAccuracy, ...] = ()


def _at_256(net: str) -> Recipe:
    """A net trained at S = 256: A and A-LRN from random weights, deeper ones from layers of A."""
    after = None if net in ("A", "A-LRN") else "A-256"
    settings = {"net": net, "crop": CROP, "scale": 256, "initial": GAUSSIAN}
    return Recipe(f"{net}-256", settings, after, of_net(net, 256, 256))


def _at_384(net: str) -> Recipe:
    """The same at S = 384, started from the weights at S = 256, at a rate of 1e-3."""
    settings = {"net": net, "crop": CROP, "scale": 384, "rate": 1e-3}
    return Recipe(f"{net}-384", settings, f"{net}-256", of_net(net, 384, 384))


def _jittered(net: str) -> Recipe:
    """S drawn from [256; 512] for each picture, all layers of the net at S = 384 tuned on.

    The paper does not say the rate; it is that of the S = 384 stage.
    """
    settings = {"net": net, "crop": CROP, "scale": "256-512", "rate": 1e-3}
    return Recipe(f"{net}-jitter", settings, f"{net}-384", of_net(net, 256, 512))


def _beside(name: str, settings: Mapping[str, Any]) -> Recipe:
    """The recipe of a net of another paper, with what was printed of it."""
    net = PRINTED_AS.get(settings["net"], settings["net"])
    printed, accuracies = tuple(printed_of(net)), tuple(accuracies_of(net))
    return Recipe(name, settings, printed=printed, accuracies=accuracies)


RECIPES = {
    recipe.name: recipe
    for recipe in (
        *(_at_256(net) for net in ("A", "A-LRN", "B", "C", "D", "E")),
        *(_at_384(net) for net in "CDE"),
        *(_jittered(net) for net in "CDE"),
        # one of the seven nets of Table 6, published only as one of them
        Recipe("D-jitter-fc", {**_jittered("D").settings, "tune": "fc"}, "D-384"),
        # Sect. 4.1: 7 points of top-1 error above B, on a centre crop
        Recipe("B-shallow-256", _at_256("B-shallow").settings),
        # Sect. 3.1: what makes pre-initialisation unnecessary
        Recipe("D-256-glorot", {**_at_256("D").settings, "initial": GLOROT}),
        Recipe("E-256-glorot", {**_at_256("E").settings, "initial": GLOROT}),
        *(_beside(name, settings) for name, settings in NEIGHBOURS.items()),
        Recipe("small", {**OURS, "width": 0.25, "epochs": 20}),
        Recipe("quick", {**OURS, "width": 0.125, "epochs": 6}),
    )
}  # fmt: skip

_BY_BARE = {bare(name): found for name, found in RECIPES.items()}


def recipe(named: str) -> Recipe:
    """The recipe of that name, or of a TOML file of settings, such as a run's own run.toml.

    Capitals and dashes may be left out, and nets called as people call them: `resnet50`, `zfnet`.

    Raises UserError for an unknown name or setting.
    """
    if (found := _BY_BARE.get(bare(named)) or _BY_BARE.get(bare(called(named)))) is not None:
        return found
    path = Path(named)
    if path.suffix == ".toml":
        return _of_file(path)
    near = get_close_matches(named, RECIPES, 1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(RECIPES)}"
    raise UserError(f"no recipe '{named}'; {hint}; a file of settings ends in .toml")


def chain(last: Recipe) -> list[Recipe]:
    """The recipes that must be trained one after another for the last of them."""
    stages = [last]
    while stages[0].after:
        stages.insert(0, RECIPES[stages[0].after])
    return stages


def settings_of(stage: Recipe, given: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's settings with others laid over them; S stays as far above the crop as it was.

    So it stays a number of steps of the dense net from it, 32 pixels each: one at 256, five at 384.
    Where neither says S, it is one step above the crop. Nets narrower than the paper's begin with
    Glorot's weights where its own begin with the gaussian.

    >>> settings_of(RECIPES["D-384"], {"crop": 112})["scale"]
    (272, 272)
    """
    own, laid = checked(stage.settings), checked(given)
    settings = {**own, **laid}
    if "scale" not in own:
        settings = {"scale": (settings.get("crop", CROP) + STEP,) * 2, **settings}
    elif "scale" not in laid and "crop" in own:
        smallest, largest = (s + settings["crop"] - own["crop"] for s in own["scale"])
        settings["scale"] = smallest, largest
    if "warm_up" in own and "warm_up" not in laid:
        settings["warm_up"] = min(own["warm_up"], settings.get("epochs", MOST_EPOCHS) / 4)
    narrow = settings.get("width", 1.0) < 1 and own.get("width", 1.0) == 1
    begins, *biases = own.get("initial", "").split(" ")
    if narrow and begins == GAUSSIAN and "initial" not in laid:
        settings["initial"] = " ".join([GLOROT, *biases])
    return settings


class _Machine(TypedDict):
    start: NotRequired[Line]


class _RunsOwn(TypedDict):
    """What is taken of a run's own run.toml: its settings, and whose weights it began with."""

    settings: dict[str, Any]
    machine: NotRequired[Annotated[_Machine, AndOthers()]]


def _of_file(path: Path) -> Recipe:
    """The recipe of a TOML file; what earlier versions did unsaid is taken of runs alone."""
    try:
        content = schema.of_toml(path.read_bytes())
        if "settings" not in content:
            return Recipe(path.stem, checked(content))
        own: _RunsOwn = schema.fitting(Annotated[_RunsOwn, AndOthers()], content)
        start = own["machine"].get("start") if "machine" in own else None
        begun = {} if start is None else {"start": start}
        before = BEFORE if "versions" in content else {}
        return Recipe(path.stem, checked({**before, **own["settings"], **begun}))
    except OSError as error:
        raise UserError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except ValueError as error:
        raise UserError(f"{path} is no recipe: {error}") from None
