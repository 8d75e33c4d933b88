"""ONNX files of VGG nets, against files that the `onnx` package writes.

Graphs are built by its helpers in the forms that exporters give them, and checked by its checker;
weights are compared bit for bit, scores with PyTorch's plain functions.
"""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from tests.foreign_files import (
    BLOCKS,
    CROP,
    SIDE,
    Weights,
    caffe_messages,
    damaged,
    expected,
    random_weights,
    same,
    scores,
    weights_of_a,
)
from verydeep.errors import UserError
from verydeep.importers.caffe import is_caffe
from verydeep.importers.onnx import is_onnx, read
from verydeep.importers.parameters import TORCHVISION
from verydeep.importers.to_network import to_network
from verydeep.nets.network import build
from verydeep.pictures.preprocessing import Pixels

NORM = ("weight", "bias", "running_mean", "running_var")


class Graph:
    """A graph in the making: each node reads what the one before gave."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []
        self.value = "input"

    def hold(self, name: str, values: np.ndarray, raw: bool = True, dtype: str = "f4") -> str:
        values = values.astype(dtype)
        if raw:
            tensor = numpy_helper.from_array(values, name)
        else:
            kind = {"f4": TensorProto.FLOAT, "f8": TensorProto.DOUBLE}[dtype]
            tensor = helper.make_tensor(name, kind, values.shape, values.ravel().tolist())
        self.tensors.append(tensor)
        return name

    def add(self, op: str, *others: str, **attributes: Any) -> None:
        gives = f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, [self.value, *others], [gives], **attributes))
        self.value = gives

    def model(self, channels_last: bool = False) -> Any:
        shape = [1, CROP, CROP, 3] if channels_last else [1, 3, CROP, CROP]
        given = helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)
        scores = helper.make_tensor_value_info(self.value, TensorProto.FLOAT, ["batch", "classes"])
        graph = helper.make_graph(self.nodes, "vgg", [given], [scores], self.tensors)
        return helper.make_model(graph, producer_name="test")


def vgg(
    weights: Weights | None = None,
    form: str = "gemm",
    norm: bool = False,
    lrn: dict[str, dict[str, Any]] | None = None,
    **how: Any,
) -> Graph:
    """A net in one of the forms: "gemm" as PyTorch's, "matmul" as Keras', "conv" as fully so.

    `lrn` are attributes of response normalisations, by the layers whose ReLUs they follow.
    """
    weights = weights or random_weights()
    graph = Graph()
    if form == "matmul":
        graph.add("Transpose", perm=[0, 3, 1, 2])
    for i, block in enumerate(BLOCKS):
        for j in range(len(block)):
            if (name := f"conv{i + 1}_{j + 1}") in weights:
                add_convolution(graph, name, weights, norm, how)
            if name in (lrn or {}):
                graph.add("LRN", **(lrn or {})[name])
        graph.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0])
    if form == "gemm":
        graph.add("AveragePool", kernel_shape=[1, 1])
        graph.add("Flatten", axis=1)
    elif form == "matmul":
        graph.add("Transpose", perm=[0, 2, 3, 1])
        add_reshape(graph)
    for name in ("fc6", "fc7", "fc8"):
        add_product(graph, name, weights, form, how)
        if name != "fc8":
            graph.add("Relu")
    graph.add("Softmax", axis=1)
    return graph


def add_convolution(graph: Graph, name: str, weights: Weights, norm: bool, how: Any) -> None:
    weight, bias = weights[name]
    held = [graph.hold(f"{name}.w", weight, **how)]
    if not norm:
        held.append(graph.hold(f"{name}.b", bias, **how))
    graph.add("Conv", *held, kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1], group=1)
    if norm:
        values = [bias + i for i in range(4)]
        names = [graph.hold(f"{name}.{k}", v) for k, v in zip(NORM, values, strict=True)]
        graph.add("BatchNormalization", *names, epsilon=1e-5)
    graph.add("Relu")


def add_reshape(graph: Graph) -> None:
    """A flattening whose shape is worked out beside the path, as exporters have it."""
    graph.nodes.append(helper.make_node("Shape", [graph.value], ["shape"]))
    zero = numpy_helper.from_array(np.array(0), "zero")
    graph.nodes.append(helper.make_node("Constant", [], ["zero"], value=zero))
    graph.nodes.append(helper.make_node("Gather", ["shape", "zero"], ["batch"], axis=0))
    graph.nodes.append(helper.make_node("Unsqueeze", ["batch", "axes"], ["batches"]))
    graph.nodes.append(helper.make_node("Concat", ["batches", "rest"], ["flat"], axis=0))
    graph.tensors.append(numpy_helper.from_array(np.array([0]), "axes"))
    graph.tensors.append(numpy_helper.from_array(np.array([-1]), "rest"))
    graph.add("Reshape", "flat")


def add_product(graph: Graph, name: str, weights: Weights, form: str, how: Any) -> None:
    weight, bias = weights[name]
    if form == "conv":
        filters = weight.reshape(len(weight), -1, *((SIDE, SIDE) if name == "fc6" else (1, 1)))
        graph.add("Conv", graph.hold(f"{name}.w", filters, **how), graph.hold(f"{name}.b", bias))
        return
    if form == "gemm":
        held = [graph.hold(f"{name}.w", weight, **how), graph.hold(f"{name}.b", bias, **how)]
        graph.add("Gemm", *held, transB=1, alpha=1.0, beta=1.0)
        return
    if name == "fc6":  # columns in h, w, C order
        weight = weight.reshape(len(weight), -1, SIDE, SIDE).transpose(0, 2, 3, 1)
        weight = weight.reshape(len(weight), -1)
    graph.add("MatMul", graph.hold(f"{name}.w", weight.T, **how))
    graph.add("Add", graph.hold(f"{name}.b", bias, **how))


def saved(model: Any, name: str = "vgg.onnx") -> Path:
    Path(name).write_bytes(model.SerializeToString())
    return Path(name)


@pytest.mark.parametrize("form", ["gemm", "matmul", "conv"])
@pytest.mark.parametrize(
    "how", [{}, {"raw": False}, {"dtype": "f8"}, {"raw": False, "dtype": "f8"}]
)
def test_every_form_gives_the_same_weights(form: str, how: Any) -> None:
    model = vgg(form=form, **how).model(form == "matmul")
    if how.get("dtype") != "f8":
        onnx.checker.check_model(model)
    path = saved(model)
    assert is_onnx(path)
    assert not is_caffe(path)
    found = read(path)
    assert same(found.tensors, expected(random_weights()))
    assert (found.family, found.pixels, found.classes) == ("onnx", TORCHVISION, None)
    assert (found.notes, found.guessed) == ((), ("pixels", "scale"))


def test_16_bit_floats_are_widened() -> None:
    halved = {
        k: tuple(v.astype("f2").astype("f4") for v in pair) for k, pair in random_weights().items()
    }
    found = read(saved(vgg(halved, dtype="f2").model()))  # type: ignore[arg-type]
    assert same(found.tensors, expected(halved))  # type: ignore[arg-type]


def test_scores_are_those_of_plain_functions() -> None:
    found = read(saved(vgg().model()))
    network = build("D", 5, width=0.0625, crop=CROP, fc=16, pixels=found.pixels)
    network.load_state_dict({k: torch.tensor(v) for k, v in found.tensors.items()})
    rgb = np.random.default_rng(1).integers(0, 256, (1, CROP, CROP, 3), dtype=np.uint8)
    images = torch.tensor(rgb).permute(0, 3, 1, 2).float() / 255
    images -= torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    images /= torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    ours = network(found.pixels.normalise(torch.tensor(rgb)))
    assert torch.allclose(ours, scores(random_weights(), images), rtol=1e-4, atol=1e-4)


def test_norms_are_named_after_their_convolutions() -> None:
    weights = random_weights()
    found = read(saved(vgg(norm=True).model()))
    bias = weights["conv3_2"][1]
    for i, name in enumerate(NORM):
        assert np.array_equal(found.tensors[f"bn3_2.{name}"], bias + np.float32(i))
    assert not found.tensors["conv3_2.bias"].any()
    assert found.notes[1:] == ()


KRIZHEVSKYS = {"size": 5, "bias": 2.0, "alpha": 1e-4, "beta": 0.75}
"""As ONNX has them: by the operator's text, alpha is divided by size."""


