"""Our networks as MatConvNet's files, read by scipy, and MatConvNet's arithmetic on them.

The arithmetic is by the texts of its functions (vl_nnconv, vl_nnpool, vl_nnnormalize, vl_nnbnorm),
in PyTorch's plain functions; nothing of verydeep has a part in it. Weights and norms are drawn.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import loadmat
from torch import Tensor
from torch.nn import functional as F

from tests.foreign_files import damaged
from tests.foreign_nets import refusal
from tests.nets.others import ODD, drawn
from verydeep.errors import UserError
from verydeep.exporters.matconvnet import write
from verydeep.formats import mat5, mat5_writer
from verydeep.importers import matconvnet
from verydeep.importers.to_network import to_network
from verydeep.nets import named, vgg
from verydeep.nets.network import Network
from verydeep.nets.rewording import with_norms
from verydeep.pictures.preprocessing import IMAGENET, Pixels

POOLS = (
    "conv3-8", "maxpool3 /2 pad 1", "(", "avepool3", "|", "maxpool3", ")", "avepool3 /2 ceil",
    "maxpool2 /3 ceil", "avepool2 /2 ceil", "maxpool3 /2 pad 1 ceil",
    "conv3-8 dilation 2 groups 2", "mean", "FC-6", "sigmoid",
)  # fmt: skip
"""Of maps of 41, 21, 19, 9, 3, 2 and 2: pools that fit and that do not."""
UNPADDED = tuple(
    {"avepool3 pad 1": "conv1-8", "LRN n 3 k 1 alpha 0.01": "LRN n 3 k 1"}.get(word, word)
    for word in ODD
    if word != "L2"
)
BGR = Pixels((70, 90), (103.9, 116.8, 123.7), (60.0, 59.0, 58.0), order="BGR", resize="bicubic")
UNIT = Pixels((64, 64), (0.4, 0.5, 0.6), (0.2, 0.25, 0.3), maximum=1, resize="lanczos")
KNOWN = (
    "AlexNet", "CaffeNet", "GoogLeNet", "GoogLeNet-torchvision", "ResNet-18", "ResNet-18-v1.5",
    "SqueezeNet-1.0", "NiN",
)  # fmt: skip
OF_TABLE_1 = ("A", "A-LRN", "C", "D", "E", "D-BN")
NAMES = (*KNOWN, *OF_TABLE_1, "ResNet-20", "NiN-CIFAR", "LeNet-Caffe", "odd", "pools")


def net(name: str, pixels: Pixels = IMAGENET) -> Network:
    """An eighth of a net by name, or one of rows that those have not."""
    if name in OF_TABLE_1:
        words = vgg.table(name.removesuffix("-BN"), 5, 0.125, 64, 16).words
        return drawn(with_norms(words) if name == "D-BN" else words, 64, name, pixels)
    if name in ("odd", "pools"):
        words, side = (UNPADDED, 64) if name == "odd" else (POOLS, 41)
        return drawn(words, side, pixels=pixels)
    table = named.table(name, 5, 0.125)
    return drawn(table.words, table.crop, name, pixels)


def picture(side: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (2, side, side, 3), np.uint8)


def text(value: Any) -> str:
    return str(value[0]) if value.size else ""


def texts(value: Any) -> list[str]:
    return [text(each) for each in value.ravel()]


def tensor(value: Any) -> Tensor:
    """An array of axes H, W, I, O as PyTorch has them."""
    array = np.asarray(value).astype(np.float64)
    return torch.tensor(array.reshape(array.shape + (1,) * (4 - array.ndim)).transpose(3, 2, 0, 1))


def scores(path: str, rgb: np.ndarray, end: str) -> Tensor:
    """What a layer of a file gives for RGB pictures, by MatConvNet's arithmetic."""
    file = loadmat(path, struct_as_record=False)
    params = {text(each.name): each.value for each in file["params"].ravel()}
    average = file["meta"][0, 0].normalization[0, 0].averageImage.astype(np.float64)
    values = {"data": torch.tensor(rgb - average.reshape(1, 1, 3)).permute(0, 3, 1, 2)}
    for layer in file["layers"].ravel():
        read = [values[name] for name in texts(layer.inputs)]
        held = [params[name] for name in texts(layer.params)]
        (gives,) = texts(layer.outputs)
        values[gives] = done(text(layer.type), layer.block[0, 0], read, held)
        if text(layer.name) == end:
            break
    given: Tensor = values[end].flatten(1).float()
    return given


