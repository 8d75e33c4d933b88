"""Files of weights as the programs themselves write them, through google.protobuf and `onnx`.

The messages of Caffe are declared here by hand, from the field numbers of its `caffe.proto`; none
of verydeep's own code has a part in the writing. The arithmetic of the nets is PyTorch's plain
functions.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from torch.nn import functional as F

BLOCKS = ((8, 8), (8, 8), (16, 16, 16), (32, 32, 32), (32, 32, 32))
"""Channels of configuration D at a width of 0.0625, rounded up to eights."""
FCS = (16, 16, 5)
"""Channels of its FC layers, for five classes."""
CROP, SIDE = 64, 2
"""Side of its training crop, and of the maps that fc6 sees."""

Weights = dict[str, tuple[np.ndarray, np.ndarray]]

_FIELDS = {
    "BlobShape": [("dim", 1, "int64", "repeated packed")],
    "BlobProto": [
        ("num", 1, "int32", ""),
        ("channels", 2, "int32", ""),
        ("height", 3, "int32", ""),
        ("width", 4, "int32", ""),
        ("data", 5, "float", "repeated packed"),
        ("diff", 6, "float", "repeated packed"),
        ("shape", 7, "BlobShape", ""),
        ("double_data", 8, "double", "repeated packed"),
    ],
    "ConvolutionParameter": [
        ("num_output", 1, "uint32", ""),
        ("bias_term", 2, "bool", ""),
        ("pad", 3, "uint32", "repeated"),
        ("kernel_size", 4, "uint32", "repeated"),
        ("group", 5, "uint32", ""),
        ("stride", 6, "uint32", "repeated"),
        ("pad_h", 9, "uint32", ""),
        ("stride_w", 14, "uint32", ""),
        ("dilation", 18, "uint32", "repeated"),
    ],
    "PoolingParameter": [
        ("pool", 1, "PoolMethod", ""),
        ("kernel_size", 2, "uint32", ""),
        ("stride", 3, "uint32", ""),
        ("pad", 4, "uint32", ""),
        ("global_pooling", 12, "bool", ""),
        ("round_mode", 13, "RoundMode", ""),
    ],
    "ConcatParameter": [("axis", 2, "int32", "")],
    "EltwiseParameter": [("operation", 1, "EltwiseOp", ""), ("coeff", 2, "float", "repeated")],
    "BatchNormParameter": [("use_global_stats", 1, "bool", ""), ("eps", 3, "float", "")],
    "ScaleParameter": [("bias_term", 4, "bool", "")],
    "DropoutParameter": [("dropout_ratio", 1, "float", "")],
    "ReLUParameter": [("negative_slope", 1, "float", "")],
    "InnerProductParameter": [
        ("num_output", 1, "uint32", ""),
        ("bias_term", 2, "bool", ""),
        ("axis", 5, "int32", ""),
        ("transpose", 6, "bool", ""),
    ],
    "LRNParameter": [
        ("local_size", 1, "uint32", ""),
        ("alpha", 2, "float", ""),
        ("beta", 3, "float", ""),
        ("norm_region", 4, "int32", ""),
        ("k", 5, "float", ""),
    ],
    "V1LayerParameter": [
        ("bottom", 2, "string", "repeated"),
        ("top", 3, "string", "repeated"),
        ("name", 4, "string", ""),
        ("type", 5, "int32", ""),
        ("blobs", 6, "BlobProto", "repeated"),
        ("blobs_lr", 7, "float", "repeated"),
        ("concat_param", 9, "ConcatParameter", ""),
        ("convolution_param", 10, "ConvolutionParameter", ""),
        ("dropout_param", 12, "DropoutParameter", ""),
        ("inner_product_param", 17, "InnerProductParameter", ""),
        ("lrn_param", 18, "LRNParameter", ""),
        ("pooling_param", 19, "PoolingParameter", ""),
        ("relu_param", 30, "ReLUParameter", ""),
    ],
    "LayerParameter": [
        ("name", 1, "string", ""),
        ("type", 2, "string", ""),
        ("bottom", 3, "string", "repeated"),
        ("top", 4, "string", "repeated"),
        ("loss_weight", 5, "float", "repeated"),
        ("blobs", 7, "BlobProto", "repeated"),
        ("phase", 10, "int32", ""),
        ("concat_param", 104, "ConcatParameter", ""),
        ("convolution_param", 106, "ConvolutionParameter", ""),
        ("dropout_param", 108, "DropoutParameter", ""),
        ("eltwise_param", 110, "EltwiseParameter", ""),
        ("inner_product_param", 117, "InnerProductParameter", ""),
        ("lrn_param", 118, "LRNParameter", ""),
        ("pooling_param", 121, "PoolingParameter", ""),
        ("relu_param", 123, "ReLUParameter", ""),
        ("batch_norm_param", 139, "BatchNormParameter", ""),
        ("scale_param", 142, "ScaleParameter", ""),
    ],
    "NetParameter": [
        ("name", 1, "string", ""),
        ("layers", 2, "V1LayerParameter", "repeated"),
        ("input", 3, "string", "repeated"),
        ("input_dim", 4, "int32", "repeated"),
        ("input_shape", 8, "BlobShape", "repeated"),
        ("layer", 100, "LayerParameter", "repeated"),
    ],
}
_NUMBERS = {"double": 1, "float": 2, "int64": 3, "int32": 5, "bool": 8, "string": 9, "uint32": 13}
"""Types of fields, by their numbers in descriptor.proto; 11 is a message, 14 an enumeration."""
_WORDS = {
    "PoolMethod": ("MAX", "AVE", "STOCHASTIC"), "RoundMode": ("CEIL", "FLOOR"),
    "EltwiseOp": ("PROD", "SUM", "MAX"),
}  # fmt: skip
"""Enumerations, counted from 0; each is of the message that has it."""


@cache
def caffe_messages(packed: bool = True) -> dict[str, Any]:
    """Caffe's messages as classes; `packed` or each float with a key before it."""
    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe", syntax="proto2")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field, number, kind, how in fields:
            added = message.field.add(name=field, number=number, label=3 if "rep" in how else 1)
            added.type = _NUMBERS.get(kind, 14 if kind in _WORDS else 11)
            if kind in _WORDS:
                added.type_name = f".caffe.{name}.{kind}"
                words = message.enum_type.add(name=kind)
                for place, word in enumerate(_WORDS[kind]):
                    words.value.add(name=word, number=place)
            elif kind not in _NUMBERS:
                added.type_name = f".caffe.{kind}"
            added.options.packed = packed and "packed" in how
            if not added.options.packed:
                added.ClearField("options")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"caffe.{name}"))
        for name in _FIELDS
    }


