"""VGG nets in ONNX files: the tensors of a graph, named by the order in which it uses them.

In comes a file of one model, with the files beside it that hold its numbers; out go `Parameters`.
The graph is followed from node to node: a convolution after the n-th pooling is of block n + 1,
what stands after the last is an FC layer. A graph that branches, or does what no net of Table 1
does, is refused with a line of what it holds.
Field numbers are those of `onnx.proto`.
"""

from __future__ import annotations

from pathlib import Path

from verydeep.formats.protobuf import (
    NUMBER,
    SLICE,
    Beginning,
    Budget,
    begins_like,
    fields,
    open_content,
)
from verydeep.importers.layer_shapes import tensors_of
from verydeep.importers.onnx_data import DataFiles
from verydeep.importers.onnx_graph import Graph, read_graph
from verydeep.importers.onnx_walk import follow
from verydeep.importers.parameters import ALL_GUESSED, TORCHVISION, Parameters
from verydeep.limits import FormatError, reading
from verydeep.nets.rows import PICTURE
from verydeep.weights import metadata

__all__ = ["is_onnx", "read"]


_MODEL = Beginning({
    1: NUMBER, 2: SLICE, 3: SLICE, 4: SLICE, 5: NUMBER, 6: SLICE, 8: SLICE, 14: SLICE, 20: SLICE,
    25: SLICE, 26: SLICE,
}, needed=1)  # fmt: skip
_GRAPH = {7: Beginning({1: SLICE, 2: SLICE, 5: SLICE}, needed=1)}


def is_onnx(path: Path | str) -> bool:
    """Whether a file's content is an ONNX model, whatever its name; reads a few KB."""
    return begins_like(Path(path), _MODEL, _GRAPH)


def read(path: Path | str) -> Parameters:
    """Parameters of a VGG net's `.onnx` file.

    Pixels, classes and table are those that the file says under "verydeep" in its metadata, and the
    nodes that make its pixels are passed over; without, the pixels are torchvision's, a guess.
    Tensors are views of the file where it keeps float32 as raw data, in the layout of ours. Raises
    UserError where the file is damaged, lacks the files beside it or is no net of Table 1.
    """
    path = Path(path)
    with reading(path, "an ONNX file of a VGG net"):
        graph, own = _read_model(open_content(path))
        said = metadata.from_text(own) if own else metadata.Metadata(TORCHVISION)
        followed = graph.after(PICTURE) if own else graph
        layers, lrn, pooled = follow(followed, DataFiles(path.parent))
        tensors = tensors_of(layers)
    guessed = () if own else ALL_GUESSED
    return Parameters(
        "onnx",
        tensors,
        said.pixels,
        said.classes,
        table=said.table,
        lrn=lrn,
        guessed=guessed,
        pooled=pooled,
    )


def _read_model(content: memoryview) -> tuple[Graph, str]:
    """The graph, and what the file says of itself if it is ours."""
    graph, own = None, ""
    for field in fields(content, Budget()):
        if field.number == 7:
            if graph is not None:
                raise FormatError("it holds two graphs")
            graph = read_graph(field)
        elif field.number == 14:
            words = {part.number: part.text() for part in field.fields() if part.number in (1, 2)}
            own = words.get(2, "") if words.get(1) == metadata.KEY else own
    if graph is None:
        raise FormatError("it holds no graph")
    return graph, own