def done(kind: str, block: Any, read: list[Tensor], held: list[Any]) -> Tensor:
    x = read[0]
    match kind.removeprefix("dagnn."):
        case "Conv":
            filters = tensor(held[0])
            assert [*np.shape(held[0]), 1, 1][:4] == [*block.size.ravel()]
            bias = torch.tensor(held[1].ravel().astype(np.float64)) if len(held) > 1 else None
            assert bool(block.hasBias[0, 0]) == (bias is not None)
            top, bottom, left, right = map(int, block.pad.ravel())
            dilation = int(block.dilate[0, 0]) if hasattr(block, "dilate") else 1
            groups = x.shape[1] // filters.shape[1]
            x = F.pad(x, (left, right, top, bottom))
            return F.conv2d(x, filters, bias, int(block.stride[0, 0]), 0, dilation, groups)
        case "Pooling":
            return pooled(x, block)
        case "ReLU":
            return x.clamp(min=0)
        case "LRN":
            size, kappa, alpha, beta = block.param.ravel()
            half = int(size) // 2
            square = F.pad(x.square()[:, None], (0, 0, 0, 0, half, half))[:, 0]
            total = sum(square[:, i : i + x.shape[1]] for i in range(int(size)))
            normed: Tensor = x / (kappa + alpha * total) ** beta
            return normed
        case "BatchNorm":
            g, b = (torch.tensor(v.astype(np.float64)).view(-1, 1, 1) for v in held[:2])
            mu, sigma = torch.tensor(held[2].astype(np.float64)).T[:, :, None, None]
            shifted: Tensor = g * (x - mu) / sigma + b
            return shifted
        case "Sum":
            return torch.stack(read).sum(0)
        case "Concat":
            assert block.dim[0, 0] == 3
            return torch.cat(read, 1)
        case "DropOut" | "SoftMax" | "Sigmoid" as name:
            given: Tensor = {"SoftMax": x.softmax(1), "Sigmoid": x.sigmoid()}.get(name, x)
            return given
    raise AssertionError(kind)


def pooled(x: Tensor, block: Any) -> Tensor:
    """Windows over the map with its borders, of which only what lies on the map counts."""
    kernel, stride, side = int(block.poolSize[0, 0]), int(block.stride[0, 0]), x.shape[2]
    first, last = map(int, block.pad.ravel()[:2])
    assert first < kernel
    assert last < kernel
    assert text(block.method) in ("max", "avg")
    count = (side + first + last - kernel) // stride + 1
    spans = [
        slice(max(0, i * stride - first), min(side, i * stride - first + kernel))
        for i in range(count)
    ]
    windows = [[x[:, :, y, z] for z in spans] for y in spans]
    means = text(block.method) == "avg"
    rows = [[w.mean((2, 3)) if means else w.amax((2, 3)) for w in row] for row in windows]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def assert_close(found: Tensor, expected: Tensor) -> None:
    assert expected.std() > 0.01
    atol = 1e-5 * expected.abs().max().item()
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)


