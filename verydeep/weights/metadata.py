"""What our networks say of themselves in the files we write for other programs.

A text of JSON under the word "verydeep", where the format has room for what it does not know:
pixels, classes and table, so that what is exported comes back as it was.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from verydeep.limits import FormatError
from verydeep.nets.network import Network
from verydeep.nets.table import Table
from verydeep.pictures.preprocessing import Pixels
from verydeep.weights.schema import classes_of, pixels_of, table_in_words, table_of_words

KEY = "verydeep"


@dataclass(frozen=True)
class Metadata:
    """What a file of ours says; `classes` is None where it is not ours, `table` where it is old."""

    pixels: Pixels
    classes: tuple[str, ...] | None = None
    table: Table | None = None


def to_text(network: Network) -> str:
    """The text for a network."""
    said = {
        "pixels": asdict(network.pixels),
        "classes": network.classes,
        "table": table_in_words(network.table),
    }
    return json.dumps(said)


def from_text(text: str) -> Metadata:
    """What such a text says; FormatError where it is none."""
    try:
        said = json.loads(text)
        pixels, classes = pixels_of(said["pixels"]), classes_of(said["classes"])
        table = table_of_words(said["table"]) if "table" in said else None
    except (ValueError, TypeError, KeyError, RecursionError):
        raise FormatError(
            f"what it says of its pixels and classes under '{KEY}' is out of form",
            "export it again",
        ) from None
    return Metadata(pixels, classes, table)