@pytest.mark.parametrize("norm", [False, True])
def test_response_normalisation_after_conv1_1_is_that_of_a_lrn(norm: bool) -> None:
    graph = vgg(weights_of_a(), norm=norm, lrn={"conv1_1": KRIZHEVSKYS})
    found = to_network(read(saved(graph.model())), "w")
    assert found.network.table.name == "A-LRN" + "-BN" * norm
    assert not any("LRN" in note for note in found.notes)
    found = to_network(read(saved(vgg(weights_of_a(), norm=norm).model())), "w")
    assert found.network.table.name == "A" + "-BN" * norm
    assert not any("LRN" in note for note in found.notes)
    assert "alpha / size * square_sum" in onnx.defs.get_schema("LRN").doc


@pytest.mark.parametrize(
    "lrn",
    [
        {"conv2_1": KRIZHEVSKYS},
        {"conv1_1": KRIZHEVSKYS, "conv2_1": KRIZHEVSKYS},
        {"conv1_1": {"size": 5}},  # the bias is 1 where nothing is said of it
        *({"conv1_1": KRIZHEVSKYS | other} for other in (
            {"size": 3}, {"alpha": 2e-5}, {"beta": 0.5}, {"size": [5, 5]}, {"alpha": 1},
        )),
    ],
)  # fmt: skip
def test_other_response_normalisation_is_refused(lrn: Any) -> None:
    with pytest.raises(UserError, match="response normalisation other than A-LRN's"):
        read(saved(vgg(weights_of_a(), lrn=lrn).model()))


