"""Released weight files that are known by their hash, as plain data.

Accuracies are of one centre crop of ILSVRC-2012's validation pictures, as their publisher measured
them, but for what `more` says.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

CHUNK = 2**20


@dataclass(frozen=True)
class Release:
    """A file that somebody published; accuracies in %, None where there are none.

    `sha256` is what is published of it, its first eight hex digits; `md5` is whole.
    """

    name: str
    publisher: str
    source: str
    top1: float | None = None
    top5: float | None = None
    more: str = ""
    sha256: str = ""
    md5: str = ""

    @property
    def measured(self) -> str:
        """Its accuracy in words, with protocol and source."""
        if self.top1 is None:
            return f"no accuracy: {self.more} ({self.source})"
        more = f"; {self.more}" if self.more else ""
        return (
            f"top-1 {self.top1} %, top-5 {self.top5} %, one centre crop, ILSVRC-2012 val{more} "
            f"({self.source})"
        )


@dataclass(frozen=True)
class Hashes:
    """The hashes of a file, in hex."""

    sha256: str
    md5: str


def _torchvision(name: str, top1: float, top5: float) -> Release:
    source = "torchvision.models, weights IMAGENET1K_V1"
    return Release(f"{name}.pth", "torchvision", source, top1, top5, sha256=name[-8:])


KERAS = "Keras Applications"
NO_TOP = "it has no FC layers"

RELEASES = (
    _torchvision("vgg11-8a719046", 69.020, 88.628),
    _torchvision("vgg13-19584684", 69.928, 89.246),
    _torchvision("vgg16-397923af", 71.592, 90.382),
    _torchvision("vgg19-dcbb9e9d", 72.376, 90.876),
    _torchvision("vgg11_bn-6002323d", 70.370, 89.810),
    _torchvision("vgg13_bn-abd245e5", 71.586, 90.374),
    _torchvision("vgg16_bn-6c64b313", 73.360, 91.516),
    _torchvision("vgg19_bn-c79401a0", 74.218, 91.842),
    Release(
        "vgg16_features-amdegroot-88682ab5.pth",
        "torchvision",
        "torchvision.models, weights IMAGENET1K_FEATURES",
        more="its FC layers are NaN",
        sha256="88682ab5",
    ),
    Release(
        "vgg16_weights_tf_dim_ordering_tf_kernels.h5",
        "Keras",
        KERAS,
        71.27,
        90.05,
        more="ten crops: top-5 91.17 %",
        md5="64373286793e3c8b2b4e3219cbf3544b",
    ),
    Release(
        "vgg19_weights_tf_dim_ordering_tf_kernels.h5",
        "Keras",
        KERAS,
        71.26,
        89.99,
        more="ten crops: top-5 91.23 %",
        md5="cbe5617147190e668d6c5d5026f83318",
    ),
    Release(
        "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "Keras",
        KERAS,
        more=NO_TOP,
        md5="6d6bbae143d832006294945121d1f1fc",
    ),
    Release(
        "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "Keras",
        KERAS,
        more=NO_TOP,
        md5="253f8cb515780f3b799900260a226db6",
    ),
    Release(
        "imagenet-vgg-verydeep-16.mat",
        "MatConvNet",
        "MatConvNet, pretrained models",
        71.5,
        90.1,
        md5="f72d927587ca4c97fbd165ec9cb9997f",
    ),
    Release(
        "imagenet-vgg-verydeep-19.mat",
        "MatConvNet",
        "MatConvNet, pretrained models",
        71.3,
        90.1,
        md5="106118b7cf60435e6d8e04f6a6dc3657",
    ),
)


def hashes_of(path: Path) -> Hashes:
    """The hashes of a file, which is read once."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            sha256.update(chunk)
            md5.update(chunk)
    return Hashes(sha256.hexdigest(), md5.hexdigest())


def release_of(hashes: Hashes) -> Release | None:
    """The release that has these hashes, as far as its publisher gives them."""
    for release in RELEASES:
        if release.md5 == hashes.md5:
            return release
        if release.sha256 and hashes.sha256.startswith(release.sha256):
            return release
    return None
