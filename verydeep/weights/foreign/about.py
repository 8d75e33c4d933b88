"""What our networks say of themselves in the files we write for other programs.

A text of JSON under the word "verydeep", where the format has room for what it does not know:
pixels, classes and table, so that what is exported comes back as it was.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from verydeep.nets.network import Network
from verydeep.nets.table import Table
from verydeep.preprocessing import RESIZE_RULES, Pixels
from verydeep.weights.foreign.parameters import table_in_words, table_of_words
from verydeep.weights.foreign.wire import MalformedError

KEY = "verydeep"


@dataclass(frozen=True)
class About:
    """What a file of ours says; `classes` is None where it is not ours, `table` where it is old."""

    pixels: Pixels
    classes: tuple[str, ...] | None = None
    table: Table | None = None


def to_text(network: Network) -> str:
    """The text for a network."""
    about = {
        "pixels": asdict(network.pixels),
        "classes": network.classes,
        "table": table_in_words(network.table),
    }
    return json.dumps(about)


def from_text(text: str) -> About:
    """What such a text says; MalformedError where it is none."""
    try:
        about = json.loads(text)
        pixels, classes = _pixels(**about["pixels"]), about["classes"]
        table = table_of_words(about["table"]) if "table" in about else None
    except (ValueError, TypeError, KeyError, RecursionError):
        pixels = classes = table = None
    if pixels is None or not _all(classes, str):
        raise MalformedError(f"what it says of its pixels and classes under '{KEY}' is out of form")
    return About(pixels, tuple(classes), table)


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
