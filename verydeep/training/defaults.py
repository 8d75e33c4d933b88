"""Settings chosen from the data and the machine, each with its reason.

What is chosen depends on nothing but the number and the size of the pictures, the kind of device
and the number of its cores: never on a clock, so the same command always trains the same net.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any

from verydeep import randomness
from verydeep.datasets.dataset import Part
from verydeep.errors import PictureError, UserError
from verydeep.machine import Machine
from verydeep.nets import initialisation, vgg
from verydeep.nets.cost import cost
from verydeep.nets.table import Table
from verydeep.pictures import picture_size
from verydeep.training.settings import Settings

BUDGET = 720.0
"""Seconds that training may take on a CPU, as `seconds_a_picture` reckons them."""
CPU_NETS = (("A", 0.125, 64), ("A", 0.25, 64), ("A", 0.25, 96), ("A", 0.5, 96), ("D", 0.5, 128))
"""(net, width, crop) from small to large; the largest that leaves EPOCHS epochs is taken."""
EPOCHS = 14
"""Epochs over many pictures below which a larger net is no better than a smaller one."""
STEPS = 6000
"""Steps after which a small net has learnt what a small set can teach it."""


@dataclass(frozen=True)
class Choice:
    """Settings, and why each that matters is what it is."""

    settings: Settings
    reasons: Mapping[str, str]


def choose(train: Part, machine: Machine, given: Mapping[str, Any]) -> Choice:
    """Settings for this data on this machine; what is `given` is kept as it is.

    Raises UserError for a key that no setting has, or a value that none can have.
    """
    given = {name: checked(name, value) for name, value in given.items()}
    chosen: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for name, value, reason in _choices(train, machine, dict(given), chosen):
        chosen[name], reasons[name] = value, reason
    for name in given:
        reasons[name] = "as you asked"
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

    Measured on one core of a server: 21 thousand million multiply-adds a second, three passes,
    and 3 thousand million values written a second; each further core adds three quarters.
    """
    price = cost(table)
    alone = 3 * price.multiply_adds / 21e9 + 3 * price.values / 3e9
    return alone / (1 + 0.75 * (cores - 1))


def checked(name: str, value: Any) -> Any:
    """A setting's value as its kind; raises UserError for an unknown name or another kind."""
    kinds = {field.name: type(field.default) for field in fields(Settings)} | {"fc": int}
    if name not in kinds:
        near = get_close_matches(name, kinds, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(kinds)}"
        raise UserError(f"no setting '{name}'; {hint}")
    if kinds[name] is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kinds[name] is tuple and isinstance(value, list | tuple):
        return tuple(float(v) for v in value)
    if type(value) is not kinds[name]:
        kind = {int: "a whole number", float: "a number", tuple: "a list"}.get(
            kinds[name], "a name"
        )
        raise UserError(f"{name} is {value!r}; {kind} is needed")
    return value


def _choices(
    train: Part, machine: Machine, given: dict[str, Any], chosen: dict[str, Any]
) -> Iterator[tuple[str, Any, str]]:
    """(setting, value, reason) one after another, each seeing those before it in `chosen`."""

    def known(name: str) -> Any:
        return given.get(name, chosen.get(name, getattr(Settings(), name)))

    side = _typical_side(train)
    pictures = f"{len(train):,} pictures"
    if machine.device == "cpu":
        net, width, crop = _cpu_net(train, machine, side)
        fits = f"the largest that goes through {pictures} {EPOCHS} times in time"
        where = f"{machine.cores} CPU core{'s' if machine.cores > 1 else ''}"
        yield "net", net, f"{fits} on {where}"
        yield "width", width, f"a share of the paper's channels that suits {where}"
        yield "crop", crop, f"pictures have a smaller side of about {side}; {where}"
        yield "initial", "he", "trains without batches of 256 and without a net to start from"
    else:
        yield "net", "D", "the paper's best single net"
        yield "width", 1.0 if len(train) >= 50_000 else 0.5, f"for {pictures}"
        yield "crop", 224 if side >= 192 else max(64, 32 * (side // 40)), f"for sides of {side}"
    yield "scale", known("crop") + 32, "crop + 32, as the paper's 256 is to 224"
    batch = min(len(train), 32 if len(train) < 20_000 else 256)
    yield "batch", batch, f"many steps from few pictures ({pictures})"
    yield "rate", 2e-2 if known("batch") <= 64 else 1e-2, "for this batch and these weights"
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


def _cpu_net(train: Part, machine: Machine, side: int) -> tuple[str, float, int]:
    """The largest net whose epochs fit, with crops that the pictures can fill."""
    best = CPU_NETS[0]
    for net, width, crop in CPU_NETS[1:]:
        seconds = seconds_a_picture(vgg.table(net, 10, width, crop), machine.cores)
        if crop + 32 <= max(96, side) and seconds * len(train) * EPOCHS <= BUDGET:
            best = net, width, crop
    return best


def _cpu_epochs(train: Part, machine: Machine, known: Any) -> tuple[int, str]:
    """As many epochs as the budget has room for, up to what is worth while."""
    table = vgg.table(known("net"), 10, known("width"), known("crop"), known("fc"))
    seconds = seconds_a_picture(table, machine.cores) * len(train)
    enough = max(74, round(STEPS * known("batch") / len(train)))
    epochs = max(3, min(enough, int(BUDGET / seconds)))
    minutes = epochs * seconds / 60
    return epochs, f"about {minutes:.0f} min on {machine.cores} cores; a plateau ends it earlier"