def with_epsilon(epsilon: float, variance: np.ndarray) -> Path:
    """The net with norms, the first of them of another epsilon and variances."""
    graph = vgg(norm=True)
    node = next(node for node in graph.nodes if node.op_type == "BatchNormalization")
    next(a for a in node.attribute if a.name == "epsilon").f = epsilon
    place = [tensor.name for tensor in graph.tensors].index("conv1_1.running_var")
    graph.tensors[place] = numpy_helper.from_array(variance, "conv1_1.running_var")
    return saved(graph.model())


@pytest.mark.parametrize("epsilon", [1e-3, 1e-12, 0.5])
def test_a_norm_of_another_epsilon_gives_the_same_values(epsilon: float) -> None:
    """Against the `onnx` package's own arithmetic of the operator, on small variances."""
    variance = np.linspace(2e-5, 1e-2, 8, dtype=np.float32)
    norm = {k.partition(".")[2]: v for k, v in read(with_epsilon(epsilon, variance)).tensors.items()
            if k.startswith("bn1_1.")}  # fmt: skip
    held = [random_weights()["conv1_1"][1] + np.float32(i) for i in range(3)]
    values = np.random.default_rng(3).normal(size=(2, 8, 3, 3)).astype(np.float32)
    names = ["x", *NORM]
    node = helper.make_node("BatchNormalization", names, ["y"], epsilon=epsilon)
    evaluator = ReferenceEvaluator(node)
    (theirs,) = evaluator.run(None, dict(zip(names, [values, *held, variance], strict=True)))
    tensors = {name: torch.tensor(norm[name]) for name in NORM}
    ours = F.batch_norm(torch.tensor(values), tensors["running_mean"], tensors["running_var"],
                        tensors["weight"], tensors["bias"], eps=1e-5).numpy()  # fmt: skip
    assert np.abs(ours - theirs).max() < 1e-5 * np.abs(theirs).max()


