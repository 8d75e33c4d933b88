"""Plans as data: trainings and tests by name, and what each of them stands on.

A plan is carried out in a folder, where each training has a folder of its name
(`verbs/plans.py`). Staged recipes, the tour and studies are plans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from verydeep import tasks
from verydeep.tasks.localise import LOCALISE, LOCALISE_SINGLE
from verydeep.tasks.task import Task
from verydeep.training.recipes import Recipe, settings_of
from verydeep.training.settings import Settings


@dataclass(frozen=True)
class Training:
    """A run: its settings, laid over those of a recipe where it has one.

    It starts from the best weights of the training that it comes `after`. Where others were
    `tried` before, its rate is that of the one whose weights are best on the validation part. Where
    it `may_fail`, a loss that is no number any more is what it came to, and others go on.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    recipe: Recipe | None = None
    after: str | None = None
    tried: tuple[str, ...] = ()
    may_fail: bool = False

    @property
    def whole(self) -> Settings:
        """All its settings, those of its recipe among them."""
        own: dict[str, Any] = {**self.settings}
        return Settings(**settings_of(self.recipe or Recipe("", {}), own))

    @property
    def task(self) -> Task:
        """What its net is trained for."""
        own = {**(self.recipe.settings if self.recipe else {}), **self.settings}
        return tasks.named(own.get("task", Settings.task))

    @property
    def places_boxes(self) -> bool:
        """Whether its net is tested by boxes, not by posteriors."""
        return self.task in (LOCALISE, LOCALISE_SINGLE)

    @property
    def stands_on(self) -> tuple[str, ...]:
        """Names of what must be done before."""
        return (*([self.after] if self.after else ()), *self.tried)


@dataclass(frozen=True)
class Measurement:
    """A test of the best weights of a training on the part set aside; `scales` are the Q.

    Of a net that places boxes by "dense" a `classifier`, another training's, says which classes;
    where `named_by` is told of, the dense test of that training does, at the one Q of its own, and
    the classifier rates boxes.
    """

    of: str
    protocol: str
    scales: tuple[int, ...]
    classifier: str | None = None
    named_by: str | None = None

    @property
    def name(self) -> str:
        """What it is called where it is told of."""
        named_by = f", named by {self.named_by}" if self.named_by else ""
        return f"{self.of}, {self.protocol}, Q = {', '.join(map(str, self.scales))}{named_by}"

    @property
    def stands_on(self) -> tuple[str, ...]:
        """Names of what must be done before."""
        return (self.of, *filter(None, (self.classifier, self.named_by)))


Step = Training | Measurement


@dataclass(frozen=True)
class Plan:
    """Steps, each after all that it stands on."""

    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        """Refuses a plan of which a step could not be carried out."""
        known: set[str] = set()
        for step in self.steps:
            if step.name in known or not known.issuperset(step.stands_on):
                raise ValueError(f"{step.name} is there twice, or before what it stands on")
            known.add(step.name)

    @property
    def trainings(self) -> tuple[Training, ...]:
        """The steps that have a folder."""
        return tuple(step for step in self.steps if isinstance(step, Training))

    def laid_over(self, of: Callable[[Training], Mapping[str, Any]]) -> Plan:
        """The same with these settings laid over those of each training."""
        return Plan(
            tuple(
                replace(step, settings={**step.settings, **of(step)})
                if isinstance(step, Training)
                else step
                for step in self.steps
            )
        )

    def named(self, name: str) -> Training:
        """The training of that name."""
        return next(step for step in self.trainings if step.name == name)


def joined(plans: Iterable[Plan]) -> Plan:
    """All steps of several plans; what two of them have in common is there once."""
    steps: dict[str, Step] = {}
    for plan in plans:
        for step in plan.steps:
            if steps.setdefault(step.name, step) != step:
                raise ValueError(f"two plans have another {step.name} each")
    return Plan(tuple(steps.values()))
