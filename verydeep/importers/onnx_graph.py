"""The graph of an ONNX file as it stands there: nodes in order, and tensors by name."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from verydeep.formats.protobuf import FOUR_BYTES, NUMBER, SLICE, Field
from verydeep.importers.layer_names import REMEDY
from verydeep.importers.onnx_tensor import name_of
from verydeep.limits import FormatError, quoted

MOST_NODES = MOST_TENSORS = 10_000


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
        return ", ".join(f"{count} {quoted(op)[1:-1]}" for op, count in counts)


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
            raise FormatError(f"it has over {MOST_NODES:,} nodes", REMEDY)
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
