"""The net beside Table 1 that a graph of layers is: its table, and which layer each row is.

A graph is held against the words of every net, channels apart. Constants of response normalisation
are the file's; dropout, which no test has, is the net's own. Where pools round otherwise than the
net's do, their maps must be of one size all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from verydeep.errors import UserError
from verydeep.importers.graph_words import REMEDY, Node, Part, Spoken, spoken
from verydeep.importers.known_nets import (
    bare,
    channels_of,
    layer_words,
    refuse_misfits,
    table_of,
    weighted,
)
from verydeep.limits import FormatError, as_float32, quoted
from verydeep.nets.named import NETS
from verydeep.nets.notation import Options, options_of
from verydeep.nets.rewording import spelled
from verydeep.nets.rows import Conv, Window
from verydeep.nets.table import Table
from verydeep.nets.words import read_table

ENOUGH = 3
"""Words that a graph must begin with as a net does, to be taken for one that was meant to be it."""
_OF_NO_MATTER = ("no bias", "epsilon", "ceil", "k", "alpha", "beta", "n", "dropout")
"""What words of one net may differ in: biases may be in norms, a constant is the file's."""


@dataclass(frozen=True)
class KnownGraph:
    """A net, and the places of the layers of each of its rows with tensors.

    `layers` has for each convolution or FC row, in their order, its own place and those of the norm
    and the scale behind it. `notes` tell in a line each what a user should know.
    """

    table: Table
    layers: tuple[tuple[int, ...], ...]
    notes: tuple[str, ...] = ()


def known(nodes: Sequence[Node], crop: int | None = None) -> KnownGraph | None:
    """The net that a graph is; None where it does not begin as any.

    Raises FormatError, by the file's name of a layer, where it begins as one and goes on otherwise.
    """
    try:
        found = spoken(nodes)
    except FormatError:
        return None
    parts = [part for part in found.parts if not part.word.startswith("dropout")]
    said = [part.word for part in parts]
    net = _nearest(said)
    if net is None:
        return None
    words = spelled(NETS[net].words)
    _refuse_another(net, parts, nodes)
    ours = _with_constants(words, [word for word in said if word[:3] == "LRN"])
    table = table_of(net, ours, channels_of(said), crop)
    _refuse_other_maps(table, said)
    layers = tuple(parts[place].places for place in layer_words(said))
    return KnownGraph(table, layers, tuple(_notes(net, ours, found)))


def filled(
    net: KnownGraph,
    filters: Callable[[int, Conv], tuple[np.ndarray, np.ndarray | None]],
    norm: Callable[[Sequence[int]], dict[str, np.ndarray]],
    name: Callable[[int], str],
) -> dict[str, np.ndarray]:
    """The tensors of a net under our names; FormatError, by the file's names, for a misfit.

    `filters` gives the filters and the biases of the layer at a place as a row wants them, `norm`
    the tensors of a norm by its layers' places, `name` a layer's name. A bias that stands before a
    norm where the net has none goes into the norm's mean.
    """
    rows, layers = weighted(net.table), iter(net.layers)
    tensors: dict[str, np.ndarray] = {}
    theirs: dict[str, str] = {}
    for row, after in zip(rows, [*rows[1:], None], strict=True):
        if not isinstance(row, Conv):
            continue
        place, *places = next(layers)
        weight, bias = filters(place, row)
        found = {f"{row.name}.weight": weight}
        if row.bias:
            found[f"{row.name}.bias"] = np.zeros(len(weight), np.float32) if bias is None else bias
        theirs |= dict.fromkeys(found, name(place))
        if places and after is not None:
            parts = norm(places)
            if bias is not None and not row.bias:
                parts["running_mean"] = _less(parts["running_mean"], bias, name(places[0]))
            named = {f"{after.name}.{kind}": values for kind, values in parts.items()}
            theirs |= dict.fromkeys(named, name(places[0]))
            found |= named
        tensors |= found
    shapes = {key: values.shape for key, values in tensors.items()}
    refuse_misfits(net.table, shapes, lambda key: f"layer {quoted(theirs[key])}")
    return tensors


def _less(mean: np.ndarray, bias: np.ndarray, name: str) -> np.ndarray:
    """The mean of a norm after a layer whose bias is left out."""
    if bias.shape != mean.shape:
        raise FormatError(f"layer {quoted(name)} norms {mean.size:,} of {bias.size:,} channels")
    return as_float32(mean.astype(np.float64) - bias)


