"""Released weight files that are known by their hash, as plain data.

Accuracies are of one centre crop of ILSVRC-2012's validation pictures, as their publisher measured
them, but for what `more` says. Where a record has a name and a URL, the name stands for a weights
file in every verb; parameters and layers are told by its configuration.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

CHUNK = 2**20


@dataclass(frozen=True)
class Release:
    """A file that somebody published; accuracies in %, None where there are none.

    `name` is the file's, `called` what people call its net. `sha256` is what is published of it,
    its first eight hex digits; `md5` is whole. `scale` is S, the smallest and the largest side that
    training pictures were rescaled to, None where they were not rescaled so.
    """

    name: str
    publisher: str
    source: str
    top1: float | None = None
    top5: float | None = None
    more: str = ""
    sha256: str = ""
    md5: str = ""
    called: str = ""
    net: str = ""
    trained_by: str = ""
    scale: tuple[int, int] | None = None
    url: str = ""
    megabytes: int = 0

    @property
    def hash_in_words(self) -> str:
        """What its publisher gives of its hash."""
        return f"md5 {self.md5}" if self.md5 else f"sha256 {self.sha256}..."

    def has(self, hashes: Hashes) -> bool:
        """Whether it has these hashes, as far as its publisher gives them."""
        if self.md5:
            return self.md5 == hashes.md5
        return bool(self.sha256) and hashes.sha256.startswith(self.sha256)

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


def _torchvision(
    name: str,
    called: str,
    net: str,
    megabytes: int,
    top1: float,
    top5: float,
    by: str = "torchvision",
) -> Release:
    source, file = "torchvision.models, weights IMAGENET1K_V1", f"{name}.pth"
    return Release(
        file, "torchvision", source, top1, top5,
        sha256=name[-8:], called=called, net=net, trained_by=by,
        url=f"https://download.pytorch.org/models/{file}", megabytes=megabytes,
    )  # fmt: skip


KERAS, GOOGLE = "Keras Applications", "https://storage.googleapis.com"
NO_TOP = "it has no FC layers"
THE_AUTHORS = "the authors"
JITTERED = (256, 512)
"""S of the nets D and E that the authors released, as their page has it: "8.1 % top-5 at Q = 384,
7.5 % at three scales" are the paper's figures for these (Tables 3 and 4)."""

