"""What such a file tells beside its tensors: the crop, the pixels and the class names.

timm's record (`pretrained_cfg`) has them, ours within it ("pixels"), and trainers keep class names
under words of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from verydeep.importers.class_names import in_order
from verydeep.importers.parameters import ALL_GUESSED, SCALE, TORCHVISION
from verydeep.importers.state_dict_file import Extras
from verydeep.pictures.preprocessing import Pixels
from verydeep.weights.schema import class_names_of, pixels_of


def crop_of(cfg: Mapping[str, Any]) -> int | None:
    """The side of the training crop that a file tells; None where it tells none."""
    size = cfg.get("input_size")
    side = size[-1] if isinstance(size, list | tuple) and size else None
    return side if type(side) is int and 0 < side < 1 << 16 else None


def pixels_told(
    cfg: Mapping[str, Any], usual: Pixels = TORCHVISION
) -> tuple[Pixels, tuple[str, ...]]:
    """The pixels that a file tells of, or the usual ones, and what of them is a guess."""
    try:
        if "pixels" in cfg:
            return pixels_of(cfg["pixels"]), ()
        scale = round(cfg["input_size"][-1] / cfg.get("crop_pct", 0.875))
        said = pixels_of(
            {
                "scale": (scale, scale),
                "mean": cfg["mean"],
                "std": cfg["std"],
                "order": "RGB",
                "maximum": 1,
                "resize": cfg.get("interpolation", "bilinear"),
            }
        )
        return said, () if "crop_pct" in cfg else (SCALE,)
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError, OverflowError):
        return usual, ALL_GUESSED


def classes_told(extras: Extras, notes: list[str]) -> tuple[str, ...] | None:
    """The class names in timm's record, or those that a trainer kept beside the weights."""
    names = extras.pretrained_cfg.get("label_names")
    if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
        return class_names_of(names)
    if extras.classes is None:
        return None
    word, said = extras.classes
    try:
        names = class_names_of(in_order(said))
    except ValueError as error:
        notes.append(f"its '{word}' holds {error}, and is passed over")
        return None
    notes.append(f"class names are those of its '{word}'")
    return names
