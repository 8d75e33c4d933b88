"""The graph of an ONNX file, followed from the picture to the scores.

In comes the graph's message; out go layers under Caffe's names. One path is followed, from what
goes into the graph; what else there is may only work out shapes, as exporters do before a
flattening. What a graph does to its picture, but for a Cast or a turn of its axes, is refused.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from verydeep.nets.table import BatchNorm
from verydeep.weights.foreign.chain import Layer
from verydeep.weights.foreign.onnx_tensor import array_of, name_of
from verydeep.weights.foreign.parameters import OTHER_LRN, is_lrn_of_ours
from verydeep.weights.foreign.wire import FOUR_BYTES, NUMBER, SLICE, Field, MalformedError, shown

MOST_NODES = MOST_TENSORS = 10_000
_PASSING = {
    "Relu", "Dropout", "Flatten", "Reshape", "Squeeze", "Identity", "Softmax", "LogSoftmax",
}  # fmt: skip
_OF_SHAPES = {
    "Shape", "Gather", "Unsqueeze", "Concat", "Cast", "Slice", "ConstantOfShape", "Mul", "Squeeze",
    "ReduceProd",
}  # fmt: skip


@dataclass(frozen=True)
class Node:
    """One step of a graph; attributes are integers in lists, or a tensor's field."""

    op: str
    inputs: list[str]
    output: str
    attributes: dict[str, Any]

    def integers(self, name: str, *default: int) -> list[int]:
        """An attribute of integers, or its default."""
        values = self.attributes.get(name)
        return values if isinstance(values, list) else list(default)


@dataclass(frozen=True)
class Graph:
    """Nodes in order, the tensors that the file holds, not yet looked at, and what goes in."""

    nodes: list[Node] = field(default_factory=list)
    tensors: dict[str, Field] = field(default_factory=dict)
    inputs: set[str] = field(default_factory=set)

    def after(self, value: str) -> Graph:
        """The graph that a value goes into, without what makes it; itself if no node gives it."""
        places = [i + 1 for i, node in enumerate(self.nodes) if node.output == value]
        return Graph(self.nodes[places[0] :], self.tensors, {value}) if places else self

    def census(self) -> str:
        """What it looks like: how many of which operators."""
        counts = Counter(node.op for node in self.nodes).most_common(6)
        return ", ".join(f"{count} {shown(op)[1:-1]}" for op, count in counts)


def read_graph(message: Field) -> Graph:
    """The graph in a message; constants are tensors like the others."""
    graph = Graph()
    for part in message.fields():
        if part.number == 1:
            node = _read_node(part)
            tensor = node.attributes.get("value")
            if node.op == "Constant" and isinstance(tensor, Field):
                graph.tensors[node.output] = tensor
            elif node.op != "Constant":
                graph.nodes.append(node)
        elif part.number == 5:
            graph.tensors[name_of(part)] = part
        elif part.number == 11:
            graph.inputs.update(inner.text() for inner in part.fields() if inner.number == 1)
        if max(map(len, (graph.nodes, graph.tensors, graph.inputs))) > MOST_NODES:
            raise MalformedError(f"it has over {MOST_NODES:,} nodes; only nets of Table 1 are read")
    return graph


def _read_node(message: Field) -> Node:
    op, inputs, outputs, attributes = "", [], [], {}
    for part in message.fields():
        match part.number:
            case 1:
                inputs.append(part.text())
            case 2:
                outputs.append(part.text())
            case 4:
                op = part.text()
            case 5:
                name, value = _read_attribute(part)
                attributes[name] = value
    return Node(op, inputs, outputs[0] if outputs else "", attributes)


def _read_attribute(message: Field) -> tuple[str, Any]:
    """An attribute's name and value: integers, a text, a tensor's field, or None for others."""
    name: str = ""
    value: Any = None
    for part in message.fields():
        match part.number, part.kind:
            case 1, _:
                name = part.text()
            case 2, kind if kind == FOUR_BYTES:
                value = float(part.value.copy().view("<f4")[-1, 0])
            case 3, kind if kind == NUMBER:
                value = [part.integer()]
            case 4, kind if kind == SLICE:
                value = part.text()
            case 5, _:
                value = part
            case 8, _:
                value = [*(value if isinstance(value, list) else []), *part.integers()][:64]
    return name, value


def follow(graph: Graph) -> tuple[list[Layer], bool]:
    """Layers in order, and whether A-LRN's response normalisation follows the first.

    MalformedError says what the graph holds where it is no VGG.
    """
    walk = _Walk(graph)
    try:
        for node in graph.nodes:
            walk.step(node)
        walk.end()
    except _NoVGG as error:
        raise MalformedError(f"{error}; it has {graph.census()}") from None
    return walk.layers, walk.lrn


class _NoVGG(Exception):  # noqa: N818 - turned into MalformedError
    """What no net of Table 1 has."""


