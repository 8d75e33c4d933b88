"""MatConvNet's files of the nets beside VGG, as its own converter makes them of Caffe's.

Layers and arithmetic are those of `tests/caffe_nets.py`; files are written by scipy. Pools that
round up have a border of one more at their end there, norms and scales are one layer, and FC layers
convolutions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests import caffe_nets
from tests.conftest import images
from tests.importers.test_matconvnet import level5, meta
from verydeep.errors import UserError
from verydeep.importers import matconvnet
from verydeep.importers.to_network import to_network

ENDS = {"AlexNet": "fc8", "GoogLeNet": "loss3/classifier", "ResNet-50": "fc1000"}
TYPES = {
    "Convolution": "Conv", "InnerProduct": "Conv", "ReLU": "ReLU", "LRN": "LRN",
    "Pooling": "Pooling", "Dropout": "DropOut", "BatchNorm": "BatchNorm", "Concat": "Concat",
    "Eltwise": "Sum", "Softmax": "SoftMax",
}  # fmt: skip


def filters(blob: Any, side: int = 1) -> np.ndarray:
    """A blob of Caffe's as filters H, W, I, O; an inner product's over a map of such a side."""
    values = np.array(list(blob.data), np.float32).reshape(list(blob.shape.dim))
    if values.ndim == 2:
        values = values.reshape(len(values), -1, side, side)
    return values.transpose(2, 3, 1, 0)


def block_of(layer: Any, kind: str) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The settings of a layer, and its arrays, in MatConvNet's words."""
    arrays = [np.array(list(b.data), np.float32) for b in layer.blobs]
    block: dict[str, Any]
    if kind == "Convolution":
        said = layer.convolution_param
        pad, stride = ((list(v) or [u])[0] for v, u in ((said.pad, 0), (said.stride, 1)))
        block = {"pad": np.full((1, 4), float(pad)), "stride": np.full((1, 2), float(stride))}
        return block, [filters(layer.blobs[0]), *arrays[1:]]
    if kind == "InnerProduct":
        side = 6 if layer.name == "fc6" else 1
        return {"pad": np.zeros((1, 4)), "stride": 1.0}, [filters(layer.blobs[0], side), arrays[1]]
    if kind == "LRN":
        said = layer.lrn_param
        k = said.k if said.HasField("k") else 1.0
        return {"param": np.array([[said.local_size, k, said.alpha / 5, said.beta]])}, []
    if kind == "Pooling":
        said = layer.pooling_param
        first = float(said.pad)
        last = first + (said.stride == 2)
        block = {"method": "avg" if said.pool else "max",
                 "poolSize": np.full((1, 2), float(said.kernel_size)),
                 "pad": np.array([[first, last, first, last]]),
                 "stride": np.full((1, 2), float(said.stride or 1))}  # fmt: skip
        return block, []
    return {}, []


def dagnn(message: Any, without: tuple[str, ...] = ("loss1/", "loss2/", "relu_loss")) -> Any:
    """A graph of a Caffe net's layers, the last of them first."""
    kinds = {number: kind for kind, number in caffe_nets.OLD_TYPES.items()}
    params, layers, made = [], list[dict[str, Any]](), {"data": "data"}
    all_layers = list(message.layer or message.layers)
    for layer, after in zip(all_layers, [*all_layers[1:], None], strict=True):
        kind = layer.type if isinstance(layer.type, str) else kinds[layer.type]
        if kind == "Split":
            made[layer.top[0]] = made[layer.bottom[0]]
        if kind in ("Split", "Data", "SoftmaxWithLoss", "Scale") or layer.name.startswith(without):
            continue
        block, arrays = block_of(layer, kind)
        if kind == "BatchNorm":
            mean, variance, factor = (np.array(list(b.data), np.float32) for b in layer.blobs)
            moments = np.stack([mean / factor, np.sqrt(variance / factor + 1e-5)], 1)
            scale = [np.array(list(b.data), np.float32) for b in after.blobs]
            arrays = [*scale, moments]
        own = [f"{layer.name}_{i}" for i in range(len(arrays))]
        params += [{"name": n, "value": a} for n, a in zip(own, arrays, strict=True)]
        layers.append({"name": layer.name, "type": f"dagnn.{TYPES[kind]}", "params": own,
                       "inputs": [made[name] for name in layer.bottom],
                       "outputs": [f"{layer.name}x"], "block": block})  # fmt: skip
        made[layer.top[0]] = f"{layer.name}x"
    layers.reverse()
    return {"net": {"params": tuple(params), "layers": tuple(layers)}}


def simplenn(graph: Any) -> Any:
    """The layers of a graph without branches, one after another."""
    values = {each["name"]: each["value"] for each in graph["net"]["params"]}
    kinds = {"ReLU": "relu", "Conv": "conv", "LRN": "normalize", "Pooling": "pool",
             "DropOut": "dropout", "SoftMax": "softmax"}  # fmt: skip
    layers = []
    for layer in reversed(graph["net"]["layers"]):
        block = {"pool" if k == "poolSize" else k: v for k, v in layer["block"].items()}
        kind = kinds[layer["type"].removeprefix("dagnn.")]
        weights = {"weights": [values[n] for n in layer["params"]]} if layer["params"] else {}
        layers.append({"name": layer["name"], "type": kind, **block, **weights})
    return {"layers": layers}


def with_meta(net: Any, crop: int) -> Any:
    about = meta(caffe_nets.CLASSES)
    about["normalization"]["imageSize"] = np.array([float(crop), float(crop), 3.0])
    (net.get("net") or net)["meta"] = about
    return net


@pytest.mark.parametrize(
    ("make", "name", "crop"),
    [
        (lambda: simplenn(dagnn(caffe_nets.alexnet())), "AlexNet", 227),
        (lambda: dagnn(caffe_nets.googlenet()), "GoogLeNet", 224),
        (lambda: dagnn(caffe_nets.resnet()), "ResNet-50", 224),
    ],
    ids=["caffe-alex", "googlenet-dag", "resnet-50-dag"],
)
def test_scores_are_those_of_the_net_that_was_converted(make: Any, name: str, crop: int) -> None:
    path = level5(Path("net.mat"), with_meta(make(), crop))
    found = to_network(matconvnet.read(path), path)
    assert (found.network.table.name, found.network.table.crop) == (name, crop)
    assert found.guessed == ()
    assert found.network.classes[0] == "n00000000 thing 0"
    message = {"AlexNet": caffe_nets.alexnet, "GoogLeNet": caffe_nets.googlenet,
               "ResNet-50": caffe_nets.resnet}[name]()  # fmt: skip
    picture = images(1, crop, crop) / 50
    with torch.inference_mode():
        expected = caffe_nets.scores(message, picture, ENDS[name])
        torch.testing.assert_close(found.network(picture), expected, rtol=1e-4, atol=1e-4)


def test_other_nets_meet_a_line_that_names_the_layer() -> None:
    net = with_meta(dagnn(caffe_nets.resnet()), 224)
    pool = next(layer for layer in net["net"]["layers"] if layer["name"] == "pool1")
    pool["block"]["stride"] = np.full((1, 2), 3.0)
    with pytest.raises(UserError) as refused:
        matconvnet.read(level5(Path("net.mat"), net))
    assert "its layer 'pool1' is 'maxpool3 /3 ceil', where ResNet-" in str(refused.value)
    cut = Path("net.mat").read_bytes()[:100_000]
    Path("cut.mat").write_bytes(cut)
    with pytest.raises(UserError) as refused:
        matconvnet.read("cut.mat")
    assert "\n" not in str(refused.value)
