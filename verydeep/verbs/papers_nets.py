"""Which training of the paper's a weights file comes from, as far as its provenance tells.

The paper's figures stand beside tests of its own trainings alone: of the weights that its authors
released, known by their hash, and of runs by its recipes on all of ILSVRC-2012's training part.
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
from verydeep.training.recipes import CROP, RECIPES, settings_of
from verydeep.training.settings import BEFORE, Settings, checked
from verydeep.weights.file import WeightsInfo, table_of
from verydeep.weights.releases import RELEASES, THE_AUTHORS

CLASSES, PICTURES = 1000, 1_281_167
"""Of ILSVRC-2012's training part."""
VALIDATION = 50_000
"""Pictures of its validation part, which the paper's figures are of."""
HOW_IT_RUNS = (
    "start", "seed", "split", "micro_batch", "precision", "compiled", "bad_start", "bad_loss",
    "bad_picture",
)  # fmt: skip
"""Settings that make no other training of it."""


def trained_as(info: WeightsInfo) -> Trained | None:
    """The configuration and the S of the paper's training that gave these weights, or None."""
    if info.members:
        return None
    table = table_of(info)
    if table.name not in vgg.CONFIGURATIONS or table.crop != CROP:
        return None
    if vgg.table(table.name, CLASSES).words != table.words:
        return None
    scale = _released(info.provenance.get("imported", {})) or _by_recipe(info.provenance)
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
        own = _letter(Settings(**checked({**BEFORE, **provenance.get("settings", {})})))
        for recipe in RECIPES.values():
            settings = Settings(**settings_of(recipe, {}))
            begun = bool(recipe.after) == ("start" in provenance)
            if recipe.published and begun and _letter(settings) == own:
                return settings.scale
    return None


def _letter(settings: Settings) -> dict[str, Any]:
    return {name: v for name, v in asdict(settings).items() if name not in HOW_IT_RUNS}
