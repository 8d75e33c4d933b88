"""Caffe's files, against what google.protobuf writes of Caffe's messages (`foreign_files.py`).

Weights are compared bit for bit, scores with PyTorch's plain functions on a BGR picture. Damage is
drawn from a seed.
"""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.foreign_files import (
    CROP,
    caffe_messages,
    damaged,
    expected,
    random_weights,
    same,
    scores,
    weights_of_a,
)
from verydeep.errors import UserError
from verydeep.exporters.caffe import write, write_prototxt
from verydeep.formats import protobuf
from verydeep.importers.caffe import is_caffe, read
from verydeep.importers.parameters import AUTHORS, Parameters
from verydeep.importers.to_network import to_network
from verydeep.nets import vgg
from verydeep.nets.network import Network, build
from verydeep.pictures.preprocessing import Pixels

TYPES = {
    "Data": 5, "Split": 22, "Accuracy": 1, "SoftmaxWithLoss": 21, "Convolution": 4, "ReLU": 18,
    "InnerProduct": 14, "Pooling": 17, "LRN": 15, "Dropout": 6, "Softmax": 20, "Sigmoid": 19,
}  # fmt: skip
"""Numbers of V1LayerParameter.LayerType."""


def blob(values: np.ndarray, old: bool = False, double: bool = False, packed: bool = True) -> Any:
    """A blob, of four sides as in the years of the paper (`old`) or with a shape."""
    message = caffe_messages(packed)["BlobProto"]()
    if old:
        sides = [1] * (4 - values.ndim) + list(values.shape)
        message.num, message.channels, message.height, message.width = sides
    else:
        message.shape.dim.extend(values.shape)
    (message.double_data if double else message.data).extend(values.ravel().tolist())
    return message


