"""The graph of an ONNX file, followed from the picture to the scores.

Out go layers under Caffe's names. One path is followed, from what goes into the graph, and held
against Table 1 node by node; what else there is may only work out shapes, as exporters do before a
flattening. What a graph does to its picture, but for a Cast or a turn of its axes, is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from verydeep.importers.layer_names import (
    NOTHING,
    ForeignLayer,
    Window,
    ends_with_pooling,
    layer_names,
    of_our_epsilon,
)
from verydeep.importers.layer_shapes import Layer, map_side
from verydeep.importers.onnx_data import DataFiles
from verydeep.importers.onnx_graph import Graph, Node
from verydeep.importers.onnx_tensor import array_of
from verydeep.limits import FormatError, quoted
from verydeep.nets.rows import BatchNorm

_KINDS = {
    "Relu": "relu", "Softmax": "softmax", "LogSoftmax": "softmax", "Dropout": NOTHING,
    "Identity": NOTHING, "Flatten": NOTHING, "Reshape": NOTHING, "Squeeze": NOTHING,
}  # fmt: skip
_FLATTENING = {"Flatten", "Reshape", "Squeeze", "Transpose", "ReduceMean"}
"""After which no map is left for a convolution or a pooling."""
_OF_SHAPES = {
    "Shape", "Gather", "Unsqueeze", "Concat", "Cast", "Slice", "ConstantOfShape", "Mul", "Squeeze",
    "ReduceProd",
}  # fmt: skip


def follow(graph: Graph, files: DataFiles) -> tuple[list[Layer], bool, bool]:
    """Layers in order, whether A-LRN's LRN follows the first, and whether it ends with pooling.

    `files` are those beside the graph's, which may hold its numbers. FormatError says what the
    graph holds where it is no VGG.
    """
    walk = _Walk(graph, files)
    for node in graph.nodes:
        walk.step(node)
    try:
        names = [name for name in layer_names(walk.told) if name and not name.startswith("bn")]
    except FormatError as error:
        raise walk.refusal(str(error)) from None
    layers = [replace(layer, name=name) for layer, name in zip(walk.layers, names, strict=True)]
    lrn = any(told.kind == "lrn" for told in walk.told)
    return layers, lrn, ends_with_pooling([told.kind for told in walk.told])


class _Walk:
    """Where the walk along a graph is: the value, what was told, and layers without names yet."""

    def __init__(self, graph: Graph, files: DataFiles) -> None:
        self.graph, self.files = graph, files
        self.tensors = dict(graph.tensors)
        self.arrays: dict[int, np.ndarray] = {}
        self.value: str | None = None
        self.last = self.flattened = ""
        self.channels_last = False
        self.told: list[ForeignLayer] = []
        self.layers: list[Layer] = []

    def step(self, node: Node) -> None:
        """One node further, where it is on the path."""
        if node.op == "Identity" and node.inputs and node.inputs[0] in self.tensors:
            self.tensors[node.output] = self.tensors[node.inputs[0]]
            return
        given = [name for name in node.inputs if name and name not in self.tensors]
        if self.value is None:
            self.value = next((name for name in given if name in self.graph.inputs), None)
        if node.op == "Shape" or (node.op in _OF_SHAPES and self.value not in given):
            return
        if self.value not in given or (len(given) > 1 and node.op != "Reshape"):
            raise self.refusal(
                f"node {quoted(node.op)} is off the one path that a net of Table 1 has"
            )
        self._take(node)
        self.value, self.last = node.output, node.op

    def refusal(self, reason: str) -> FormatError:
        """What is raised for a graph that no net of Table 1 has, with what the graph holds."""
        return FormatError(reason, f"it has {self.graph.census()}")

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
        if self.flattened and node.op in ("Conv", "MaxPool", "LRN"):
            raise self.refusal(f"a {node.op} stands after a {self.flattened}")
        if node.op in _FLATTENING and self.layers:
            self.flattened = node.op
        if node.op in takers:
            takers[node.op](node)
        elif not self.layers and node.op in _FLATTENING:
            raise self.refusal(f"no net of Table 1 has {quoted(node.op)} before its first layer")
        else:
            self._tell(node, _KINDS.get(node.op, node.op))

    def _tell(self, node: Node, kind: str, **more: Any) -> None:
        self.told.append(ForeignLayer(node.output, kind, **more))

    def _array(self, node: Node, place: int) -> np.ndarray | None:
        """The tensor that is a node's input at a place; None where there is none."""
        name = node.inputs[place] if place < len(node.inputs) else ""
        if not name:
            return None
        if name not in self.tensors:
            raise self.refusal(
                f"node {quoted(node.op)} takes {quoted(name)}, which the file does not hold"
            )
        tensor = self.tensors[name]
        if id(tensor) not in self.arrays:  # each is made once, however many nodes take it
            self.arrays[id(tensor)] = array_of(tensor, self.files)
        return self.arrays[id(tensor)]

    def _needed(self, node: Node, place: int) -> np.ndarray:
        array = self._array(node, place)
        if array is None:
            raise self.refusal(f"node {quoted(node.op)} has {len(node.inputs)} inputs")
        return array

    def _conv(self, node: Node) -> None:
        weight = self._needed(node, 1)
        if weight.ndim != 4:
            raise self.refusal(f"a Conv has weights of {weight.ndim} axes")
        sides = weight.shape[2:]
        border = node.attributes.get("auto_pad", "NOTSET")
        same = border in ("SAME_UPPER", "SAME_LOWER")
        if not same and border not in ("NOTSET", "VALID"):
            raise self.refusal(f"a Conv has auto_pad {quoted(str(border))}, which ONNX has not")
        pad = [side // 2 for side in sides] if same else node.integers("pads", 0)
        window = Window(
            [*sides, *node.integers("kernel_shape")],
            node.integers("strides"),
            [0] if border == "VALID" else pad,
            node.integers("dilations"),
            node.integers("group"),
        )
        self._tell(node, "conv", window=window)
        self.layers.append(Layer("", weight, self._array(node, 2)))

    def _pool(self, node: Node) -> None:
        if any(node.integers("ceil_mode")):
            raise self.refusal("a MaxPool rounds up, where a net of Table 1 rounds down")
        if (border := node.attributes.get("auto_pad", "NOTSET")) not in ("NOTSET", "VALID"):
            raise self.refusal(
                f"a MaxPool has auto_pad {quoted(str(border))}, where Table 1 has none"
            )
        window = Window(
            node.integers("kernel_shape", 1),
            node.integers("strides", 1),
            node.integers("pads"),
            node.integers("dilations"),
        )
        self._tell(node, "pool", window=window)

    def _average(self, node: Node) -> None:
        """Pooling to the size that a map has already, as exporters leave it."""
        window = {*node.integers("kernel_shape"), *node.integers("strides", 1)}
        if window != {1} or any(node.integers("pads")):
            raise self.refusal("no net of Table 1 has AveragePool")

    def _mean(self, node: Node) -> None:
        """The mean of the score map over space."""
        if not self.told or self.told[-1].kind not in ("conv", "fc"):
            raise self.refusal("a ReduceMean stands before the last layer")
        if sorted(axis % 4 for axis in node.integers("axes")) != [2, 3]:
            raise self.refusal("a ReduceMean is not over height and width")

    def _norm(self, node: Node) -> None:
        """Batch normalisation, to the convolution before it."""
        if not self.layers or self.last not in ("Conv", "Add"):
            raise self.refusal("a BatchNormalization follows no convolution")
        names = ("weight", "bias", "running_mean", "running_var")
        norm = {name: self._needed(node, 1 + i) for i, name in enumerate(names)}
        epsilon = node.attributes.get("epsilon", BatchNorm.epsilon)
        epsilon = epsilon if isinstance(epsilon, float) else -1.0
        layer = quoted(node.output)
        norm["running_var"] = of_our_epsilon(norm["running_var"], epsilon, layer)
        self._tell(node, "norm")
        self.layers[-1] = replace(self.layers[-1], norm=norm)

    def _lrn(self, node: Node) -> None:
        """Response normalisation; `alpha` is divided by `size` here too."""
        defaults = {"bias": 1.0, "alpha": 1e-4, "beta": 0.75}
        floats = [node.attributes.get(name, default) for name, default in defaults.items()]
        known = all(isinstance(value, float) for value in floats)
        self._tell(node, "lrn", constants=[*node.integers("size"), *floats] if known else ())

    def _gemm(self, node: Node) -> None:
        weight = self._needed(node, 1)
        factors = [node.attributes.get(name, 1.0) for name in ("alpha", "beta")]
        if factors != [1.0, 1.0] or node.integers("transA", 0) != [0] or weight.ndim != 2:
            raise self.refusal("a Gemm is no layer of a net of Table 1")
        turned = node.integers("transB", 0) == [1]
        self._inner_product(node, weight if turned else weight.T, self._array(node, 2))

    def _product(self, node: Node) -> None:
        weight = self._needed(node, 1)
        if weight.ndim != 2:
            raise self.refusal("a MatMul is no layer of a net of Table 1")
        self._inner_product(node, weight.T, None)

    def _inner_product(self, node: Node, weight: np.ndarray, bias: np.ndarray | None) -> None:
        """An FC layer [O, columns]; columns in h, w, C order are put into ours."""
        if self.channels_last and self.layers:
            channels = len(self.layers[-1].weight)
            side = map_side("its first inner product", weight.shape[1], channels)
            # [O, h, w, C] -> [O, C, h, w]
            weight = weight.reshape(-1, side, side, channels).transpose(0, 3, 1, 2)
            weight, self.channels_last = weight.reshape(len(weight), -1), False
        self._tell(node, "fc")
        self.layers.append(Layer("", weight, bias))

    def _bias(self, node: Node) -> None:
        """An Add of a tensor, the bias of the layer before it."""
        places = [i for i, name in enumerate(node.inputs) if name in self.tensors]
        if self.last not in ("MatMul", "Conv") or self.layers[-1].bias is not None or not places:
            raise self.refusal("an Add is no bias of a layer")
        bias = self._needed(node, places[0])
        if bias.size != len(self.layers[-1].weight):
            raise self.refusal(f"an Add of {bias.size:,} values is no bias of the layer before it")
        self.layers[-1] = replace(self.layers[-1], bias=bias.reshape(-1))

    def _cast(self, _: Node) -> None:
        """The picture as another kind of number."""
        if self.layers:
            raise self.refusal("a Cast stands after the first layer")

    def _transpose(self, node: Node) -> None:
        """Channels to the front before all layers, or to the back before the first FC layer."""
        turn = node.integers("perm")
        if not self.layers and turn == [0, 3, 1, 2]:
            return
        if turn != [0, 2, 3, 1] or not self.layers or self.told[-1].kind == "fc":
            raise self.refusal("a Transpose stands where none is in a net of Table 1")
        self.channels_last = True
