"""Our networks as ONNX: the graph of a table, row by row, with the network's pixels before it.

In go RGB pictures as they are, uint8 [B, H, W, 3]; out come scores, posteriors, the score map, or
what any row gives. FC rows are convolutions (Sect. 3.2), so batch, height and width may be any;
what no position would see is cut off as `Table.shown` says, and dropout is left out. The mean is
subtracted and not put into the biases of the first layer, for its border is of zeros after that.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from verydeep.errors import UserError
from verydeep.exporters.onnx_message import BYTES, FLOATS, Attribute, described, model, node, tensor
from verydeep.exporters.onnx_special import KINDS, add_special, window
from verydeep.files import write_atomic
from verydeep.formats.protobuf_writer import MOST_BYTES, Parts
from verydeep.nets import rows, table
from verydeep.nets.network import Network
from verydeep.nets.rows import PICTURE, Row
from verydeep.pictures.preprocessing import Pixels
from verydeep.weights import metadata

PICTURES = "pictures"
"""What goes in: RGB, uint8 [B, H, W, 3]."""
SCORES, POSTERIORS, SCORE_MAP = "scores", "posteriors", "score_map"
"""What comes out: [B, K], [B, K], [B, K, h, w], as `Network` has them."""
OUTPUTS = (SCORES, POSTERIORS)


def usual_outputs(network: Network) -> Sequence[str]:
    """What comes out where nothing is said; of a net that finds places, these at each position.

    Of a net of embeddings it is that of each.
    """
    if network.table.is_embedding:
        return (network.table.ends[network.table.learnt],)
    return (SCORE_MAP,) if network.table.places else OUTPUTS


def write_onnx(network: Network, path: Path | str, outputs: Sequence[str] | None = None) -> str:
    """Writes a network's `.onnx`, with the outputs that `onnx_parts` knows; says what goes in.

    Raises UserError where the file cannot be written, or would be of 2 GB and over.
    """
    outputs = outputs or usual_outputs(network)
    write_atomic(Path(path), *onnx_parts(network, outputs))
    places = network.table.places
    of = f", {places.kind} in shares of the crop of each position" if places else ""
    return f"in go '{PICTURES}', RGB, uint8 [B, H, W, 3]; out come {_quoted(outputs)}{of}"


def onnx_bytes(
    network: Network, outputs: Sequence[str] | None = None, begin: str = PICTURE
) -> bytes:
    """The model of `onnx_parts` in one piece, which takes the memory of the weights once more."""
    return b"".join(onnx_parts(network, outputs, begin))


def onnx_parts(
    network: Network, outputs: Sequence[str] | None = None, begin: str = PICTURE
) -> Parts:
    """The model in pieces, its weights views of the network's where that is on the CPU.

    `outputs` are "scores", "posteriors", "score_map", or rows by name, [B, C, h, w]; nothing is in
    the model that they do not need. Where a row is named as `begin`, what it gives goes in, float32
    [B, C, h, w], as for `Network.run`. Raises UserError for a name that the table has
    not, for posteriors of a net that finds places, and for weights of 2 GB and over, which the
    format does not take.
    """
    outputs = outputs or usual_outputs(network)
    if network.table.places and POSTERIORS in outputs:
        raise UserError(
            f"a net that finds {network.table.places.kind} has no posteriors; ask for its score_map"
        )
    if network.table.channels != 3:
        raise UserError(
            f"{network.table.name} reads {network.table.channels} planes, and what is exported "
            f"takes RGB pictures; keep our own file"
        )
    if network.table.reads_boards:
        raise UserError(
            f"{network.table.name} reads positions of Go, and what is exported takes pictures; "
            f"keep our own file"
        )
    size = sum(tensor.nbytes for tensor in network.state_dict().values())
    if size > MOST_BYTES:
        raise UserError(
            f"{size:,} bytes of weights are more than the 2 GB that ONNX takes in one file; keep "
            f"our own file, or train the net narrower"
        )
    graph = _Graph(network)
    graph.start(begin)
    for row, _ in network.table.path(_rows_of(network, outputs), [begin]):
        graph.row(row)
    for name in outputs:
        graph.give(name)
    title = f"verydeep {network.table.name}"
    said = {metadata.KEY: metadata.to_text(network)}
    return model(title, graph.nodes, graph.tensors, graph.inputs, graph.outputs, said)


def _rows_of(network: Network, outputs: Sequence[str]) -> set[str]:
    """The rows that give the outputs."""
    net = network.table
    return {net.scores if name in _AXES else net[name].name for name in outputs}


MOST_SIDE = 2**31
"""Pixels of a side that no picture has."""
_AXES: dict[str, tuple[str, ...]] = {SCORES: (), POSTERIORS: (), SCORE_MAP: ("rows", "columns")}
"""Axes of outputs that are no row's, after those of pictures and classes."""

_SHOWN = (
    ("more", "Sub", "sides", "least"),
    ("more or none", "Max", "more", "none"),
    ("steps", "Div", "more or none", "step"),
    ("stepped", "Mul", "steps", "step"),
    ("covered", "Add", "stepped", "span"),
    ("kept", "Min", "covered", "sides"),
    ("cut", "Sub", "sides", "kept"),
    ("first", "Div", "cut", "two"),
    ("end", "Add", "first", "kept"),
    ("shown", "Slice", PICTURES, "first", "end", "axes"),
)
"""`Table.shown`, of height and width at once: what is given, the operator, and what it reads."""