def net(
    weights: dict[str, Any] | None = None,
    later: bool = False,
    packed: bool = True,
    lrn: dict[str, dict[str, float]] | None = None,
    **how: bool,
) -> Any:
    """A whole net's message: convolutions, ReLU and pooling, inner products.

    `lrn` are settings of response normalisations, by the layers whose ReLUs they follow.
    """
    weights = weights or random_weights()
    messages = caffe_messages(packed)
    message = messages["NetParameter"](name="VGG_ILSVRC_16_layers")
    message.input.append("data")
    message.input_dim.extend([10, 3, CROP, CROP])
    names = list(weights)
    for name, following in zip(names, [*names[1:], ""], strict=True):
        weight, bias = weights[name]
        inner = name.startswith("fc")
        layer = add(message, later, name, "InnerProduct" if inner else "Convolution")
        layer.blobs.extend(blob(v, packed=packed, **how) for v in (weight, bias))
        if inner:
            layer.inner_product_param.num_output = len(weight)
        else:
            settings = layer.convolution_param
            settings.num_output, side = len(weight), weight.shape[2]
            settings.pad.append(side // 2)
            settings.kernel_size.append(side)
        if name != names[-1] or not inner:
            add(message, later, name.replace("conv", "relu").replace("fc", "relu"), "ReLU")
        if name in (lrn or {}):
            settings = add(message, later, f"norm{name[4:]}", "LRN").lrn_param
            for key, value in (lrn or {})[name].items():
                setattr(settings, key, value)
        if not inner and name[4] != following[4:5]:
            pooling = add(message, later, f"pool{name[4]}", "Pooling").pooling_param
            pooling.kernel_size = pooling.stride = 2
    add(message, later, "prob", "Softmax")
    return message


def layers_of(message: Any) -> Any:
    return message.layer or message.layers


def add(message: Any, later: bool, name: str, kind: str) -> Any:
    """One more layer in either encoding, which reads the last; ReLUs work in place."""
    before = [top for layer in layers_of(message) for top in layer.top] or ["data"]
    top = before[-1] if kind in ("ReLU", "Dropout", "Sigmoid") else name
    if later:
        return message.layer.add(name=name, type=kind, bottom=before[-1:], top=[top], phase=1)
    layer = message.layers.add(name=name, type=TYPES[kind], bottom=before[-1:], top=[top])
    layer.blobs_lr.extend([1.0, 2.0])
    return layer


def saved(message: Any, name: str = "vgg.caffemodel") -> Path:
    path = Path(name)
    path.write_bytes(message.SerializeToString())
    return path


def network_of(parameters: Parameters) -> Network:
    """Our network with those weights."""
    classes = [str(i) for i in range(len(parameters.tensors["fc8.bias"]))]
    network = build("D", classes, width=0.0625, crop=CROP, fc=16, pixels=parameters.pixels)
    network.load_state_dict({k: torch.tensor(v) for k, v in parameters.tensors.items()})
    return network


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("later", [False, True])
def test_every_way_of_writing_gives_the_same_weights(
    later: bool, old: bool, double: bool, packed: bool
) -> None:
    path = saved(net(later=later, old=old, double=double, packed=packed))
    assert is_caffe(path)
    found = read(path)
    assert same(found.tensors, expected(random_weights()))
    assert (found.family, found.pixels, found.classes) == ("caffe", AUTHORS, None)
    assert found.guessed == ("pixels", "scale")
    assert "sorted synsets" in found.notes[0]


def test_scores_of_a_bgr_picture_are_those_of_plain_functions() -> None:
    network = network_of(read(saved(net(old=True))))
    rgb = np.random.default_rng(1).integers(0, 256, (CROP, CROP, 3), dtype=np.uint8)
    bgr = torch.tensor(rgb[..., ::-1].copy()).permute(2, 0, 1).float()
    bgr -= torch.tensor([103.939, 116.779, 123.68])[:, None, None]
    ours = network(network.pixels.normalise(torch.from_numpy(rgb)[None]))
    assert torch.allclose(ours, scores(random_weights(), bgr[None]), rtol=1e-4, atol=1e-4)


def test_kept_gradients_and_a_blob_in_pieces_change_nothing() -> None:
    """Protocol buffers allow a packed list in several pieces, and Caffe saves `diff` if asked."""
    message = net(later=True)
    content = message.SerializeToString()
    first = message.layer[0].blobs[0]
    whole = first.SerializeToString()
    values = np.asarray(first.data, np.float32)
    first.ClearField("data")
    first.diff.extend(values.tolist())
    pieces = caffe_messages()["BlobProto"]
    halves = b"".join(
        pieces(data=half.tolist()).SerializeToString() for half in np.split(values, [7])
    )
    other = halves + first.SerializeToString()
    longer = len(other) - len(whole)
    assert longer > 0
    message.layer[0].blobs[0].ParseFromString(whole)
    head = message.layer[0].SerializeToString()
    assert head.count(whole) == 1
    layer = replaced_inside(head, whole, other)
    Path("pieces").write_bytes(replaced_inside(content, head, layer))
    assert same(read("pieces").tensors, expected(random_weights()))


def replaced_inside(content: bytes, old: bytes, new: bytes) -> bytes:
    """The content with a message inside replaced, and the length before it."""
    place = content.index(varint(len(old)) + old)
    return content[:place] + varint(len(new)) + new + content[place + len(varint(len(old)) + old) :]


def varint(value: int) -> bytes:
    groups = []
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])


def test_a_last_layer_of_another_name_is_fc8_and_fc6_may_be_a_convolution() -> None:
    """As in nets trained on to other classes, and in those made fully convolutional."""
    weights = random_weights()
    message = net(weights, later=True)
    layers = {layer.name: layer for layer in message.layer}
    layers["fc8"].name = "fc8_cats"
    fc6 = layers["fc6"]
    fc6.type = "Convolution"
    fc6.blobs[0].shape.dim[:] = [16, 32, 2, 2]
    fc6.convolution_param.kernel_size.append(2)
    assert same(read(saved(message)).tensors, expected(weights))


KRIZHEVSKYS = {"local_size": 5, "k": 2.0, "alpha": 1e-4, "beta": 0.75}
"""As Caffe has them: by its lrn_layer.cpp, alpha is divided by local_size."""


@pytest.mark.parametrize("later", [False, True])
def test_response_normalisation_after_conv1_1_is_that_of_a_lrn(later: bool) -> None:
    message = net(weights_of_a(), later=later, lrn={"conv1_1": KRIZHEVSKYS})
    found = to_network(read(saved(message)), "w")
    assert found.network.table.name == "A-LRN"
    assert found.network.table.words[:3] == ("conv3-8", "LRN", "maxpool")
    assert not any("LRN" in note for note in found.notes)
    found = to_network(read(saved(net(weights_of_a(), later=later))), "w")
    assert found.network.table.name == "A"
    assert not any("LRN" in note for note in found.notes)


