"""What our networks say of themselves in the files we write for other programs.

A text of JSON under the word "verydeep", where the format has room for what it does not know:
pixels and classes, so that what is exported comes back as it was.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from verydeep.nets.network import Network
from verydeep.preprocessing import RESIZE_RULES, Pixels
from verydeep.weights.foreign.wire import MalformedError

KEY = "verydeep"


def to_text(network: Network) -> str:
    """The text for a network."""
    return json.dumps({"pixels": asdict(network.pixels), "classes": list(network.classes)})


def from_text(text: str) -> tuple[Pixels, tuple[str, ...]]:
    """Pixels and classes of such a text; MalformedError where it is none."""
    try:
        about = json.loads(text)
        pixels, classes = _pixels(**about["pixels"]), about["classes"]
    except (ValueError, TypeError, KeyError, RecursionError):
        pixels = classes = None
    if pixels is None or not _all(classes, str):
        raise MalformedError(f"what it says of its pixels and classes under '{KEY}' is out of form")
    return pixels, tuple(classes)


def _pixels(
    scale: Any, mean: Any, std: Any, order: Any, maximum: Any, resize: Any
) -> Pixels | None:
    """The pixels, where every value may be one."""
    numbers = _all(mean, (int, float), 3) and _all(std, (int, float), 3)
    if not (numbers and _all(scale, int, 2) and 0 < scale[0] <= scale[1] < 1 << 16):
        return None
    if order not in ("RGB", "BGR") or maximum not in (1, 255) or resize not in RESIZE_RULES:
        return None
    if not all(abs(m) < 1e6 for m in mean) or not all(0 < s < 1e6 for s in std):
        return None
    return Pixels(
        (scale[0], scale[1]),
        (float(mean[0]), float(mean[1]), float(mean[2])),
        (float(std[0]), float(std[1]), float(std[2])),
        order,
        maximum,
        resize,
    )


def _all(values: Any, kind: Any, count: int | None = None) -> bool:
    """Whether it is a list of that kind, and of that many where it says how many."""
    return (
        isinstance(values, list)
        and (count is None or len(values) == count)
        and all(isinstance(v, kind) and not isinstance(v, bool) for v in values)
    )
