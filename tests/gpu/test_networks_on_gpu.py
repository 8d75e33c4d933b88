"""Networks on a GPU against the same networks on the CPU, which other tests hold against others'.

PyTorch's convolutions take TF32 on a GPU unless they are told otherwise: factors of 10 bits, which
err by 5e-4 at most each. With weights and values rounded so on a CPU, these nets' scores moved by
up to 1.3e-3 (A) and 2.6e-3 (D) of the largest, over eight draws of pictures.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import images
from verydeep.engines.engine import engine_for
from verydeep.errors import UserError
from verydeep.evaluation.dense import in_tiles
from verydeep.evaluation.posteriors import posteriors
from verydeep.evaluation.showing import memory_of
from verydeep.evaluation.views import protocol
from verydeep.nets.network import Network, build
from verydeep.parts.dataset import Part
from verydeep.pictures.preprocessing import Pixels
from verydeep.runtime import memory
from verydeep.runtime.machine import Machine
from verydeep.runtime.runtime import Runtime
from verydeep.weights.file import load, save

pytestmark = pytest.mark.gpu
PIXELS = Pixels((64, 64), (120.0, 115.0, 100.0), (50.0, 50.0, 50.0))
MIXED = [(64, 64), (64, 96), (80, 64), (130, 64), (64, 96), (70, 90)]


def both(name: str, device: str) -> tuple[Network, Network]:
    """A narrow network on the CPU, and the same on the device."""
    network = build(name, 10, width=0.125, crop=32, pixels=PIXELS, initial="he").eval()
    return network, deepcopy(network).to(device)


def part(*shapes: tuple[int, int]) -> Part:
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]
    return Part([f"{i}" for i in range(len(shapes))], np.zeros(len(shapes), np.int64),
                lambda i: pictures[i])  # fmt: skip


def apart(a: torch.Tensor, b: torch.Tensor) -> float:
    """The largest difference, over the largest value."""
    return ((a.cpu() - b.cpu()).abs().max() / a.abs().max()).item()


@pytest.mark.parametrize("name", ["A", "D"])
@torch.inference_mode()
def test_narrow_networks_have_the_scores_of_the_cpu(name: str, device: str, exactly: None) -> None:
    here, there = both(name, device)
    for side in (32, 100):  # of a crop, and of more than one position
        shown = images(4, side, side + 32)
        assert apart(here.score_map(shown), there.score_map(shown.to(device))) < 1e-4


@pytest.mark.parametrize("name", ["A", "D"])
@torch.inference_mode()
def test_scores_by_default_are_within_what_tf32_rounds(name: str, device: str) -> None:
    here, there = both(name, device)
    shown = images(4, 32, 32)
    assert apart(here(shown), there(shown.to(device))) < 5e-3


@torch.inference_mode()
def test_the_layout_channels_last_changes_no_score(device: str, exactly: None) -> None:
    _, there = both("D", device)
    last = deepcopy(there).to(memory_format=torch.channels_last)
    shown = images(4, 64, 64).to(device)
    shown_last = shown.contiguous(memory_format=torch.channels_last)
    assert apart(there(shown), last(shown_last)) < 1e-4


@pytest.mark.parametrize("name", ["dense", "crops"])
def test_protocols_have_the_posteriors_of_the_cpu(name: str, device: str, exactly: None) -> None:
    here, there = both("A", device)
    shown = protocol(here, name, (48, 64))
    pictures = part(*MIXED)
    expected = posteriors(here, pictures, shown, Runtime(Machine("cpu", 2)))
    found = posteriors(there, pictures, shown, Runtime(Machine(device, 2)))
    assert abs(found - expected).max() < 1e-4


def test_protocols_in_bf16_have_nearly_the_posteriors_of_float32(device: str) -> None:
    here, there = both("A", device)
    shown, pictures = protocol(here, "dense", (64,)), part(*MIXED)
    expected = posteriors(here, pictures, shown, Runtime(Machine("cpu", 2)))
    found = posteriors(there, pictures, shown, Runtime(Machine(device, 2)), precision="bf16")
    assert abs(found - expected).max() < 0.05
    assert abs(found.sum(1) - 1).max() < 1e-5  # averaged in float32 all the same


@torch.inference_mode()
def test_tiles_have_the_score_map_of_the_whole(device: str, exactly: None) -> None:
    here, there = both("A", device)
    picture = torch.from_numpy(
        np.random.default_rng(1).integers(0, 256, (1, 224, 320, 3), np.uint8)
    )
    whole = here.score_map(PIXELS.normalise(picture))
    found = in_tiles(engine_for(there), picture.to(device), 160 * 160)
    assert found.shape == whole.shape
    assert apart(whole, found) < 1e-4


def test_weights_from_a_gpu_come_back_on_a_cpu(device: str, tmp_path: Path) -> None:
    here, there = both("D", device)
    there.to(memory_format=torch.channels_last)
    save(there, tmp_path / "d.safetensors")
    for name, weight in load(tmp_path / "d.safetensors").state_dict().items():
        assert torch.equal(weight, here.state_dict()[name])


def test_memory_that_is_taken_is_no_longer_available(cuda: str) -> None:
    size = 2**28
    before = memory.available(cuda)
    assert before is not None
    taken = torch.empty(size, dtype=torch.uint8, device=cuda)
    now = memory.available(cuda)
    assert now is not None
    assert before - now >= size // 2  # what others let go meanwhile aside
    del taken
    assert memory_of(now) <= now
    with pytest.raises(UserError, match="GPU memory are free; take less"):
        memory.refuse(10 * before, "this", "take less", cuda)
