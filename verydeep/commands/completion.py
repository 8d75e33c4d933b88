"""What a shell completes where an option takes one of a few words.

They stand here as words, for a shell waits at every key: what they are names of takes seconds to
import. The tests hold them against that.
"""

from __future__ import annotations

from collections.abc import Callable

NETS = (
    "A", "A-LRN", "B", "B-shallow", "C", "D", "E",
    "A-BN", "A-LRN-BN", "B-BN", "B-shallow-BN", "C-BN", "D-BN", "E-BN",
)  # fmt: skip
PROTOCOLS = ("dense", "crops", "both", "centre", "ten")
SERVED_PROTOCOLS = ("dense", "centre")
TRANSFER_PROTOCOLS = ("draws", "voc2007", "voc2012", "action")
ENGINES = ("winograd", "openvino", "onnxruntime", "torch")
FAMILIES = ("torchvision", "timm", "caffe", "keras", "onnx", "openvino", "torch-export")
TASKS = ("classify", "tag", "localise", "localise-single", "objects", "points")
TUNED = ("all", "fc", "last")
STUDIES = (
    "depth", "scales", "protocols", "fusion", "localisation", "initialisation", "all", "transfer",
)  # fmt: skip
SIZES = ("tiny", "small", "medium", "full")
PARTS = ("train", "validation", "test", "all")


def one_of(words: tuple[str, ...]) -> Callable[[str], list[str]]:
    """What completes the beginning of one of the words."""

    def those(incomplete: str) -> list[str]:  # by the one name that typer knows
        return [word for word in words if word.startswith(incomplete)]

    return those
