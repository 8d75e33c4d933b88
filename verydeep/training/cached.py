"""FC layers tuned on what the trunk gave of fixed views, which is worked out once (`--cached`).

The trunk is what stands before the first row that looks at the whole map of a crop. Where nothing
of it is trained it gives the same of the same crop at every step. So a picture is shown as the
crops that it has in the first `views` epochs, over and over, in the colours that it has: epoch e
has those of epoch e mod `views`. What the trunk gives of them is kept as float16, and a step costs
what stands behind it. So does the validation, on the centre crops that it is always judged by.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float16, UInt8
from torch import Tensor

from verydeep import tasks
from verydeep.engines.engine import Engine, chosen, engine_for
from verydeep.errors import PictureError, UserError
from verydeep.evaluation.showing import callers
from verydeep.evaluation.views import Pass, protocol
from verydeep.localisation.centre import fields_of, window_of
from verydeep.nets.network import Network
from verydeep.parts.annotations import Labels
from verydeep.parts.dataset import Part
from verydeep.pictures.reading import Picture
from verydeep.pictures.windows import Window
from verydeep.runtime.memory import in_words
from verydeep.runtime.runtime import Runtime
from verydeep.runtime.threads import in_order, one_thread_each
from verydeep.safetensors_layout import bytes_of
from verydeep.tasks.task import Judgement
from verydeep.training.loader import Batch, CropSource, read_crop, shares
from verydeep.training.settings import Settings
from verydeep.training.softening import disturbed
from verydeep.training.state import cached_row
from verydeep.training.values import Files, Kept, Piece, made

FOLDER = "cached"
"""Name of the folder of values in that of a run; it is there until the training has ended."""
Told = list[tuple[int, Window, str | None]]
"""Of each crop which picture of its part it shows, what of that, and what was wrong with the one
that was asked for."""


@dataclass(frozen=True)
class Shown:
    """The crops that values are kept of, by number: views of training pictures, then centre crops.

    Crop n is view n // N of picture n % N of the N that are learnt from; after those of all views
    come the pictures of `validation`, which is empty where its centre crops are of no use.
    """

    source: CropSource
    validation: Part
    settings: Settings
    centre: Pass

    @property
    def views(self) -> int:
        """Views of each picture: no more than there are epochs to show them in."""
        return min(self.settings.views, self.settings.epochs)

    @property
    def learnt(self) -> int:
        """Number of crops that are learnt from."""
        return self.views * len(self.source.part)

    def __len__(self) -> int:
        return self.learnt + len(self.validation)

    def read(self, number: int, out: Picture) -> tuple[int, Window, str | None]:
        """Writes a crop to `out`; which picture of its part it shows, what of it, what was wrong.

        Raises PictureError where a picture that is learnt from cannot be read and may not be.
        """
        if number >= self.learnt:
            return self._read_centre(number - self.learnt, out)
        view, i = divmod(number, len(self.source.part))
        drawn, taken, window, fault = read_crop(self.source, self.settings, view, i, out)
        if drawn.mirrored:
            out[:] = out[:, ::-1].copy()
        return taken, window, fault

    def _read_centre(self, i: int, out: Picture) -> tuple[int, Window, str | None]:
        side = self.centre.crop
        try:
            image, whole = self.validation.view(i, self.source.pixels, self.centre.scale)
        except PictureError as error:
            out[:] = 0
            return i, Window.whole((side, side)), str(error)
        top, left = self.centre.places(*image.shape[:2])[0]
        out[:] = image[top : top + side, left : left + side]
        return i, self.centre.windows(whole)[0], None

    def told(self, number: int) -> str:
        """What a crop is called in a line for the user."""
        if number >= self.learnt:
            return self.validation.names[number - self.learnt]
        return self.source.part.names[number % len(self.source.part)]


@dataclass(frozen=True)
class Maker:
    """What works out values: a network's trunk by the default engine, a few crops at a time.

    How many those are does not depend on threads, so that the values do not.
    """

    network: Network
    shown: Shown
    runtime: Runtime
    while_making: Callable[[], None]

    @property
    def device(self) -> str:
        """The kind of device that the network is on."""
        return self.network.device.type

    @property
    def name(self) -> str:
        """That of the engine."""
        return chosen(None, self.device, self.shown.settings.precision)

    @cached_property
    def engine(self) -> Engine:
        """What runs the trunk."""
        threads = self.runtime.machine.threads
        return engine_for(self.network, self.name, threads, callers(self.device, threads))

    def __call__(self, numbers: range) -> Piece:
        """The values of some crops."""
        settings, threads = self.shown.settings, self.runtime.machine.threads
        doing = f"{cached_row(self.network.table)} of fixed views"
        size = settings.micro_batch if self.device == "cpu" else settings.batch
        groups = [numbers[start : start + size] for start in range(0, len(numbers), size)]
        reading = in_order(self._read, groups, threads, ahead=2 * threads)
        values, taken, windows, faults = [], [], [], {}
        _ = self.engine  # made here, before threads ask for it
        with one_thread_each():
            calls = callers(self.device, threads)
            for group, found, told in in_order(self._values, reading, calls, ahead=calls):
                self.while_making()
                values.append(found)
                for number, (picture, window, fault) in zip(group, told, strict=True):
                    taken.append(picture)
                    windows.append(fields_of(window))
                    if fault is not None:
                        faults[number - numbers.start] = fault
                self.runtime.progress.step(doing, group.stop, len(self.shown))
        return Piece(np.concatenate(values), np.array(taken), np.array(windows), faults)

    def _read(self, group: range) -> tuple[range, UInt8[Tensor, "B H W 3"], Told]:
        side = self.shown.settings.crop
        crops = torch.empty((len(group), side, side, 3), dtype=torch.uint8)
        pairs = zip(group, crops.numpy(), strict=True)
        return group, crops, [self.shown.read(number, out) for number, out in pairs]

    @torch.inference_mode()
    def _values(
        self, read: tuple[range, UInt8[Tensor, "B H W 3"], Told]
    ) -> tuple[range, Float16[np.ndarray, "B C h w"], Told]:
        group, crops, told = read
        half = self.shown.settings.precision == "bf16"
        with torch.autocast(self.device, torch.bfloat16, enabled=half):
            found = self.engine.trunk(crops.to(self.network.device)).half().cpu()
        if not found.isfinite().all():
            bad = int((~found.flatten(1).isfinite().all(1)).nonzero()[0])
            raise UserError(
                f"{cached_row(self.network.table)} of {self.shown.told(group[bad])} is beyond what "
                f"float16 holds; train without --cached"
            )
        return group, found.contiguous().numpy(), told

    @property
    def depends_on(self) -> str:
        """A hash of all that the values depend on, but for their numbers."""
        source, settings, digest = self.shown.source, self.shown.settings, hashlib.sha256()
        table = self.network.table
        said = (
            table.words, str(source.pixels), self.shown.centre, self.shown.views, settings.crop,
            settings.scale, settings.seed, settings.bad_picture, settings.micro_batch, self.name,
            settings.precision, self.device,
        )  # fmt: skip
        digest.update(repr(said).encode())
        for part in (source.part, self.shown.validation):
            digest.update(json.dumps([*part.names]).encode())
        behind = {
            row.name for row, _ in table.path({table.ends[table.learnt]}, {cached_row(table)})
        }
        for name, tensor in self.network.state_dict().items():
            if name.partition(".")[0] not in behind:
                digest.update(bytes_of(tensor.cpu()))
        return digest.hexdigest()


@dataclass(frozen=True)
class Cached:
    """A loader of values in place of crops, and the judge of a net by those of centre crops."""

    row: str
    shown: Shown
    kept: Kept

    def batches(
        self, source: CropSource, settings: Settings, epoch: int, threads: int, first: int
    ) -> Iterator[Batch]:
        """The batches of one epoch from step `first` on, as `loader.batches` gives them."""
        part, skips = source.part, settings.bad_picture == "skip"
        target, views = tasks.named(settings.task).target, self.shown.views

        def make(numbers: Labels) -> Batch:
            again, pictures = np.divmod(numbers, len(part))  # of a picture that is drawn again
            view = (epoch + again) % views
            found, count = self.kept.of(view * len(part) + pictures), len(numbers)
            windows = tuple(window_of(fields) for fields in found.windows)
            targets = target(part, found.taken, source.outputs, windows)
            batch = Batch(
                torch.from_numpy(found.values),
                disturbed(targets, numbers, len(source.outputs), settings, epoch),
                torch.zeros(count, dtype=torch.bool),
                torch.zeros(count, 3),
                torch.tensor([0.0 if skips and i in found.faults else 1.0 for i in range(count)]),
                numbers,
                min(settings.batch, len(part)),
                tuple(found.faults.values()),
                windows,
                shown_of=tuple(found.taken.tolist()),
                row=self.row,
            )
            return batch.pinned() if source.pinned else batch

        ours = shares(source, settings, epoch)[first:]
        yield from in_order(make, ours, threads, ahead=2 * threads)

    def judge(
        self, network: Network, part: Part, runtime: Runtime, while_testing: Callable[[], None]
    ) -> Judgement:
        """What a net comes to on the validation part, by its centre crops."""
        task, size = tasks.named(self.shown.settings.task), self.shown.settings.micro_batch
        assert task.of_centre is not None
        threads, ranks = runtime.machine.threads, runtime.ranks
        found = np.zeros((len(part), network.table.outputs), np.float32)
        starts = range(0, len(part), size)[ranks.rank :: ranks.world_size]
        network.eval()

        def answers(start: int) -> tuple[int, np.ndarray]:
            numbers = np.arange(start, min(len(part), start + size))
            return start, self._answers(network, numbers)

        with one_thread_each():
            calls = callers(network.device.type, threads)
            for start, rows in in_order(answers, starts, calls, ahead=calls):
                while_testing()
                found[start : start + len(rows)] = rows
        fields = self.kept.windows(self.shown.learnt + np.arange(len(part)))
        windows = [window_of(each) for each in fields]
        return task.of_centre(ranks.all_reduce_rows(found, "the test"), windows, part)

    @torch.inference_mode()
    def _answers(self, network: Network, numbers: Labels) -> np.ndarray:
        piece = self.kept.of(self.shown.learnt + numbers)
        values = torch.from_numpy(piece.values).to(network.device).float()
        end = network.table.learnt
        scores = network.run({self.row: values}, [end])[end].mean((2, 3))
        rows = network.likely(scores).cpu().numpy()
        rows[[*piece.faults]] = np.nan
        return rows


def cached(
    network: Network,
    source: CropSource,
    validation: Part,
    settings: Settings,
    folder: Path,
    runtime: Runtime,
    while_making: Callable[[], None],
) -> Cached:
    """The values that a training goes by, those that are not in the folder of the run made first.

    `while_making` is called after every few crops, and may raise. Raises UserError where there is
    no room for them, and where one is beyond what float16 holds; PictureError where a picture
    cannot be read and may not be.
    """
    network.eval()
    table, (centre,) = network.table, protocol(network, "centre").passes
    judged = tasks.named(settings.task).of_centre is not None
    shown = Shown(source, validation if judged else validation.only([]), settings, centre)
    maker = Maker(network, shown, runtime, while_making)
    row, place = cached_row(table), folder / FOLDER
    place.mkdir(exist_ok=True)
    shape = table.shapes(table.crop, table.crop)[row]
    files = Files(place, maker.depends_on, len(shown), shape)
    runtime.progress.say(_in_words(row, shown, files))
    files.need_space("take fewer --set views=N, or train without --cached")
    return Cached(row, shown, made(files, maker, runtime.ranks))


def _in_words(row: str, shown: Shown, files: Files) -> str:
    """What is kept, and what it takes."""
    views = f"{shown.views} view{'s' if shown.views > 1 else ''}"
    pictures = f"{len(shown.source.part):,} pictures"
    centre = f" and of {len(shown.validation):,} centre crops" if len(shown.validation) else ""
    return (
        f"{row} of {views} of {pictures}{centre} is worked out once: "
        f"{in_words(files.bytes)} in {files.folder}/ until the training has ended"
    )