@pytest.mark.parametrize(
    "lrn",
    [
        {"conv2_1": KRIZHEVSKYS},
        {"conv1_1": KRIZHEVSKYS, "conv2_1": KRIZHEVSKYS},
        {"conv1_1": {"alpha": 1e-4}},  # k is 1 where nothing is said of it
        {"conv1_1": {}},
        *({"conv1_1": KRIZHEVSKYS | other} for other in (
            {"local_size": 3}, {"alpha": 2e-5}, {"beta": 0.5}, {"norm_region": 1},
        )),
    ],
)  # fmt: skip
def test_other_response_normalisation_is_refused(lrn: Any) -> None:
    with pytest.raises(UserError, match="response normalisation other than A-LRN's"):
        read(saved(net(weights_of_a(), lrn=lrn)))


def test_response_normalisation_in_another_net_is_refused() -> None:
    found = read(saved(net(lrn={"conv1_1": KRIZHEVSKYS})))
    with pytest.raises(UserError, match="nearest to it is A-LRN, has conv1_2, .* more"):
        to_network(found, "w")
    message = net()
    norm = message.layers[1]  # instead of the ReLU
    norm.type, norm.lrn_param.k, norm.lrn_param.alpha = TYPES["LRN"], 2, 1e-4
    with pytest.raises(UserError, match="response normalisation other than A-LRN's"):
        read(saved(message))
    with pytest.raises(UserError, match="one has response normalisation"):
        read(saved(net(weights_of_a())), deploy(weights=weights_of_a(), lrn=KRIZHEVSKYS))


def change(layer: Any, part: str, **settings: Any) -> None:
    for setting, value in settings.items():
        if isinstance(value, list):
            getattr(getattr(layer, part), setting)[:] = value
        else:
            setattr(getattr(layer, part), setting, value)


CHANGES: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "pad": ("conv1_1", lambda x: change(x, "convolution_param", pad=[2]), "has pad 2, .* 1"),
    "pad of a side": ("conv1_1", lambda x: change(x, "convolution_param", pad_h=0), "has pad 0"),
    "holes": ("conv1_1", lambda x: change(x, "convolution_param", dilation=[4]), "has dilation 4"),
    "stride": ("conv1_1", lambda x: change(x, "convolution_param", stride=[2]), "has stride 2"),
    "one stride": ("conv1_1", lambda x: change(x, "convolution_param", stride_w=2), "has stride 2"),
    "groups": ("conv1_2", lambda x: change(x, "convolution_param", group=2), "has groups 2"),
    "pool's stride": ("pool1", lambda x: change(x, "pooling_param", stride=1), "has stride 1"),
    "pool's window": ("pool1", lambda x: change(x, "pooling_param", kernel_size=3), "has kernel 3"),
    "pool's pad": ("pool1", lambda x: change(x, "pooling_param", pad=1), "has pad 1, .* 0"),
    "average": ("pool1", lambda x: change(x, "pooling_param", pool=1), "'average pooling', where"),
    "stochastic": ("pool1", lambda x: change(x, "pooling_param", pool=2), "'stochastic pooling'"),
    "whole": ("pool5", lambda x: change(x, "pooling_param", global_pooling=True), "'global pool"),
    "leaky": ("relu1_1", lambda x: change(x, "relu_param", negative_slope=0.1), "a slope of 0.1'"),
    "sigmoid": ("relu1_1", lambda x: retyped(x, "Sigmoid"), "'sigmoid', where a net .* a ReLU;"),
    "sigmoid of fc6": ("relu6", lambda x: retyped(x, "Sigmoid"), "'sigmoid', where"),
    "sigmoid last": ("prob", lambda x: retyped(x, "Sigmoid"), "'sigmoid', where a net"),
    "axes": ("fc7", lambda x: change(x, "inner_product_param", transpose=True), "of other axes"),
    "pool for relu": ("relu2_1", lambda x: retyped(x, "Pooling"), "max pooling, where"),
    "no relu": ("relu2_1", lambda x: retyped(x, "Dropout"), "'conv2_2' is a convolution, where"),
    "wires": ("conv2_2", lambda x: x.bottom.__setitem__(0, "pool1"), "branches"),
    "no wire": ("conv2_2", lambda x: x.bottom.pop(), "'conv2_2' reads 0 values, where each"),
    "eltwise": ("conv2_2", lambda x: x.bottom.append("pool1"), "'conv2_2' reads 2 values, where"),
}  # fmt: skip
"""What a layer is made to say, and what must be said of it; DeepLab's fc6 has holes, for one."""