def test_a_norm_that_our_epsilon_cannot_have_is_refused() -> None:
    """A variance of 0 with 1e-12 would need one below 0 with 1e-5."""
    for epsilon, reason in ((1e-12, "an epsilon of 1e-12 and"), (-1.0, "an epsilon that is none")):
        with pytest.raises(UserError, match=f"the norm 'value1' has {reason}"):
            read(with_epsilon(epsilon, np.zeros(8, np.float32)))


def test_pixels_and_classes_of_ours_are_taken_from_the_metadata() -> None:
    pixels = Pixels((40, 60), (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), order="BGR")
    about = json.dumps({"pixels": asdict(pixels), "classes": ["a", "b", "c", "d", "ö"]})
    model = vgg().model()
    helper.set_model_props(model, {"verydeep": about, "other": "words"})
    found = read(saved(model))
    assert (found.pixels, found.classes, found.notes) == (pixels, ("a", "b", "c", "d", "ö"), ())
    for bad in (
        "[" * 100_000,
        "{}",
        "[1]",
        about.replace("1.0", "1e999"),
        about.replace("40", '"'),
        about.replace("40", "0"),
        about.replace("4.0", "1e-7"),
        about.replace('"b"', '"a"'),
        about.replace('"b"', r'"b\u001b"'),
    ):
        helper.set_model_props(model, {"verydeep": bad})
        with pytest.raises(UserError, match="says of its pixels and classes .* is out of form"):
            read(saved(model))


def test_tensors_under_a_second_name_and_constants_are_found() -> None:
    graph = vgg()
    first = graph.tensors.pop(0)
    graph.nodes.insert(0, helper.make_node("Constant", [], ["held"], value=first))
    graph.nodes.insert(1, helper.make_node("Identity", ["held"], [first.name]))
    assert same(read(saved(graph.model())).tensors, expected(random_weights()))


def changed(op: str, **attributes: Any) -> Any:
    """The net with attributes of its first such node set."""
    graph = vgg()
    node = next(node for node in graph.nodes if node.op_type == op)
    kept = [a for a in node.attribute if a.name not in attributes]
    del node.attribute[:]
    node.attribute.extend(kept)
    node.attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())
    return graph.model()


def renamed(old: str, new: str) -> Any:
    graph = vgg()
    next(node for node in graph.nodes if node.op_type == old).op_type = new
    return graph.model()


def with_relus(*instead: list[str]) -> Any:
    """The net with other nodes instead of its first ReLUs."""
    graph = vgg()
    graph.hold("shape", np.array([0, -1]), dtype="i8")
    relus = [node for node in graph.nodes if node.op_type == "Relu"]
    for old, ops in zip(relus, instead, strict=False):
        value, nodes = old.input[0], []
        for op in ops:
            nodes.append(
                helper.make_node(op, [value, "shape"][: 1 + (op == "Reshape")], [f"{value}+"])
            )
            value = f"{value}+"
        nodes.append(helper.make_node("Identity", [value], list(old.output)))
        place = graph.nodes.index(old)
        graph.nodes[place : place + 1] = nodes
    return graph.model()


