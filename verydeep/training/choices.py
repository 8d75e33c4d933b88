"""What is chosen for a training where nobody said: setting by setting, each with its reason."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from verydeep import randomness, tasks
from verydeep.errors import PictureError, UserError
from verydeep.nets import named
from verydeep.nets.named import Sizes
from verydeep.nets.table import NORM_NAME, Table
from verydeep.parts.dataset import Part
from verydeep.pictures.reading import picture_size
from verydeep.runtime.machine import Machine
from verydeep.training.duration import (
    BATCH,
    LAST,
    MANY,
    epochs_in_time,
    epochs_worth,
    hidden_unsaid,
    hours_of_tuning,
    net_in_time,
    seconds_a_cached_picture,
    seconds_a_picture,
    tuned_epochs_worth,
    views_in_time,
)
from verydeep.training.settings import LATEST_CUTS, STEP, Settings
from verydeep.weights.warm_start import Origin

RATE, WARM_UP, RISING = 0.05, 1.0, 50
"""The highest rate of nets with norms, and the epochs, and at the least the steps, that rise to it;
of nets without norms the rate is a tenth (docs/results.md has what was tried)."""
BOARD_RATE = 3e-3
"""AlphaGo's (Nature 2016, Methods), without momentum."""
FEW = 200
"""Pictures below which the layers of a trained net are left as they are, but for the last or the FC
ones; of 200, tuning all of a narrow net is worth 6 to 9 points more (docs/results.md)."""


