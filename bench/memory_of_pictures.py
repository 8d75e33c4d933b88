"""Whether it matters to a training how its pictures are kept: it must not, to the bit.

    uv run python bench/memory_of_pictures.py DATA [WAY ...]

DATA is a folder of JPEGs in train/ and val/. Its pictures are shown with none of them rescaled in
memory, with a seventh, with all; as PNGs; and packed. Prints of each way a sha256 of all that two
epochs of training and a test are shown: pixels, targets, mirrorings and shifts of colour. What no
way before has shown is trained on, A at 0.125 of the width, crop 64, S = 80, for 6 epochs on one
thread: top-1 error in % by a centre crop and densely, and how often each class is answered, over
how often that is right.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from verydeep.datasets import open_dataset
from verydeep.packs.writer import pack
from verydeep.pictures.preprocessing import Pixels
from verydeep.pictures.reading import read_picture
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import SILENT
from verydeep.runtime.runtime import Runtime
from verydeep.training.colours import colours
from verydeep.training.loader import CropSource, batches, remember
from verydeep.training.settings import Settings, checked
from verydeep.verbs import train
from verydeep.verbs.evaluate import evaluate

WAYS = ("none", "seventh", "all", "png", "packed")
SETTINGS: dict[str, Any] = {
    "net": "A", "width": 0.125, "crop": 64, "scale": 80, "epochs": 6, "batch": 32, "rate": 0.005,
    "dropout": 0.25, "initial": "he", "patience": 3,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("ways", nargs="*", metavar="WAY")
    given = parser.parse_args()
    seen: dict[str, str] = {}
    for way in given.ways or WAYS:
        with tempfile.TemporaryDirectory() as made:
            where = kept(given.data, way, Path(made))
            digest = shown(where, way)
            print(f"{way:10} {digest}", end="  ", flush=True)
            if digest in seen:
                print(f"as {seen[digest]}", flush=True)
            else:
                seen[digest] = way
                print(trained(where, Path(made) / "run"), flush=True)


def kept(data: Path, way: str, made: Path) -> Path:
    """Where the pictures lie, kept in a way."""
    if way == "png":
        return as_png(data, made / "png")
    if way == "packed":
        pack(open_dataset(data), made / "pack", threads=1)
        return made / "pack"
    return data


def shown(where: Path, way: str) -> str:
    """The beginning of a sha256 of what a network is shown in two epochs and in a test."""
    settings, dataset = Settings(**checked(SETTINGS)), open_dataset(where)
    plain = Pixels(settings.scale, mean=(0.0, 0.0, 0.0))
    share = {"none": 0, "seventh": 1 / 7}.get(way, 1)
    part, tested = (
        remember(part, plain, 1, SILENT, round(share * len(part)) * 80 * 80 * 3)[0]
        for part in (dataset.train, dataset.validation)
    )
    found = colours(part, plain)
    digest = hashlib.sha256(str(found).encode())
    for epoch in range(2):
        for batch in batches(CropSource(part, plain, found.axes), settings, epoch, threads=1):
            for tensor in (batch.images, batch.targets, batch.mirrored, batch.shift):
                digest.update(tensor.numpy().data)
    for i in range(len(tested)):
        digest.update(plain.read(tested.source(i), plain.test_scale).data)
    return digest.hexdigest()[:16]


def trained(where: Path, out: Path) -> str:
    """What a training came to."""
    runtime = Runtime(Machine("cpu", 1))
    run = train.train(where, out, runtime, **SETTINGS)
    centre, dense = (evaluate(run.folder, where, p, runtime) for p in ("centre", "dense"))
    answers = np.bincount(centre.scores.posteriors.argmax(1), minlength=len(run.network.classes))
    shares = answers / np.bincount(centre.scores.labels)
    return f"{centre.top1:5.1f} {dense.top1:5.1f}  {' '.join(f'{s:.2f}' for s in shares)}"


def as_png(data: Path, out: Path) -> Path:
    """The same pixels in a folder of PNGs."""
    for path in sorted(data.rglob("*.*")):
        if path.suffix.lower() in (".jpg", ".jpeg"):
            place = (out / path.relative_to(data)).with_suffix(".png")
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(read_picture(path)).save(place, compress_level=1)
    return out


if __name__ == "__main__":
    main()