def retyped(layer: Any, kind: str) -> None:
    layer.type = kind if isinstance(layer.type, str) else TYPES[kind]


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("name", list(CHANGES))
def test_a_layer_that_no_net_of_table_1_has_is_refused_by_name(name: str, later: bool) -> None:
    message = net(later=later)
    layer, make, reason = CHANGES[name]
    (found,) = (each for each in layers_of(message) if each.name == layer)
    make(found)
    reason = reason if "'conv2_2'" in reason or reason == "branches" else f"'{layer}' .*{reason}"
    with pytest.raises(UserError, match=f"^vgg.caffemodel cannot be read as .*{reason}"):
        read(saved(message))


@pytest.mark.parametrize("later", [False, True])
def test_layers_that_feed_and_judge_a_net_are_passed_over(later: bool) -> None:
    """A net as it is trained: data and labels from one layer, loss and accuracy on a split."""
    whole = net(later=later)
    message = caffe_messages(True)["NetParameter"](name="VGG")
    for kind in ("Data", "Data"):  # of the two phases
        add(message, later, "data", kind).top.append("label")
    for layer in list(layers_of(whole))[:-1]:
        layers_of(message).append(layer)
        if layer.name == "relu7":
            add(message, later, "drop7", "Dropout")
    add(message, later, "fc8_split", "Split").top.append("fc8_split_1")
    for i, kind in enumerate(("SoftmaxWithLoss", "Accuracy")):
        judge = add(message, later, kind, kind)
        judge.bottom[:] = [("fc8_split", "fc8_split_1")[i], "label"]
    assert same(read(saved(message)).tensors, expected(random_weights()))


def test_a_layer_without_a_bias_has_one_of_zeros() -> None:
    message = net()
    del message.layers[0].blobs[1]
    found = read(saved(message))
    assert not found.tensors["conv1_1.bias"].any()


# --- prototxt


PROTOTXT = """name: "VGG" # the authors' text
input: "data" input_dim: 10 input_dim: 3 input_dim: 64 input_dim: 64
"""


def deploy(
    mean: str = "",
    words: str = PROTOTXT,
    kind: str = "INNER_PRODUCT",
    weights: Any = None,
    lrn: dict[str, float] | None = None,
) -> Path:
    """The text of the net in the form of the authors' own."""
    lines, last, blocks = [words, mean], "data", list(weights or random_weights())
    for (name, (weight, _)), after in zip(
        (weights or random_weights()).items(), [*blocks[1:], ""], strict=True
    ):
        start = f'layers {{\n  bottom: "{last}"; top: "{name}"; name: "{name}"\n'
        if name.startswith("fc"):
            lines.append(
                f"{start}  type: {kind} inner_product_param {{ num_output: {len(weight)} }} }}\n"
            )
        else:
            body = f"  type: CONVOLUTION convolution_param {{ num_output: {len(weight)} pad: 1\n"
            body += "    kernel_size: 3 weight_filler < type: 'gaussian', std: 0.01 > }\n"
            lines.append(f"{start}{body}}}\n")
        last = name
        in_place = f'bottom: "{name}" top: "{name}"'
        if after:
            lines.append(f'layers {{ {in_place} name: "relu{name[-3:]}" type: RELU }}\n')
        if lrn and name == "conv1_1":
            said = " ".join(f"{key}: {value}" for key, value in lrn.items())
            lines.append(f'layers {{ {in_place} name: "n" type: LRN lrn_param {{ {said} }} }}\n')
        if name[:4] == "conv" and name[4] != after[4:5]:
            wires = f'bottom: "{name}" top: "pool{name[4]}" name: "pool{name[4]}"'
            last = f"pool{name[4]}"
            window = "pool: MAX kernel_size: 2 stride: 2"
            lines.append(f"layers {{ {wires} type: POOLING pooling_param {{ {window} }} }}\n")
    Path("net.prototxt").write_text("".join(lines))
    return Path("net.prototxt")


