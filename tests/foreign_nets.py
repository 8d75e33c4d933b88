"""Nets as other families write them, and their own arithmetic, done plainly in H, W, C order.

Kernels are H, W, I, O throughout, pictures and maps H, W, C; nothing here knows of PyTorch's order.
"""

from __future__ import annotations

import random
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from verydeep.errors import UserError
from verydeep.importers.parameters import Parameters
from verydeep.nets import vgg
from verydeep.nets.network import Network
from verydeep.nets.rows import Conv

Weights = dict[str, tuple[np.ndarray, np.ndarray]]
"""Kernel [H, W, I, O] and bias [O] by Caffe's name."""

SMALL = {"classes": 10, "width": 0.125, "crop": 64, "fc": 24}
TINY = ("conv1_1", "conv1_2", "fc6")


def random_weights(letter: str = "D", **size: float) -> Weights:
    """Random weights of a configuration, narrow unless told; He's deviation keeps maps alive."""
    table = vgg.table(letter, **(size or SMALL))  # type: ignore[arg-type]
    shapes = table.shapes(table.crop, table.crop)
    draw = np.random.default_rng(len(table.rows))
    weights = {}
    for row in table.rows:
        if isinstance(row, Conv):
            out, into, height, width = row.weights(*(shapes[name] for name in row.inputs))
            kernel = draw.standard_normal((height, width, into, out), np.float32)
            kernel *= np.float32((2 / (into * height * width)) ** 0.5)
            weights[row.name] = kernel, draw.standard_normal(out, np.float32)
    return weights


def tiny() -> Weights:
    """A few layers of small shapes, for files that are damaged by the thousand."""
    draw = np.random.default_rng(1)
    shapes = [(3, 3, 3, 4), (3, 3, 4, 4), (2, 2, 4, 5)]
    return {
        name: (draw.random(shape, np.float32), draw.random(shape[-1], np.float32))
        for name, shape in zip(TINY, shapes, strict=True)
    }


def scores(weights: Weights, picture: np.ndarray) -> np.ndarray:
    """Class scores of a picture [H, W, 3] in the family's pixels: Table 1, step by step."""
    values = picture.astype(np.float64)
    block = "1"
    for name, (kernel, bias) in weights.items():
        if name == "fc6" or (name.startswith("conv") and name[4] != block):
            values, block = pooled(values), name[4:5]
        if name.startswith("conv"):
            values = np.maximum(convolved(values, kernel) + bias, 0)
        else:
            values = np.einsum("hwi,hwio->o", values, kernel) + bias
            values = values[None, None]
            values = values if name == "fc8" else np.maximum(values, 0)
    return values.ravel()


def convolved(values: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    height, width, _ = values.shape
    margin = kernel.shape[0] // 2
    padded = np.pad(values, ((margin, margin), (margin, margin), (0, 0)))
    result = np.zeros((height, width, kernel.shape[3]))
    for y in range(kernel.shape[0]):
        for x in range(kernel.shape[1]):
            result += padded[y : y + height, x : x + width] @ kernel[y, x].astype(np.float64)
    return result


def pooled(values: np.ndarray) -> np.ndarray:
    height, width, channels = values.shape
    windows: np.ndarray = values.reshape(height // 2, 2, width // 2, 2, channels).max((1, 3))
    return windows


def as_network(letter: str, parameters: Parameters) -> Network:
    """The network that was read, run by ours."""
    table = vgg.table(letter, **SMALL)  # type: ignore[arg-type]
    network = Network.empty(table, [str(i) for i in range(10)], parameters.pixels)
    tensors = {k: torch.from_numpy(np.array(v)) for k, v in parameters.tensors.items()}
    network.load_state_dict(tensors, assign=True)
    return network.eval()


def picture(side: int = 64) -> np.ndarray:
    """A random RGB picture, uint8."""
    return np.random.default_rng(7).integers(0, 256, (side, side, 3), np.uint8)


def assert_runs_like(letter: str, parameters: Parameters, expected: np.ndarray) -> None:
    """Holds our scores of the picture against the family's, to 1e-4 of the largest."""
    network = as_network(letter, parameters)
    with torch.inference_mode():
        found = network(parameters.pixels.normalise(torch.from_numpy(picture()[None])))[0].numpy()
    assert np.abs(expected).max() > 1e-3
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def assert_same(parameters: Parameters, weights: Weights) -> None:
    """Holds tensors against kernels, bit for bit, index by index order."""
    names = [f"{name}.{part}" for name in weights for part in ("weight", "bias")]
    assert list(parameters.tensors) == names
    for name, (kernel, bias) in weights.items():
        weight = parameters.tensors[f"{name}.weight"]
        assert weight.dtype == parameters.tensors[f"{name}.bias"].dtype == np.float32
        assert np.array_equal(weight, np.einsum("hwio->oihw", kernel))
        assert np.array_equal(parameters.tensors[f"{name}.bias"], bias)


def damaged(contents: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Files cut short, with bytes changed, or put together of pieces of each other."""
    draw = random.Random(seed)
    for i in range(count):
        content = bytearray(draw.choice(contents))
        if i % 4 == 0:
            del content[draw.randrange(len(content)) :]
        elif i % 4 == 3:
            other = draw.choice(contents)
            start, length = draw.randrange(len(other)), draw.choice([8, 64, 512])
            at = draw.randrange(len(content))
            content[at : at + length] = other[start : start + length]
        else:
            for _ in range(draw.choice([1, 1, 2, 8])):
                at = draw.randrange(len(content))
                content[at] = draw.choice([0, 1, 127, 255, content[at] ^ 1 << draw.randrange(8)])
        yield bytes(content)


def assert_refused_or_read(
    read: Callable[[Path], Parameters], path: Path, contents: Iterator[bytes]
) -> int:
    """Reads each; whatever is raised must be one line that names the file. Gives their number.

    Memory may not grow by 200 MB over all of them.
    """
    refused = 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for content in contents:
        path.write_bytes(content)
        said = refusal(read, path)
        refused += said is not None
        assert said is None or said.startswith(f"{path} cannot be read: "), said
        assert said is None or "\n" not in said
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10
    return refused


def refusal(read: Callable[[Path], object], path: Path) -> str | None:
    """What is said where a file is refused."""
    try:
        read(path)
    except UserError as error:
        return str(error)
    return None


def assert_refused(read: Callable[[Path], object], path: Path, reason: str) -> None:
    """One line, which names the file and the reason, with little memory taken."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match=reason) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10


def peak_of_reading(module: str, path: Path) -> int:
    """Peak memory, in bytes, of a process of its own that reads a file; not what started it."""
    order = (
        f"from verydeep.importers import {module}\n"
        f"p = {module}.read({str(path)!r})\nassert len(p.tensors) > 20\n"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", order], cwd=root, capture_output=True, text=True, check=True
    )
    return int(done.stdout) << 10
