"""Settings chosen from the data and the machine, each with its reason.

What is chosen depends on nothing but the number and the size of the pictures, the kind of device
and the number of its cores: never on a clock, so the same command always trains the same net.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from verydeep import randomness
from verydeep.datasets.dataset import Part
from verydeep.errors import PictureError, UserError
from verydeep.machine import Machine
from verydeep.nets import initialisation, vgg
from verydeep.nets.cost import cost
from verydeep.nets.table import Table
from verydeep.pictures import picture_size
from verydeep.training.recipes import Recipe, settings_of
from verydeep.training.settings import Settings, checked
from verydeep.weights.file import read_info

BUDGET = 540.0
"""Seconds that training may take on a CPU, as `seconds_a_picture` reckons them, up to `MANY`
pictures; of more, as much again for every further `MANY`."""
MANY = 10_000
CPU_NETS = (("A", 0.125, 64), ("A", 0.25, 64), ("A", 0.25, 96), ("A", 0.5, 96), ("D", 0.5, 128))
"""(net, width, crop) from small to large; the largest is taken whose training fits."""
EPOCHS, STEPS = 14, 3000
"""What training must have room for: so many epochs, and so many steps where pictures are few."""
BATCH = 32


@dataclass(frozen=True)
class Choice:
    """Settings, and why each that matters is what it is."""

    settings: Settings
    reasons: Mapping[str, str]


def choose(
    train: Part, machine: Machine, given: Mapping[str, Any], recipe: Recipe | None = None
) -> Choice:
    """Settings for this data on this machine; what is `given`, or in a recipe, is kept as it is.

    Beside a recipe nothing is chosen: what it does not say is as the paper has it.

    Raises UserError for a key that no setting has, or a value that none can have.
    """
    given = checked(given)
    if not len(train):
        raise UserError("no pictures to train on; the data has some to test on only")
    chosen: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    if recipe is not None:
        chosen = settings_of(recipe, given)
        reasons = dict.fromkeys(chosen, f"as in recipe {recipe.name}")
    else:
        for name, value, reason in _choices(train, machine, dict(given), chosen):
            chosen[name], reasons[name] = value, reason
    for name in given:
        reasons[name] = "as given"
    settings = replace(Settings(), **{**chosen, **given})
    vgg.table(settings.net, 2, settings.width, settings.crop, settings.fc)
    initialisation.parsed(settings.initial)
    if settings.batch > len(train):
        raise UserError(
            f"a batch of {settings.batch} is more than the {len(train)} pictures there are"
        )
    return Choice(settings, reasons)


def seconds_a_picture(table: Table, cores: int) -> float:
    """About how long one picture takes in training on so many cores.

    Fitted to eight small nets on one core of a server (AVX2, float32), to within a quarter: three
    passes of 25 thousand million multiply-adds a second, 4.8 ns for each value, 0.3 ms for the
    rest; each further core adds four fifths.
    """
    price = cost(table)
    alone = 3 * price.multiply_adds / 25e9 + 4.8e-9 * price.values + 0.3e-3
    return alone / (1 + 0.8 * (cores - 1))


def _choices(
    train: Part, machine: Machine, given: dict[str, Any], chosen: dict[str, Any]
) -> Iterator[tuple[str, Any, str]]:
    """(setting, value, reason) one after another, each seeing those before it in `chosen`."""

    def known(name: str) -> Any:
        return given.get(name, chosen.get(name, getattr(Settings(), name)))

    side = _typical_side(train)
    pictures = f"{len(train):,} pictures"
    if known("start"):
        yield from _as_in(known("start"))
    elif machine.device == "cpu":
        net, width, crop = _cpu_net(train, machine, side, given.get("net"))
        yield "net", net, f"with width and crop, the largest that {machine} train in time"
        yield "width", width, "of the paper's channels"
        yield "crop", crop, f"pictures have a smaller side of about {side}"
    else:
        yield "net", "D", "the paper's best single net"
        yield "width", 1.0 if len(train) >= 50_000 else 0.5, f"for {pictures}"
        yield "crop", 224 if side >= 192 else max(64, 32 * (side // 40)), f"for sides of {side}"
    if machine.device == "cpu":
        yield "initial", "he", "small batches start well from it, without another net"
    yield "scale", (known("crop") + 32,) * 2, "crop + 32, as the paper's 256 is to 224"
    batch = min(len(train), BATCH if len(train) < 2 * MANY else 256)
    yield "batch", batch, f"many steps from {pictures}"
    yield "rate", 5e-3 if known("batch") < 128 else 1e-2, f"for batches of {known('batch')}"
    narrow = known("width") <= 0.5
    yield "dropout", 0.25 if narrow else 0.5, "half the paper's" if narrow else "the paper's"
    if machine.device == "cuda":
        yield "precision", "bf16", "twice as fast on a GPU; weights stay float32"
    if machine.device == "cpu":
        epochs, reason = _cpu_epochs(train, machine, known)
        yield "epochs", epochs, reason
    yield "patience", max(3, round(0.15 * known("epochs"))), "epochs without progress: a plateau"


def _typical_side(train: Part, sample: int = 200) -> int:
    """Median smaller side, in pixels, of some of the pictures, from their headers."""
    drawn = randomness.generator(0, "choice").permutation(len(train))[:sample]
    sides = []
    for i in drawn:
        with suppress(PictureError):  # named when the pictures are read
            sides.append(min(picture_size(train.source(int(i)))))
    if not sides:
        raise UserError(f"none of {len(drawn)} pictures can be read, {train.names[0]} among them")
    return int(statistics.median(sides))


def _as_in(start: str) -> Iterator[tuple[str, Any, str]]:
    """The settings that a net must share with the one it starts from, and its configuration."""
    settings = read_info(start).provenance.get("settings", {})
    for name in ("net", "width", "crop", "fc"):
        if name in settings:
            yield name, settings[name], f"as in {start}"


def _cpu_net(train: Part, machine: Machine, side: int, asked: str | None) -> tuple[str, float, int]:
    """The largest net for whose training there is time, with crops that the pictures can fill."""
    nets = [(asked or net, width, crop) for net, width, crop in CPU_NETS]
    best = nets[0]
    shown = max(EPOCHS * len(train), STEPS * BATCH)
    for net, width, crop in nets[1:]:
        seconds = seconds_a_picture(vgg.table(net, 10, width, crop), machine.cores)
        if crop + 32 <= max(96, side) and seconds * shown <= _budget(train):
            best = net, width, crop
    return best


def _cpu_epochs(train: Part, machine: Machine, known: Callable[[str], Any]) -> tuple[int, str]:
    """As many epochs as there is time for, up to what few pictures are good for."""
    table = vgg.table(known("net"), 10, known("width"), known("crop"), known("fc"))
    seconds = seconds_a_picture(table, machine.cores) * len(train)
    enough = max(74, round(STEPS * BATCH / len(train)))
    epochs = max(3, min(enough, int(_budget(train) / seconds)))
    minutes = max(1, round(epochs * seconds / 60))
    return epochs, f"at most, about {minutes} min; a plateau ends it earlier"


def _budget(train: Part) -> float:
    return BUDGET * max(1, len(train) / MANY)
