"""State dicts of torchvision's nets beside VGG: AlexNet, GoogLeNet, ResNets and SqueezeNets.

They are known by the names of their layers, in whatever module they lie. Channels and classes are
the file's. A head of the user's own is left out, with a note, and so are GoogLeNet's side heads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from verydeep.errors import one_line
from verydeep.importers.known_nets import (
    channels_of,
    refuse_misfits,
    table_of,
    weighted,
    without_head,
)
from verydeep.importers.parameters import GOOGLENET, TORCHVISION
from verydeep.importers.state_dict_layers import KINDS
from verydeep.importers.state_dict_names import Placed, another_set, chosen, label
from verydeep.importers.torchvision_names import CROP, MARKS, PEERS, Peer, rows_of
from verydeep.limits import FormatError
from verydeep.nets.named import NETS
from verydeep.nets.rows import FC, BatchNorm, Conv, Row
from verydeep.nets.table import Table
from verydeep.pictures.preprocessing import Pixels

SIDE_HEADS = ("aux1.", "aux2.")
SIDE_HEADS_LEFT = "its side heads, aux1 and aux2, are of training alone and left out"
HEADS = ("fc.", "classifier.", "head.")
"""What a head of the user's own may be called, where it is within the net."""
OTHERS = "all its layers are expected, and no others"
_FIRST_OF_ALEXNET = 11
"""The side of AlexNet's first filters, of which no VGG has any."""


def pixels_of(peer: Peer) -> Pixels:
    """What torchvision's net is shown: GoogLeNet's weights are of another program's training."""
    return GOOGLENET if peer.function == "googlenet" else TORCHVISION


def found_among(
    found: Mapping[str, Tensor], which: str | None = None, sets: Sequence[str] = ()
) -> tuple[Peer, Placed] | None:
    """The net among tensors by name, under torchvision's names; None where there is none of these.

    `which` is the module of the one to take, of several. Raises FormatError for a tensor that has
    no place in it, and for one that it lacks.
    """
    marks = {peer.mark for peer in PEERS}
    places = [
        (name.removesuffix(f"{mark}.weight"), mark)
        for name, tensor in found.items()
        for mark in marks
        if f".{name}".endswith(f".{mark}.weight") and tensor.ndim == 4 and _marks(mark, tensor)
    ]
    if not places:
        return None
    names = {name: name for name in found}
    before, others = chosen([before for before, _ in places], names, which, sets)
    state = {
        name.removeprefix(before): tensor
        for name, tensor in found.items()
        if name.startswith(before) and not any(map(name.startswith, filter(None, others)))
    }
    outside = [name for name in found if not name.startswith((before, *filter(None, others)))]
    mark = next(mark for place, mark in places if place == before)
    peer = _nearest([peer for peer in PEERS if peer.mark == mark], state)
    notes = [another_set(label(before), label(other)) for other in others if which is None]
    placed = _placed(peer, state, outside, before)
    return peer, Placed(placed.state, placed.theirs, placed.left, (*placed.notes, *notes))


def _marks(mark: str, tensor: Tensor) -> bool:
    """Whether a filter under the name of a mark is one; AlexNet's has a name that VGG's has too."""
    return mark in MARKS or tensor.shape[2] == _FIRST_OF_ALEXNET


def _nearest(peers: Sequence[Peer], state: Mapping[str, Tensor]) -> Peer:
    """The net whose layers are most nearly those that there are."""
    layers = {name.rpartition(".")[0] for name in state}
    return min(peers, key=lambda peer: len(layers ^ {*peer.layers}))