def with_branch(op: str, *reads: str) -> Any:
    graph = vgg()
    graph.nodes.insert(4, helper.make_node(op, reads, ["other"]))
    return graph.model()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: with_branch("Add", "value3", "value1"), "node 'Add' is off .* 15 Relu, 13 Conv"),
        (lambda: with_branch("Relu", "value1"), "node 'Relu' is off the one path"),
        (lambda: renamed("Relu", "Identity"), "'value2' is a convolution, where .* has a ReLU;"),
        (lambda: renamed("Relu", "Sigmoid"), "'value1' is 'Sigmoid', where .*; it has 14 Relu"),
        (
            lambda: renamed("AveragePool", "GlobalAveragePool"),
            "'value31' is 'GlobalAveragePool', where",
        ),
        (lambda: changed("Conv", strides=[2, 2]), "'value0' has stride 2, where .* has 1"),
        (lambda: changed("Conv", dilations=[1, 2]), "'value0' has dilation 2, where .* has 1"),
        (lambda: changed("Conv", pads=[1, 0, 1, 1]), "'value0' has pad 0, where .* has 1"),
        (lambda: changed("Conv", group=2), "'value0' has groups 2, where .* has 1"),
        (
            lambda: changed("MaxPool", kernel_shape=[3, 3]),
            "has kernel 3, where a net of Table 1 has 2",
        ),
        (lambda: changed("MaxPool", strides=[2, 1]), "has stride 1, where a net of Table 1 has 2"),
        (lambda: changed("MaxPool", ceil_mode=1), "a MaxPool rounds up"),
        (lambda: changed("MaxPool", auto_pad="SAME_UPPER"), "has auto_pad 'SAME_UPPER', where"),
        (lambda: changed("MaxPool", auto_pad="SAME_LOWER"), "has auto_pad 'SAME_LOWER', where"),
        (lambda: changed("Conv", auto_pad="VALID"), "'value0' has pad 0, where .* has 1"),
        (lambda: changed("Conv", auto_pad="ELSE"), "a Conv has auto_pad 'ELSE', which ONNX has"),
        (lambda: changed("AveragePool", strides=[2, 2]), "Table 1 has AveragePool; it has"),
        (lambda: with_relus([], ["Relu", "Relu"]), "'value2' is a convolution, where"),
        (lambda: with_relus(["Relu", "Softmax"]), r"'value0\+\+' is the soft-max, where"),
        (lambda: with_relus(["Relu", "Reshape"]), "a Conv stands after a Reshape"),
        (lambda: changed("AveragePool", kernel_shape=[2, 2]), "Table 1 has AveragePool; it has"),
        (lambda: changed("Gemm", alpha=0.5), "a Gemm is no layer of a net of Table 1"),
        (lambda: changed("Gemm", alpha=[1]), "a Gemm is no layer of a net of Table 1"),
        (lambda: changed("Gemm", transB=0), "fc6 has 16 columns, which are no square"),
        (
            lambda: helper.make_model(helper.make_graph([], "x", [], [])),
            "it ends with the picture, after which",
        ),
    ],
)
def test_other_graphs_are_refused_with_what_they_hold(model: Any, message: str) -> None:
    path = saved(model())
    with pytest.raises(UserError, match=f"^vgg.onnx cannot be read as an ONNX file.*{message}"):
        read(path)


@pytest.mark.parametrize("last", ["conv1_1", "conv1_2", "conv3_2", "conv5_1", "conv5_3"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_graph_may_end_after_any_convolution(last: str, turned: bool) -> None:
    graph = vgg()
    weights = random_weights()
    kept = dict(list(weights.items())[: list(weights).index(last) + 1])
    relu = 1 + [node.input[1] if len(node.input) > 1 else "" for node in graph.nodes].index(
        f"{last}.w"
    )
    del graph.nodes[relu + 1 :]
    graph.value = graph.nodes[relu].output[0]
    if turned:  # as exporters from Keras have it
        graph.add("Transpose", perm=[0, 2, 3, 1])
    assert same(read(saved(graph.model())).tensors, expected(kept))


def test_an_inner_product_right_after_a_convolution_is_refused() -> None:
    graph = vgg()
    graph.nodes = [node for node in graph.nodes if node.output[0] != "value30"]  # the last pooling
    pool = next(node for node in graph.nodes if "value30" in node.input)
    pool.input[0] = "value29"
    with pytest.raises(
        UserError, match="'value33' is an FC layer, where a net of Table 1 has a convolution, "
    ):
        read(saved(graph.model()))


def after_the_picture(*nodes: tuple[str, list[str], dict[str, Any]], listed: bool = False) -> Any:
    """The net with nodes before its first convolution, in the order of their reading."""
    graph = vgg()
    tensors = {"flip": np.array([2, 1, 0]), "gain": np.float32(1 / 255)}
    graph.tensors += [numpy_helper.from_array(np.asarray(v), k) for k, v in tensors.items()]
    value = "input"
    for i, (op, others, attributes) in enumerate(nodes):
        graph.nodes.insert(i, helper.make_node(op, [value, *others], [f"in{i}"], **attributes))
        value = f"in{i}"
    graph.nodes[len(nodes)].input[0] = value
    model = graph.model()
    if listed:  # as of versions below 4, where weights are among the inputs
        for tensor in graph.tensors:
            given = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            model.graph.input.insert(0, given)
    onnx.checker.check_model(model)
    return model


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (
            ("Gather", ["flip"], {"axis": 1}),
            "'in[01]' is 'Gather', where a net of Table 1 has a convolution",
        ),
        (("Mul", ["gain"], {}), "'in[01]' is 'Mul', where a net of Table 1 has a convolution"),
        (("Softmax", [], {}), "'in[01]' is the soft-max, where a net of Table 1 has a convolution"),
        (("Transpose", [], {"perm": [0, 1, 3, 2]}), "a Transpose stands where none is"),
    ],
)
@pytest.mark.parametrize("cast", [False, True])
def test_what_a_graph_does_to_its_picture_is_not_passed_over(
    node: Any, message: str, cast: bool
) -> None:
    casts: list[Any] = [("Cast", [], {"to": TensorProto.FLOAT})] if cast else []
    with pytest.raises(UserError, match=message):
        read(saved(after_the_picture(*casts, node)))