RELEASES = (
    _torchvision("vgg11-8a719046", "vgg11", "A", 531, 69.020, 88.628),
    _torchvision("vgg13-19584684", "vgg13", "B", 532, 69.928, 89.246),
    _torchvision("vgg16-397923af", "vgg16-torchvision", "D", 553, 71.592, 90.382),
    _torchvision("vgg19-dcbb9e9d", "vgg19-torchvision", "E", 575, 72.376, 90.876),
    _torchvision("vgg11_bn-6002323d", "vgg11_bn", "A-BN", 532, 70.370, 89.810),
    _torchvision("vgg13_bn-abd245e5", "vgg13_bn", "B-BN", 532, 71.586, 90.374),
    _torchvision("vgg16_bn-6c64b313", "vgg16_bn", "D-BN", 554, 73.360, 91.516),
    _torchvision("vgg19_bn-c79401a0", "vgg19_bn", "E-BN", 575, 74.218, 91.842),
    _torchvision("alexnet-owt-7be5be79", "alexnet", "AlexNet-one-tower", 244, 56.522, 79.066),
    _torchvision(
        "googlenet-1378be20", "googlenet", "GoogLeNet-torchvision", 52, 69.778, 89.530, by="Google"
    ),
    _torchvision("resnet18-f37072fd", "resnet18", "ResNet-18-v1.5", 47, 69.758, 89.078),
    _torchvision("resnet34-b627a593", "resnet34", "ResNet-34-v1.5", 87, 73.314, 91.420),
    _torchvision("resnet50-0676ba61", "resnet50", "ResNet-50-v1.5", 103, 76.130, 92.862),
    _torchvision("resnet101-63fe2227", "resnet101", "ResNet-101-v1.5", 179, 77.374, 93.546),
    _torchvision("resnet152-394f9c45", "resnet152", "ResNet-152-v1.5", 242, 78.312, 94.046),
    _torchvision("squeezenet1_0-b66bff10", "squeezenet1_0", "SqueezeNet-1.0", 5, 58.092, 80.420),
    _torchvision("squeezenet1_1-b8a52dc0", "squeezenet1_1", "SqueezeNet-1.1", 5, 58.178, 80.624),
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
        called="vgg16",
        net="D",
        trained_by=THE_AUTHORS,
        scale=JITTERED,
        url=f"{GOOGLE}/tensorflow/keras-applications/vgg16/"
        "vgg16_weights_tf_dim_ordering_tf_kernels.h5",
        megabytes=553,
    ),
    Release(
        "vgg19_weights_tf_dim_ordering_tf_kernels.h5",
        "Keras",
        KERAS,
        71.26,
        89.99,
        more="ten crops: top-5 91.23 %",
        md5="cbe5617147190e668d6c5d5026f83318",
        called="vgg19",
        net="E",
        trained_by=THE_AUTHORS,
        scale=JITTERED,
        url=f"{GOOGLE}/tensorflow/keras-applications/vgg19/"
        "vgg19_weights_tf_dim_ordering_tf_kernels.h5",
        megabytes=575,
    ),
    Release(
        "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "Keras",
        KERAS,
        more=NO_TOP,
        md5="6d6bbae143d832006294945121d1f1fc",
        trained_by=THE_AUTHORS,
        scale=JITTERED,
    ),
    Release(
        "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "Keras",
        KERAS,
        more=NO_TOP,
        md5="253f8cb515780f3b799900260a226db6",
        trained_by=THE_AUTHORS,
        scale=JITTERED,
    ),
    Release(
        "imagenet-vgg-verydeep-16.mat",
        "MatConvNet",
        "MatConvNet, pretrained models",
        71.5,
        90.1,
        md5="f72d927587ca4c97fbd165ec9cb9997f",
        trained_by=THE_AUTHORS,
        scale=JITTERED,
    ),
    Release(
        "imagenet-vgg-verydeep-19.mat",
        "MatConvNet",
        "MatConvNet, pretrained models",
        71.3,
        90.1,
        md5="106118b7cf60435e6d8e04f6a6dc3657",
        trained_by=THE_AUTHORS,
        scale=JITTERED,
    ),
)

CLASS_LIST = Release(
    "imagenet_class_index.json",
    "Keras",
    KERAS,
    more="the wnids of ILSVRC's classes with a word or two for each",
    md5="c2c37ea517e94d9795004a39431a14cb",
    called="ILSVRC's class names",
    url=f"{GOOGLE}/download.tensorflow.org/data/imagenet_class_index.json",
)


def named() -> dict[str, Release]:
    """The releases that have a name, the authors' first."""
    with_name = [release for release in RELEASES if release.called]
    with_name.sort(key=lambda release: release.trained_by != THE_AUTHORS)
    return {release.called: release for release in with_name}


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
    return next((release for release in RELEASES if release.has(hashes)), None)


AUTHORS_CAFFE = ("VGG_ILSVRC_16_layers.caffemodel", "VGG_ILSVRC_19_layers.caffemodel")
"""The authors' own files, of which no hash is published."""


def scale_of(release: Release | None, file: str) -> tuple[tuple[int, int] | None, str | None]:
    """S of a file's training, None where nobody says, and a note where it is told by a name.

    A file of a known hash is what it is; one that has but the name of the authors' is taken for
    theirs, and said to be.
    """
    if release is not None:
        return release.scale, None
    if file in AUTHORS_CAFFE:
        return JITTERED, "by its name the authors', so S = 256-512; no published hash can tell"
    return None, None
