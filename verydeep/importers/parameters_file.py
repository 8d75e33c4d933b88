"""Parameters as a safetensors file, which is how they leave the process that read a foreign file.

What comes back is believed no more than the foreign file itself: header, names, shapes, types,
values and pixels are looked at again.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, TypedDict

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from verydeep.errors import UserError, one_line
from verydeep.importers.parameters import PIXELS, SCALE, Parameters
from verydeep.safetensors_layout import LARGEST_OF_OURS, header, pieces
from verydeep.schema import Line, Most, fitting, of_json
from verydeep.weights.schema import (
    PixelsSaid,
    TableSaid,
    class_names_of,
    pixels_of,
    table_in_words,
    table_of_words,
)

KEY = "parameters"
MOST_TENSORS = 1024
"""Of a file; a ResNet of 152 layers has 777."""
NAME = re.compile(r"[\w./:-]{1,100}")


class ParametersSaid(TypedDict):
    """What such a file says beside its tensors."""

    family: Line
    pixels: PixelsSaid
    classes: list[Line] | None
    notes: Annotated[list[str], Most(64)]
    table: TableSaid | None
    lrn: bool | None
    guessed: Annotated[list[Line], Most(2)]
    cut: bool
    pooled: bool | None


def write(parameters: Parameters, path: Path) -> None:
    """Writes parameters to a file, tensor by tensor."""
    said = {
        "family": parameters.family,
        "pixels": asdict(parameters.pixels),
        "classes": parameters.classes,
        "notes": parameters.notes,
        "table": parameters.table and table_in_words(parameters.table),
        "lrn": parameters.lrn,
        "guessed": parameters.guessed,
        "cut": parameters.cut,
        "pooled": parameters.pooled,
    }
    tensors = {name: torch.from_numpy(a) for name, a in parameters.tensors.items()}
    with path.open("wb") as file:
        for piece in pieces(tensors, {KEY: json.dumps(said)}):
            file.write(piece)


def read(path: Path, source: Path | str) -> Parameters:
    """The parameters in a file; their values stay in it and are read where they are used.

    Raises UserError, in the name of the foreign file `source`, for what a reader never gives:
    among it any value that is no finite number.
    """
    try:
        text = (header(path, LARGEST_OF_OURS) or {})["__metadata__"][KEY]
        said: ParametersSaid = fitting(ParametersSaid, of_json(text), "parameters")
        with safe_open(path, "pt") as file:
            names = file.keys()
            if not 0 < len(names) <= MOST_TENSORS or not all(map(NAME.fullmatch, names)):
                raise ValueError(f"{len(names)} tensors, or a name that is none")
            tensors = {name: _array(file.get_tensor(name), name) for name in names}
        found = Parameters(
            one_line(said["family"]),
            tensors,
            pixels_of(said["pixels"]),
            None if said["classes"] is None else class_names_of(said["classes"]),
            tuple(map(one_line, said["notes"])),
            None if said["table"] is None else table_of_words(said["table"]),
            said["lrn"],
            tuple(word for word in (PIXELS, SCALE) if word in said["guessed"]),
            said["cut"],
            said["pooled"],
        )
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{source} was read, but not to weights: {one_line(error)}") from None
    refuse_not_finite(tensors, source)
    return found


def refuse_not_finite(tensors: Mapping[str, np.ndarray], source: Path | str) -> None:
    """Raises UserError that names the first layer with a value that is no finite number."""
    for name, array in tensors.items():
        if array.size and not all(map(math.isfinite, (array.min(), array.max()))):
            raise UserError(
                f"{source} has weights that are no finite numbers, in {name}; it is damaged, or "
                f"its training came to nothing"
            )


def _array(tensor: torch.Tensor, name: str) -> np.ndarray:
    if tensor.dtype is not torch.float32 or not 1 <= tensor.ndim <= 4:
        raise ValueError(f"{name} is {tensor.dtype} of {tensor.ndim} axes")
    return tensor.numpy()