@pytest.mark.parametrize("listed", [False, True])
def test_a_picture_may_be_of_another_kind_of_number(listed: bool) -> None:
    path = saved(after_the_picture(("Cast", [], {"to": TensorProto.FLOAT}), listed=listed))
    assert same(read(path).tensors, expected(random_weights()))


def test_a_graph_begins_with_what_goes_into_it() -> None:
    model = vgg().model()
    del model.graph.input[:]
    with pytest.raises(UserError, match="node 'Conv' is off the one path"):
        read(saved(model))


def test_borders_that_keep_the_side_may_be_named_so() -> None:
    model = changed("Conv", auto_pad="SAME_UPPER", pads=[0, 0, 0, 0])
    assert same(read(saved(model)).tensors, expected(random_weights()))


def tiny(**how: Any) -> Graph:
    """A net so small that thousands of damaged files are read in seconds."""
    draw = np.random.default_rng(2)
    graph = Graph()
    graph.add(
        "Conv",
        graph.hold("a", draw.normal(size=(2, 3, 3, 3)), **how),
        graph.hold("b", draw.normal(size=2), **how),
        pads=[1, 1, 1, 1],
    )
    graph.add("Relu")
    graph.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    graph.add("Flatten")
    graph.add("Gemm", graph.hold("c", draw.normal(size=(3, 8)), **how), "d", transB=1)
    graph.hold("d", draw.normal(size=3), **how)
    return graph


def attempt(path: Path, content: bytes) -> bool:
    """Whether a file is read; where not, by a UserError of one line that names it."""
    path.write_bytes(content)
    is_onnx(path)
    try:
        found = read(path)
    except UserError as error:
        message = str(error)
        assert str(path) in message
        assert "\n" not in message
        assert len(message) < 400
        return False
    assert all(np.isfinite(tensor).all() for tensor in found.tensors.values())
    return True


@pytest.mark.parametrize("how", [{}, {"raw": False}, {"dtype": "f2"}])
def test_damaged_files_are_refused_in_one_line(how: Any) -> None:
    content = tiny(**how).model().SerializeToString()
    assert attempt(Path("x"), content)
    read_anyway = [attempt(Path("x"), bad) for bad in damaged(content, 1000, seed=len(how))]
    assert 0 < sum(read_anyway) < 600  # a flipped bit of a weight cannot be seen


def test_damaged_files_take_no_more_memory_than_a_few_times_their_size() -> None:
    graph = tiny()
    graph.tensors[2] = numpy_helper.from_array(np.ones((9000, 8), "f2"), "c")
    graph.tensors[3] = numpy_helper.from_array(np.ones(9000, "f4"), "d")
    content = graph.model().SerializeToString()
    assert attempt(Path("x"), content)
    tracemalloc.start()
    try:
        for bad in damaged(content[:900], 100, seed=6):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            attempt(Path("x"), bad + content[900:])
            assert tracemalloc.get_traced_memory()[1] - before < 4 * len(content)
    finally:
        tracemalloc.stop()