class _Walk:
    """Where the walk along a graph is: the value, the block, and the layers so far."""

    def __init__(self, graph: Graph) -> None:
        self.tensors = dict(graph.tensors)
        self.inputs = graph.inputs
        self.arrays: dict[int, np.ndarray] = {}
        self.pools_left = sum(node.op == "MaxPool" for node in graph.nodes)
        self.relus = 0
        self.value: str | None = None
        self.block, self.place = 1, 0
        self.last = ""
        self.channels_last = False
        self.layers: list[Layer] = []
        self.lrn = False

    def step(self, node: Node) -> None:
        """One node further, where it is on the path."""
        if node.op == "Identity" and node.inputs and node.inputs[0] in self.tensors:
            self.tensors[node.output] = self.tensors[node.inputs[0]]
            return
        given = [name for name in node.inputs if name and name not in self.tensors]
        if self.value is None:
            self.value = next((name for name in given if name in self.inputs), None)
        if node.op == "Shape" or (node.op in _OF_SHAPES and self.value not in given):
            return
        if self.value not in given or (len(given) > 1 and node.op != "Reshape"):
            raise _NoVGG(f"node {shown(node.op)} is off the one path that a net of Table 1 has")
        self._take(node)
        self.value, self.last = node.output, node.op

    def _take(self, node: Node) -> None:
        takers: dict[str, Callable[[Node], None]] = {
            "Conv": self._conv,
            "MaxPool": self._pool,
            "BatchNormalization": self._norm,
            "Gemm": self._gemm,
            "MatMul": self._product,
            "Add": self._bias,
            "Cast": self._cast,
            "LRN": self._lrn,
            "Transpose": self._transpose,
            "AveragePool": self._average,
            "ReduceMean": self._mean,
        }
        if node.op in takers:
            takers[node.op](node)
        elif node.op not in _PASSING:
            raise _NoVGG(f"no net of Table 1 has {shown(node.op)}")
        elif not self.layers and node.op not in ("Identity", "Dropout"):
            raise _NoVGG(f"no net of Table 1 has {shown(node.op)} before its first layer")
        self.relus += node.op == "Relu"

    def end(self) -> None:
        """Refuses what ended before it was a net."""
        if not self.layers or self.pools_left:
            raise _NoVGG("it has no convolutions followed by poolings")
        wanted = len(self.layers) - self.layers[-1].name.startswith("fc")
        if self.relus != wanted:
            raise _NoVGG(f"it has {self.relus} Relu where {wanted} follow its layers in Table 1")

    def _array(self, node: Node, place: int) -> np.ndarray | None:
        """The tensor that is a node's input at a place; None where there is none."""
        name = node.inputs[place] if place < len(node.inputs) else ""
        if not name:
            return None
        if name not in self.tensors:
            raise _NoVGG(f"node {shown(node.op)} takes {shown(name)}, which the file does not hold")
        tensor = self.tensors[name]
        if id(tensor) not in self.arrays:  # each is made once, however many nodes take it
            self.arrays[id(tensor)] = array_of(tensor)
        return self.arrays[id(tensor)]

    def _needed(self, node: Node, place: int) -> np.ndarray:
        array = self._array(node, place)
        if array is None:
            raise _NoVGG(f"node {shown(node.op)} has {len(node.inputs)} inputs")
        return array

    def _add(self, weight: np.ndarray, bias: np.ndarray | None, fully: bool) -> None:
        """One more layer, named by where it stands."""
        if fully:
            name, self.block = f"fc{self.block}", self.block + 1
        else:
            self.place += 1
            name = f"conv{self.block}_{self.place}"
        if weight.ndim not in (2, 4):
            raise _NoVGG(f"{name} has weights of {weight.ndim} axes")
        self.layers.append(Layer(name, weight, bias))

    def _conv(self, node: Node) -> None:
        weight = self._needed(node, 1)
        side = weight.shape[-1]
        same = node.attributes.get("auto_pad") in ("SAME_UPPER", "SAME_LOWER")
        pads = [side // 2] * 4 if same else node.integers("pads", 0, 0, 0, 0)
        before = self.layers[-1].name if self.layers else ""
        # the last pooling is followed by FC layers, or by a block that the file ends in
        fully = not (self.pools_left or self.place) and (before.startswith("fc") or not any(pads))
        pad = 0 if fully else side // 2
        ones = [*node.integers("strides", 1), *node.integers("dilations", 1)]
        if {*ones, *node.integers("group", 1)} != {1} or set(pads) != {pad}:
            raise _NoVGG(f"a convolution of {weight.shape[-1]} x {weight.shape[-1]} has strides, "
                         f"groups, holes or a border that none in Table 1 has")  # fmt: skip
        self._add(weight, self._array(node, 2), fully)

    def _pool(self, node: Node) -> None:
        window = [*node.integers("kernel_shape"), *node.integers("strides", 1)]
        pads = node.integers("pads", 0) + node.integers("ceil_mode", 0)
        if set(window) != {2} or set(pads) != {0}:
            raise _NoVGG("a pooling is not over 2 x 2 with stride 2")
        self.block, self.place = self.block + 1, 0
        self.pools_left -= 1

    def _average(self, node: Node) -> None:
        if set(node.integers("kernel_shape")) != {1}:
            raise _NoVGG("no net of Table 1 has AveragePool")

    def _mean(self, node: Node) -> None:
        """The mean of the score map over space."""
        if not self.layers or not self.layers[-1].name.startswith("fc"):
            raise _NoVGG("a ReduceMean stands before the last layer")
        if sorted(axis % 4 for axis in node.integers("axes")) != [2, 3]:
            raise _NoVGG("a ReduceMean is not over height and width")

    def _norm(self, node: Node) -> None:
        """Batch normalisation, to the convolution before it."""
        if self.last != "Conv":
            raise _NoVGG("a BatchNormalization follows no convolution")
        names = ("weight", "bias", "running_mean", "running_var")
        norm = {name: self._needed(node, 1 + i) for i, name in enumerate(names)}
        layer = self.layers.pop()
        epsilon = node.attributes.get("epsilon", BatchNorm.epsilon)
        norm["running_var"] = _of_our_epsilon(norm["running_var"], epsilon, layer.name)
        self.layers.append(Layer(layer.name, layer.weight, layer.bias, norm))

    def _lrn(self, node: Node) -> None:
        """Response normalisation after the first layer; `alpha` is divided by `size` here too."""
        defaults = {"bias": 1.0, "alpha": 1e-4, "beta": 0.75}
        floats = [node.attributes.get(name, default) for name, default in defaults.items()]
        size = node.integers("size")
        known = len(size) == 1 and all(isinstance(value, float) for value in floats)
        right = known and is_lrn_of_ours(*size, *floats)
        if self.lrn or not right or self.last != "Relu" or (self.block, self.place) != (1, 1):
            raise _NoVGG(OTHER_LRN)
        self.lrn = True

    def _gemm(self, node: Node) -> None:
        weight = self._needed(node, 1)
        factors = [node.attributes.get(name, 1.0) for name in ("alpha", "beta")]
        if factors != [1.0, 1.0] or node.integers("transA", 0) != [0] or weight.ndim != 2:
            raise _NoVGG("a Gemm is no layer of a net of Table 1")
        turned = node.integers("transB", 0) == [1]
        self._inner_product(weight if turned else weight.T, self._array(node, 2))

    def _product(self, node: Node) -> None:
        weight = self._needed(node, 1)
        if weight.ndim != 2:
            raise _NoVGG("a MatMul is no layer of a net of Table 1")
        self._inner_product(weight.T, None)

    def _inner_product(self, weight: np.ndarray, bias: np.ndarray | None) -> None:
        """An FC layer [O, columns]; columns in h, w, C order are put into ours."""
        if self.pools_left or self.place or not self.layers:
            raise _NoVGG("an inner product stands before the last pooling")
        if self.channels_last:
            channels = len(self.layers[-1].weight)
            side = round((weight.shape[1] / channels) ** 0.5)
            if side * side * channels != weight.shape[1]:
                raise _NoVGG("its first inner product does not fit its convolutions")
            # [O, h, w, C] -> [O, C, h, w]
            weight = weight.reshape(-1, side, side, channels).transpose(0, 3, 1, 2)
            weight, self.channels_last = weight.reshape(len(weight), -1), False
        self._add(weight, bias, fully=True)

    def _bias(self, node: Node) -> None:
        """An Add of a tensor, the bias of the layer before it."""
        places = [i for i, name in enumerate(node.inputs) if name in self.tensors]
        if self.last not in ("MatMul", "Conv") or self.layers[-1].bias is not None or not places:
            raise _NoVGG("an Add is no bias of a layer")
        layer = self.layers.pop()
        bias = self._needed(node, places[0])
        if bias.size != len(layer.weight):
            raise _NoVGG(f"an Add of {bias.size:,} values is no bias of {layer.name}")
        self.layers.append(Layer(layer.name, layer.weight, bias.reshape(-1)))

    def _cast(self, _: Node) -> None:
        """The picture as another kind of number."""
        if self.layers:
            raise _NoVGG("a Cast stands after the first layer")

    def _transpose(self, node: Node) -> None:
        """Channels to the front before all layers, or to the back before the first FC layer."""
        turn = node.integers("perm")
        if not self.layers and turn == [0, 3, 1, 2]:
            return
        if turn != [0, 2, 3, 1] or self.pools_left or self.layers[-1].name.startswith("fc"):
            raise _NoVGG("a Transpose stands where none is in a net of Table 1")
        self.channels_last = True


def _of_our_epsilon(variance: np.ndarray, epsilon: Any, layer: str) -> np.ndarray:
    """The variance that gives with our epsilon the sum that this one gives with its own."""
    if not isinstance(epsilon, float) or not 0 <= epsilon < math.inf:
        raise _NoVGG(f"the norm after {layer} has an epsilon that is none")
    if np.float32(epsilon) == np.float32(BatchNorm.epsilon):
        return variance
    shifted = variance.astype(np.float64) + (epsilon - BatchNorm.epsilon)
    if shifted.min(initial=0) < 0 <= variance.min(initial=0):
        raise _NoVGG(f"the norm after {layer} has an epsilon of {epsilon:g} and variances too "
                     f"small for ours of {BatchNorm.epsilon:g}")  # fmt: skip
    return shifted.astype(np.float32)
