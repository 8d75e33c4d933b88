"""What `on_gpu.py` runs and measures, part by part; each tells what it finds as it finds it.

A part is given its sizes and a function to tell: facts, figures, failures. Ways of doing one thing
take turns. One that fails is told of and left out, and the others are measured all the same.
"""

from __future__ import annotations

import io
import os
import platform
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from traceback import format_exc
from typing import Any

import numpy as np
import protocols
import pytest
import torch
import torchvision  # type: ignore[import-untyped]
import train_step
from found import Fact, Failure, Figure, Tell
from PIL import Image
from torch import Tensor
from turns import Turn, Way, in_turns, rates

from verydeep.drawings.drawing import draw
from verydeep.engines.engine import engine_for
from verydeep.nets.layers import to_channels_last
from verydeep.nets.network import build
from verydeep.parts.dataset import Part
from verydeep.runtime.machine import Machine
from verydeep.runtime.runtime import Runtime
from verydeep.training.footprint import footprint
from verydeep.training.loader import CropSource
from verydeep.training.loop import fit
from verydeep.training.settings import Settings
from verydeep.training.state import Training

ROOT = Path(__file__).parents[1]
Makers = Mapping[str, Callable[[], Way]]
"""What makes each way of doing a thing, by name."""


@dataclass(frozen=True)
class Sizes:
    """How large everything is: `WHOLE` on a GPU, `TINY` to try the script on a CPU."""

    device: str
    cases: tuple[train_step.Case, ...]
    runs: int
    batches: tuple[int, ...]
    scales: tuple[int, ...]
    pictures: int
    epoch: int
    tests: tuple[str, ...] = ()

    @property
    def case(self) -> train_step.Case:
        """The first of the cases: that which is tested, too."""
        return self.cases[0]


WHOLE = Sizes(
    "cuda",
    (train_step.Case("D"), train_step.Case("A")),
    runs=5,
    batches=(1, 64),
    scales=protocols.SCALES,
    pictures=12,
    epoch=4096,
)
TINY = Sizes(
    "cpu",
    (train_step.Case("A", 1 / 32, 32, 4),),
    runs=1,
    batches=(2,),
    scales=(32, 64),
    pictures=2,
    epoch=8,
    tests=("-k", "narrow_networks or training_step"),
)


def machine(sizes: Sizes, tell: Tell) -> None:
    """What this runs on, and by which versions."""
    on_gpu = sizes.device == "cuda"
    tell(Fact("card", torch.cuda.get_device_name() if on_gpu else "none: a dry run on the CPU"))
    if on_gpu:
        cudnn: Any = torch.backends.cudnn  # has no types
        memory = torch.cuda.get_device_properties(0).total_memory
        tell(Fact("memory of the card, GB", memory / 1e9))
        tell(Fact("cuDNN", str(cudnn.version())))
    tell(Fact("torch", torch.__version__))
    tell(Fact("torchvision", str(torchvision.__version__)))
    tell(Fact("CUDA that torch was built for", str(torch.version.cuda)))
    tell(Fact("Python", platform.python_version()))
    tell(Fact("cores", len(os.sched_getaffinity(0))))


def tests(sizes: Sizes, tell: Tell) -> None:
    """The tests that are marked `gpu`, each with how it ended."""
    os.environ["VERYDEEP_GPU_TESTS"] = sizes.device

    class Outcomes:
        counts = dict.fromkeys(("passed", "failed", "skipped"), 0)

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if report.when == "call" or report.outcome != "passed":
                self.counts[report.outcome] += 1
            if report.outcome == "skipped":
                reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
                tell(Fact(f"skipped {report.nodeid}", str(reason)))
            if report.outcome == "failed":
                tell(Failure(report.nodeid, report.longreprtext))

        def pytest_collectreport(self, report: pytest.CollectReport) -> None:
            if report.outcome == "failed":
                tell(Failure(f"collecting {report.nodeid}", report.longreprtext))

    outcomes = Outcomes()
    plainly = ["-o", "addopts=", "-p", "no:cacheprovider", "-W", "default", "--rootdir", str(ROOT)]
    chosen = ["-q", "-m", "gpu", *sizes.tests, str(ROOT / "tests" / "gpu")]
    config = ["-c", str(ROOT / "pyproject.toml")]
    code = pytest.main([*plainly, *config, *chosen], plugins=[outcomes])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        tell(Failure("pytest", f"left with {code!r}, and may have run nothing"))
    for outcome, count in outcomes.counts.items():
        tell(Fact(outcome, count))


def training_step(sizes: Sizes, tell: Tell) -> None:
    """Steps of each case beside torchvision's; of the first compiled ones, too, beside ours."""
    device = sizes.device
    for case in sizes.cases:
        what = f"training step of {case.net}, {case.crop}, batch {case.batch}"
        ours, theirs = partial(train_step.ours, case), partial(train_step.peer, case)
        ways: Makers = {
            "verydeep": partial(ours, device),
            "torchvision": partial(theirs, device),
        }
        compiled: Makers = {
            "verydeep, beside compiled ones": partial(ours, device),
            "verydeep, compiled": partial(ours, device, compiled=True),
            "torchvision, compiled": partial(theirs, device, compiled=True),
        }
        is_first = device == "cuda" and case is sizes.case
        for some in (ways, compiled) if is_first else (ways,):
            turns = _timed(some, what, sizes, tell, train_step.STEPS[device])
            for name, spent in turns.items():
                tell(Figure(what, name, "pictures/s", tuple(rates(spent, case.batch))))
        flops = 3 * 2 * case.multiply_adds
        tell(Fact(f"{what}: TFLOP of multiply-adds a picture", flops / 1e12))