@torch.inference_mode()
def ours(network: Network, rgb: np.ndarray) -> Tensor:
    given: Tensor = network(network.pixels.normalise(torch.from_numpy(rgb)))
    return given


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_matconvnets_arithmetic_gives_the_scores_and_we_read_them_back(name: str) -> None:
    network = net(name)
    said = write(network, "x.mat")
    assert said == (
        "it is loaded by dagnn.DagNN.loadobj(load('x.mat')) and wants RGB, 0 to 255, minus its "
        "averageImage"
    )
    rgb = picture(network.table.crop)
    expected = ours(network, rgb)
    assert_close(scores("x.mat", rgb, network.table.scores), expected)
    found = to_network(matconvnet.read("x.mat"), "x.mat")
    assert found.network.table == network.table
    assert (found.network.pixels, found.network.classes) == (network.pixels, network.classes)
    assert (found.guessed, found.notes) == ((), ())
    assert_close(ours(found.network, rgb), expected)
    kept = {k: v for k, v in network.state_dict().items() if not k.endswith("running_var")}
    assert all(torch.equal(found.network.state_dict()[k], v) for k, v in kept.items())


@pytest.mark.parametrize("name", [*KNOWN, *OF_TABLE_1])
def test_the_net_is_known_by_its_layers_alone(name: str) -> None:
    """As MatConvNet's own files are: without what the file says of itself."""
    network = net(name, BGR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("verydeep.weights.metadata.KEY", "other")
        write(network, "x.mat")
    found = to_network(matconvnet.read("x.mat"), "x.mat")
    assert (found.network.table.name, found.network.table.crop) == (name, network.table.crop)
    crop = network.table.crop
    assert found.network.pixels.order == "RGB"
    assert found.network.pixels.scale == (max(80, crop), max(80, crop))
    assert found.network.pixels.resize == "bicubic"
    assert found.network.classes == network.classes
    rgb = picture(crop)
    assert_close(ours(found.network, rgb), ours(network, rgb))


@pytest.mark.parametrize("pixels", [BGR, UNIT])
@pytest.mark.parametrize("name", ["A", "AlexNet"])
def test_other_pixels_go_into_the_first_filters(name: str, pixels: Pixels) -> None:
    """By hand: red is the last of BGR, and (x / 255 - mean) / std is (x - 255 mean) / 255 std."""
    network = net(name, pixels)
    write(network, "x.mat")
    rgb = picture(network.table.crop)
    expected = ours(network, rgb)
    assert_close(scores("x.mat", rgb, network.table.scores), expected)
    found = to_network(matconvnet.read("x.mat"), "x.mat").network
    assert found.pixels.scale == pixels.scale
    mean = {BGR: (123.7, 116.8, 103.9), UNIT: (102.0, 127.5, 153.0)}[pixels]
    assert found.pixels.mean == pytest.approx(mean)
    assert (found.pixels.order, found.pixels.maximum, found.pixels.std) == ("RGB", 255, (1, 1, 1))
    assert_close(ours(found, rgb), expected)
    weight = "conv1_1.weight"
    theirs, own = found.state_dict()[weight], network.state_dict()[weight]
    if pixels is BGR:
        torch.testing.assert_close(theirs[:, 0], own[:, 2] / 58)
    else:
        torch.testing.assert_close(theirs[:, 0], own[:, 0] / 51)


def test_classes_are_named_by_wnid_where_they_have_one() -> None:
    for names, wnids, words in (
        (("n01440764 tench", "n01443537"), ["n01440764", "n01443537"], ["tench", ""]),
        (("dög", "n01443537 x"), ["dög", "n01443537 x"], ["dög", "n01443537 x"]),
    ):
        network = net("A")
        table = drawn((*network.table.words[:-2], "FC-2", "soft-max"), 64, "A")
        write(Network.random(table.table, names, IMAGENET, "he", 0), "x.mat")
        about = mat5.read("x.mat")["meta"][0]["classes"][0]
        assert (about["name"], about["description"]) == (wnids, words)
        assert matconvnet.read("x.mat").classes == names


def test_a_variance_of_none_comes_back() -> None:
    network = net("GoogLeNet-torchvision")
    network.get_submodule("bn1_1").get_buffer("running_var")[0] = 0
    write(network, "x.mat")
    found = matconvnet.read("x.mat").tensors["bn1_1.running_var"]
    np.testing.assert_allclose(found, network.state_dict()["bn1_1.running_var"], atol=1e-9)
    assert found[0] >= 0


@pytest.mark.parametrize(
    ("words", "pixels", "line"),
    [
        (ODD, IMAGENET, r"'l2_3_2' \(L2\) of drawn; take --to onnx, openvino or torch-export"),
        (("conv3-8", "avepool3 pad 1", "FC-3", "soft-max"), IMAGENET,
         r"'pool1' \(AvePool with its border in the means\)"),
        (("maxpool", "conv3-8", "FC-3", "soft-max"), UNIT,
         r"'pool1' \(MaxPool of pixels other than RGB in 0-255\)"),
        (("conv3-8", "FC-4", "boxes"), IMAGENET, r"'places' \(boxes\)"),
    ],
)  # fmt: skip
def test_what_it_has_not_is_refused_by_the_row(
    words: tuple[str, ...], pixels: Pixels, line: str
) -> None:
    with pytest.raises(UserError, match=f"MatConvNet has no place for {line}"):
        write(drawn(words, 64, pixels=pixels), "x.mat")
    assert not Path("x.mat").exists()


def test_damaged_files_of_ours_are_read_or_refused_in_a_line() -> None:
    words = ("conv3-4-bn /2 no bias", "[", "conv3-4-bn linear", "|", "]", "avepool", "FC-3",
             "soft-max")  # fmt: skip
    write(drawn(words, 16), "x.mat")
    lines = []
    for content in damaged(Path("x.mat").read_bytes(), 200, seed=1):
        Path("d.mat").write_bytes(content)
        lines.append(refusal(lambda path: to_network(matconvnet.read(path), path), Path("d.mat")))
    said = [line for line in lines if line is not None]
    assert 100 < len(said) < 200
    assert not any("\n" in line for line in said)


def test_files_of_another_suffix_or_over_2_gb_are_not_written() -> None:
    with pytest.raises(UserError, match=r"x.h5 does not end in .mat, as MATLAB's files do"):
        write(net("A"), "x.h5")
    wide = Network.empty(vgg.table("D", width=4), [str(i) for i in range(1000)], IMAGENET)
    with pytest.raises(UserError, match="cannot write x.mat: .* more than the 2 GB that MATLAB"):
        write(wide, "x.mat")


def test_what_the_writer_of_level_5_writes_scipy_and_we_read_alike() -> None:
    numbers = np.arange(24, dtype=np.float32).reshape(2, 3, 4, 1)
    value = {
        "numbers": numbers, "one": np.array([[2.5]]), "f": np.ones((1, 1), np.float32),
        "cells": ["a", "", "dög", ["x"]], "none": [], "empty": ({},),
        "structs": ({"name": "abc", "n": np.zeros((0, 0))}, {"name": "", "n": np.ones((2, 1))}),
    }  # fmt: skip
    parts = mat5_writer.variable("value", (value,))
    Path("x.mat").write_bytes(mat5_writer.HEADER + b"".join(parts))
    (found,) = mat5.read("x.mat")["value"]
    assert found["cells"] == ["a", "", "dög", ["x"]]
    assert np.array_equal(found["numbers"], numbers[..., 0])
    assert [each["name"] for each in found["structs"]] == ["abc", ""]
    theirs = loadmat("x.mat", uint16_codec="utf-16-le", struct_as_record=False)["value"][0, 0]
    assert np.array_equal(theirs.numbers, numbers[..., 0])
    assert (theirs.one.item(), theirs.f.item(), theirs.f.dtype) == (2.5, 1.0, np.float32)
    assert texts(theirs.cells)[:3] == ["a", "", "dög"]
    assert theirs.none.size == 0
    assert [text(each.name) for each in theirs.structs.ravel()] == ["abc", ""]
    assert theirs.structs[0, 1].n.tolist() == [[1.0], [1.0]]
