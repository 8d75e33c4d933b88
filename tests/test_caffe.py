"""Caffe's files, against what google.protobuf writes of Caffe's messages (`foreign_files.py`).

Weights are compared bit for bit, scores with PyTorch's plain functions on a BGR picture. Damage is
drawn from a seed.
"""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
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
from verydeep.nets import vgg
from verydeep.nets.network import Network, build
from verydeep.preprocessing import Pixels
from verydeep.weights.foreign import wire
from verydeep.weights.foreign.caffe import is_caffe, read, write, write_prototxt
from verydeep.weights.foreign.importing import imported
from verydeep.weights.foreign.parameters import AUTHORS, Parameters

POOLS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3")
CONVOLUTION, INNER_PRODUCT, POOLING, RELU, LRN = 4, 14, 17, 18, 15


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
    messages = caffe_messages(packed)
    message = messages["NetParameter"](name="VGG_ILSVRC_16_layers")
    message.input.append("data")
    message.input_dim.extend([10, 3, CROP, CROP])
    for name, (weight, bias) in (weights or random_weights()).items():
        inner = name.startswith("fc")
        layer = add(message, later, name, "InnerProduct" if inner else "Convolution")
        layer.blobs.extend(blob(v, packed=packed, **how) for v in (weight, bias))
        if not inner:
            settings = layer.convolution_param
            settings.num_output, side = len(weight), weight.shape[2]
            settings.pad.append(side // 2)
            settings.kernel_size.append(side)
        add(message, later, name.replace("conv", "relu").replace("fc", "relu"), "ReLU")
        if name in (lrn or {}):
            settings = add(message, later, f"norm{name[4:]}", "LRN").lrn_param
            for key, value in (lrn or {})[name].items():
                setattr(settings, key, value)
        if name in POOLS:
            pooling = add(message, later, f"pool{name[4]}", "Pooling").pooling_param
            pooling.kernel_size = pooling.stride = 2
    return message


def add(message: Any, later: bool, name: str, kind: str) -> Any:
    """One more layer in either encoding."""
    numbers = {"Convolution": 4, "InnerProduct": 14, "Pooling": 17, "ReLU": 18, "LRN": 15}
    if later:
        return message.layer.add(name=name, type=kind, bottom=["x"], top=[name], phase=1)
    layer = message.layers.add(name=name, type=numbers[kind], bottom=["x"], top=[name])
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
    found = imported(read(saved(message)), "w")
    assert found.network.table.name == "A-LRN"
    assert found.network.table.words[:3] == ("conv3-8", "LRN", "maxpool")
    assert not any("LRN" in note for note in found.notes)
    found = imported(read(saved(net(weights_of_a(), later=later))), "w")
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
        imported(found, "w")
    message = net()
    first = message.layers[0]
    norm = add(message, False, "norm1", "LRN")
    norm.lrn_param.k, norm.lrn_param.alpha = 2, 1e-4
    layers = [first, norm, *list(message.layers)[1:-1]]  # before the ReLU
    del message.layers[:]
    message.layers.extend(layers)
    with pytest.raises(UserError, match="response normalisation other than A-LRN's"):
        read(saved(message))
    with pytest.raises(UserError, match="one has response normalisation"):
        read(saved(net()), deploy("layer { name: 'norm1' type: 'LRN' }"))


@pytest.mark.parametrize("later", [False, True])
def test_windows_that_table_1_has_not_are_refused(later: bool) -> None:
    """DeepLab's fc6 has the paper's names, holes and other borders."""
    for setting, value in (("pad", 2), ("dilation", 4), ("stride", 2)):
        message = net(later=later)
        layer = (message.layer if later else message.layers)[0]
        getattr(layer.convolution_param, setting)[:] = [value]
        with pytest.raises(UserError, match=f"layer 'conv1_1' has {setting} {value}, where"):
            read(saved(message))
    message = net(later=later)
    layer = (message.layer if later else message.layers)[4]
    layer.pooling_param.stride = 1
    with pytest.raises(UserError, match="layer 'pool1' has stride 1, where a net of Table 1 has 2"):
        read(saved(message))


# --- prototxt


PROTOTXT = """name: "VGG" # the authors' text
input: "data" input_dim: 10 input_dim: 3 input_dim: 64 input_dim: 64
"""


def deploy(mean: str = "", words: str = PROTOTXT, kind: str = "INNER_PRODUCT") -> Path:
    """The text of the net in the form of the authors' own."""
    lines = [words]
    for name, (weight, _) in random_weights().items():
        top = f'  bottom: "x"; top: "{name}"; name: "{name}"\n'
        if name.startswith("fc"):
            body = f"  type: {kind} inner_product_param {{ num_output: {len(weight)} }}\n"
        else:
            body = f"  type: CONVOLUTION convolution_param {{ num_output: {len(weight)} pad: 1\n"
            body += "    kernel_size: 3 weight_filler < type: 'gaussian', std: 0.01 > }\n"
        lines.append(f"layers {{\n{top}{body}}}\n")
    Path("net.prototxt").write_text("".join(lines) + mean)
    return Path("net.prototxt")


def test_a_prototxt_says_mean_gain_and_crop() -> None:
    data = "layer { name: 'data' type: \"Data\" transform_param { mean_value: [104, 117, 123] "
    data += "scale: 0.25 crop_size: 64 } }"
    found = read(saved(net()), deploy(data, words=""))
    assert found.pixels == Pixels((256, 256), (104.0, 117.0, 123.0), (4.0, 4.0, 4.0), order="BGR")
    assert "pictures are 64 x 64, as the prototxt says" in found.notes
    assert found.guessed == ("scale",)
    one = deploy("layer { transform_param { mean_value: 110 } }")
    assert read(saved(net()), one).pixels.mean == (110.0, 110.0, 110.0)
    plain = read(saved(net()), deploy())
    assert plain.pixels == AUTHORS
    assert plain.guessed == ("pixels", "scale")
    assert "the prototxt names no mean_value; the mean is the authors'" in plain.notes
    assert "pictures are 64 x 64, as the prototxt says" in plain.notes


def test_a_scale_without_a_mean_is_not_lost() -> None:
    """Caffe multiplies by `scale` what is left after the mean, which is 0 where none is named."""
    words = "layer { transform_param { scale: 0.00390625 %s } }"  # 1 / 256
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
        "no squares of 3 channels": deploy().read_text().replace("dim: 3", "dim: 1"),
        "not the same one or three": deploy("layer{transform_param{mean_value:[1,2]}}").read_text(),
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
    lines = deploy().read_text().split("layers {")
    text = "layers {".join([PROTOTXT, lines[1], lines[-1]]).encode()
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


CONV = wrapped(b"conv1_1", 1) + wrapped(b"Convolution", 2)


def conv(shape: list[int], values: bytes) -> bytes:
    """A file of one convolution whose shape need not be that of its values."""
    dims = wrapped(wrapped(b"".join(varint(side) for side in shape), 1), 7)
    bias = wrapped(wrapped(wrapped(varint(1), 1), 7) + wrapped(bytes(4), 5), 7)
    return wrapped(CONV + wrapped(dims + wrapped(values, 5), 7) + bias)


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
        (nested(5000), "it has no layers with weights"),
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


def test_other_nets_are_named() -> None:
    for name, message in {
        "conv1": "layer 'conv1' has weights, and only nets of Table 1 are read",
        "conv2_1": "layer conv2_1 comes out of the order",
        "conv1_2": "layer conv1_2 comes out of the order",
    }.items():
        other = net(tiny(), later=True)
        other.layer[0].name = name
        with pytest.raises(UserError, match=message):
            read(saved(other))
    other = net(tiny(), later=True)
    other.layer[0].type = "BatchNorm"
    with pytest.raises(UserError, match="layer 'conv1_1' of type 'batchnorm' has 2 blobs"):
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
    assert wire.MOST_FIELDS == 50_000


PEAK = """
import re, sys
from pathlib import Path
from verydeep.weights.foreign.caffe import read
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
