"""Folders of finished runs, held against what a plan has in their place, and their own tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from verydeep import weights
from verydeep.datasets import Dataset
from verydeep.errors import UserError
from verydeep.evaluation.views import Protocol
from verydeep.parts.fingerprints import is_unchanged
from verydeep.training.defaults import GIVEN, OF_RECIPE, PAPERS
from verydeep.training.recipes import Recipe, settings_of
from verydeep.training.run import read_log
from verydeep.training.run_toml import Described, described
from verydeep.training.run_toml import settings_of as settings_in
from verydeep.training.settings import Settings, checked
from verydeep.verbs.measure import Subject, digest_in, file_name
from verydeep.verbs.run import own_protocols
from verydeep.weights.file import BEST, pixels_of, read_info, table_of

ELSEWHERE = ("start", "micro_batch")
"""Settings that are not of a plan: where weights lie, and what fits into a machine."""


def refuse_another(
    place: Path, settings: Mapping[str, Any], recipe: Recipe | None, dataset: Dataset | None = None
) -> None:
    """Raises UserError where a folder has a run of other settings than the plan's.

    What neither `settings` nor the recipe say is as the run chose it from its data, or else as
    Settings have it. With a `dataset`, raises UserError for a run of other pictures, too.
    """
    about = described(place)
    theirs = settings_in(about)
    for name, value in _planned(about, settings, recipe).items():
        if getattr(theirs, name) != value:
            raise UserError(
                f"{place} holds a run of another plan: its {name} is {getattr(theirs, name)}, and "
                f"{value} is planned; choose another --out, or take it away"
            )
    if dataset is not None and not is_unchanged(about.data.fingerprint, dataset):
        raise UserError(
            f"{place} holds a run on other pictures ({about.data.where}, fingerprint "
            f"{about.data.fingerprint}, and here {dataset.fingerprint}); choose another --out, or "
            f"take it away"
        )


def _planned(
    about: Described, settings: Mapping[str, Any], recipe: Recipe | None
) -> dict[str, Any]:
    """All settings that a plan gives a run, by name."""
    said = settings_of(recipe, settings) if recipe else checked(settings)
    told = about.reasons.items()
    chosen = {n for n, why in told if why not in (GIVEN, PAPERS) and not why.startswith(OF_RECIPE)}
    unsaid = {field.name: field.default for field in fields(Settings)}
    return {n: v for n, v in unsaid.items() if n not in (*chosen, *ELSEWHERE)} | said


def damage(place: Path) -> str | None:
    """What is damaged in the folder of a finished run, whose tests can be made again; or None."""
    try:
        described(place)
        weights.load(place / BEST)
        epochs = read_log(place)
    except UserError as error:
        return str(error)
    return None if epochs else f"{place}/log.csv has no epochs"


def own_test(place: Path, role: str, protocol: str, scales: tuple[int, ...]) -> Path:
    """Where a run keeps a test that it ended with, whatever other tests were made of it since."""
    about = described(place)
    settings = settings_in(about)
    subject = Subject(about.data.where, about.data.fingerprint, role, role, settings.split)
    shown, digest = Protocol(protocol, settings.crop, scales), digest_in(place / BEST)
    return place / "scores" / file_name(shown, subject, digest, [])


def lacks_own_test(place: Path) -> bool:
    """Whether a finished run lacks a test that it ended with, of pictures that chose nothing."""
    about, info = described(place), read_info(place / BEST)
    names = own_protocols(table_of(info), settings_in(about)) if about.data.test else ()
    scales = (pixels_of(info).test_scale,)
    return not all(own_test(place, "test", name, scales).exists() for name in names)