def test_a_tensor_taken_by_thousands_of_nodes_is_made_once() -> None:
    graph = Graph()
    name = graph.hold("a", np.ones((3, 3, 100, 100)), dtype="f2")
    for _ in range(300):
        graph.add("Conv", name)
    content = graph.model().SerializeToString()
    tracemalloc.start()
    try:
        assert not attempt(Path("x"), content)
        assert tracemalloc.get_traced_memory()[1] < 40 * len(content)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"dims": [2**62, 4]},
            r"tensor 'a' has the shape \[4611686018427387904, 4\] and 54 values",
        ),
        ({"dims": [-2, -27]}, r"tensor 'a' has the shape \[-2, -27\] and 54 values"),
        ({"dims": [2, 3, 3, 2]}, "tensor 'a' has the shape"),
        ({"dims": [1] * 100}, "is in over 64 pieces"),
        ({"data_type": 7}, "tensor 'a' is of type 7; only floats are read"),
        ({"raw_data": b"\0\0\xc0\x7f" * 54}, "conv1_1.weight holds values that are no numbers"),
        ({"raw_data": b"\0\0\x80\x7f" * 54}, "conv1_1.weight holds values that are no numbers"),
        ({"raw_data": bytes(53 * 4 + 1)}, "213 bytes in field 9 are no whole number of 4-byte"),
    ],
)
def test_tensors_that_cannot_be_are_refused(values: dict[str, Any], message: str) -> None:
    model = tiny().model()
    tensor = model.graph.initializer[0]
    for name, value in values.items():
        if name == "dims":
            tensor.dims[:] = value
        else:
            setattr(tensor, name, value)
    with pytest.raises(UserError, match=f"^vgg.onnx cannot be read as an ONNX file.*{message}"):
        read(saved(model))


def field(number: int, content: bytes) -> bytes:
    """A field with a length, in bytes that need no longer key."""
    size, length = len(content), []
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + content


def nested(depth: int, numbers: Sequence[int]) -> bytes:
    content = b""
    for i in range(depth):
        content = field(numbers[i % len(numbers)], content)
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it holds no graph"),
        (field(7, b"") * 2, "it holds two graphs"),
        (field(7, nested(3000, (5, 6))), "it ends with the picture"),
        (field(7, field(1, b"") * 10_001), "over 10,000 nodes"),
        (bytes([7 << 3 | 2]) + b"\xff" * 9 + b"\x01", "18,446,744,073,709,551,615 bytes where 0"),
        (field(7, field(1, field(4, b"Ev\xffil\n" * 99))), "'Ev.ufffdil.n"),
    ],
    ids=range(6),
)
def test_hostile_content_is_refused(content: bytes, message: str) -> None:
    Path("x").write_bytes(content)
    with pytest.raises(UserError, match=f"^x cannot be read as an ONNX file .*{message}"):
        read("x")
    assert attempt(Path("x"), content) is False


def test_other_content_is_not_taken_for_onnx(tmp_path: Path) -> None:
    others = [
        b"",
        b"PK\x03\x04" + bytes(60),
        b"\x89HDF\r\n\x1a\n",
        b"\x80\x02}q",
        b"\x08\x07\x3a\x05hello",
    ]
    net = caffe_messages()["NetParameter"](name="x")
    net.layer.add(name="conv1_1", type="Convolution")
    for content in [*others, net.SerializeToString(), bytes(99)]:
        Path("x").write_bytes(content)
        assert not is_onnx("x"), content
    assert not is_onnx(tmp_path)
    content = vgg().model().SerializeToString()
    Path("x").write_bytes(content[: len(content) // 2])
    assert is_onnx("x")  # cut short, which reading it says
    with pytest.raises(UserError, match="the file is cut short or damaged, so fetch it again"):
        read("x")
