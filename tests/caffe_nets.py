"""The nets beside VGG as Caffe's own files have them, narrow, and Caffe's arithmetic on them.

Layers, their names and settings are those of the published prototxts (bvlc_alexnet,
bvlc_reference_caffenet, bvlc_googlenet, He's ResNet-50). What a file's layers do is worked out from
its messages, one by one, with PyTorch's plain functions; nothing of verydeep has a part in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.foreign_files import caffe_messages

OLD_TYPES = {
    "Concat": 3, "Convolution": 4, "Data": 5, "Dropout": 6, "InnerProduct": 14, "LRN": 15,
    "Pooling": 17, "ReLU": 18, "Softmax": 20, "SoftmaxWithLoss": 21, "Split": 22,
}  # fmt: skip
"""Numbers of V1LayerParameter.LayerType."""
CLASSES = 3


@dataclass
class CaffeNet:
    """A net in the making: its message, in the encoding of before 2014 or the later one."""

    later: bool = False
    message: Any = field(default_factory=lambda: caffe_messages()["NetParameter"](name="a net"))
    draw: Any = field(default_factory=lambda: np.random.default_rng(0))
    channels: dict[str, int] = field(default_factory=lambda: {"data": 3})

    def add(self, name: str, kind: str, *bottoms: str, top: str = "", **settings: Any) -> str:
        """A layer, and the name of what it gives; settings are fields of its own message."""
        layers = self.message.layer if self.later else self.message.layers
        top = top or name
        layer = layers.add(name=name, bottom=bottoms, top=[top])
        layer.type = kind if self.later else OLD_TYPES[kind]
        field_of = {
            "Convolution": "convolution_param", "Pooling": "pooling_param", "LRN": "lrn_param",
            "InnerProduct": "inner_product_param", "Dropout": "dropout_param",
            "BatchNorm": "batch_norm_param", "Scale": "scale_param", "Eltwise": "eltwise_param",
        }  # fmt: skip
        for key, value in settings.items():
            said = getattr(layer, field_of[kind])
            if key in ("pad", "kernel_size", "stride") and kind == "Convolution":
                getattr(said, key).append(value)
            else:
                setattr(said, key, value)
        if bottoms:
            self.channels[top] = self.channels[bottoms[0]]
        return top

    def hold(self, values: np.ndarray) -> None:
        """A blob more of the last layer."""
        blob = (self.message.layer if self.later else self.message.layers)[-1].blobs.add()
        blob.shape.dim.extend(values.shape)
        blob.data.extend(values.astype(np.float32).ravel().tolist())

    def conv(
        self, name: str, bottom: str, count: int, side: int, bias: bool = True, **how: Any
    ) -> str:
        """A convolution with random filters and, with a bias, random biases."""
        self.add(name, "Convolution", bottom, num_output=count, kernel_size=side, **how)
        shape = (count, self.channels[bottom] // how.get("group", 1), side, side)
        self.hold(self.draw.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape))
        if bias:
            self.hold(self.draw.normal(0, 0.1, count))
        self.channels[name] = count
        return name

    def relu(self, name: str, blob: str) -> str:
        """A ReLU in place."""
        return self.add(name, "ReLU", blob, top=blob)

    def inner(self, name: str, bottom: str, count: int, columns: int) -> str:
        """An inner product."""
        self.add(name, "InnerProduct", bottom, num_output=count)
        self.hold(self.draw.normal(0, (2 / columns) ** 0.5, (count, columns)))
        self.hold(self.draw.normal(0, 0.1, count))
        self.channels[name] = count
        return name

    def norm(self, number: str, blob: str, factor: float = 998.0) -> str:
        """BatchNorm and Scale in place, as He's files have them."""
        count = self.channels[blob]
        self.add(f"bn{number}", "BatchNorm", blob, top=blob)
        self.hold(factor * self.draw.normal(0, 0.5, count))
        self.hold(factor * self.draw.uniform(0.5, 2, count))
        self.hold(np.array([factor]))
        self.add(f"scale{number}", "Scale", blob, top=blob, bias_term=True)
        self.hold(self.draw.uniform(0.5, 1.5, count))
        self.hold(self.draw.normal(0, 0.2, count))
        return blob


