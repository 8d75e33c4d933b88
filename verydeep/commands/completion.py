"""What a shell completes where an option takes one of a few words.

They stand here as words, for a shell waits at every key: what they are names of takes seconds to
import. The tests hold them against that.
"""

from __future__ import annotations

from collections.abc import Callable

NETS = (
    "A", "A-LRN", "B", "B-shallow", "C", "D", "E",
    "A-BN", "A-LRN-BN", "B-BN", "B-shallow-BN", "C-BN", "D-BN", "E-BN",
    "LeNet-5", "LeNet-Caffe", "LeNet-dropout", "AlexNet", "AlexNet-ungrouped", "AlexNet-one-tower",
    "CaffeNet",
    "ZFNet-a", "ZFNet-b", "OverFeat-fast", "OverFeat-accurate", "NiN", "NiN-CIFAR", "GoogLeNet",
    "GoogLeNet-aux", "GoogLeNet-torchvision", "SqueezeNet-1.0", "SqueezeNet-1.1", "ResNet-18",
    "ResNet-34", "ResNet-50", "ResNet-101", "ResNet-152", "ResNet-18-v1.5", "ResNet-34-v1.5",
    "ResNet-50-v1.5", "ResNet-101-v1.5", "ResNet-152-v1.5", "ResNet-18-A", "ResNet-18-C",
    "ResNet-34-A", "ResNet-34-C", "Plain-18", "Plain-34", "ResNet-8", "ResNet-14", "ResNet-20",
    "ResNet-32", "ResNet-44", "ResNet-56", "ResNet-110", "ResNet-1202", "Plain-8", "Plain-14",
    "Plain-20", "Plain-32", "Plain-44", "Plain-56", "Plain-110", "NN1", "NN2", "NN2-BN", "DeepFace",
    "AlphaGo-128", "AlphaGo-192", "AlphaGo-256", "AlphaGo-384",
)  # fmt: skip
PROTOCOLS = (
    "dense", "crops", "both", "centre", "ten", "alexnet", "googlenet", "overfeat", "resnet",
)  # fmt: skip
SERVED_PROTOCOLS = ("dense", "centre")
TRANSFER_PROTOCOLS = ("draws", "voc2007", "voc2012", "action")
ENGINES = ("winograd", "openvino", "onnxruntime", "torch")
FAMILIES = (
    "torchvision", "timm", "caffe", "matconvnet", "keras", "onnx", "openvino", "torch-export",
)  # fmt: skip
TASKS = ("classify", "tag", "localise", "localise-single", "objects", "points", "embed")
TUNED = ("all", "fc", "last")
STUDIES = (
    "depth", "scales", "protocols", "fusion", "localisation", "initialisation", "degradation",
    "neighbours", "labels", "all", "transfer",
)  # fmt: skip
SIZES = ("tiny", "small", "medium", "full")
PARTS = ("train", "validation", "test", "all")


def one_of(words: tuple[str, ...]) -> Callable[[str], list[str]]:
    """What completes the beginning of one of the words."""

    def those(incomplete: str) -> list[str]:  # by the one name that typer knows
        return [word for word in words if word.startswith(incomplete)]

    return those
