"""A training step, optimiser included: ours beside torchvision's VGG, in pictures a second.

    uv run python bench/train_step.py [--net D] [--width 1] [--crop 224] [--batch 256] [--json]

On a GPU all run in bf16 autocast, channels last, with the batch on the host as bytes that are
pinned (ours) or as floats there already (the peers); on a CPU all run in float32, so give a small
net. The ways take turns within one run; medians of seven turns of some steps each. `floor` is what
the multiply-adds alone would allow at the peak given, in TFLOP/s; `profile` is where ours spends
its time, operation by operation.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import numpy as np
import torch
import torchvision  # type: ignore[import-untyped]
from torch import nn

from verydeep.nets.cost import cost
from verydeep.nets.network import build
from verydeep.runtime.distributed import Ranks
from verydeep.runtime.threads import one_thread_each
from verydeep.training.loader import Batch
from verydeep.training.settings import Settings
from verydeep.training.state import Training
from verydeep.training.step import Step

RUNS = 7
STEPS = {"cuda": 10, "cpu": 1}
PEERS = {"A": "vgg11", "B": "vgg13", "D": "vgg16", "E": "vgg19"}
Way = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--net", default="D", choices=list(PEERS))
    parser.add_argument("--width", type=float, default=1.0, help="of ours; the peers are whole")
    parser.add_argument("--crop", type=int, default=224)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--peak", type=float, default=989.0, help="TFLOP/s of the card in bf16")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    ways: dict[str, Way] = {"verydeep": ours(given, device, compiled=False)}
    if device == "cuda":
        ways["verydeep, compiled"] = ours(given, device, compiled=True)
        ways["torchvision, compiled"] = peer(given, device, compiled=True)
    if given.width == 1:
        ways["torchvision"] = peer(given, device, compiled=False)
    rates = measure(ways, given.batch, device)
    flops = 3 * 2 * cost(build(given.net, crop=given.crop, width=given.width).table).multiply_adds
    floor = given.peak * 1e12 / flops
    if given.json:
        print(json.dumps({"device": name_of(device), "floor": floor, "rates": rates}, indent=1))
    else:
        print("\n".join([f"{name_of(device)}, batch {given.batch}", *table(rates)]))
        if device == "cuda":
            print(f"floor {floor:.0f}")
    if given.profile:
        with torch.profiler.profile() as found:
            ways["verydeep"]()
        print(found.key_averages().table(sort_by=f"{device}_time_total", row_limit=25))


def measure(ways: dict[str, Way], batch: int, device: str) -> dict[str, list[float]]:
    """Pictures a second of each way, turn by turn."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for run in range(RUNS + 1):
        for name, way in ways.items():
            wait(device)
            start = perf_counter()
            for _ in range(STEPS[device]):
                way()
            wait(device)
            if run:  # the first warms up
                rates[name].append(batch * STEPS[device] / (perf_counter() - start))
    return rates


def ours(given: argparse.Namespace, device: str, compiled: bool) -> Way:
    """Our step on a batch of bytes, with dropout, colour shift and momentum."""
    settings = Settings(
        net=given.net, width=given.width, crop=given.crop, scale=(given.crop, given.crop),
        batch=given.batch, compiled=compiled, precision="bf16" if device == "cuda" else "float32",
    )  # fmt: skip
    network = build(given.net, crop=given.crop, width=given.width).to(device).train()
    network.to(memory_format=torch.channels_last)
    size = (given.batch, given.crop, given.crop, 3)
    batch = Batch(
        torch.randint(256, size, dtype=torch.uint8),
        torch.randint(1000, (given.batch,)),
        torch.rand(given.batch) < 0.5,
        torch.randn(given.batch, 3),
        torch.ones(given.batch),
        np.arange(given.batch),
        given.batch,
    )
    if device == "cuda":
        batch = batch.pinned()
    step = Step(Training.of(network, settings), settings, ThreadPoolExecutor(2), Ranks())
    numbers = iter(range(10**9))

    def run() -> object:
        with one_thread_each():
            return step(batch, next(numbers))

    return run


def peer(given: argparse.Namespace, device: str, compiled: bool) -> Way:
    """Torchvision's network on floats that are there already, with PyTorch's own SGD."""
    network: Any = getattr(torchvision.models, PEERS[given.net])().to(device).train()
    network = network.to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(network.parameters(), 1e-2, 0.9, weight_decay=5e-4)
    forward = torch.compile(network) if compiled else network
    images = torch.randn(given.batch, 3, given.crop, given.crop, device=device)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.randint(1000, (given.batch,), device=device)

    def run() -> object:
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            loss = nn.functional.cross_entropy(forward(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        return optimiser.step()

    return run


def table(rates: dict[str, list[float]]) -> list[str]:
    """One line for each way, with how many times as fast ours is."""
    own = statistics.median(rates["verydeep"])
    lines = []
    for name, found in rates.items():
        median = statistics.median(found)
        spread = f"{median:9.1f} ({min(found):.1f} to {max(found):.1f})"
        lines.append(f"{name:22} {spread:30} {own / median:6.2f}")
    return lines


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def name_of(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else "CPU"


if __name__ == "__main__":
    main()