def alexnet(pooled_first: bool = False, k: float = 1.0) -> Any:
    """bvlc_alexnet, or bvlc_reference_caffenet, whose pools come before its normalisations."""
    net = CaffeNet()
    blob = net.add("data", "Data", top="data")
    lrn: Any = {"local_size": 5, "alpha": 1e-4, "beta": 0.75, **({"k": k} if k != 1 else {})}
    layers = (
        (8, 11, 0, 4, 1),
        (16, 5, 2, 1, 2),
        (24, 3, 1, 1, 1),
        (24, 3, 1, 1, 2),
        (16, 3, 1, 1, 2),
    )
    for i, (count, side, pad, stride, groups) in enumerate(layers, 1):
        how: Any = {"pad": pad, "stride": stride, "group": groups}
        blob = net.relu(f"relu{i}", net.conv(f"conv{i}", blob, count, side, **how))
        if i in (1, 2) and not pooled_first:
            blob = net.add(f"norm{i}", "LRN", blob, **lrn)
        if i in (1, 2, 5):
            blob = net.add(f"pool{i}", "Pooling", blob, pool=0, kernel_size=3, stride=2)
        if i in (1, 2) and pooled_first:
            blob = net.add(f"norm{i}", "LRN", blob, **lrn)
    for i, (count, columns) in enumerate(((12, 16 * 36), (12, 12)), 6):
        blob = net.relu(f"relu{i}", net.inner(f"fc{i}", blob, count, columns))
        blob = net.add(f"drop{i}", "Dropout", blob, top=blob, dropout_ratio=0.5)
    blob = net.inner("fc8", blob, CLASSES, 12)
    net.add("loss", "SoftmaxWithLoss", blob, "label")
    return net.message


def nin() -> Any:
    """nin_imagenet, a twelfth as wide."""
    net = CaffeNet(later=True)
    net.message.input.append("data")
    net.message.input_dim.extend([1, 3, 224, 224])
    blob, number = "data", 0
    for i, (count, side, pad, stride) in enumerate(
        ((8, 11, 0, 4), (20, 5, 2, 1), (32, 3, 1, 1), (84, 3, 1, 1)), 1
    ):
        blob = net.conv(f"conv{i}", blob, count, side, pad=pad, stride=stride)
        blob = net.relu(f"relu{i}", blob)
        for _ in range(2):
            number += 1
            last = CLASSES if number == 8 else count
            blob = net.relu(f"relu_cccp{number}", net.conv(f"cccp{number}", blob, last, 1))
        if i < 4:
            blob = net.add(f"pool{i}", "Pooling", blob, pool=0, kernel_size=3, stride=2)
        if i == 3:
            blob = net.add("drop", "Dropout", blob, top=blob, dropout_ratio=0.5)
    net.add("pool4", "Pooling", blob, pool=1, kernel_size=6, stride=1)
    return net.message


INCEPTIONS = {
    "3a": (8, 12, 16, 2, 4, 4), "3b": (16, 16, 24, 4, 12, 8), "4a": (24, 12, 26, 2, 6, 8),
    "4b": (20, 14, 28, 3, 8, 8), "4c": (16, 16, 32, 3, 8, 8), "4d": (14, 18, 36, 4, 8, 8),
    "4e": (32, 20, 40, 4, 16, 16), "5a": (32, 20, 40, 4, 16, 16), "5b": (48, 24, 48, 6, 16, 16),
}  # fmt: skip
"""An eighth of Table 1's channels."""


def googlenet() -> Any:
    """bvlc_googlenet as it was trained: with the splits that Caffe puts in, and two side heads."""
    net = CaffeNet()
    blob = net.add("data", "Data", top="data")
    lrn: Any = {"local_size": 5, "alpha": 1e-4, "beta": 0.75}
    pool: Any = {"pool": 0, "kernel_size": 3, "stride": 2}

    def conv(name: str, bottom: str, count: int, side: int, **how: Any) -> str:
        return net.relu(f"relu_{name}", net.conv(name, bottom, count, side, **how))

    blob = conv("conv1/7x7_s2", blob, 8, 7, pad=3, stride=2)
    blob = net.add("pool1/norm1", "LRN", net.add("pool1/3x3_s2", "Pooling", blob, **pool), **lrn)
    blob = conv("conv2/3x3", conv("conv2/3x3_reduce", blob, 8, 1), 24, 3, pad=1)
    blob = net.add("pool2/3x3_s2", "Pooling", net.add("conv2/norm2", "LRN", blob, **lrn), **pool)
    for number, (one, reduce3, three, reduce5, five, proj) in INCEPTIONS.items():
        start = f"inception_{number}/"
        net.add(f"{blob}_split", "Split", blob, top=f"{blob}_split_0")
        read = f"{blob}_split_0"
        beside = net.add(f"{start}pool", "Pooling", read, pool=0, kernel_size=3, stride=1, pad=1)
        branches = [
            conv(f"{start}1x1", read, one, 1),
            conv(f"{start}3x3", conv(f"{start}3x3_reduce", read, reduce3, 1), three, 3, pad=1),
            conv(f"{start}5x5", conv(f"{start}5x5_reduce", read, reduce5, 1), five, 5, pad=2),
            conv(f"{start}pool_proj", beside, proj, 1),
        ]
        blob = net.add(f"{start}output", "Concat", *branches)
        net.channels[blob] = sum(net.channels[branch] for branch in branches)
        if number in ("4a", "4d"):
            head = f"loss{1 + (number == '4d')}/"
            side = net.add(f"{head}ave_pool", "Pooling", blob, pool=1, kernel_size=5, stride=3)
            side = net.inner(f"{head}fc", conv(f"{head}conv", side, 4, 1), 6, 64)
            side = net.inner(f"{head}classifier", net.relu(f"{head}relu", side), CLASSES, 6)
            net.add(f"{head}loss", "SoftmaxWithLoss", side, "label")
        if number in ("3b", "4e"):
            blob = net.add(f"pool{number[0]}/3x3_s2", "Pooling", blob, **pool)
    blob = net.add("pool5/7x7_s1", "Pooling", blob, pool=1, kernel_size=7, stride=1)
    blob = net.add("pool5/drop_7x7_s1", "Dropout", blob, top=blob, dropout_ratio=0.4)
    blob = net.inner("loss3/classifier", blob, CLASSES, net.channels[blob])
    net.add("loss3/loss3", "SoftmaxWithLoss", blob, "label")
    return net.message