class _Graph:
    """A graph in the making; `values` are the names of what the rows gave."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.last = network.table.ends.get(table.SCORES)
        self.shapes = network.table.shapes(network.table.crop, network.table.crop)
        self.weights = network.state_dict()
        self.values: dict[str, str] = {}
        self.nodes: list[Parts] = []
        self.tensors: list[Parts] = []
        self.inputs: list[Parts] = []
        self.outputs: list[Parts] = []

    def start(self, begin: str) -> None:
        """What goes in: what a row gave, or pictures, which are made the network's own pixels."""
        if begin == PICTURE:
            self.inputs.append(described(PICTURES, BYTES, ("B", "H", "W", 3)))
            self._normalise(self.network.pixels)
        else:
            channels = self.shapes[self.network.table[begin].name][0]
            self.inputs.append(described(begin, FLOATS, ("B", channels, "h", "w")))
        self.values[begin] = begin

    def _normalise(self, pixels: Pixels) -> None:
        """Gives values * gain + offset of each channel, rounded as `Pixels.normalise` does."""
        std = np.array(pixels.std, np.float32)
        gain = np.float32(pixels.maximum / 255) / std
        offset = -(np.array(pixels.mean, np.float32) / std)
        images = self._node("Transpose", self._shown(), gives="rgb", perm=(0, 3, 1, 2))
        if pixels.order == "BGR":
            turn = self._hold("turn", np.array([2, 1, 0]))
            images = self._node("Gather", images, turn, gives="bgr", axis=1)
        values = self._node("Cast", images, gives="values", to=FLOATS)
        gains = self._hold("gain", gain.reshape(3, 1, 1))
        values = self._node("Mul", values, gains, gives="scaled")
        self._node("Add", values, self._hold("offset", offset.reshape(3, 1, 1)), gives=PICTURE)

    def _shown(self) -> str:
        """The part of the pictures that `Table.shown` tells of, worked out of their shape."""
        net = self.network.table
        # of a net for the places of one map no picture has a step more
        least = MOST_SIDE if net.placed else net.least
        held = {"none": 0, "two": 2, "least": least, "step": net.step, "span": net.span}
        for name, value in held.items():
            self._hold(name, np.array([value]))
        self._hold("axes", np.array([1, 2]))
        self._node("Shape", PICTURES, gives="sides", start=1, end=3)
        for gives, op, *reads in _SHOWN:
            self._node(op, *reads, gives=gives)
        return "shown"

    def row(self, row: Row) -> None:
        """One row more; dropout gives what it reads."""
        reads = [self.values[name] for name in row.inputs]
        if isinstance(row, rows.Dropout):
            self.values[row.name] = reads[0]
            return
        layer, gives = self.network.get_submodule(row.name), self._named(row)
        if isinstance(row, KINDS):
            read = self.shapes[row.inputs[0]][0]
            add_special(row, layer, read, reads[0], gives, self._node, self._hold)
            self.values[row.name] = gives
            return
        for name, values in self.weights.items():
            if name.rpartition(".")[0] == row.name:
                reads.append(self._hold(name, values.detach().cpu().numpy()))
        op, attributes = _operator(row)
        self.values[row.name] = self._node(op, *reads, gives=gives, **attributes)

    def _named(self, row: Row) -> str:
        return SCORE_MAP if row.name == self.last else row.name

    def give(self, name: str) -> None:
        """One output more."""
        value = self._of_scores(name) if name in _AXES else self.values[name]
        if value != name:
            self._node("Identity", value, gives=name)
        of_scores = self.last if self.last and name in _AXES else name
        channels = self.shapes[of_scores][0]
        axes = _AXES.get(name, (f"{name} rows", f"{name} columns"))
        self.outputs.append(described(name, FLOATS, ("B", channels, *axes)))

    def _of_scores(self, name: str) -> str:
        """An output that is no row's, worked out once: each is made of the one before it."""
        if name == SCORES and name not in self.values:
            self._node("ReduceMean", SCORE_MAP, gives=name, axes=(2, 3), keepdims=0)
        elif name == POSTERIORS and name not in self.values:
            several = self.network.table.has_several
            op, axis = ("Sigmoid", {}) if several else ("Softmax", {"axis": 1})
            self._node(op, self._of_scores(SCORES), gives=name, **axis)
        self.values[name] = name
        return name

    def _node(self, op: str, *reads: str, gives: str, **attributes: Attribute) -> str:
        self.nodes.append(node(op, reads, gives, **attributes))
        return gives

    def _hold(self, name: str, values: np.ndarray) -> str:
        self.tensors.append(tensor(name, values))
        return name


def _operator(row: Row) -> tuple[str, dict[str, Attribute]]:
    """ONNX's operator for a row, and its attributes."""
    match row:
        case rows.Conv():  # and FC
            more: dict[str, Attribute] = {"group": row.groups, "dilations": (row.dilation,) * 2}
            return "Conv", window(row) | more
        case rows.MaxPool():
            return "MaxPool", window(row) | ({"ceil_mode": 1} if row.up else {})
        case rows.AvePool():
            rounding: dict[str, Attribute] = {"count_include_pad": 1, "ceil_mode": int(row.up)}
            return "AveragePool", window(row) | rounding
        case rows.ReLU():
            return "Relu", {}
        case rows.LRN():
            return "LRN", {"size": row.size, "alpha": row.alpha, "beta": row.beta, "bias": row.k}
        case rows.BatchNorm():
            return "BatchNormalization", {"epsilon": row.epsilon}
        case rows.Softmax():
            return "Softmax", {"axis": 1}
        case rows.Sigmoid():
            return "Sigmoid", {}
        case rows.Places():
            return "Identity", {}
        case rows.Mean():
            return "GlobalAveragePool", {}
        case rows.L2():
            return "LpNormalization", {"axis": 1, "p": 2}
        case rows.Add():
            return "Sum", {}
        case rows.Concat():
            return "Concat", {"axis": 1}
        case _:
            raise TypeError(f"no operator for a row of kind {type(row).__name__}")


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
