"""How the nets of a study begin: their signals measured once, and kept in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from verydeep.datasets import Dataset
from verydeep.nets.named import Sizes
from verydeep.runtime.runtime import Runtime
from verydeep.studies.beginnings import LAST, beside_a, halves_of_a
from verydeep.studies.initialisation import INITIALS, NETS, FromA, Initialisation, initialisation
from verydeep.studies.signals_file import Measured, load_signals, save_signals
from verydeep.studies.sizes import Size
from verydeep.tensors_file import DamagedError
from verydeep.training.duration import seconds_a_picture
from verydeep.training.loader import batches
from verydeep.training.settings import Settings
from verydeep.verbs.measure import digest_in
from verydeep.verbs.plans import Work
from verydeep.verbs.training_data import read
from verydeep.weights.file import BEST

SIGNALS = "signals.safetensors"
PICTURES = 32
"""Pictures that nets are shown, at the most: the first crops of a training."""


def signals_of(
    dataset: Dataset, size: Size, split: int, seed: int, work: Work, runtime: Runtime
) -> Initialisation:
    """The signals of the paper's nets of this size as they begin, and the lecture's stack.

    Deeper nets begin with the layers of A too that the work has trained with that seed. Read where
    the folder has them of the same pictures, sizes and weights, measured and written where it has
    not. Raises UserError as `initialisation` does.
    """
    settings, after = _settings(size), _after_a(size, seed, work)
    of = Measured(
        dataset.fingerprint, split, settings.seed, min(PICTURES, settings.batch), size.scale,
        size.crop, size.width, work.given.get("fc"),
        tuple(digest_in(a.path) for a in after.values()),
    )  # fmt: skip
    path = work.folder / SIGNALS
    kept = _kept(path, of, runtime) if runtime.ranks.is_main else None
    if runtime.ranks.broadcast(kept is not None):
        return kept or load_signals(path)[0]
    found = _measured(dataset, of, settings, after, runtime)
    if runtime.ranks.is_main:
        save_signals(found, of, path)
    return found


def seconds_of_signals(size: Size, cores: int) -> float:
    """About how long the nets take, of the lecture's stack nothing."""
    tables = [Sizes(net, size.width, size.crop).table(LAST) for net in NETS]
    beginnings = len(INITIALS) + 1  # that from A
    return beginnings * PICTURES * sum(seconds_a_picture(table, cores) for table in tables)


def _kept(path: Path, of: Measured, runtime: Runtime) -> Initialisation | None:
    """What the folder has of just that; None where it has nothing that is of use."""
    if not path.exists():
        return None
    try:
        found, theirs = load_signals(path)
    except DamagedError as error:
        runtime.progress.say(str(error))
        return None
    return found if theirs == of and found.nets == NETS else None


def _settings(size: Size) -> Settings:
    """Those of the trainings whose first crops are shown."""
    own = {**size.training(size.epochs), "crop": size.crop, "scale": (size.scale, size.scale)}
    return Settings(**own)


def _after_a(size: Size, seed: int, work: Work) -> dict[str, FromA]:
    """The weights of A that did not fail, by its name: without norms and with them."""
    runs = halves_of_a(seed, size).items()
    return {
        net: FromA(work.place(run) / BEST, beside_a(size))
        for net, run in runs
        if work.failure(run) is None
    }


def _measured(
    dataset: Dataset,
    of: Measured,
    settings: Settings,
    after: Mapping[str, FromA],
    runtime: Runtime,
) -> Initialisation:
    """The same measured, of crops in the pixels that trainings have."""
    runtime.progress.say("measuring how nets begin")
    source = replace(read(dataset, settings, None, runtime).source, share=(0, 1))
    first = next(batches(source, settings, epoch=0, threads=1))
    shown = first.part(0, of.pictures, torch.device(runtime.machine.device))
    return initialisation(
        shown.shown(source.pixels), shown.targets, len(dataset.classes), of.width, of.crop,
        of.seed, fc=of.fc, after=after, runtime=runtime,
    )  # fmt: skip
