"""What a plan will take: time, as a training's is reckoned, and room on the disk."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import NamedTuple

from verydeep.evaluation.views import WAYS, Pass
from verydeep.localisation.dense import CANDIDATES
from verydeep.nets.cost import FLOAT, cost
from verydeep.nets.rows import NUMBERS
from verydeep.nets.table import Table
from verydeep.parts.dataset import Dataset
from verydeep.runtime.machine import Machine
from verydeep.studies.plan import Measurement, Plan, Step, Training
from verydeep.training.duration import seconds_a_cached_picture, seconds_a_picture
from verydeep.training.settings import Settings
from verydeep.training.state import cached_row, tuned_layers
from verydeep.training.values import HALF

KEPT = 3
"""Copies of its weights that the folder of a run has: the best, and a checkpoint of two: weights,
and the best again. There is the momentum of those that learn beside them."""


class Takes(NamedTuple):
    """Seconds of a step on a CPU, bytes that it leaves, and more that it takes until it is done."""

    seconds: float
    bytes: int
    passing: int = 0


class Test(NamedTuple):
    """A test of a net by one protocol on so many pictures; by `nets` trunks, of boxes or not."""

    table: Table
    way: str
    scales: tuple[int, ...]
    pictures: int
    boxes: bool = False
    nets: int = 1

    @property
    def passes(self) -> list[Pass]:
        """What of each picture is shown."""
        return [Pass(way, self.table.crop, q) for way in WAYS[self.way] for q in self.scales]

    def takes(self, classes: int, machine: Machine) -> Takes:
        """By the pixels that are shown of pictures that are three high and four wide."""
        shown = sum(one.pixels(one.scale, one.scale * 4 // 3) for one in self.passes)
        crops = self.nets * shown / self.table.crop**2
        seconds = self.pictures * crops * seconds_a_picture(self.table, machine.threads, passes=1)
        numbers = self._boxes * (NUMBERS["boxes"] + 1) if self.boxes else classes
        return Takes(seconds, FLOAT * numbers * self.pictures)

    @property
    def _boxes(self) -> int:
        """The boxes of a picture that are kept: one of a centre crop, else of all positions."""
        if self.way == "centre":
            return 1
        places = [
            ((q - self.table.crop) // self.table.step + 1)
            * ((q * 4 // 3 - self.table.crop) // self.table.step + 1)
            for q in self.scales
        ]
        return CANDIDATES * 2 * sum(places)


def estimates(plan: Plan, dataset: Dataset, machine: Machine) -> dict[str, Takes]:
    """What each step takes, by its name.

    Times are those of `seconds_a_picture`, in the number of cores that the machine has.
    """
    tasks = {step.task.name: step.task for step in plan.trainings}
    fitted = {name: task.fitting(dataset) for name, task in tasks.items()}
    return {step.name: _takes(step, plan, fitted, machine) for step in plan.steps}


def _takes(step: Step, plan: Plan, fitted: Mapping[str, Dataset], machine: Machine) -> Takes:
    training = step if isinstance(step, Training) else plan.named(step.of)
    dataset, settings = fitted[training.task.name], training.whole
    table, classes = settings.sizes.table(training.task.last_rows(dataset)), len(dataset.classes)
    pictures = {role: len(part) for role, part in dataset.by_role.items()}
    boxes, others = training.places_boxes, 1 if settings.tune == "all" else 0

    def test(way: str, scales: tuple[int, ...], tested: int) -> Takes:
        nets = 1 + others if boxes and way == "dense" else 1
        return Test(table, way, scales, tested, boxes, nets).takes(classes, machine)

    if isinstance(step, Measurement):
        chosen_by = pictures["validation"] if step.classifier else 0
        return test(step.protocol, step.scales, pictures["test"] + chosen_by)
    seconds, passing = _learning(settings, table, pictures, machine)
    middle, tested = (sum(settings.scale) // 2,), pictures["validation"] + pictures["test"]
    own = [test(way, middle, tested) for way in ("centre", "dense")]
    return Takes(
        seconds + sum(one.seconds for one in own),
        FLOAT * _numbers(table, settings.tune) + sum(one.bytes for one in own),
        passing,
    )


def _learning(
    settings: Settings, table: Table, pictures: Mapping[str, int], machine: Machine
) -> tuple[float, int]:
    """Seconds of all epochs, and bytes of values that are kept until they are over."""
    count = pictures["train"]
    epochs = _epochs(settings, count)
    if not settings.cached:
        passes = 3 if settings.tune == "all" else 1
        each = seconds_a_picture(table, machine.threads, passes)
        return each * count * epochs, 0
    crops = min(settings.views, epochs) * count + pictures["validation"]
    seconds = crops * seconds_a_picture(table, machine.threads, passes=1)
    seconds += epochs * count * seconds_a_cached_picture(table, machine.threads)
    return seconds, HALF * crops * prod(table.shapes(table.crop, table.crop)[cached_row(table)])


def _epochs(settings: Settings, count: int) -> int:
    """The epochs of a training, which a recipe may tell in steps."""
    if settings.fall != "steps":
        return settings.epochs
    return -(-settings.at_steps[-1] // max(1, count // settings.batch))


def _numbers(table: Table, tune: str) -> int:
    """How many numbers the folder of a run keeps: copies of weights, and momentum."""
    learnt = tuned_layers(table, tune)
    momentum = sum(row.parameters for row in cost(table).rows if row.name in learnt)
    return KEPT * cost(table).parameters + momentum
