"""What a file of weights does not say and nobody has said either: pixels and S, as a guess.

A state dict of torchvision's names may be torchvision's own, the authors' net under its names, or
anybody's: nothing in it tells which pixels it was trained on. So what is taken for them is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from verydeep.importers.parameters import GOOGLENET, PIXELS, SCALE, Parameters
from verydeep.importers.pixel_words import values_in_words
from verydeep.pictures.preprocessing import Pixels
from verydeep.weights.releases import Release, scale_of

CLASSES = "classes"
"""The third thing that may be a guess: which class is which."""
WINDOWS = (
    "ReLUs and max-pooling over 2 x 2 are a guess: the file does not say; save the whole model to "
    "have it checked"
)
"""The note of a file that names its layers with weights and tells nothing of the others."""
CROP_OF_A_MEAN = (
    "its crop of 224 is a guess: it averages its last map, as torchvision's nets do, whatever size "
    "that has"
)
"""The note of a file whose layers tell no crop."""
AUTHORS_MAY_BE = ": the authors' own weights under torchvision's names want --pixels caffe"
IMAGENET_CROP, ALEXNETS_CROP, IMAGENET_S = 224, 227, 256


def informed(
    parameters: Parameters,
    release: Release | None,
    file: str,
    scale: tuple[int, int] | None = None,
) -> Parameters:
    """The parameters with what is known of the file that they are of; `scale` is what is given.

    Of a known release nothing is a guess.
    """
    if parameters.table is not None and not parameters.guessed:  # as files of our own writing
        return parameters
    known, note = (None, None) if scale else scale_of(release, file)
    told = set(parameters.guessed) if release else {SCALE} if known else set()
    notes = tuple(x for x in parameters.notes if x not in (WINDOWS, CROP_OF_A_MEAN) or not release)
    return replace(
        parameters,
        pixels=replace(parameters.pixels, scale=known or parameters.pixels.scale),
        guessed=tuple(sorted(set(parameters.guessed) - told)),
        notes=(*notes, note) if note else notes,
    )


def pixels_for(
    parameters: Parameters,
    crop: int,
    pixels: Pixels | None = None,
    scale: tuple[int, int] | None = None,
) -> tuple[Pixels, tuple[str, ...]]:
    """The pixels of a net of these parameters and this crop, and what of them is a guess.

    What is given stands before what the file says, and that before a guess.
    """
    found, guessed = parameters.pixels, set(parameters.guessed)
    if pixels is not None:
        found = replace(pixels, scale=found.scale, resize=found.resize)
        guessed -= {PIXELS}
    if scale is not None:
        found = replace(found, scale=scale)
        guessed -= {SCALE}
    elif SCALE in guessed:
        found = replace(found, scale=(likely_scale(crop),) * 2)
    return found, tuple(sorted(guessed))


def likely_scale(crop: int) -> int:
    """S that a net of this crop was most likely trained at.

    256 at the crop of 224, or of AlexNet's 227, as nearly all are that were trained on ILSVRC. At
    any other it is the crop itself: such nets are mostly trained on pictures resized to it, CIFAR's
    32 or Keras's `image_size`, and a larger S shows them objects larger than they have ever seen.

    >>> likely_scale(224), likely_scale(32)
    (256, 32)
    """
    return IMAGENET_S if crop in (IMAGENET_CROP, ALEXNETS_CROP) else crop


def notes_of(pixels: Pixels, guessed: tuple[str, ...], of_table_1: bool = True) -> Iterator[str]:
    """A note for each guess of the pixels, with what to give where it is wrong.

    `of_table_1` tells whether it is one of the authors' nets, which they released themselves.
    """
    if PIXELS in guessed:
        whose = _whose(pixels, of_table_1)
        yield (
            f"pixels are a guess: {values_in_words(pixels)}, as {whose}; say --pixels if they were "
            f"trained otherwise"
        ) + (AUTHORS_MAY_BE if of_table_1 and _is_torchvisions(pixels) else "")
    if SCALE in guessed:
        size = pixels.test_scale
        usual = "as is usual for a crop of 224" if size == IMAGENET_S else "as the crop is"
        yield f"S is a guess: {size}, {usual}; say --scale if it was trained at another"


def _is_torchvisions(pixels: Pixels) -> bool:
    return pixels.order == "RGB" and pixels.maximum == 1


def _whose(pixels: Pixels, of_table_1: bool) -> str:
    """Who shows nets such pixels."""
    if not of_table_1 and pixels.order == "BGR":
        return "Caffe's nets mostly have them"
    if pixels.mean == GOOGLENET.mean:
        return "torchvision's own GoogLeNet has them"
    return "torchvision trains" if _is_torchvisions(pixels) else "the authors trained"