def _nearest(words: Sequence[str]) -> str | None:
    """The net whose words are these, or begin most nearly so; None where none begins so."""
    plain = [_canonical(word) for word in words]
    common = {name: _common(plain, [_canonical(w) for w in net]) for name, net in _nets().items()}
    most = max(common.values())
    branches = any(word.startswith(("(", "[")) for word in words)  # as no net of Table 1 does
    if most < (1 if branches else ENOUGH):
        return None
    best = [name for name in common if common[name] == most]
    counts = channels_of(words)
    return min(best, key=lambda name: (
        abs(len(_nets()[name]) - len(words)), channels_of(_nets()[name]) != counts,
    ))  # fmt: skip


@cache
def _nets() -> dict[str, tuple[str, ...]]:
    """The words of the nets, without dropout, that can be told from their graphs."""
    return {
        name: tuple(word for word in spelled(net.words) if not word.startswith("dropout"))
        for name, net in NETS.items()
        if net.channels == 3 and not any(w[:1] == "<" or w.startswith("] x") for w in net.words)
    }


def _common(words: Sequence[object], others: Sequence[object]) -> int:
    """How many words are the same from the first on."""
    pairs = zip(words, others, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(words), len(others)))


@cache
def _canonical(word: str) -> object:
    """A word without its channels and with what it means where nothing is said."""
    (plain,) = bare([word])
    kind, _, rest = plain.partition(" ")
    try:
        options: Options = options_of(word, rest) if rest and kind[:1] not in "([|)]<" else {}
    except UserError:
        return word
    for name in _OF_NO_MATTER:
        options.pop(name, None)
    side = int("".join(c for c in kind.partition("-")[0] if c.isdigit()) or 0)
    if kind.startswith("conv") and options.get("pad") == side // 2:
        options.pop("pad")
    if kind == "maxpool":
        kind, options = "maxpool2", {"stride": 2, **options}
    if kind.startswith("avepool") and not {**options}.get("pad") and options.get("stride", 1) == 1:
        kind = "avepool"
    if options.get("stride") == 1:
        options.pop("stride")
    if options.get("pad") == 0 and "pool" in kind:
        options.pop("pad")
    return kind, frozenset(options.items()), "linear" if word.startswith("] linear") else ""


def _refuse_another(net: str, parts: Sequence[Part], nodes: Sequence[Node]) -> None:
    """Raises FormatError for the first word in which a graph is not the net that it begins as."""
    words = _nets()[net]
    same = _common([_canonical(p.word) for p in parts], [_canonical(word) for word in words])
    if same == len(parts) == len(words):
        return
    if same == len(parts):
        raise FormatError(f"it ends where {net} has '{words[same]}'", REMEDY)
    places = parts[same].places
    name = f"its layer {quoted(nodes[places[0]].name)} is" if places else "it has"
    there = f"'{words[same]}'" if same < len(words) else "nothing more"
    raise FormatError(f"{name} {quoted(parts[same].word)}, where {net} has {there}", REMEDY)


def _with_constants(words: Sequence[str], lrns: Sequence[str]) -> tuple[str, ...]:
    """The net's words with the constants of the file's normalisations, and norms of our epsilon."""
    found, rest = [], iter(lrns)
    for word in words:
        if word.startswith("LRN"):
            word = next(rest)
        found.append(word.partition(" epsilon")[0])
    return tuple(found)


def _refuse_other_maps(table: Table, words: Sequence[str]) -> None:
    """Raises FormatError where the maps of the file's words are of other sizes than the net's."""
    try:
        theirs = read_table(table.name, words, table.crop)
        shapes = theirs.shapes(table.crop, table.crop)
    except UserError as error:
        raise FormatError(
            f"pictures of {table.crop} do not go through it: {error}", REMEDY
        ) from None
    ours = table.shapes(table.crop, table.crop)
    for row, wanted in zip(_windows(theirs), _windows(table), strict=True):
        (_, *found), (_, *sides) = shapes[row], ours[wanted]
        if found != sides:
            raise FormatError(
                f"at a crop of {table.crop} its maps are {found[0]} x {found[1]} where those of "
                f"{table.name} are {sides[0]} x {sides[1]}, at our '{wanted}'",
                REMEDY,
            )


def _windows(table: Table) -> list[str]:
    """The names of the rows that make maps of other sizes."""
    return [row.name for row in table.rows if isinstance(row, Window)]


def _notes(net: str, words: Sequence[str], found: Spoken) -> list[str]:
    """What a user should know of how a graph was read."""
    notes = list[str]()
    own = [word for word in NETS[net].words if word[:3] == "LRN"]
    theirs = [word for word in words if word[:3] == "LRN"]
    if own != theirs:
        notes.append(f"its normalisations are '{theirs[0]}', where {net} as published has "
                     f"'{own[0]}'")  # fmt: skip
    if found.left:
        first = ", ".join(map(quoted, found.left[:3]))
        more = f" and {len(found.left) - 3} more" if len(found.left) > 3 else ""
        notes.append(f"{first}{more} do not lead to its scores, and are left out")
    return notes