def resnet(late: bool = False) -> Any:
    """He's ResNet-50, an eighth as wide; `late` with the stride in the 3x3 layer."""
    net = CaffeNet(later=True)
    net.message.input.append("data")
    net.message.input_dim.extend([1, 3, 224, 224])
    blob = net.norm("_conv1", net.conv("conv1", "data", 8, 7, pad=3, stride=2))
    blob = net.relu("conv1_relu", blob)
    blob = net.add("pool1", "Pooling", blob, pool=0, kernel_size=3, stride=2)
    for stage, (count, width) in enumerate(((3, 8), (4, 16), (6, 32), (3, 64)), 2):
        for block in range(count):
            name, shortcut = f"{stage}{'abcdef'[block]}", blob
            stride = 2 if block == 0 and stage > 2 else 1
            if block == 0:
                first = net.conv(f"res{name}_branch1", blob, 4 * width, 1, False, stride=stride)
                shortcut = net.norm(f"{name}_branch1", first)
            strides = (1, stride, 1) if late else (stride, 1, 1)
            main = blob
            for part, (out, side, step) in enumerate(
                zip((width, width, 4 * width), (1, 3, 1), strides, strict=True)
            ):
                branch = f"{name}_branch2{'abc'[part]}"
                main = net.conv(f"res{branch}", main, out, side, False, pad=side // 2, stride=step)
                main = net.norm(branch, main)
                main = net.relu(f"res{branch}_relu", main) if part < 2 else main
            blob = net.relu(f"res{name}_relu", net.add(f"res{name}", "Eltwise", shortcut, main))
    blob = net.add("pool5", "Pooling", blob, pool=1, kernel_size=7, stride=1)
    blob = net.inner("fc1000", blob, CLASSES, 256)
    net.add("prob", "Softmax", blob)
    return net.message


def scores(message: Any, images: Tensor, end: str) -> Tensor:
    """What a layer of a net gives, by Caffe's arithmetic."""
    kinds = {number: kind for kind, number in OLD_TYPES.items()}
    blobs: dict[str, Tensor] = {"data": images}
    for layer in message.layer or message.layers:
        kind = layer.type if isinstance(layer.type, str) else kinds[layer.type]
        if kind in ("Data", "SoftmaxWithLoss"):
            continue
        held = [torch.tensor(list(b.data)).reshape(list(b.shape.dim)) for b in layer.blobs]
        read = [blobs[name] for name in layer.bottom]
        blobs[layer.top[0]] = _done(kind, layer, read, held)
        if layer.name == end:
            break
    return blobs[end].flatten(1)


def _done(kind: str, layer: Any, read: list[Tensor], held: list[Tensor]) -> Tensor:
    x = read[0]
    match kind:
        case "Convolution":
            said = layer.convolution_param
            stride, pad, dilation = (
                (list(given) or [usual])[0]
                for given, usual in ((said.stride, 1), (said.pad, 0), (said.dilation, 1))
            )
            bias = held[1] if len(held) > 1 else None
            return F.conv2d(x, held[0], bias, stride, pad, dilation, said.group or 1)
        case "InnerProduct":
            return F.linear(x.flatten(1), held[0], held[1])
        case "ReLU":
            return x.clamp(min=0)
        case "LRN":
            said = layer.lrn_param
            size, channels = said.local_size, x.shape[1]
            square = F.pad(x.square()[:, None], (0, 0, 0, 0, size // 2, size // 2))[:, 0]
            total = torch.stack([square[:, i : i + channels] for i in range(size)]).sum(0)
            k = said.k if said.HasField("k") else 1.0
            scale: Tensor = (k + said.alpha / size * total) ** said.beta
            return x / scale
        case "Pooling":
            return _pooled(layer.pooling_param, x)
        case "BatchNorm":
            said = layer.batch_norm_param
            epsilon = said.eps if said.HasField("eps") else 1e-5
            mean, variance = (v[:, None, None] / held[2] for v in held[:2])
            return (x - mean) / (variance + epsilon).sqrt()
        case "Scale":
            return x * held[0][:, None, None] + held[1][:, None, None]
        case "Eltwise":
            return read[0] + read[1]
        case "Concat":
            return torch.cat(read, 1)
        case "Softmax":
            return x.softmax(1)
        case _:
            return x


def _pooled(said: Any, x: Tensor) -> Tensor:
    """Windows one by one, by the text of pooling_layer.cpp.

    They are as many as begin before the map ends, or its border; a mean is over the window with the
    border in it, but no farther.
    """
    side, means = x.shape[2], said.pool == 1
    kernel, stride, pad = said.kernel_size, said.stride or 1, said.pad
    if said.global_pooling:
        kernel, stride, pad = side, 1, 0
    rounded = math.floor if said.round_mode == 1 else math.ceil
    count = int(rounded((side + 2 * pad - kernel) / stride)) + 1
    if pad and (count - 1) * stride >= side + pad:
        count -= 1
    found = x.new_empty(*x.shape[:2], count, count)
    spans = []
    for place in range(count):
        start = place * stride - pad
        end = min(start + kernel, side + pad)
        spans.append((slice(max(start, 0), min(end, side)), end - start))
    for i, (high, height) in enumerate(spans):
        for j, (wide, width) in enumerate(spans):
            window = x[:, :, high, wide]
            found[:, :, i, j] = (
                window.sum((2, 3)) / (height * width) if means else window.amax((2, 3))
            )
    return found


def text_of(message: Any, crop: int) -> str:
    """The deploy text of a net, from its later encoding, with such pictures."""
    kinds = {number: kind for kind, number in OLD_TYPES.items()}
    lines = [f"input_dim: 1 input_dim: 3 input_dim: {crop} input_dim: {crop}"]
    for layer in message.layer or message.layers:
        kind = layer.type if isinstance(layer.type, str) else kinds[layer.type]
        if kind in ("Data", "SoftmaxWithLoss", "Split"):
            continue
        words = [f'bottom: "{name.removesuffix("_split_0")}"' for name in layer.bottom]
        words += [f'top: "{name}"' for name in layer.top]
        for said, value in layer.ListFields():
            if said.name.endswith("_param"):
                words.append(f"{said.name} {{ {str(value).strip()} }}")
        lines.append(f'layer {{ name: "{layer.name}" type: "{kind}" {" ".join(words)} }}')
    return "\n".join(lines)


def squeezenet(arrays: Mapping[str, np.ndarray]) -> Any:
    """SqueezeNet v1.0 as its authors' prototxt has it, of the weights that are given."""
    net = CaffeNet(later=True)
    net.message.input.append("data")
    net.message.input_dim.extend([1, 3, 227, 227])

    def conv(name: str, key: str, bottom: str, **how: Any) -> str:
        weight, bias = arrays[f"{key}.w"], arrays[f"{key}.b"]
        net.add(
            name, "Convolution", bottom, num_output=len(bias), kernel_size=weight.shape[2], **how
        )
        for blob in (weight, bias):
            net.hold(blob)
        return net.relu(f"relu_{name}", name)

    blob = conv("conv1", "conv1", "data", stride=2)
    for fire in range(1, 10):
        if fire > 1:
            start, key = f"fire{fire}/", f"fire{fire}_conv"
            squeezed = conv(f"{start}squeeze1x1", f"{key}1x1_1", blob)
            branches = (
                conv(f"{start}expand1x1", f"{key}1x1_2", squeezed),
                conv(f"{start}expand3x3", f"{key}3x3_2", squeezed, pad=1),
            )
            blob = net.add(f"{start}concat", "Concat", *branches)
        if fire in (1, 4, 8):
            blob = net.add(f"pool{fire}", "Pooling", blob, pool=0, kernel_size=3, stride=2)
    blob = net.add("drop9", "Dropout", blob, top=blob, dropout_ratio=0.5)
    blob = conv("conv10", "conv_final", blob)
    blob = net.add("pool10", "Pooling", blob, pool=1, global_pooling=True)
    net.add("prob", "Softmax", blob)
    return net.message
