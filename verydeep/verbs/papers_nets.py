"""Which training of the paper's a weights file comes from, as far as its provenance tells.

The paper's figures stand beside tests of its own trainings alone: of the weights that its authors
released, known by their hash, and of runs by its recipes on all of ILSVRC-2012's training part; of
nets of boxes, of runs as its Appendix A has them on the pictures of that part which have boxes.
Another training of the same table is another net, whatever it errs.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from verydeep.errors import UserError
from verydeep.evaluation.published import Trained
from verydeep.nets import vgg
from verydeep.nets.rewording import with_last
from verydeep.nets.table import Table
from verydeep.tasks.localise import LOCALISE, LOCALISE_SINGLE
from verydeep.training.recipes import CROP, RECIPES, settings_of
from verydeep.training.settings import BEFORE, Settings, checked
from verydeep.weights.file import WeightsInfo, table_of
from verydeep.weights.releases import RELEASES, THE_AUTHORS

CLASSES, PICTURES = 1000, 1_281_167
"""Of ILSVRC-2012's training part."""
BOXED = 500_000
"""Of those some half a million have boxes; the lists in circulation differ in how many."""
VALIDATION = 50_000
"""Pictures of its validation part, which the paper's figures are of."""
HOW_IT_RUNS = (
    "start", "seed", "split", "micro_batch", "precision", "compiled", "bad_start", "bad_loss",
    "bad_picture",
)  # fmt: skip
"""Settings that make no other training of it."""
OF_BOXES = {LOCALISE.name: f"FC-{4 * CLASSES}", LOCALISE_SINGLE.name: "FC-4"}
"""The last layers of Appendix A, a box for each class (PCR) and one for all (SCR), by task."""
BOX_SCALES, BOX_RATE = (256, 384), 1e-3
"""S of its trainings, and their rate."""


def trained_as(info: WeightsInfo) -> Trained | None:
    """The configuration and the S of the paper's training that gave these weights, or None."""
    if info.members:
        return None
    table = table_of(info)
    if table.name not in vgg.CONFIGURATIONS or table.crop != CROP:
        return None
    if table.places is not None:
        scale = _of_boxes(table, info.provenance)
    elif vgg.table(table.name, CLASSES).words == table.words:
        scale = _released(info.provenance.get("imported", {})) or _by_recipe(info.provenance)
    else:
        return None
    return (table.name, *scale) if scale else None


def _released(imported: Mapping[str, Any]) -> tuple[int, int] | None:
    """S of the authors' release that a file was imported from, which its hash had told."""
    for release in RELEASES:
        if release.name == imported.get("release") and release.trained_by == THE_AUTHORS:
            return release.scale
    return None


def _by_recipe(provenance: Mapping[str, Any]) -> tuple[int, int] | None:
    """S of the paper's recipe that a run on ILSVRC followed to the letter."""
    data = provenance.get("data", {})
    if (data.get("classes"), data.get("train")) != (CLASSES, PICTURES):
        return None
    with suppress(UserError, TypeError):  # settings of another version
        own = _letter(_settings(provenance))
        for recipe in RECIPES.values():
            settings = Settings(**settings_of(recipe, {}))
            begun = bool(recipe.after) == ("start" in provenance)
            if recipe.published and begun and _letter(settings) == own:
                return settings.scale
    return None


def _of_boxes(table: Table, provenance: Mapping[str, Any]) -> tuple[int, int] | None:
    """S of a run of net D that learnt ILSVRC's boxes as Appendix A has it, from a classifier."""
    data = provenance.get("data", {})
    if data.get("classes") != CLASSES or not BOXED <= data.get("train", 0) <= PICTURES:
        return None
    with suppress(UserError, TypeError):  # settings of another version
        own = _settings(provenance)
        if own.task not in OF_BOXES or own.tune == "last" or "start" not in provenance:
            return None
        words = with_last(vgg.table("D", CLASSES).words, (OF_BOXES[own.task], "boxes"))
        theirs = {"net": "D", "crop": CROP, "rate": BOX_RATE, "task": own.task, "tune": own.tune}
        for scale in BOX_SCALES:
            settings = Settings(**checked({**theirs, "scale": scale}))
            if table.words == words and _letter(settings) == _letter(own):
                return settings.scale
    return None


def _settings(provenance: Mapping[str, Any]) -> Settings:
    """The settings of a run; UserError or TypeError for those of another version."""
    return Settings(**checked({**BEFORE, **provenance.get("settings", {})}))


def _letter(settings: Settings) -> dict[str, Any]:
    return {name: v for name, v in asdict(settings).items() if name not in HOW_IT_RUNS}