def test_a_prototxt_says_mean_gain_and_crop() -> None:
    data = "layer { name: 'data' type: \"Data\" top: 'data' transform_param { "
    data += "mean_value: [104, 117, 123] scale: 0.25 crop_size: 64 } }"
    found = read(saved(net()), deploy(data, words=""))
    assert found.pixels == Pixels((256, 256), (104.0, 117.0, 123.0), (4.0, 4.0, 4.0), order="BGR")
    assert "pictures are 64 x 64, as the prototxt says" in found.notes
    assert found.guessed == ("scale",)
    one = deploy("layer { type: 'Data' transform_param { mean_value: 110 } }")
    assert read(saved(net()), one).pixels.mean == (110.0, 110.0, 110.0)
    plain = read(saved(net()), deploy())
    assert plain.pixels == AUTHORS
    assert plain.guessed == ("pixels", "scale")
    assert "the prototxt names no mean_value; the mean is the authors'" in plain.notes
    assert "pictures are 64 x 64, as the prototxt says" in plain.notes


def test_a_scale_without_a_mean_is_not_lost() -> None:
    """Caffe multiplies by `scale` what is left after the mean, which is 0 where none is named."""
    words = "layer { type: 'Data' transform_param { scale: 0.00390625 %s } }"  # 1 / 256
    found = read(saved(net()), deploy(words % ""))
    assert found.pixels == Pixels((256, 256), (0.0, 0.0, 0.0), (256.0,) * 3, order="BGR")
    assert "a scale and no mean_value; nothing is subtracted" in found.notes[-1]
    found = read(saved(net()), deploy(words % "mean_file: 'mean.binaryproto'"))
    assert found.pixels == Pixels((256, 256), AUTHORS.mean, (256.0,) * 3, order="BGR")
    assert found.notes[-1] == "the prototxt's mean_file is another file; the mean is the authors'"
    for bad in ("0", "-1", "1e-9"):
        with pytest.raises(UserError, match=f"its scale of {bad.replace('e-9', 'e-09')} is none"):
            read(saved(net()), deploy((words % "").replace("0.00390625", bad)))


def test_a_prototxt_of_another_net_is_refused() -> None:
    path = saved(net())
    texts = {
        "has no layer 'conv1_1'": PROTOTXT + "layer { name: 'x' }",
        "leave 7 positions a side, not the 2 of fc6": deploy().read_text().replace("64", "224"),
        "'fc6' is 'pooling', not innerproduct": deploy(kind="POOLING").read_text(),
        "'conv1_1' has 9 outputs, not 8": deploy().read_text().replace("t: 8 ", "t: 9 ", 1),
        "'conv1_1' has pad 0": deploy().read_text().replace("pad: 1", "pad: 0", 1),
        "'pool1' is 'average pooling'": deploy().read_text().replace("MAX", "AVE", 1),
        "'relu1_1' is 'tanh', where": deploy().read_text().replace("RELU", "TANH", 1),
        "'relu1_1' is 'ReLU with a sl": deploy().read_text().replace("RELU", LEAKY, 1),
        "'conv1_2' is a convolution, where": deploy().read_text().replace("RELU", "DROPOUT", 1),
        "no squares of 3 channels": deploy().read_text().replace("dim: 3", "dim: 1"),
        "not the same one or three": deploy(
            "layer{type: 'Data' transform_param{mean_value:[1,2]}}"
        ).read_text(),
        "it has no layers": "name: 'x'",
        "ends within braces": "layer {",
        "a brace closes": "}",
        "nests deeper": "a{" * 100_000,
        "has no value": "layer",
        "line 2 has '\\?'": "name: 'x'\n ? ",
        "a list that does not end": "a: [1, 2",
        "stands where a number should be": "layer { } input_dim: [1, 3, 1e99, 4]",
    }
    for message, text in texts.items():
        Path("other.prototxt").write_text(text)
        with pytest.raises(UserError, match=rf"^other.prototxt cannot be read as .*{message}"):
            read(path, "other.prototxt")


DATA = "layer { type: 'Data' transform_param { %s } }"
LEAKY = "RELU relu_param { negative_slope: 0.1 }"


# --- our networks as Caffe's


BGR = Pixels((40, 60), (1.5, 2.0, 3.0), (4.0, 5.0, 6.0), order="BGR", resize="bicubic")