def random_weights(seed: int = 0) -> Weights:
    """Weights and biases of such a D; FC layers are inner products, [O, columns]."""
    draw = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {}
    channels = 3
    for i, block in enumerate(BLOCKS):
        for j, wanted in enumerate(block):
            shapes[f"conv{i + 1}_{j + 1}"] = (wanted, channels, 3, 3)
            channels = wanted
    for i, (columns, wanted) in enumerate(pairwise((channels * SIDE**2, *FCS))):
        shapes[f"fc{i + 6}"] = (wanted, columns)
    return {
        name: (
            draw.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32),
            draw.normal(0, 0.1, shape[0]).astype(np.float32),
        )
        for name, shape in shapes.items()
    }


def weights_of_a() -> Weights:
    """Those of A: a D of such widths less the last convolution of each block."""
    last = {f"conv{i + 1}_{len(block)}" for i, block in enumerate(BLOCKS)}
    return {name: pair for name, pair in random_weights().items() if name not in last}


def expected(weights: Weights) -> dict[str, np.ndarray]:
    """What a reader should give: FC weights as filters, columns in C, h, w order."""
    tensors: dict[str, np.ndarray] = {}
    for name, (weight, bias) in weights.items():
        side = SIDE if name == "fc6" else 1
        filters = weight if weight.ndim == 4 else weight.reshape(len(weight), -1, side, side)
        tensors |= {f"{name}.weight": filters, f"{name}.bias": bias}
    return tensors


def same(found: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray]) -> bool:
    """Whether names, shapes and every bit are the same."""
    return list(found) == list(wanted) and all(
        found[name].dtype == np.float32
        and found[name].shape == tensor.shape
        and found[name].tobytes() == tensor.tobytes()
        for name, tensor in wanted.items()
    )


def scores(weights: Weights, images: torch.Tensor) -> torch.Tensor:
    """The nets' scores, [B, 5], by plain functions; `images` are in the net's own pixels."""
    tensors = {k: (torch.tensor(w), torch.tensor(b)) for k, (w, b) in weights.items()}
    values = images
    for i, block in enumerate(BLOCKS):
        for j in range(len(block)):
            values = F.conv2d(values, *tensors[f"conv{i + 1}_{j + 1}"], padding=1).relu()
        values = F.max_pool2d(values, 2)
    values = values.flatten(1)
    for name in ("fc6", "fc7"):
        values = F.linear(values, *tensors[name]).relu()
    return F.linear(values, *tensors["fc8"])


def damaged(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """That many copies of a file, each cut, flipped, spliced, overwritten or doubled in part."""
    draw = random.Random(seed)
    for _ in range(count):
        changed = bytearray(content)
        for _ in range(draw.choice((1, 1, 1, 3, 20))):
            here = draw.randrange(len(changed)) if changed else 0
            other = draw.randrange(len(content))
            length = draw.choice((1, 2, 9, 200))
            match draw.randrange(6):
                case 0:
                    del changed[here:]
                case 1 if changed:
                    changed[here] ^= 1 << draw.randrange(8)
                case 2:
                    changed[here : here + length] = content[other : other + length]
                case 3:
                    changed[here:here] = content[other : other + length]
                case 4:
                    changed[here : here + length] = b"\xff" * draw.randrange(12)
                case _:
                    del changed[here : here + length]
        yield bytes(changed)