def training(sizes: Sizes, tell: Tell) -> None:
    """Epochs from JPEGs in memory to weights, decoding included; and the memory that it takes."""
    case, on_gpu, part = sizes.case, sizes.device == "cuda", _jpegs(sizes.epoch)
    settings = Settings(
        net=case.net, width=case.width, crop=case.crop, scale=(case.crop, case.crop + 32),
        batch=case.batch, epochs=2, precision="bf16" if on_gpu else "float32",
    )  # fmt: skip
    network = build(case.net, 10, width=case.width, crop=case.crop).to(sizes.device)
    if on_gpu:
        to_channels_last(network)
    source = CropSource(part, network.pixels, pinned=on_gpu)
    runtime = Runtime(Machine(sizes.device, len(os.sched_getaffinity(0))))
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    what = f"training of {case.net} from JPEGs, {case.crop}, batch {case.batch}"
    few = part.only(range(min(len(part), case.batch)))
    for epoch in fit(Training.of(network, settings), source, few, settings, runtime):
        way = f"epoch {epoch.epoch}, its check included"
        tell(Figure(what, way, "pictures/s", (len(part) / epoch.seconds,)))
        tell(Fact(f"{what}: share spent waiting, epoch {epoch.epoch}", epoch.waiting))
    said = footprint(network.table, settings, runtime.machine.threads, 0, device=sizes.device)
    tell(Fact(f"{what}: GB of the device, reckoned", said.device / 1e9))
    if on_gpu:
        tell(Fact(f"{what}: GB, taken", torch.cuda.max_memory_allocated() / 1e9))


def testing(sizes: Sizes, tell: Tell) -> None:
    """The paper's protocols beside torchvision's net, from files to posteriors."""
    case, here = sizes.case, Machine.this(sizes.device)
    network = build(case.net, 10, width=case.width, crop=case.crop).to(sizes.device).eval()
    with tempfile.TemporaryDirectory() as made:
        paths = sorted(protocols.drawn(Path(made)).iterdir())
        paths = [paths[i % len(paths)] for i in range(sizes.pictures)]
        for name in ("dense", "crops"):
            ours, theirs = protocols.ways(network, paths, name, here, sizes.scales)
            what = f"testing {case.net}, {name}, Q = {', '.join(map(str, sizes.scales))}"
            apart = float(np.abs(ours() - theirs()).max())
            tell(Fact(f"{what}: posteriors apart", apart))
            turns = in_turns({"verydeep": ours, "torchvision": theirs}, min(3, sizes.runs))
            for way, spent in turns.items():
                tell(Figure(what, way, "pictures/s", tuple(rates(spent, len(paths)))))


@torch.inference_mode()
def inference(sizes: Sizes, tell: Tell) -> None:
    """Posteriors of batches of crops: ours from bytes of the host, theirs from floats there."""
    case, device, on_gpu = sizes.case, sizes.device, sizes.device == "cuda"
    network = build(case.net, width=case.width, crop=case.crop).to(device).eval()
    last = build(case.net, width=case.width, crop=case.crop).to(device).eval()
    last.to(memory_format=torch.channels_last)
    theirs = (
        train_step.torchvisions_of(case).to(device).eval().to(memory_format=torch.channels_last)
    )
    faster: Any = torch.compile(theirs, dynamic=False) if on_gpu else theirs

    for batch in sizes.batches:
        views = torch.randint(256, (batch, case.crop, case.crop, 3), dtype=torch.uint8)
        views = views.pin_memory() if on_gpu else views
        floats = views.to(device).permute(0, 3, 1, 2).float()
        shown: dict[str, tuple[Callable[[Tensor], object], Tensor]] = {
            "verydeep": (engine_for(network).posteriors, views),
            "verydeep, channels last": (engine_for(last).posteriors, views),
            "torchvision": (theirs, floats),
        }
        if on_gpu:
            shown["torchvision, compiled"] = faster, floats
        ways: Makers = {
            name: partial(partial, _half, work, images, device)
            for name, (work, images) in shown.items()
        }
        what = f"inference of {case.net}, {case.crop}, batch {batch}"
        calls = 10 if on_gpu else 1
        for name, spent in _timed(ways, what, sizes, tell, calls).items():
            values = tuple(1e3 * turn.clock for turn in spent)
            tell(Figure(what, name, "ms a batch", values))


def _half(work: Callable[[Tensor], object], images: Tensor, device: str) -> object:
    """Pictures worked on by a GPU in bf16, or by a CPU in float32, wherever they are."""
    with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        return work(images.to(device, non_blocking=True))


def _timed(
    makers: Makers, what: str, sizes: Sizes, tell: Tell, calls: int
) -> dict[str, list[Turn]]:
    """The times of each way that can be made and called once; the others are told of."""
    ways: dict[str, Way] = {}
    for name, make in makers.items():
        try:
            way = make()
            way()
            ways[name] = way
        except Exception:
            tell(Failure(f"{what}, {name}", format_exc()))
    return in_turns(ways, sizes.runs, calls=calls, device=sizes.device)


def _jpegs(count: int) -> Part:
    """So many pictures of 375 x 500, of 32 that differ, as bytes."""
    files = []
    for number in range(min(32, count)):
        file = io.BytesIO()
        Image.fromarray(draw(0, number, (375, 500)).image).save(file, "JPEG", quality=90)
        files.append(file.getvalue())
    labels = np.arange(count) % 10
    return Part([f"{i}" for i in range(count)], labels, lambda i: files[i % len(files)])