@pytest.mark.parametrize("name", ["A-LRN", "B-shallow", "C", "D", "E"])
@pytest.mark.parametrize("pixels", [BGR, Pixels((32, 32), (0.5, 0.5, 0.5), maximum=1)])
def test_what_is_exported_comes_back_to_the_bit(name: str, pixels: Pixels) -> None:
    network = build(name, ["cat", "dög"], width=0.0625, crop=96, fc=16, pixels=pixels)
    write(network, "out.caffemodel")
    write_prototxt(network, "out.prototxt")
    assert is_caffe("out.caffemodel")
    found = read("out.caffemodel", "out.prototxt")
    wanted = {k: v.detach().numpy() for k, v in network.named_parameters()}
    assert same(found.tensors, wanted)
    assert (found.pixels, found.classes, found.guessed) == (pixels, ("cat", "dög"), ())
    assert found.table == network.table
    assert found.notes == ("pictures are 96 x 96, as the prototxt says",)


def test_caffe_reads_what_is_exported() -> None:
    network = build("D", 5, width=0.0625, crop=CROP, fc=16)
    write(network, "out.caffemodel")
    message = caffe_messages()["NetParameter"]()
    message.ParseFromString(Path("out.caffemodel").read_bytes())
    layers = {layer.name: layer for layer in message.layer}
    assert [layer.name for layer in message.layer] == [row.name for row in network.table.rows]
    assert list(message.input_shape[0].dim) == [1, 3, CROP, CROP]
    assert layers["fc6"].type == "InnerProduct"
    assert list(layers["relu6"].bottom) == ["fc6"]
    assert list(layers["fc6"].blobs[0].shape.dim) == [16, 128]
    filters = network.get_submodule("fc6").get_parameter("weight").detach().numpy()
    assert np.array_equal(np.array(layers["fc6"].blobs[0].data, np.float32), filters.ravel())
    assert list(layers["conv1_1"].blobs[1].shape.dim) == [8]


def test_the_text_says_which_pixels_the_weights_want() -> None:
    write_prototxt(build("A-LRN", 5, width=0.0625, crop=50, fc=8, pixels=BGR), "out.prototxt")
    text = Path("out.prototxt").read_text()
    assert "channels BGR, values 0-255, minus 1.5 2 3, divided by 4 5 6;" in text
    assert "smaller side 50 pixels (bicubic), crops of 50 x 50" in text
    assert "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 k: 2.0 }" in text
    assert "round_mode: FLOOR" in text  # Caffe rounds up the 25 / 2 positions, we round down


def test_a_net_over_2_gb_is_not_exported() -> None:
    network = Network.empty(vgg.table("D", width=4), [str(i) for i in range(1000)], BGR)
    with pytest.raises(UserError, match="cannot write out: .* more than the 2 GB that Caffe reads"):
        write(network, "out")


# --- files that are not what they seem


def tiny() -> dict[str, Any]:
    """A net so small that thousands of damaged files are read in seconds."""
    draw = np.random.default_rng(2)
    shapes = {"conv1_1": (2, 3, 3, 3), "conv2_1": (2, 2, 1, 1), "fc3": (2, 8), "fc4": (3, 2)}
    return {
        name: (draw.normal(size=shape).astype("f4"), draw.normal(size=shape[0]).astype("f4"))
        for name, shape in shapes.items()
    }


def attempt(path: Path, content: bytes, prototxt: Path | None = None) -> bool:
    """Whether a file is read; where not, by a UserError of one line that names it."""
    path.write_bytes(content)
    is_caffe(path)
    try:
        found = read(path, prototxt)
    except UserError as error:
        message = str(error)
        assert str(path) in message or str(prototxt) in message
        assert "\n" not in message
        assert len(message) < 400
        return False
    assert all(np.isfinite(tensor).all() for tensor in found.tensors.values())
    return True


@pytest.mark.parametrize(
    ("later", "packed", "old", "double"),
    [
        (False, True, True, False),
        pytest.param(True, True, False, False, marks=pytest.mark.slow),
        pytest.param(True, False, False, True, marks=pytest.mark.slow),
    ],
)
def test_damaged_files_are_refused_in_one_line(
    later: bool, packed: bool, old: bool, double: bool
) -> None:
    message = net(tiny(), later=later, packed=packed, old=old, double=double)
    content = message.SerializeToString()
    read_anyway = [attempt(Path("x"), bad) for bad in damaged(content, 1000, seed=later + packed)]
    assert 0 < sum(read_anyway) < 500  # a flipped bit of a weight cannot be seen


def test_damaged_texts_are_refused_in_one_line() -> None:
    content = net(tiny()).SerializeToString()
    text = deploy(weights=tiny()).read_text().encode()
    for bad in damaged(text, 400, seed=5):
        Path("bad.prototxt").write_bytes(bad)
        attempt(Path("x"), content, Path("bad.prototxt"))


