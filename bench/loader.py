"""Pictures through the paper's augmentation, per core: our loader beside the usual ones.

    uv run python bench/loader.py [FOLDER] [--processor] [--json]

FOLDER holds a folder of JPEGs for each class; without it drawn pictures of 500 x 375 are written
to a temporary one. Every way rescales to a smaller side of 256 and gives batches of 64 random,
half of them mirrored, crops of 224:

- verydeep: `training.loader.batches`: uint8 crops, with what the device needs to mirror them, to
  shift their colour and to take the mean away: all that cores must do where there is a GPU;
- shown: the same, and `Batch.shown` on the CPU as well;
- ImageFolder: torchvision, Pillow, DataLoader with as many worker processes as cores;
- v2: torchvision.transforms.v2 on tensors made from Pillow's picture, in as many threads as cores;
- bare: simplejpeg decoding each file whole, in as many threads, and no more.

The ways take turns within one run; figures are pictures a second for each core, medians of seven.
--processor counts seconds of the processor, of one thread, ImageFolder's without a worker process:
for a machine that has other work, too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import simplejpeg
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import datasets, transforms  # type: ignore[import-untyped]
from torchvision.transforms import v2  # type: ignore[import-untyped]

from verydeep.datasets import open_dataset
from verydeep.drawings.drawing import draw
from verydeep.pictures.preprocessing import IMAGENET
from verydeep.runtime.threads import in_order, one_thread_each
from verydeep.training.loader import Batch, CropSource, batches
from verydeep.training.settings import Settings

RUNS = 7
BATCH = 64
AXES = ((50.0, 50.0, 50.0), (5.0, 0.0, -5.0), (1.0, -2.0, 1.0))
Way = Callable[[], int]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--processor", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = given.folder or drawn(Path(made))
        if given.processor:
            found = [measure(folder, 1, process_time, workers=0)]
        else:
            cores = sorted({1, len(os.sched_getaffinity(0))})
            found = [measure(folder, count, perf_counter, workers=count) for count in cores]
    print(json.dumps(found, indent=1) if given.json else "\n\n".join(map(table, found)))


def drawn(root: Path, count: int = 320) -> Path:
    """Drawn pictures of the size that ILSVRC's commonly have, in two classes."""
    for i in range(count):
        place = root / ("even", "odd")[i % 2] / f"{i}.jpg"
        place.parent.mkdir(exist_ok=True)
        Image.fromarray(draw(0, i, (375, 500)).image).save(place, quality=90)
    return root


def measure(folder: Path, cores: int, clock: Callable[[], float], workers: int) -> dict[str, Any]:
    """Pictures a second and core of each way, every one in turn, on so many cores."""
    ways = {
        "verydeep": ours(folder, cores, shown=False),
        "shown": ours(folder, cores, shown=True),
        "ImageFolder": image_folder(folder, workers),
        "v2": tensors(folder, cores),
        "bare": bare(folder, cores),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    with one_thread_each():
        for run in range(RUNS + 1):
            for name, way in ways.items():
                start = clock()
                count = way()
                if run:  # the first warms up
                    rates[name].append(count / (clock() - start) / cores)
    return {"cores": cores, "rates": rates}


def ours(folder: Path, cores: int, shown: bool) -> Way:
    """An epoch of our loader; shown in its own threads, where it is."""
    part = open_dataset(folder).everything
    settings = Settings(batch=BATCH)
    source = CropSource(part, IMAGENET, AXES)

    def work(batch: Batch) -> int:
        return len(batch.shown(IMAGENET)) if shown else len(batch.samples)

    return lambda: sum(map(work, batches(source, settings, 0, cores)))


def image_folder(folder: Path, workers: int) -> Way:
    """Torchvision's example, its worker processes kept from epoch to epoch."""
    recipe = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.RandomCrop(224),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    loader: Any = DataLoader(
        datasets.ImageFolder(str(folder), recipe),
        BATCH,
        shuffle=True,
        num_workers=workers,
        drop_last=True,
        persistent_workers=workers > 0,
    )
    return lambda: sum(len(images) for images, _ in loader)


def tensors(folder: Path, cores: int) -> Way:
    """v2 on uint8 tensors, antialiased; in threads, which its operations let run side by side."""
    recipe = v2.Compose(
        [
            v2.PILToTensor(),
            v2.Resize(256, antialias=True),
            v2.RandomCrop(224),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    files = sorted(folder.rglob("*.jpg"))
    groups = [files[i : i + BATCH] for i in range(0, len(files) - BATCH + 1, BATCH)]

    def batch(group: list[Path]) -> int:
        return len(torch.stack([recipe(Image.open(path).convert("RGB")) for path in group]))

    return lambda: sum(in_order(batch, groups, cores, 2 * cores))


def bare(folder: Path, cores: int) -> Way:
    """Decoding alone."""
    files = sorted(folder.rglob("*.jpg"))

    def decode(path: Path) -> int:
        simplejpeg.decode_jpeg(path.read_bytes())
        return 1

    return lambda: sum(in_order(decode, files, cores, 16 * cores))


def table(found: dict[str, Any]) -> str:
    """One line for each way, with how many times as fast ours is."""
    return "\n".join(lines(found["cores"], found["rates"]))


def lines(cores: int, rates: dict[str, list[float]]) -> Iterator[str]:
    yield f"{cores} core{'s' if cores > 1 else ''}   pictures a second and core    ours, times that"
    own = statistics.median(rates["verydeep"])
    for name, found in rates.items():
        median = statistics.median(found)
        spread = f"{median:7.0f} ({min(found):.0f} to {max(found):.0f})"
        yield f"{name:12} {spread:27} {own / median:6.2f}"


if __name__ == "__main__":
    main()
