"""Networks cut to a row, which describe a picture by the mean of its map, and those with a verdict.

In comes a network, and the name of a row; out goes the network of the table up to that row with a
mean row behind it, on the same tensors. What a classifier of such descriptors says is two rows
more: their length made one, and an FC row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from verydeep.errors import UserError
from verydeep.nets.network import Network
from verydeep.nets.rewording import body
from verydeep.nets.rows import Dropout
from verydeep.nets.table import Table
from verydeep.nets.words import HIDDEN, LENGTH, MEAN, POOLED, SIGMOID, SOFTMAX, read_table
from verydeep.shell import command

BEHIND = (MEAN, POOLED, LENGTH)
"""Words at the end of a net's body that are no layer to describe pictures by."""


def usual_layer(table: Table) -> str:
    """The row that pictures are described by where none is named: the last before the top.

    It is relu7 of a net of Table 1, and pool5 where there are no FC layers, or none that is hidden.
    """
    return _last(_read(table, _body(table)))


def describing(network: Network, layer: str | None = None) -> Network:
    """The network up to a row, and the mean of its map: a descriptor, [B, C], as its evidence.

    Raises UserError for a row that the table has not, or that stands within brackets.

    >>> describing(build("D", 10), "pool5").evidence(images).shape
    torch.Size([2, 512])
    """
    old = network.table
    words = _body(old) if layer is None else _up_to(old, layer)
    return _with(network, _read(old, (*words, POOLED)))


def classifying(
    network: Network,
    weight: Float[Tensor, "K C"],
    bias: Float[Tensor, " K"],
    classes: Sequence[str],
    several: bool = False,
) -> Network:
    """A describing network with a linear classifier of its descriptors, of length one, behind it.

    Where there may be `several` classes in a picture, each has a posterior by itself.
    """
    last = (LENGTH, f"FC-{len(classes)}", SIGMOID if several else SOFTMAX)
    table = _read(network.table, (*network.table.words, *last))
    given = {"weight": weight[:, :, None, None].float(), "bias": bias.float()}
    own = {f"{table.scores}.{name}": tensor.contiguous() for name, tensor in given.items()}
    return _with(network, table, classes, own)


def _body(table: Table) -> tuple[str, ...]:
    """The words before the top, without those that are no layer.

    A net that gives numbers of its own (FaceNet's) has no top: its last layer bends nothing.
    """
    place = body(table.words)
    words, has_top = list(table.words[:place]), place < len(table.words)
    while words and (words[-1] in BEHIND or words[-1].startswith("dropout")):
        words.pop()
    if has_top and words and words[-1].startswith("FC-") and not words[-1].endswith(HIDDEN):
        words[-1] += f" {HIDDEN}"
    return tuple(words)


def _up_to(table: Table, layer: str) -> tuple[str, ...]:
    """The words up to a row of that name."""
    _ = table[layer]  # refuses a name that there is not
    for end in range(1, len(table.words) + 1):
        words = table.words[:end]
        for last in dict.fromkeys((words[-1], f"{words[-1]} {HIDDEN}", f"{words[-1]} linear")):
            found = (*words[:-1], last)
            try:
                names = [row.name for row in _read(table, found).rows]
            except UserError:
                continue  # cuts brackets, or says no such thing
            if layer in names and _last(_read(table, found)) == layer:
                return found
    raise UserError(
        f"'{layer}' of {table.name} stands within a branch, or before a norm; pictures are "
        f"described by rows that all later ones read: `{command('nets', table.configuration)}`"
    )


def _last(table: Table) -> str:
    """The name of a table's last row but for dropout, which does nothing in a test."""
    return [row.name for row in table.rows if not isinstance(row, Dropout)][-1]


def _read(table: Table, words: Iterable[str]) -> Table:
    return read_table(table.name, words, table.crop, table.channels)


def _with(
    network: Network,
    table: Table,
    classes: Sequence[str] = (),
    own: Mapping[str, Tensor] | None = None,
) -> Network:
    """The network of a table that begins like its own, on the same tensors and some of its own."""
    found = Network.empty(table, classes, network.pixels)
    given = {**network.state_dict(), **(own or {})}
    found.load_state_dict({name: given[name] for name in found.state_dict()}, assign=True)
    return found.eval()