@pytest.mark.parametrize("packed", [True, False])
def test_damaged_files_take_no_more_memory_than_a_few_times_their_size(packed: bool) -> None:
    weights = tiny() | {"fc3": (np.ones((9000, 8), "f4"), np.ones(9000, "f4"))}
    content = net(weights, later=True, packed=packed).SerializeToString()
    tracemalloc.start()
    try:
        for bad in damaged(content[:700], 100, seed=6):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            attempt(Path("x"), bad + content[700:])
            assert tracemalloc.get_traced_memory()[1] - before < 4 * len(content)
    finally:
        tracemalloc.stop()


def wrapped(content: bytes, number: int = 100) -> bytes:
    """A message as a field of another."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def nested(depth: int) -> bytes:
    content = b""
    for _ in range(depth):
        content = wrapped(content)
    return content


CONV = wrapped(b"conv1_1", 1) + wrapped(b"Convolution", 2) + wrapped(b"data", 3) + wrapped(b"c", 4)
RELU = wrapped(wrapped(b"r", 1) + wrapped(b"ReLU", 2) + wrapped(b"c", 3) + wrapped(b"c", 4))


def conv(shape: list[int], values: bytes) -> bytes:
    """A file of one convolution whose shape need not be that of its values."""
    dims = wrapped(wrapped(b"".join(varint(side) for side in shape), 1), 7)
    bias = wrapped(wrapped(wrapped(varint(1), 1), 7) + wrapped(bytes(4), 5), 7)
    return wrapped(CONV + wrapped(dims + wrapped(values, 5), 7) + bias) + RELU


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it has no layers"),
        (varint(100 << 3 | 2) + varint(2**63), "has 9,223,372,036,854,775,808 bytes where 0 are"),
        (varint(100 << 3 | 2) + b"\xff" * 9 + b"\x01", "18,446,744,073,709,551,615 bytes"),
        (varint(100 << 3 | 2) + b"\xff" * 9 + b"\x02", "an integer of over 64 bits"),
        (b"\xff" * 11, "an integer that does not end"),
        (b"\x00\x00", "there is no field 0"),
        (varint(9 << 3 | 3) + varint(9 << 3 | 4), "field 9 is of kind 3, which such files"),
        (nested(5000), "layer '' reads 0 values"),
        (b"\x28\x01" * 60_000, "over 50,000 fields"),
        (wrapped(b"") * 2000, "over 1000 layers"),
        (wrapped(wrapped(b"x", 4) + wrapped(wrapped(b"y", 1), 1), 2), "upgrade_net_proto_binary"),
        (wrapped(wrapped(b"c" * 99 + b"\n", 1) + wrapped(b"", 7)), "has the shape \\[\\] and 0"),
        (wrapped(CONV + wrapped(b"", 7) * 9), "has the shape \\[\\] and 0 values"),
        (conv([1, 3, 1, 1], bytes(8)), r"has the shape \[1, 3, 1, 1\] and 2 values"),
        (conv([2**32, 2**32, 1, 1], bytes(0)), "has the shape .* and 0 values"),
        (conv([2**62, 4, 1, 1], bytes(16)), "has the shape .* and 4 values"),
        (conv([2**64 - 1, 2**64 - 3, 1, 1], bytes(12)), r"has the shape \[-1, -3, 1, 1\]"),
        (conv([1] * 70, bytes(4)), "a list of over 64 integers"),
        (conv([1, 3, 1, 1], bytes(11)), "11 bytes in field 5 are no whole number of 4-byte"),
        (conv([1, 3, 1, 1], bytes(8) + b"\0\0\xc0\x7f"), "conv1_1.weight holds values that are no"),
        (conv([1, 3, 1, 1], bytes(8) + b"\0\0\x80\xff"), "conv1_1.weight holds values that are no"),
        (conv([1, 4, 1, 1], bytes(16)), "1 x 4 x 1 x 1, where square filters over 3 channels"),
        (conv([1, 3, 2, 2], bytes(48)), "conv1_1 has filters of the side 2"),
        (conv([2, 3, 1, 1], bytes(24)), r"conv1_1.bias has the shape \[1\], not \[2\]"),
        (conv([1, 3], bytes(12)), "weights of 1 x 3, where square filters"),
    ],
    ids=range(25),
)
def test_hostile_content_is_refused(content: bytes, message: str) -> None:
    Path("x").write_bytes(content)
    with pytest.raises(UserError, match=f"^x cannot be read as a caffemodel: .*{message}"):
        read("x")
    assert attempt(Path("x"), content) is False


def test_doubles_too_large_for_a_float_are_refused() -> None:
    weights = random_weights()
    message = net(weights, later=True, double=True)
    message.layer[0].blobs[0].double_data[0] = 1e300
    with pytest.raises(UserError, match="conv1_1.weight holds values that are no numbers"):
        read(saved(message))


def test_layers_are_named_by_their_place() -> None:
    """Names of a user's own, of a net made convolutional, of a net trained on to other classes."""
    message = net(random_weights(), later=True)
    for layer, name in zip(message.layer, range(100), strict=False):
        layer.name = {"fc6": "fc6-conv", "fc8": "fc8_cats"}.get(layer.name, f"my {name}")
    assert same(read(saved(message)).tensors, expected(random_weights()))


