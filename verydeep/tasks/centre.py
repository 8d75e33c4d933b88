"""Judging by one centre crop a picture, which is quick enough to be done after every epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from verydeep.evaluation.posteriors import posteriors
from verydeep.evaluation.views import protocol
from verydeep.localisation.centre import places
from verydeep.nets.network import Network
from verydeep.parts.dataset import Part
from verydeep.pictures.windows import Window
from verydeep.runtime.runtime import Runtime
from verydeep.tasks.task import Answers, Judgement

OfCentre = Callable[[Answers, Sequence[Window], Part], Judgement]
Judge = Callable[[Network, Part, Runtime, Callable[[], None]], Judgement]


def by_centre(of_centre: OfCentre) -> Judge:
    """What judges a net by its answers to centre crops, as `Task.judge` does."""

    def judge(
        network: Network, part: Part, runtime: Runtime, while_testing: Callable[[], None]
    ) -> Judgement:
        asked = network, part, protocol(network, "centre"), runtime, lambda done: while_testing()
        if network.table.places:
            return of_centre(*places(*asked), part)
        return of_centre(posteriors(*asked), (), part)

    return judge
