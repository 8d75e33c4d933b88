"""Weights files of formats 1 and 2, which had a sha256 for each layer instead of one for the file.

Format 1 had no keys of pictures. Files of other programs come here too, and are named.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

import torch
from safetensors import SafetensorError, safe_open

from verydeep.errors import UserError, one_line
from verydeep.schema import Sha256, fitting, of_json, shown
from verydeep.shell import command
from verydeep.weights.info import (
    KIND,
    PICTURES,
    WeightsInfo,
    hash_of_layers,
    info_of,
    layer_hashes,
)

READ = (1, 2)
"""Formats that are read here."""


class Sums(TypedDict, total=False):
    """What such a file says beside `WeightsInfo`, `hash` as it does: sums over its tensors."""

    layers: dict[str, Sha256]
    hash: Sha256
    pictures: Sha256


OUR_SUFFIX = ".safetensors"
BESIDE = ("format", *Sums.__annotations__)


def read_info(path: Path) -> WeightsInfo:
    """What a file says of itself; UserError where it is damaged, or none of ours."""
    about = _about(path)
    try:
        sums = _sums(about)
        said = {name: about[name] for name in about if name not in BESIDE}
        has_memory = bool(sums.get("pictures"))
        return info_of({**said, "hash": sums.get("hash", ""), "has_memory": has_memory})
    except ValueError as error:
        raise UserError(f"{path} describes itself wrongly: {error}") from None


def layout(path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The kind and the shape of every array, from the header alone."""
    with safe_open(path, "pt") as file:
        parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        return {name: (p.get_dtype(), tuple(p.get_shape())) for name, p in parts.items()}


def tensors(path: Path) -> dict[str, torch.Tensor]:
    """The network's tensors, once they are found to be what was written."""
    sums, found = _sums(_about(path)), _arrays(path, of_pictures=False)
    ours, written = layer_hashes(found), sums["layers"]
    damaged = sorted(k for k in ours.keys() | written if ours.get(k) != written.get(k))
    if damaged or sums.get("hash") != hash_of_layers(written):
        where = f"in layer {damaged[0]}" if damaged else "in its header"
        raise UserError(f"{path} is damaged {where}: its sha256 is not the one it was written with")
    return found


def keys(path: Path) -> dict[str, torch.Tensor]:
    """The keys of pictures by their arrays' names, once they are found to be what was written."""
    found = _arrays(path, of_pictures=True)
    if _sums(_about(path)).get("pictures", "") != (_hash_of(found) if found else ""):
        raise UserError(f"{path} is damaged in its list of pictures: its sha256 is another")
    return found


def _to_import(path: Path) -> str:
    """What makes a file of ours of another program's, as it is typed."""
    out = path.with_suffix(OUR_SUFFIX)
    out = path.with_stem(f"{path.stem}-ours") if out == path else out
    importing = command("weights", "import", path, "--out", out)
    return f"if another program wrote it, `{importing}` makes it one"


def _hash_of(found: Mapping[str, torch.Tensor]) -> str:
    return hash_of_layers(layer_hashes(found))


def _arrays(path: Path, of_pictures: bool) -> dict[str, torch.Tensor]:
    with safe_open(path, "pt") as file:
        names = [name for name in file.keys() if name.startswith(PICTURES) == of_pictures]  # noqa: SIM118
        return {name: file.get_tensor(name) for name in names}


def _sums(about: Mapping[str, Any]) -> Sums:
    """What a file says of its sums, looked at apart from the rest."""
    said = {name: about[name] for name in Sums.__annotations__ if name in about}
    if "layers" not in said:
        raise ValueError("it lacks 'layers'")
    sums: Sums = fitting(Sums, said)
    return sums


def _about(path: Path) -> dict[str, Any]:
    """What stands under our key; UserError where nothing does, or it is of another format."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        why = f": {one_line(error)}" if path.suffix == OUR_SUFFIX else ""
        raise UserError(
            f"{path} is no weights file of verydeep's{why}; {_to_import(path)}"
        ) from None
    if KIND.key not in metadata:
        raise UserError(
            f"{path} is a safetensors file, but none of verydeep's: no '{KIND.key}' in it; "
            f"{_to_import(path)}"
        )
    try:
        about = of_json(metadata[KIND.key])
    except ValueError as error:
        raise UserError(f"{path} describes itself wrongly: {error}") from None
    if not isinstance(about, dict):
        raise UserError(f"{path} describes itself wrongly: it is {shown(about)}; a table is needed")
    number = about.get("format", READ[-1])
    if number == KIND.format and type(number) is int:
        raise UserError(
            f"{path} is damaged: it has no sha256, or not where one is written; {KIND.if_damaged}"
        )
    if number not in READ:  # and nothing else is looked at, for another may have other keys
        raise UserError(
            f"{path} has format {shown(number)}; this verydeep reads formats "
            f"{', '.join(map(str, READ))} and {KIND.format}"
        )
    return about
