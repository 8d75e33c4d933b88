"""Every net by its name: the configurations of Table 1, and those of the papers beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from verydeep.errors import UserError
from verydeep.nets import (
    alexnet,
    alphago,
    facenet,
    googlenet,
    lenet,
    nin,
    resnet,
    squeezenet,
    vgg,
)
from verydeep.nets.paper import Family, PaperNet
from verydeep.nets.rewording import body, scaled, with_classes, with_last
from verydeep.nets.rows import Dropout
from verydeep.nets.table import NORM_NAME, Table
from verydeep.nets.words import PLANES, SOFTMAX, read_table

FAMILIES: tuple[Family, ...] = (
    lenet.FAMILY,
    alexnet.FAMILY,
    nin.FAMILY,
    googlenet.FAMILY,
    squeezenet.FAMILY,
    resnet.FAMILY,
    resnet.CIFAR_FAMILY,
    facenet.FAMILY,
    alphago.FAMILY,
)
"""The nets that VGG stands among, from the first of them on."""
NETS: dict[str, PaperNet] = {net.name: net for family in FAMILIES for net in family.nets}
SMALL = 64
"""Crops up to here are of nets that are made for pictures as small, and have no other."""


def called(name: str) -> str:
    """The name of the net that is called so, whatever its letters and dashes; else the name.

    >>> [called(name) for name in ("vgg16", "alexnet", "resnet50", "GoogLeNet", "x")]
    ['D', 'AlexNet', 'ResNet-50', 'GoogLeNet', 'x']
    """
    return _BY_BARE.get(bare(name)) or vgg.configuration(name)


def bare(name: str) -> str:
    """A name without what people leave out of it: capitals, dashes and the like."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


_BY_BARE = {bare(word): net.name for net in NETS.values() for word in (net.name, *net.also)}


def renamed(called: str, name: str) -> bool:
    """Whether a name was taken for another one, of which people are to be told."""
    return called != name if is_of_table_1(name) else bare(called) != bare(name)


def is_of_table_1(name: str) -> bool:
    """Whether a net of this name is a configuration of Table 1, with norms or without."""
    return name.removesuffix(NORM_NAME) in vgg.CONFIGURATIONS


def is_known(name: str) -> bool:
    """Whether there is a net of this name."""
    return name in NETS or is_of_table_1(name)


def family_of(name: str) -> Family | None:
    """The family of a net; None of a configuration of Table 1."""
    return next((f for f in FAMILIES if any(net.name == name for net in f.nets)), None)


def in_words(name: str) -> str:
    """A net by its name and where it is from."""
    family = family_of(name)
    if family is None:
        return f"configuration {name} of Table 1"
    return f"{name} of {NETS[name].source or family.source}"


def table(
    name: str,
    classes: int | None = None,
    width: float = 1.0,
    crop: int | None = None,
    fc: int | None = None,
) -> Table:
    """Table of a net, as it was published where nothing else is said.

    Of nets of Table 1 as `vgg.table` has it. `width` multiplies the channels of hidden layers;
    `crop` is the side of the training crop, in pixels: a first FC layer fits its map, and so does
    a mean over space. Raises UserError for an unknown name, and for what a net cannot have.
    """
    name = called(name)
    net = NETS.get(name)
    if net is None:
        _refuse_unknown(name)
        return vgg.table(name, 1000 if classes is None else classes, width, crop or 224, fc)
    vgg.refuse_sizes(classes, width)
    _refuse_misfits(net, classes, width, fc)
    words = tuple(scaled(word, width) for word in net.words) if width != 1 else net.words
    place = body(net.words)
    if place < len(words):
        own = int(net.words[place].partition("-")[2].split(" ")[0])
        words = words if net.own_classes else with_classes(words, classes or own)
    return read_table(name, words, crop or net.crop, net.channels)


def _refuse_unknown(name: str) -> None:
    """Raises UserError where there is no net of this name, with the nearest of those there are."""
    if is_of_table_1(name):
        return
    near = get_close_matches(bare(name), _BY_BARE, 1, 0.7)
    if near:
        raise UserError(f"no configuration '{name}'; did you mean '{_BY_BARE[near[0]]}'?")
    names = ", ".join(vgg.CONFIGURATIONS)
    raise UserError(
        f"no configuration '{name}'; there are {names}, and A-BN and so on, and the nets beside "
        f"them: {', '.join(family.nets[0].name for family in FAMILIES)} ..."
    )


def _refuse_misfits(net: PaperNet, classes: int | None, width: float, fc: int | None) -> None:
    """Raises UserError for sizes that this net cannot have."""
    if fc is not None:
        raise UserError(f"fc is for the nets of Table 1; {net.name} has the FC layers it has")
    if width != 1 and not net.scalable:
        raise UserError(f"{net.name} has a width of 1 alone: its sizes stand for something")
    if classes is None:
        return
    if net.own_classes and classes != net.crop**2:
        raise UserError(f"{net.name} tells the {net.crop**2} points of a board apart, no classes")
    if body(net.words) == len(net.words):
        raise UserError(f"{net.name} describes a picture by numbers and has no classes")


@dataclass(frozen=True)
class Sizes:
    """Which net it is, and how it is scaled down, as `table` has it."""

    net: str
    width: float = 1.0
    crop: int = 224
    fc: int | None = None

    def table(self, last: Iterable[str]) -> Table:
        """The table of a net of these sizes, with `last` in place of its own last layer and on.

        Raises UserError for sizes that no net has.

        >>> Sizes("D", width=0.25, crop=96).table(["FC-10", "soft-max"]).class_count
        10
        """
        own = table(self.net, None, self.width, self.crop, self.fc)
        if own.channels != 3:
            return self._of_boards(own, tuple(last))
        return read_table(own.name, with_last(own.words, last), own.crop)

    def _of_boards(self, own: Table, last: tuple[str, ...]) -> Table:
        """The table of a net of planes, which reads them out of pictures of boards."""
        if last[-1] != SOFTMAX:
            raise UserError(
                f"{own.name} tells the points of a board apart, and nothing of pictures"
            )
        return read_table(own.name, (PLANES, *own.words), own.crop)


def reads_boards(name: str) -> bool:
    """Whether a net reads positions of Go, and no pictures."""
    return is_known(called(name)) and _published(called(name)).channels != 3


@cache
def _published(name: str) -> Table:
    return table(name)


def has_norms(name: str) -> bool:
    """Whether a net has norms."""
    return _published(name).has_norms


def has_dropout(name: str, fc: int | None = None) -> bool:
    """Whether a net has dropout that is not its table's own; of Table 1's, with such FC layers."""
    rows = _published(name).rows
    return fc != 0 and any(isinstance(row, Dropout) and not row.fixed for row in rows)


def is_small(name: str) -> bool:
    """Whether a net is made for small pictures, which fill its crop."""
    net = NETS.get(called(name))
    return net is not None and net.crop <= SMALL


def fitting(name: str, width: float, crop: int) -> tuple[float, int]:
    """(width, crop) for a net: those given, or its own where it can have no others.

    Of nets for small pictures the crop is always theirs.
    """
    net = NETS.get(called(name))
    if net is None:
        return width, crop
    width = width if net.scalable else 1.0
    if is_small(name):
        return width, net.crop
    try:
        table(name, None, width, crop)
    except UserError:
        return width, net.crop
    return width, crop
