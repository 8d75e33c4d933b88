"""A training step, optimiser included: ours beside torchvision's, in pictures a second.

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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import protocols
import torch
from peers import FUNCTIONS, torchvisions
from torch import nn
from turns import Way, in_turns, median_of, rates

from verydeep.nets.cost import cost
from verydeep.nets.layers import to_channels_last
from verydeep.nets.network import build
from verydeep.runtime.distributed import Ranks
from verydeep.runtime.threads import one_thread_each
from verydeep.training.footprint import micro_batch_of, shared_batch
from verydeep.training.loader import Batch
from verydeep.training.settings import Settings
from verydeep.training.state import Training
from verydeep.training.step import Step

RUNS = 7
STEPS = {"cuda": 10, "cpu": 1}


@dataclass(frozen=True)
class Case:
    """What is trained: a net, its share of the paper's channels, its crop and batch."""

    net: str = "D"
    width: float = 1.0
    crop: int = 224
    batch: int = 256

    @property
    def multiply_adds(self) -> int:
        """Of one picture, forwards."""
        return cost(build(self.net, crop=self.crop, width=self.width).table).multiply_adds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--net", default="D", choices=list(FUNCTIONS))
    parser.add_argument("--width", type=float, default=1.0, help="of ours; the peers are whole")
    parser.add_argument("--crop", type=int, default=224)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--peak", type=float, default=989.0, help="TFLOP/s of the card in bf16")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    case = Case(given.net, given.width, given.crop, given.batch)
    ways: dict[str, Way] = {"verydeep": ours(case, device)}
    if device == "cuda":
        ways["verydeep, compiled"] = ours(case, device, compiled=True)
        ways["torchvision, compiled"] = peer(case, device, compiled=True)
    if given.width == 1:
        ways["torchvision"] = peer(case, device)
    found = measure(ways, case.batch, device)
    floor = given.peak * 1e12 / (3 * 2 * case.multiply_adds)
    if given.json:
        print(json.dumps({"device": name_of(device), "floor": floor, "rates": found}, indent=1))
    else:
        print("\n".join([f"{name_of(device)}, batch {given.batch}", *table(found)]))
        if device == "cuda":
            print(f"floor {floor:.0f}")
    if given.profile:
        with torch.profiler.profile() as profile:
            ways["verydeep"]()
        print(profile.key_averages().table(sort_by=f"{device}_time_total", row_limit=25))


def measure(
    ways: dict[str, Way], batch: int, device: str, runs: int = RUNS
) -> dict[str, list[float]]:
    """Pictures a second of each way, turn by turn."""
    turns = in_turns(ways, runs, calls=STEPS[device], device=device)
    return {name: rates(spent, batch) for name, spent in turns.items()}


def ours(case: Case, device: str, compiled: bool = False) -> Way:
    """Our step on a batch of bytes, with dropout, colour shift and momentum."""
    network = build(case.net, crop=case.crop, width=case.width).to(device).train()
    at_once = shared_batch(network.table, case.batch)
    settings = Settings(
        net=case.net, width=case.width, crop=case.crop, scale=(case.crop, case.crop),
        batch=case.batch, micro_batch=micro_batch_of(network.table, at_once), compiled=compiled,
        precision="bf16" if device == "cuda" else "float32",
    )  # fmt: skip
    if device == "cuda":
        to_channels_last(network)  # as `train` has it
    size = (case.batch, case.crop, case.crop, 3)
    batch = Batch(
        torch.randint(256, size, dtype=torch.uint8),
        torch.randint(1000, (case.batch,)),
        torch.rand(case.batch) < 0.5,
        torch.randn(case.batch, 3),
        torch.ones(case.batch),
        np.arange(case.batch),
        case.batch,
    )
    if device == "cuda":
        batch = batch.pinned()
    step = Step(Training.of(network, settings), settings, ThreadPoolExecutor(2), Ranks())
    numbers = iter(range(10**9))

    def run() -> object:
        with one_thread_each():
            return step(batch, next(numbers))

    return run


def peer(case: Case, device: str, compiled: bool = False) -> Way:
    """Torchvision's network on floats that are there already, with PyTorch's own SGD."""
    network = torchvisions_of(case).to(device).train().to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(network.parameters(), 1e-2, 0.9, weight_decay=5e-4)
    forward = torch.compile(network) if compiled else network
    images = torch.randn(case.batch, 3, case.crop, case.crop, device=device)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.randint(1000, (case.batch,), device=device)

    def run() -> object:
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            loss = nn.functional.cross_entropy(forward(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        return optimiser.step()

    return run


def torchvisions_of(case: Case) -> Any:
    """Torchvision's network, with random weights; one of ours' layers where ours is narrow."""
    if case.width == 1:
        return torchvisions(case.net)
    features, classifier = protocols.torchvisions(build(case.net, width=case.width, crop=case.crop))
    return nn.Sequential(features, nn.Flatten(), classifier)


def table(rates: dict[str, list[float]]) -> list[str]:
    """One line for each way, with how many times as fast ours is."""
    own = statistics.median(rates["verydeep"])
    lines = []
    for name, found in rates.items():
        median = statistics.median(found)
        lines.append(f"{name:22} {median_of(found):30} {own / median:6.2f}")
    return lines


def name_of(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else "CPU"


if __name__ == "__main__":
    main()
