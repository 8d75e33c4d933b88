"""What a plan will take: time, as a training's is reckoned, and room on the disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from verydeep.evaluation.views import WAYS, Pass
from verydeep.nets.cost import FLOAT, cost
from verydeep.nets.table import Table
from verydeep.runtime.machine import Machine
from verydeep.studies.plan import Measurement, Plan, Step, Training
from verydeep.training.duration import seconds_a_picture
from verydeep.training.recipes import Recipe, settings_of
from verydeep.training.settings import Settings

KEPT = 4
"""Copies of its weights that the folder of a run has: the best, and a checkpoint of three: weights,
their momentum, and the best again."""


class Takes(NamedTuple):
    """Seconds of a step on a CPU, and bytes that it leaves."""

    seconds: float
    bytes: int


def estimates(
    plan: Plan, pictures: Mapping[str, int], classes: int, machine: Machine
) -> dict[str, Takes]:
    """What each step takes, by its name; `pictures` counts those of each role.

    Times are those of `seconds_a_picture`, in the number of cores that the machine has.
    """
    found: dict[str, Takes] = {}
    for step in plan.steps:
        settings = _settings(plan, step)
        table = settings.sizes.table((f"FC-{classes}", "soft-max"))
        if isinstance(step, Measurement):
            q = step.scales
            seconds = _testing(table, step.protocol, q, pictures["test"], machine)
            found[step.name] = Takes(seconds, FLOAT * classes * pictures["test"])
            continue
        seconds = seconds_a_picture(table, machine.threads) * pictures["train"] * settings.epochs
        tested = pictures["validation"] + pictures["test"]
        middle = (sum(settings.scale) // 2,)
        seconds += sum(_testing(table, way, middle, tested, machine) for way in ("centre", "dense"))
        room = KEPT * FLOAT * cost(table).parameters + 2 * FLOAT * classes * tested
        found[step.name] = Takes(seconds, room)
    return found


def _settings(plan: Plan, step: Step) -> Settings:
    """The settings of a training, or of the one that is tested."""
    training = step if isinstance(step, Training) else plan.named(step.of)
    own: dict[str, Any] = {**training.settings}
    recipe = training.recipe or Recipe("", {})
    return Settings(**settings_of(recipe, own))


def _testing(
    table: Table, way: str, scales: tuple[int, ...], pictures: int, machine: Machine
) -> float:
    """Seconds of a test, by the pixels that are shown."""
    passes = [Pass(kind, table.crop, q) for kind in WAYS[way] for q in scales]
    shown = sum(one.pixels(one.scale, one.scale * 4 // 3) for one in passes) / table.crop**2
    return pictures * shown * seconds_a_picture(table, machine.threads, passes=1)