def test_other_nets_are_named() -> None:
    other = net(tiny(), later=True)
    other.layer[0].type = "BatchNorm"
    with pytest.raises(UserError, match="'conv1_1' is 'batchnorm', where a net of .* a convolut"):
        read(saved(other))
    other = net(tiny(), later=True)
    del other.layer[0].blobs[:]
    with pytest.raises(UserError, match="layer 'conv1_1' of type 'convolution' has 0 blobs"):
        read(saved(other))
    wide = tiny() | {"fc3": (np.ones((2, 12), "f4"), np.ones(2, "f4"))}
    with pytest.raises(UserError, match="fc3 has 12 columns, which are no square"):
        read(saved(net(wide)))


def test_what_it_says_of_itself_is_looked_at() -> None:
    write(build("A", 3, width=0.0625, crop=32, fc=8), "x")
    content = Path("x").read_bytes()
    for old, new in (
        (b'"RGB"', b'"GBR"'),
        (b'"bilinear"', b'"bilineal"'),
        (b'"mean": [1', b'"mean": {1'),
        (b"255", b"2e9"),
    ):
        assert content.count(old) == 1
        Path("x").write_bytes(content.replace(old, new))
        with pytest.raises(UserError, match="says of its pixels and classes .* is out of form"):
            read("x")


def test_files_that_are_not_there_or_not_files_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path, Path("/dev/zero")):
        assert not is_caffe(path)
        with pytest.raises(UserError, match=f"no file {path}; give the file of weights itself"):
            read(path)


def test_other_content_is_not_taken_for_caffes() -> None:
    others = [b"", b"PK\x03\x04" + bytes(60), b"\x89HDF\r\n\x1a\n", b"\x80\x02}q", b"MATLAB 5.0"]
    others += [b"\x0a\x03abc", b"\x08\x07\x3a\x05\x0a\x03abc", b"\x12\x05hello", bytes(99)]
    for content in others:
        Path("x").write_bytes(content)
        assert not is_caffe(Path("x")), content
    content = net().SerializeToString()
    Path("x").write_bytes(content[: len(content) // 2])
    assert is_caffe("x")  # cut short, which reading it says
    Path("x").write_bytes(content[:70])
    assert is_caffe("x")


def test_floats_are_views_of_the_file_and_writing_to_them_leaves_it_alone() -> None:
    path = saved(net())
    content = path.read_bytes()
    weight = read(path).tensors["fc6.weight"]
    assert not weight.flags.owndata
    weight[:] = 7
    assert path.read_bytes() == content
    assert protobuf.MOST_FIELDS == 50_000


PEAK = """
import re, sys
from pathlib import Path
from verydeep.importers.caffe import read
def peak():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) << 10
before = peak()
tensors = read(sys.argv[1]).tensors
print(before, peak(), sum(t.size for t in tensors.values()))
"""


@pytest.mark.slow
def test_a_full_size_net_takes_no_more_memory_than_its_file_and_a_half() -> None:
    write(build("D"), "D.caffemodel")
    size = Path("D.caffemodel").stat().st_size
    assert size > 553_000_000
    command = [sys.executable, "-c", PEAK, "D.caffemodel"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    before, peak, values = map(int, done.stdout.split())
    print(f"{size:,} bytes: {before:,} before, {peak:,} at the peak")
    assert values == 138_357_544
    assert peak < 2.5 * size
    assert peak - before < 1.5 * size
