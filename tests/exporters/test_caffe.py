"""Our networks as Caffe's files, beside those of Table 1 (`tests/importers/test_caffe.py`).

Both files are read by google.protobuf, and what their layers do is worked out by Caffe's arithmetic
(`tests/caffe_nets.py`); nothing of verydeep has a part in that. Weights and norms are drawn.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from google.protobuf import text_format

from tests import caffe_nets
from tests.conftest import images
from tests.foreign_files import caffe_messages, damaged
from tests.foreign_nets import refusal
from tests.nets.others import ODD, drawn
from verydeep.errors import UserError
from verydeep.exporters.caffe import write, write_prototxt
from verydeep.importers import caffe
from verydeep.importers.to_network import to_network
from verydeep.nets import named, vgg
from verydeep.nets.network import Network
from verydeep.nets.rewording import with_norms

WITHOUT_L2 = tuple(word for word in ODD if word != "L2")
POOLS = (
    "conv3-8", "maxpool3 /2 pad 1", "(", "avepool3 pad 1", "|", "maxpool3 pad 1", ")",
    "avepool3 /2 pad 1 ceil", "maxpool2 /2 ceil", "avepool2 /2", "conv3-8 dilation 2 groups 2",
    "maxpool2 /3 ceil", "mean", "FC-6", "sigmoid",
)  # fmt: skip
"""Of odd and even maps: 41, 21, 21, 11, 6, 3, 3, 1."""
NAMES = (
    "AlexNet", "CaffeNet", "GoogLeNet", "GoogLeNet-torchvision", "ResNet-18", "ResNet-18-v1.5",
    "ResNet-20", "SqueezeNet-1.0", "NiN", "NiN-CIFAR", "LeNet-Caffe", "GoogLeNet-aux",
)  # fmt: skip


def net(name: str) -> Network:
    """An eighth of a net by name, or one of rows that those have not."""
    if name == "D-BN":
        return drawn(with_norms(vgg.table("D", 5, 0.125, 64, 16).words), 64, name)
    if name in ("odd", "pools"):
        return drawn(WITHOUT_L2 if name == "odd" else POOLS, {"odd": 64, "pools": 41}[name])
    table = named.table(name, 5, 0.125)
    return drawn(table.words, table.crop, name)


def written(network: Network) -> tuple[Any, Any]:
    """Both files of a network, as google.protobuf reads them: weights and text."""
    write(network, "x.caffemodel")
    write_prototxt(network, "x.prototxt")
    message, text = (caffe_messages()["NetParameter"]() for _ in range(2))
    message.ParseFromString(Path("x.caffemodel").read_bytes())
    text_format.Parse(Path("x.prototxt").read_text(), text)
    return message, text


def assert_close(found: torch.Tensor, expected: torch.Tensor) -> None:
    assert expected.std() > 0.01
    atol = 1e-5 * expected.abs().max().item()
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("name", [*NAMES, "D-BN", "odd", "pools"])
@torch.inference_mode()
def test_caffes_arithmetic_on_both_files_gives_the_scores(name: str) -> None:
    network = net(name)
    message, text = written(network)
    for layer, told in zip(message.layer, text.layer, strict=True):
        told.blobs.extend(layer.blobs)
    assert list(message.layer) == list(text.layer)
    side = network.table.crop
    assert [*message.input, *message.input_shape[0].dim] == ["data", 1, 3, side, side]
    assert [*text.input, *text.input_shape[0].dim] == ["data", 1, 3, side, side]
    crop = images(2, side, side) / 50
    assert_close(caffe_nets.scores(text, crop, network.table.scores), network(crop))


@pytest.mark.parametrize("name", [*NAMES, "D-BN", "odd", "pools"])
@torch.inference_mode()
def test_what_is_written_comes_back_to_the_bit(name: str) -> None:
    network = net(name)
    written(network)
    found = to_network(caffe.read("x.caffemodel", "x.prototxt"), "x.caffemodel")
    back, side = found.network, network.table.crop
    assert (back.table, back.pixels) == (network.table, network.pixels)
    assert (back.classes, found.guessed) == (network.classes, ())
    assert found.notes == (f"pictures are {side} x {side}, as the prototxt says",)
    for key, tensor in network.state_dict().items():
        assert torch.equal(back.state_dict()[key], tensor), key
    crop = images(1, side, side) / 50
    assert_close(back(crop), network(crop))


@pytest.mark.parametrize(
    "name", ["AlexNet", "CaffeNet", "GoogLeNet", "GoogLeNet-torchvision", "ResNet-18",
             "ResNet-18-v1.5", "SqueezeNet-1.0", "NiN"],
)  # fmt: skip
@torch.inference_mode()
def test_the_net_is_known_by_its_layers_alone(name: str) -> None:
    """As Caffe saves it again: without what the file says of itself."""
    network = net(name)
    message, _ = written(network)
    message.DiscardUnknownFields()
    Path("bare.caffemodel").write_bytes(message.SerializeToString())
    back = to_network(caffe.read("bare.caffemodel", "x.prototxt"), "bare").network
    assert (back.table.name, back.table.crop) == (name, network.table.crop)
    crop = images(1, back.table.crop, back.table.crop) / 50
    assert_close(back(crop), network(crop))


def test_a_pool_says_that_it_rounds_down_where_caffe_would_make_another_map() -> None:
    """By hand: of a side of 112, 3 x 3 /2 with a border of 1 rounds to 56 or 57 windows.

    Caffe keeps a 57th, which begins at 111; of 41, both are 21.
    """
    _, text = written(net("ResNet-18-v1.5"))
    (pool,) = (layer for layer in text.layer if layer.name == "pool1")
    assert str(pool.pooling_param).split("\n")[:-1] == [
        "pool: MAX", "kernel_size: 3", "stride: 2", "pad: 1", "round_mode: FLOOR",
    ]  # fmt: skip
    _, text = written(net("pools"))
    assert "round_mode" not in str(text.layer[2])
    assert all("round_mode" not in str(layer) for layer in written(net("GoogLeNet"))[1].layer)


def test_a_norm_is_two_layers_that_nothing_is_learnt_in() -> None:
    message, _ = written(net("GoogLeNet-torchvision"))
    layers = {layer.name: layer for layer in message.layer}
    norm, scale = layers["bn1_1"], layers["bn1_1_scale"]
    assert (norm.type, scale.type) == ("BatchNorm", "Scale")
    assert norm.batch_norm_param.use_global_stats
    assert norm.batch_norm_param.eps == pytest.approx(1e-3)
    assert [list(blob.shape.dim) for blob in norm.blobs] == [[8], [8], [1]]
    assert list(norm.blobs[2].data) == [1.0]
    assert scale.scale_param.bias_term
    assert [*scale.bottom, *scale.top] == ["bn1_1", "bn1_1"]
    assert list(layers["relu1_1"].bottom) == ["bn1_1"]
    said = layers["conv1_1"].convolution_param
    assert (said.HasField("bias_term"), said.bias_term) == (True, False)  # by itself it is true
    assert len(layers["conv1_1"].blobs) == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (ODD, r"Caffe has no place for 'l2_3_2' \(L2\) of drawn; take --to onnx, openvino or"),
        (("conv3-8", "local3-8", "FC-3", "soft-max"), r"'local1_2' \(Local\) of drawn"),
        (("conv3-8", "FC-8", "conv1-8", "FC-3", "soft-max"), r"'conv2_1' \(Conv of an FC layer\)"),
        (("conv3-8", "FC-8", "LRN", "FC-3", "soft-max"), r"'norm2_0' \(LRN of an FC layer\)"),
        (("conv3-8", "FC-8", "mean", "FC-3", "soft-max"), r"'mean2' \(Mean of an FC layer\)"),
        (("conv3-8", "[", "conv3-8", "]", "FC-3", "soft-max"), r"'add1_1' \(Add of one row\)"),
        (("conv3-8", "FC-4", "boxes"), r"'places' \(boxes\) of drawn"),
    ],
)
def test_what_caffe_has_not_is_refused_by_the_row(words: tuple[str, ...], line: str) -> None:
    network = drawn(words, 64)
    for writer, out in ((write, "x.caffemodel"), (write_prototxt, "x.prototxt")):
        with pytest.raises(UserError, match=line):
            writer(network, out)
        assert not Path(out).exists()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("pool: AVE", "pool: MAX"), "its layer 'pool2' has another pool than the weights' file"),
        (("stride: 2", "stride: 3"), "its layer 'conv1_1' has another stride than"),
        (("eps: 1e-05", "eps: 0.1"), "its layer 'bn1_1' has another eps than"),
        (('bottom: "relu2_1"', 'bottom: "relu1_1"'), "its layer 'conv2_2' reads other layers"),
        (('name: "add2_1"', 'name: "sum"'), "it has no layer 'add2_1'; give the prototxt of"),
        (("dim: 224", "dim: 256"), "its pictures are of 256, those of the weights of 224"),
    ],
)
def test_another_text_is_refused(change: tuple[str, str], line: str) -> None:
    written(net("ResNet-18"))
    text = Path("x.prototxt").read_text()
    assert change[0] in text
    Path("y.prototxt").write_text(text.replace(*change))
    with pytest.raises(UserError, match=f"^y.prototxt cannot be read as .*{line}"):
        caffe.read("x.caffemodel", "y.prototxt")


def test_damaged_files_of_ours_are_read_or_refused_in_a_line() -> None:
    words = ("conv3-4-bn /2 no bias", "[", "conv3-4-bn linear", "|", "]", "avepool", "FC-3",
             "soft-max")  # fmt: skip
    write(drawn(words, 16), "x.caffemodel")
    lines = []
    for content in damaged(Path("x.caffemodel").read_bytes(), 200, seed=1):
        Path("d").write_bytes(content)
        lines.append(refusal(lambda path: to_network(caffe.read(path), path), Path("d")))
    said = [line for line in lines if line is not None]
    assert 100 < len(said) < 200
    assert not any("\n" in line for line in said)