def _placed(peer: Peer, state: Mapping[str, Tensor], outside: Sequence[str], before: str) -> Placed:
    """The tensors of a net; side heads and a head of another kind are left out, and told."""
    known = {f"{layer}.{kind}" for layer in peer.layers for kind in KINDS}
    side = [n for n in state if n.startswith(SIDE_HEADS) and peer.function == "googlenet"]
    left = [name for name in state if name not in known and name not in side]
    has_head = f"{peer.head}.weight" in state
    wrong = [f"{before}{n}" for n in left if has_head or not n.startswith(HEADS)]
    wrong += outside if has_head else []
    if wrong:
        raise FormatError(f"it has '{one_line(wrong[0])}', which is at no place of torchvision's "
                          f"{peer.function}", OTHERS)  # fmt: skip
    notes = [SIDE_HEADS_LEFT] if side else []
    if not has_head:
        layers = dict.fromkeys(n.rpartition(".")[0] or n for n in (*(before + n for n in left),
                                                                    *outside))  # fmt: skip
        notes.append(_note_of_head([one_line(layer) for layer in layers], peer.head))
    ours = {n: t for n, t in state.items() if n in known}
    if not has_head:
        ours.pop(f"{peer.head}.bias", None)
    return Placed(ours, {n: before + n for n in ours}, {}, tuple(notes))


def _note_of_head(left: Sequence[str], head: str) -> str:
    """What is said of a net without torchvision's layer of classes."""
    if not left:
        return f"it has no layer of classes, {head}, and ends before it"
    more = f" and {len(left) - 3} more" if len(left) > 3 else ""
    verb = "are" if len(left) > 1 else "is"
    return f"{', '.join(left[:3])}{more} {verb} left out: the net ends before its layer of classes"


def as_ours(peer: Peer, net: Placed, crop: int | None) -> tuple[Table, dict[str, Tensor]]:
    """The table of a net, and its tensors under our names, as filters.

    Raises FormatError, by the file's names, for a tensor that it lacks or that does not fit.
    """
    words = NETS[peer.net].words
    if f"{peer.head}.weight" not in net.state:
        words = without_head(words)
    plain = table_of(peer.net, words, channels_of(words), CROP)
    layers = rows_of(peer, plain)
    theirs = {f"{row.name}.{kind}": f"{layers[row.name]}.{kind}"
              for row in weighted(plain) for kind in _kinds(row)}  # fmt: skip
    _refuse_others(peer, net, [*theirs.values()])
    state = {ours: net.state[name] for ours, name in theirs.items()}
    counts = [len(state[f"{row.name}.weight"])
              for row in weighted(plain) if isinstance(row, Conv)]  # fmt: skip
    table = table_of(peer.net, words, counts, crop or CROP)
    state = {name: _as_filters(tensor, table[name.rpartition(".")[0]])
             for name, tensor in state.items()}  # fmt: skip
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    refuse_misfits(table, shapes, lambda name: f"'{net.theirs[theirs[name]]}'")
    return table, state


def _kinds(row: Row) -> tuple[str, ...]:
    """What tensors a row has."""
    if isinstance(row, BatchNorm):
        return KINDS
    return KINDS[:2] if isinstance(row, Conv) and row.bias else KINDS[:1]


def _refuse_others(peer: Peer, net: Placed, wanted: Sequence[str]) -> None:
    """Raises FormatError, by the file's names, where these are not the tensors of a net."""
    for name in wanted:
        if name not in net.state or not net.state[name].ndim:
            raise FormatError(f"it lacks '{name}', which torchvision's {peer.function} has",
                              "a file of all its layers is needed")  # fmt: skip
    if more := sorted(net.state.keys() - {*wanted}):
        raise FormatError(f"it has '{one_line(net.theirs[more[0]])}', which is at no place of "
                          f"torchvision's {peer.function}", OTHERS)  # fmt: skip


def _as_filters(tensor: Tensor, row: Row) -> Tensor:
    """A tensor as ours are: of an FC row's matrix filters over the map that it reads."""
    if not isinstance(row, FC) or tensor.ndim != 2 or tensor.shape[1] % row.kernel**2:
        return tensor
    return tensor.reshape(len(tensor), -1, row.kernel, row.kernel)
