"""A graph of layers as a file tells of it -> the words of a table, whatever the layers are called.

Branches that meet in a sum or side by side have parted at one layer: what stands between is a group
in brackets. A convolution takes the norm, the scale and the ReLU behind it into its word. What does
not lead to the scores, such as heads of training, is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from verydeep.limits import FormatError, quoted
from verydeep.nets.rows import LRN

PICTURE = -1
"""The place of what no layer gives."""
CONCAT, SUM = "concat", "sum"
DEEPEST = 8
"""Groups within groups; those of all nets that are known have one."""
REMEDY = "only the nets that `verydeep nets` lists are read"


@dataclass(frozen=True)
class Node:
    """A layer of a graph: its name in the file, its kind, the places of those that it reads.

    `kind` is "conv", "fc", "norm", "scale", "relu", "pool", "lrn", "dropout", "softmax", CONCAT or
    SUM, or else whatever the file calls it. `word` is its word in a table, without what follows it.
    """

    name: str
    kind: str
    reads: tuple[int, ...]
    word: str = ""


@dataclass(frozen=True)
class Part:
    """A word, and the places of the layers that it stands for, that with filters first."""

    word: str
    places: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Group:
    """Branches that meet at a layer."""

    place: int
    branches: tuple[tuple[int | _Group, ...], ...]


@dataclass(frozen=True)
class Spoken:
    """A graph in words, and the names of the layers that do not lead to its scores."""

    parts: tuple[Part, ...]
    left: tuple[str, ...] = field(default=())


def conv_word(
    side: int, channels: int, stride: int, pad: int, groups: int = 1, dilation: int = 1
) -> str:
    """The word of a convolution, without what is so where nothing is said."""
    words = [f"/{stride}" * (stride != 1), f"pad {pad}" * (pad != side // 2)]
    words += [f"groups {groups}" * (groups != 1), f"dilation {dilation}" * (dilation != 1)]
    return " ".join([f"conv{side}-{channels}", *filter(None, words)])


def pool_word(kind: str, side: int, stride: int, pad: int, up: bool) -> str:
    """The word of a pooling, "max" or "ave", which rounds up or does not."""
    words = [f"/{stride}" * (stride != 1), f"pad {pad}" * (pad != 0), "ceil" * up]
    return " ".join([f"{kind}pool{side}", *filter(None, words)])


def lrn_word(size: float, k: float, alpha: float, beta: float) -> str:
    """The word of response normalisation, with the constants that are not Krizhevsky's.

    >>> lrn_word(5, 1, 1e-4, 0.75)
    'LRN k 1'
    """
    said = {"n": (size, LRN.size), "k": (k, LRN.k), "alpha": (alpha, LRN.alpha),
            "beta": (beta, LRN.beta)}  # fmt: skip
    words = [f"{name} {value:.6g}" for name, (value, usual) in said.items()
             if f"{value:.6g}" != f"{usual:.6g}"]  # fmt: skip
    return " ".join(["LRN", *words])


def spoken(nodes: Sequence[Node]) -> Spoken:
    """The words of a graph; FormatError names a layer that has no place in one."""
    order = in_order(nodes)
    ends = _ends(nodes)
    reached = {end: _before(nodes, end) for end in ends}
    end = max(ends, key=lambda place: len(reached[place]))
    dominators = _dominators(nodes, [place for place in order if place in reached[end]])
    items = _chain(_Walk(nodes, dominators), end, PICTURE, 0)
    parts = _parts(nodes, items, last=True)
    if nodes[end].kind != "softmax":
        parts.append(Part("soft-max"))
    left = tuple(node.name for i, node in enumerate(nodes) if i not in reached[end])
    return Spoken(tuple(parts), left)


def in_order(nodes: Sequence[Node]) -> list[int]:
    """The places of layers, each after those that it reads; FormatError where they go in a ring."""
    waiting = {place: {read for read in node.reads if read != PICTURE}
               for place, node in enumerate(nodes)}  # fmt: skip
    readers: dict[int, list[int]] = {}
    for place, reads in waiting.items():
        for read in reads:
            readers.setdefault(read, []).append(place)
    ready = [place for place, reads in waiting.items() if not reads]
    order: list[int] = []
    while ready:
        place = ready.pop()
        order.append(place)
        for reader in readers.get(place, ()):
            waiting[reader].discard(place)
            if not waiting[reader]:
                ready.append(reader)
    if len(order) < len(nodes):
        ring = min({*range(len(nodes))} - {*order})
        raise FormatError(f"its layer {quoted(nodes[ring].name)} reads what comes after it", REMEDY)
    return order


def _ends(nodes: Sequence[Node]) -> list[int]:
    """The layers that no other reads."""
    read = {place for node in nodes for place in node.reads}
    ends = [place for place in range(len(nodes)) if place not in read]
    if not ends:
        raise FormatError("it has no layers of a net", REMEDY)
    return ends


def _before(nodes: Sequence[Node], end: int) -> set[int]:
    """The places of a layer and of all that it depends on."""
    found, new = {end}, [end]
    while new:
        reads = {*nodes[new.pop()].reads} - found - {PICTURE}
        found |= reads
        new += reads
    return found


def _dominators(nodes: Sequence[Node], order: Sequence[int]) -> dict[int, int]:
    """The nearest layer before each that all ways from the picture to it go through."""
    found, depth = {PICTURE: PICTURE}, {PICTURE: 0}
    for place in order:
        reads = nodes[place].reads
        if not reads:
            raise FormatError(f"its layer {quoted(nodes[place].name)} reads nothing", REMEDY)
        common = reads[0]
        for read in reads[1:]:
            while common != read:
                if depth[common] < depth[read]:
                    read = found[read]
                else:
                    common = found[common]
        found[place], depth[place] = common, depth[common] + 1
    return found


@dataclass(frozen=True)
class _Walk:
    """A graph, the layer before each that all ways go through, and the layers seen so far."""

    nodes: Sequence[Node]
    dominators: dict[int, int]
    seen: set[int] = field(default_factory=set)


def _chain(walk: _Walk, end: int, start: int, depth: int) -> tuple[int | _Group, ...]:
    """The layers after `start` up to `end`, those that are side by side as one group."""
    items: list[int | _Group] = []
    place = end
    while place != start:
        node = walk.nodes[place]
        if place in walk.seen:
            raise FormatError(f"its layer {quoted(node.name)} is in two branches", REMEDY)
        walk.seen.add(place)
        if len(node.reads) > 1:
            fork = walk.dominators[place]
            if depth == DEEPEST:
                raise FormatError(f"it branches more than {DEEPEST} deep", REMEDY)
            branches = [_chain(walk, read, fork, depth + 1) for read in node.reads]
            items.append(_Group(place, tuple(branches)))
            place = fork
        else:
            items.append(place)
            place = node.reads[0]
    return tuple(reversed(items))


def _parts(nodes: Sequence[Node], items: Sequence[int | _Group], last: bool = False) -> list[Part]:
    """The words of layers that follow one another; `last` where their end is the net's."""
    parts: list[Part] = []
    rest = list(items)

    def follows(kind: str) -> int | None:
        """The next layer, if it is of a kind, which is taken."""
        if rest and isinstance(rest[0], int) and nodes[rest[0]].kind == kind:
            return rest.pop(0)  # type: ignore[return-value]
        return None

    while rest:
        item = rest.pop(0)
        if isinstance(item, _Group):
            linear = nodes[item.place].kind == SUM and follows("relu") is None
            parts += _group(nodes, item, linear)
            continue
        node = nodes[item]
        if node.kind == "conv":
            norm = follows("norm")
            scale = follows("scale") if norm is not None else None
            linear = follows("relu") is None
            kind, _, options = node.word.partition(" ")
            words = [kind + ("-bn" if norm is not None else ""), options, "linear" * linear]
            places = tuple(p for p in (item, norm, scale) if p is not None)
            parts.append(Part(" ".join(filter(None, words)), places))
        elif node.kind == "fc":
            linear = follows("relu") is None
            is_last = last and not any(isinstance(p, int) and nodes[p].kind == "fc" for p in rest)
            parts.append(Part(node.word + " linear" * (linear and not is_last), (item,)))
        else:
            parts.append(Part(node.word or node.kind, (item,)))
    return parts


def _group(nodes: Sequence[Node], group: _Group, linear: bool) -> list[Part]:
    """The words of branches; of a sum the longest branch first, as a shortcut stands last."""
    kind = nodes[group.place].kind
    is_sum, begins = kind == SUM, {SUM: "[", CONCAT: "("}
    branches = [*group.branches]
    if is_sum:
        branches.sort(key=len, reverse=True)
    parts = [Part(begins.get(kind, kind), (group.place,))]
    for number, branch in enumerate(branches):
        parts += [Part("|", (group.place,))] if number else []
        parts += _parts(nodes, branch)
    end = ")" if not is_sum else "] linear" if linear else "]"
    return [*parts, Part(end, (group.place,))]