def choices(
    train: Part,
    machine: Machine,
    given: dict[str, Any],
    chosen: dict[str, Any],
    origin: Origin | None,
) -> Iterator[tuple[str, Any, str]]:
    """(setting, value, reason) one after another, each seeing those before it in `chosen`."""

    def known(name: str) -> Any:
        return given.get(name, chosen.get(name, getattr(Settings(), name)))

    side = _typical_side(train)
    if origin is not None:
        for name, value in vars(origin.sizes).items():
            if value is not None:
                yield name, value, f"as in {known('start')}"
    elif machine.device == "cpu":
        asked = given.get("net"), given.get("fc")
        net, width, crop = net_in_time(len(train), side, machine.cores, *asked)
        yield "net", net, f"with width and crop, the largest that {machine} train in time"
        yield "width", width, "of the paper's channels"
        yield "crop", crop, f"pictures have a smaller side of about {side}"
    else:
        yield "net", f"D{NORM_NAME}", "the paper's best single net, with norms"
        width, crop = named.fitting(
            known("net"),
            1.0 if len(train) >= 50_000 else 0.5,
            224 if side >= 192 else max(64, 32 * (side // 40)),
        )
        yield "width", width, f"for {len(train):,} pictures"
        yield "crop", crop, f"for sides of {side}"
    if named.reads_boards(known("net")):
        yield from _of_boards(known)
    yield from _way_of_learning(train, machine, known, origin)
    if named.reads_boards(known("net")):
        yield "rate", BOARD_RATE, "AlphaGo's; small trainings diverged at higher ones"
        yield "momentum", 0.0, "AlphaGo's"
    if machine.device == "cuda":
        yield "precision", "bf16", "twice as fast on a GPU; weights stay float32"


def table_of(sizes: Sizes, origin: Origin | None) -> Table:
    """The table of a net of these sizes; raises UserError for sizes that none can have."""
    return sizes.table(LAST) if origin is None else origin.table_for(sizes, LAST)


def _sizes(known: Callable[[str], Any]) -> Sizes:
    """The sizes that are known so far."""
    return Sizes(known("net"), known("width"), known("crop"), known("fc"))


def _way_of_learning(
    train: Part, machine: Machine, known: Callable[[str], Any], origin: Origin | None
) -> Iterator[tuple[str, Any, str]]:
    """What is chosen once the net is: the same for all pictures, but for how few they are."""
    if origin is not None and origin.is_of(_sizes(known)):
        return _tuned(train, machine, known, origin)
    if origin is None and named.has_norms(known("net")):
        return _with_norms(train, machine, known)
    return _as_the_paper(train, machine, known, origin)


def _of_boards(known: Callable[[str], Any]) -> Iterator[tuple[str, Any, str]]:
    """What pictures of boards are shown as: as they are."""
    for name, value in of_boards(known("net")).items():
        yield name, value, "boards are shown as they are"


def of_boards(net: str) -> dict[str, Any]:
    """What settings are of a net that reads boards, in which each byte tells of a point."""
    side = named.table(net).crop
    plain = {"mirror": False, "colour": 0.0, "border": 0, "area": 1.0, "aspect": 1.0}
    return {"crop": side, "scale": (side, side), "divide": False, **plain}


def _with_norms(
    train: Part, machine: Machine, known: Callable[[str], Any]
) -> Iterator[tuple[str, Any, str]]:
    """How a net with norms learns from random weights."""
    fc = hidden_unsaid(known("net"))
    if fc is not None:
        yield "fc", fc, "a mean over space: hidden FC layers err more after as many epochs"
    yield "scale", (known("crop") * 5 // 4,) * 2, "5/4 of the crop"
    yield from _batches(train, norms=True, known=known)
    yield "rate", RATE if known("batch") < 128 else 2 * RATE, "the highest; norms let it be high"
    if named.has_dropout(known("net"), known("fc")):
        yield "dropout", 0.25, "half the paper's"
    yield "fall", "cosine", "to nothing at the end"
    if machine.device == "cpu":
        yield "epochs", *_epochs(train, machine, known, None)
    else:
        yield "epochs", epochs_worth(len(train)), f"for {len(train):,} pictures"
    steps = max(1, len(train) // known("batch"))
    rising = max(WARM_UP, round(RISING / steps))
    yield "warm_up", min(rising, known("epochs") / 4), "epochs in which the rate rises"
    yield "initial", "he", "norms keep the size of values"
    yield "divide", True, "pixels by their deviation, as He's weights have it"


def _as_the_paper(
    train: Part, machine: Machine, known: Callable[[str], Any], origin: Origin | None
) -> Iterator[tuple[str, Any, str]]:
    """How a net of Table 1 itself learns from random weights, or from another net's layers."""
    if machine.device == "cpu":
        yield "initial", "he", "small batches start well from it, without another net"
    if not named.reads_boards(known("net")):
        yield from _scale(known, origin)
    yield from _batches(train, named.has_norms(known("net")), known)
    rates = tasks.named(known("task")).rates
    if rates is not None:
        yield "rate", rates(train).plain, f"for {known('task')}, as the paper has it"
    else:
        rate = RATE / 10 if known("batch") < 128 else RATE / 5
        yield "rate", rate, f"for batches of {known('batch')}"
    yield from _plateaus(train, machine, known, origin)
    if origin is None and known("initial") == "he" and not named.reads_boards(known("net")):
        yield "divide", True, "pixels by their deviation: He's weights keep the size of values"


def _tuned(
    train: Part, machine: Machine, known: Callable[[str], Any], origin: Origin
) -> Iterator[tuple[str, Any, str]]:
    """How weights that are trained already are tuned to other pictures."""
    yield "initial", "glorot", "for the layers that are new"
    if not named.reads_boards(known("net")):
        yield from _scale(known, origin)
    norms = origin.table.has_norms
    yield from _batches(train, norms, known)
    yield from _tuning(train, machine, origin, known)
    if known("cached"):
        yield "views", *_views(train, machine, known, origin)
    rates = tasks.named(known("task")).rates
    if rates is not None and norms and known("tune") == "all":
        yield "rate", rates(train).norms, f"for {known('task')}, by nets with norms"
        yield "fall", "cosine", "to nothing at the end"
    elif rates is not None and not norms:
        yield "rate", rates(train).plain, f"for {known('task')}, as the paper has it"
    yield from _plateaus(train, machine, known, origin)


def _scale(known: Callable[[str], Any], origin: Origin | None) -> Iterator[tuple[str, Any, str]]:
    """S, at the paper's distance from the crop, but of nets that are shown pictures whole."""
    if origin is not None and known("crop") == origin.table.crop <= origin.pixels.scale[0]:
        yield "scale", origin.pixels.scale, f"as in {known('start')}"
    elif named.is_small(known("net")):
        yield "scale", (known("crop"),) * 2, "the crop: its net is made for whole small pictures"
    else:
        yield "scale", (known("crop") + STEP,) * 2, "crop + 32, as the paper's 256 is to 224"


def _batches(
    train: Part, norms: bool, known: Callable[[str], Any]
) -> Iterator[tuple[str, Any, str]]:
    """The batch, and the micro-batches that norms go by, which are to be alike."""
    batch = _batch(len(train), BATCH if len(train) < 2 * MANY else 256)
    yield "batch", batch, f"many steps from {len(train):,} pictures"
    if tasks.named(known("task")).jointly:
        yield "sampling", "grouped", "a picture is held against others of its class and of others"
    if norms:
        count = -(-known("batch") // Settings().micro_batch)
        yield "micro_batch", -(-known("batch") // count), "pictures by which norms go"


def _plateaus(
    train: Part, machine: Machine, known: Callable[[str], Any], origin: Origin | None
) -> Iterator[tuple[str, Any, str]]:
    """Dropout, and a rate that falls on plateaus, as in the paper, in fewer epochs."""
    narrow = known("width") <= 0.5
    if named.has_dropout(known("net"), known("fc")):
        yield "dropout", 0.25 if narrow else 0.5, "half the paper's" if narrow else "the paper's"
    if machine.device == "cpu":
        yield "epochs", *_epochs(train, machine, known, origin)
    elif origin is not None and origin.is_of(_sizes(known)):
        yield "epochs", tuned_epochs_worth(len(train)), "at most: the weights are trained already"
    yield "patience", max(3, round(0.15 * known("epochs"))), "epochs without progress: a plateau"
    yield "latest_cuts", LATEST_CUTS, "shares of the epochs, for few that see no plateau"


def _batch(pictures: int, most: int) -> int:
    """The largest batch, down to half the most, that leaves out up to a part in fifty an epoch.

    Without one, that which leaves out least.
    """
    if pictures <= most:
        return pictures
    sizes = range(most, most // 2 - 1, -1)
    little = (size for size in sizes if pictures % size <= pictures / 50)
    return next(little, min(sizes, key=lambda size: pictures % size))


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


def _tuning(
    train: Part, machine: Machine, origin: Origin, known: Callable[[str], Any]
) -> Iterator[tuple[str, Any, str]]:
    """Which layers of trained weights are tuned, and at which rate."""
    pictures = f"{len(train):,} pictures"
    table = table_of(_sizes(known), origin)
    hours = hours_of_tuning(table, len(train), machine.cores)
    if known("cached"):
        yield "tune", "fc", "what stands before them is cached"
    elif not origin.is_whole:
        yield "tune", "all", "convolutions are new, too"
    elif machine.device == "cpu" and hours is not None:
        tune = "last" if origin.table.has_scores else "fc"
        yield "tune", tune, f"all layers would take {hours:.0f} hours or more here"
    elif len(train) >= FEW:
        yield "tune", "all", f"{pictures} are enough for every layer"
    elif origin.table.has_scores:
        yield "tune", "last", f"{pictures} are few: the other layers stay as they are"
    else:
        yield "tune", "fc", f"{pictures} are few: the convolutions stay as they are"
    if known("width") > 0.5 and origin.is_whole and known("tune") != "last":
        yield "rate", 1e-3, "trained layers of a wide net are to move slowly"
    else:
        yield "rate", RATE / 10 if known("batch") < 128 else RATE / 5, "as from random weights"


def _views(
    train: Part, machine: Machine, known: Callable[[str], Any], origin: Origin
) -> tuple[int, str]:
    """As many fixed views of each picture as a CPU has time to work out, up to the usual."""
    if machine.device != "cpu":
        return Settings().views, "of each picture"
    table = table_of(_sizes(known), origin)
    most = min(Settings().views, known("epochs"))
    views, minutes = views_in_time(table, len(train), machine.cores, most)
    return views, f"of each picture, worked out once in about {minutes} min"


def _epochs(
    train: Part, machine: Machine, known: Callable[[str], Any], origin: Origin | None
) -> tuple[int, str]:
    """As many epochs as a CPU has time for, up to what the pictures are good for."""
    tuned = origin is not None and origin.is_of(_sizes(known))
    enough = tuned_epochs_worth(len(train)) if tuned else epochs_worth(len(train))
    table = table_of(_sizes(known), origin)
    if known("cached"):
        seconds = seconds_a_cached_picture(table, machine.cores)
    else:
        seconds = seconds_a_picture(table, machine.cores, 3 if known("tune") == "all" else 1)
    epochs, minutes = epochs_in_time(seconds, len(train), enough)
    if known("fall") == "cosine":
        return epochs, f"about {minutes} min"
    return epochs, f"at most, about {minutes} min; a plateau ends it earlier"
