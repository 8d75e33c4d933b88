"""LPIPS: weights and two pictures in, how unlike they look out."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from verydeep.ascent.distance import FITTED_TO, distance, heads_in
from verydeep.ascent.looking import from_picture, refuse_unfit
from verydeep.errors import UserError
from verydeep.importers.parameters import TORCHVISION
from verydeep.insight.signals import frozen
from verydeep.parts.given import given_pictures, source_of
from verydeep.pictures.reading import Picture, read_picture
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import Progress, Shown
from verydeep.weights import find, load
from verydeep.weights.file import read_info
from verydeep.weights.releases import named


def lpips(
    weights_path: str | Path,
    one: Any,
    other: Any,
    *,
    heads: str | Path | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> float:
    """The LPIPS distance (version 0.1, VGG) of two pictures of one size, as they are.

    Its `heads` are a file, by default the one that the package `lpips` comes with. They were fitted
    to torchvision's D, and other weights are refused: known are a file that was imported from
    "vgg16-397923af.pth", by that file's hash, and the name "vgg16-torchvision".

    >>> verydeep.lpips("vgg16-torchvision", "cat.png", "cat-again.png")
    0.0123...
    """
    weighed = heads_in(packaged_heads() if heads is None else Path(heads))
    path = find(weights_path, progress or Shown())
    refuse_others(path)
    pictures = [_read(each) for each in (one, other)]
    sizes = [image.shape[:2] for image in pictures]
    if sizes[0] != sizes[1]:
        said = " and ".join(f"{width} x {height}" for height, width in sizes)
        raise UserError(f"pictures of {said}; LPIPS compares two of one size")
    network = frozen(load(path, Machine.this(device).device))
    refuse_unfit(network, list(weighed), sizes[0])
    with torch.inference_mode():
        images = [from_picture(image, network) for image in pictures]
        return float(distance(network, weighed, TORCHVISION, *images))


def packaged_heads() -> Path:
    """The file of heads in the package `lpips`, which is not imported; UserError without it."""
    package = find_spec("lpips")
    for folder in (package and package.submodule_search_locations) or ():
        path = Path(folder) / "weights" / "v0.1" / "vgg.pth"
        if path.is_file():
            return path
    raise UserError(
        "LPIPS needs its heads, which come with the package lpips: pip install 'verydeep[lpips]', "
        "or give heads='PATH' of its weights/v0.1/vgg.pth"
    )


def refuse_others(path: Path) -> None:
    """Raises UserError for weights the heads were not fitted to, by the hash of their file."""
    imported = read_info(path).provenance.get("imported") or {}
    release = named()[FITTED_TO]
    if not str(imported.get("sha256", "")).startswith(release.sha256):
        raise UserError(
            f"{path} is not torchvision's D ({release.name}), which the heads of LPIPS were fitted "
            f"to: distances by other weights mean nothing; import that file, or give {FITTED_TO}"
        )


def _read(picture: Any) -> Picture:
    given = given_pictures(picture)
    if not given.alone:
        raise UserError("several pictures where one is due; LPIPS compares two")
    return read_picture(source_of(given.pictures[0]))
