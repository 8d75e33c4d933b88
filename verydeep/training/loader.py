"""Batches of random crops; what is in them is a pure function of (seed, epoch, sample).

In comes a part of a dataset; out come batches of uint8 crops with their targets, made by threads
while the network works on earlier ones. Mirroring, the shift of colour and the mean wait for the
device (`Batch.shown`): what travels there is a byte for each value. Batches of another loader have
what a row gave of such crops instead (`training/cached.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Float16, Shaped, UInt8
from torch import Tensor

from verydeep import randomness, tasks
from verydeep.errors import PictureError
from verydeep.nets.rows import PICTURE
from verydeep.parts.annotations import Labels
from verydeep.parts.dataset import Part
from verydeep.pictures.preprocessing import Pixels
from verydeep.pictures.reading import Picture, Source
from verydeep.pictures.windows import Window
from verydeep.runtime.progress import Progress
from verydeep.runtime.threads import in_order
from verydeep.training.balance import balanced_draws, grouped_draws
from verydeep.training.crops import crop, drawn_patch, is_of_patches, patch
from verydeep.training.settings import Settings
from verydeep.training.softening import disturbed

MEMORY = 3 * 2**29
"""Bytes that rescaled pictures may take: 1.5 GiB, 39,900 pictures of 112 x 120."""
TRIES = 10
"""Pictures tried in place of one that cannot be read."""


@dataclass(frozen=True)
class Batch:
    """Crops, what the task wants of the pictures that they were cut from, and how they are shown.

    `samples` are what was drawn, as `draws` tells of it; `weight` is 0 for one that could not be
    read and was skipped, else 1; `faults` say which those were, and why. `whole` is the number of
    pictures of the step, over all processes. `windows` say what each crop shows, as the network is
    shown it, of picture `shown_of` of the part, which may be a substitute; that of a skipped one is
    the crop alone.

    Where `row` is another than the picture, `images` are what it gave of the crops as they are
    shown, and there is nothing left to mirror or to shift.
    """

    images: UInt8[Tensor, "B H W 3"] | Float16[Tensor, "B C h w"]
    targets: Shaped[Tensor, "B ..."]
    mirrored: Bool[Tensor, " B"]
    shift: Float[Tensor, "B 3"]
    weight: Float[Tensor, " B"]
    samples: Labels
    whole: int
    faults: tuple[str, ...] = ()
    windows: tuple[Window, ...] = ()
    shown_of: tuple[int, ...] = ()
    row: str = PICTURE

    def part(self, start: int, size: int, device: torch.device) -> Batch:
        """The crops from `start` on, on a device."""
        end = start + size

        def there(tensor: Tensor) -> Tensor:
            return tensor[start:end].to(device, non_blocking=True)

        return Batch(
            there(self.images),
            there(self.targets),
            there(self.mirrored),
            there(self.shift),
            there(self.weight),
            self.samples[start:end],
            self.whole,
            windows=self.windows[start:end],
            shown_of=self.shown_of[start:end],
            row=self.row,
        )

    def pinned(self) -> Batch:
        """The same where a GPU can fetch it while it works."""
        return replace(
            self,
            images=self.images.pin_memory(),
            targets=self.targets.pin_memory(),
            mirrored=self.mirrored.pin_memory(),
            shift=self.shift.pin_memory(),
            weight=self.weight.pin_memory(),
        )

    def given(self, pixels: Pixels) -> dict[str, Float[Tensor, "B C h w"]]:
        """What a network is given to go on from, by the name of the row."""
        if self.row == PICTURE:
            return {PICTURE: self.shown(pixels)}
        return {self.row: self.images.float()}

    def shown(self, pixels: Pixels) -> Float[Tensor, "B 3 H W"]:
        """The crops as the network wants them: mirrored, shifted in colour, less the mean."""
        return pixels.normalise(_mirrored(self.images, self.mirrored), self.shift)


def _mirrored(
    images: UInt8[Tensor, "B H W 3"], which: Bool[Tensor, " B"]
) -> UInt8[Tensor, "B H W 3"]:
    """The pictures, some of them mirrored; a GPU is not waited for to know which."""
    if images.device.type != "cpu":
        return torch.where(which[:, None, None, None], images.flip(2), images)
    images = images.clone()
    for i in which.nonzero()[:, 0].tolist():
        images[i] = images[i].flip(1)
    return images


@dataclass(frozen=True)
class Augmentation:
    """What is drawn for one crop: S, its place, and how the device is to show it.

    `place` is (y, x) in [0, 1]; `shift` is in deviations along the axes of colour.
    """

    scale: int
    place: tuple[float, float]
    mirrored: bool
    shift: Float[np.ndarray, 3]


@dataclass(frozen=True)
class CropSource:
    """What batches are made from: a part, the pixels it is read to, and the axes of its colours.

    `share` is (number of this process, number of processes): each takes its part of every batch.
    `pinned` batches lie where a GPU can fetch them while it works. `outputs` are the names of what
    the net gives, which targets may need.
    """

    part: Part
    pixels: Pixels
    axes: tuple[tuple[float, float, float], ...] = ((0.0,) * 3,) * 3
    share: tuple[int, int] = (0, 1)
    pinned: bool = False
    outputs: tuple[str, ...] = ()


Load = Callable[[CropSource, Settings, int, int, int], Iterator[Batch]]
"""From a source, settings, an epoch, threads and a first step to the batches from there on."""


def batches(
    source: CropSource, settings: Settings, epoch: int, threads: int, first: int = 0
) -> Iterator[Batch]:
    """The batches of one epoch from step `first` on; those left over by the last wait their turn.

    Raises PictureError, naming the file, where a picture cannot be read and `bad_picture` is
    "stop".
    """
    part = source.part
    axes = torch.tensor(source.axes, dtype=torch.float32)
    skips, target = settings.bad_picture == "skip", tasks.named(settings.task).target

    def make(numbers: Labels) -> Batch:
        size = (len(numbers), settings.crop, settings.crop, 3)
        images = torch.empty(size, dtype=torch.uint8, pin_memory=source.pinned)
        crops = images.numpy()
        read = [
            read_crop(source, settings, epoch, int(i), crop)
            for i, crop in zip(numbers, crops, strict=True)
        ]
        draws, taken, windows, faults = zip(*read, strict=True)
        targets = target(part, np.array(taken), source.outputs, windows)
        batch = Batch(
            images,
            disturbed(targets, numbers, len(source.outputs), settings, epoch),
            torch.tensor([draw.mirrored for draw in draws]),
            torch.from_numpy(np.stack([draw.shift for draw in draws])) @ axes,
            torch.tensor([0.0 if fault and skips else 1.0 for fault in faults]),
            numbers,
            min(settings.batch, len(part)),
            tuple(fault for fault in faults if fault),
            windows,
            taken,
        )
        return batch.pinned() if source.pinned else batch

    ours = shares(source, settings, epoch)[first:]
    yield from in_order(make, ours, threads, ahead=2 * threads)


def shares(source: CropSource, settings: Settings, epoch: int) -> list[Labels]:
    """What this process has of the draws of each batch of an epoch."""
    pictures, (number, count) = len(source.part), source.share
    whole = np.array_split(draws(source.part, settings, epoch), steps(pictures, settings))
    return [np.array_split(numbers[: settings.batch], count)[number] for numbers in whole]


def steps(pictures: int, settings: Settings) -> int:
    """Number of batches in an epoch."""
    return max(1, pictures // settings.batch)


def epoch_in_words(pictures: int, settings: Settings) -> str:
    """What an epoch shows of so many pictures: its steps, and how many pictures it leaves out."""
    count = steps(pictures, settings)
    left = max(0, pictures - count * settings.batch)
    plural = "s" if count > 1 else ""
    shown = f"an epoch: {count:,} step{plural} of {min(pictures, settings.batch)} pictures"
    if settings.sampling == "balanced":
        return f"{shown}, drawn so that classes come equally often"
    if settings.sampling == "grouped":
        return f"{shown}, up to {settings.each} of each class that it has"
    return f"{shown}; {left} of {pictures:,} left out, others each time" if left else shown


def draws(part: Part, settings: Settings, epoch: int) -> Labels:
    """What an epoch draws, in its order: as many as there are pictures, or as its batches take.

    Draw i is picture i; where pictures are drawn several times, so is i + N, of N pictures, and
    each of its draws is another crop.
    """
    if settings.sampling == "plain":
        return order(len(part), settings, epoch)
    random = randomness.generator(settings.seed, "order", epoch)
    if settings.sampling == "grouped":
        return grouped_draws(part.truth, len(part), settings.batch, settings.each, random)
    return balanced_draws(part.truth, len(part), random)


def order(pictures: int, settings: Settings, epoch: int) -> Labels:
    """The order in which an epoch goes through the pictures, each of them once."""
    return randomness.generator(settings.seed, "order", epoch).permutation(pictures)


def augmentation(settings: Settings, epoch: int, sample: int) -> Augmentation:
    """What is drawn for draw `sample` of this epoch: a random S and place, mirrored or not."""
    draw = randomness.generator(settings.seed, "crop", epoch, sample)
    y, x, mirrored = draw.random(3)
    scale = int(draw.integers(settings.scale[0], settings.scale[1], endpoint=True))
    shift = draw.normal(0, 1, 3) * settings.colour
    turned = settings.mirror and bool(mirrored < 0.5)
    return Augmentation(scale, (y, x), turned, shift.astype(np.float32))


def read_crop(
    source: CropSource, settings: Settings, epoch: int, sample: int, out: Picture
) -> tuple[Augmentation, int, Window, str | None]:
    """Writes the crop of a draw to `out`; its picture, its window, and what was wrong, if anything.

    Which picture stands in for one that cannot be read depends on (seed, epoch, sample) alone, so
    every process makes the same choice. One that is skipped has such a stand-in too, of no weight
    in the loss, so that norms see pictures.
    """
    chosen, side = augmentation(settings, epoch, sample), len(out)
    own = sample % len(source.part)

    def cut(i: int) -> Window:
        view = source.part.view(i, source.pixels, chosen.scale)
        if is_of_patches(settings):
            size = drawn_patch(view[1].size, settings, epoch, sample)
            window = patch(view, source.pixels, size, chosen.place, out)
        else:
            window = crop(view, source.pixels, settings, chosen.place, out)
        return window.mirror() if chosen.mirrored else window

    try:
        return chosen, own, cut(own), None
    except PictureError as error:
        if settings.bad_picture == "stop":
            raise
        fault = str(error)
    others = randomness.generator(settings.seed, "substitute", epoch, sample)
    for other in others.integers(0, len(source.part), TRIES).tolist():
        with suppress(PictureError):
            return chosen, other, cut(other), fault
    if settings.bad_picture == "skip":
        out[:] = 0
        return chosen, own, Window.whole((side, side)), fault
    raise PictureError(f"{fault}; nor could {TRIES} others in its place")


def bytes_remembered(pictures: int, settings: Settings) -> int:
    """About how many bytes so many pictures take when they are kept in memory, 4 : 3 each."""
    smallest, largest = settings.scale
    return min(MEMORY, pictures * 4 * smallest**2) if smallest == largest else 0


def remember(
    part: Part, pixels: Pixels, threads: int, progress: Progress, limit: int = MEMORY
) -> tuple[Part, list[str]]:
    """The part with its pictures rescaled in memory, less those that cannot be read; and why.

    All that is said of them is kept, of the pictures that they were: `Part.view` tells where that
    is. Once `limit` bytes are taken the rest are read whenever they are asked for, as before. Where
    S is jittered pictures are only tried: each is rescaled anew for every crop.
    """
    fixed = pixels.scale[0] == pixels.scale[1]
    rescaled: dict[int, tuple[Picture, Window]] = {}
    same: dict[Window, Window] = {}  # pictures of one size share theirs
    faults: dict[int, str] = {}
    taken = 0

    def read(i: int) -> tuple[Picture, Window] | str:
        try:
            return part.view(i, pixels, pixels.test_scale)
        except PictureError as error:
            return str(error)

    for i, found in enumerate(in_order(read, range(len(part)), threads, ahead=8 * threads)):
        progress.step("reading pictures", i + 1, len(part))
        if isinstance(found, str):
            faults[i] = found
        elif (taken := taken + found[0].nbytes) > limit:
            break
        elif fixed:
            image, window = found
            rescaled[i] = image, same.setdefault(window, window)

    def source(i: int) -> Source:
        return rescaled[i][0] if i in rescaled else part.source(i)

    def shows(i: int) -> Window | None:
        return rescaled[i][1] if i in rescaled else part.windows and part.windows(i)

    kept = part.rescaled(source, shows)
    return kept.only([i for i in range(len(part)) if i not in faults]), list(faults.values())
