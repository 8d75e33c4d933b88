"""Whether it matters to a training how its pictures are kept: it must not, to the bit.

    uv run python bench/memory_of_pictures.py DATA [WAY ...]

Trains A at 0.125 of the width, crop 64, S = 80, for 6 epochs on one thread, on DATA, a folder of
JPEGs in train/ and val/: with none of its pictures rescaled in memory, with a seventh of them, with
all; with the same pictures as PNGs; packed as they are; and packed at a smaller side of 96, which
compresses them anew. Prints of each the sha256 of its weights, top-1 error in % by a centre crop and
densely, and how often it answers each class, over how often that is right.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image

from verydeep.conditions import Conditions
from verydeep.datasets import open_dataset
from verydeep.datasets.packing import pack
from verydeep.machine import Machine
from verydeep.nets.network import Network
from verydeep.pictures import read_picture
from verydeep.tasks import classification
from verydeep.tasks.testing import evaluate
from verydeep.training.loader import MEMORY, remember

WAYS = ("none", "seventh", "all", "png", "packed", "packed-96")
SETTINGS: dict[str, Any] = {
    "net": "A", "width": 0.125, "crop": 64, "scale": 80, "epochs": 6, "batch": 32, "rate": 0.005,
    "dropout": 0.25, "initial": "he", "patience": 3,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("ways", nargs="*", metavar="WAY")
    given = parser.parse_args()
    for way in given.ways or WAYS:
        with tempfile.TemporaryDirectory() as made:
            print(f"{way:10} {line(given.data, way, Path(made))}", flush=True)


def line(data: Path, way: str, made: Path) -> str:
    """What a training came to."""
    count = len(open_dataset(data).train)
    limit = {"none": 0, "seventh": count // 7 * 80 * 80 * 3}.get(way, MEMORY)
    where = data
    if way == "png":
        where = as_png(data, made / "png")
    elif way.startswith("packed"):
        where = made / "pack"
        pack(open_dataset(data), where, side=96 if way == "packed-96" else 512, threads=1)
    conditions = Conditions(Machine("cpu", 1))
    with patch.object(classification, "remember", partial(remember, limit=limit)):
        run = classification.train(where, made / "run", conditions, **SETTINGS)
    centre, dense = (evaluate(run.folder, where, p, conditions) for p in ("centre", "dense"))
    answers = np.bincount(centre.scores.posteriors.argmax(1), minlength=len(run.network.classes))
    shares = answers / np.bincount(centre.scores.labels)
    return (
        f"{digest(run.network)}  {centre.top1:5.1f} {dense.top1:5.1f}  "
        f"{' '.join(f'{share:.2f}' for share in shares)}"
    )


def as_png(data: Path, out: Path) -> Path:
    """The same pixels in a folder of PNGs."""
    for path in sorted(data.rglob("*.*")):
        if path.suffix.lower() in (".jpg", ".jpeg"):
            place = (out / path.relative_to(data)).with_suffix(".png")
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(read_picture(path)).save(place, compress_level=1)
    return out


def digest(network: Network) -> str:
    """The beginning of a sha256 of all weights."""
    found = hashlib.sha256()
    for tensor in network.state_dict().values():
        found.update(tensor.contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


if __name__ == "__main__":
    main()
