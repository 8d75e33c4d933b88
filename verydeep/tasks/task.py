"""A task as a record of functions: what a net is trained for, and how that is judged.

The loop, the step, checkpoints, the log, TensorBoard, plots and the page of a run know of a task
what stands here and nothing more, so that there is one of each for all tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int64, Shaped
from torch import Tensor

from verydeep.nets.network import Network
from verydeep.parts.annotations import Labels
from verydeep.parts.dataset import Dataset, Part
from verydeep.pictures.windows import Window
from verydeep.runtime.runtime import Runtime

Scores = Float[Tensor, "B K"]
"""What a net's scores are of each picture: the row that the soft-max reads, or the last."""
Targets = Shaped[Tensor, "B ..."]
"""What it is to give, in whatever form the task's loss wants it."""
ClassWeights = Float[Tensor, " K"]
"""What a picture of each class counts in the loss."""
Each = Float[Tensor, " B"]
"""A number for each picture of a micro-batch."""
Counts = Int64[np.ndarray, " K"]
"""Pictures of each class."""
Answers = Float32[np.ndarray, "N C"]
"""What a net gives of each picture of a part: posteriors, or places in shares of what it is shown;
NaN of one that could not be read."""


@dataclass(frozen=True)
class Figure:
    """A figure by which a task is judged.

    `name` is its column in log.csv and its tag in TensorBoard; `label` what it is, in full, for
    plots and pages; `called` the same in a word, where a line says of which part: "validation
    error". A value has a unit, and so many decimals where it is told.
    """

    name: str
    label: str
    called: str
    unit: str = "%"
    decimals: int = 1
    lower_is_better: bool = True

    def told(self, value: float, width: int = 0) -> str:
        """A value with its unit, in so many letters before that at the least: " 12.5 %"."""
        return f"{self.number(value):>{width}} {self.unit}".rstrip()

    def number(self, value: float) -> str:
        """A value without its unit."""
        return f"{value:.{self.decimals}f}"

    def cost(self, value: float) -> float:
        """A number that is the lower the better the value is."""
        return value if self.lower_is_better else -value

    @property
    def heading(self) -> str:
        """What stands over a column or beside an axis of values: "top-1 error, %"."""
        return f"{self.label}, {self.unit}" if self.unit else self.label

    @property
    def best(self) -> str:
        """What the best value is among others, in a word."""
        return "lowest" if self.lower_is_better else "highest"


@dataclass(frozen=True)
class Judgement:
    """What a net came to on a part: the mean loss over its pictures, and figures by name."""

    loss: float
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Rates:
    """Rates to learn a task at: of nets with norms, all of whose layers are tuned; of others."""

    norms: float
    plain: float


@dataclass(frozen=True)
class Task:
    """What a net is trained for.

    `fitting` is what of a dataset can be learnt and judged by, and raises UserError where that is
    nothing. `outputs` names what the net gives for it, a name for each channel of its scores, or
    for so many of them; `last_rows` are the words of that row, and of what follows it in the table.

    `target` is what the net is to give of views of pictures of a part, which are said by their
    places in it, from the part's annotations, for outputs of these names; the windows say what
    each view shows. `loss` is one number for each picture of a micro-batch, from scores, targets
    and what classes weigh, where that is not the same for all; `guess` the mean loss of an answer
    that looks at no picture, for a net and targets.
    A task that takes `several` labels a picture has data opened with them, and one that needs
    `classes` learns from no fewer. `balanced` gives the weights by which all classes count the
    same, from the number of pictures, and of those of each class; a task without classes has none.

    Where what is asked of a picture depends on what a view shows of it, it is `by_window`: of what
    a view loses its targets are NaN.

    `rates` are those to learn it at from a part, where they are others than the usual ones.

    `smoothed` is the loss with a share of each label given to all classes alike, of a task whose
    pictures have one label each.

    With `jointly` the loss of a picture depends on the others of its batch, whose scores and
    targets all come together; such a task learns from batches with several pictures of a class,
    and of `least` pictures.
    With `apart` parts that are made have no class in common: what is learnt from has none of those
    that are set aside.

    `judge` shows a net the pictures of a part, and calls its last argument from time to time, which
    may raise. It gives a value for each of the `figures`: the first is watched by the schedule
    and chooses the weights, of equals the lower loss. `judged_by` says how, in a few words;
    `without_looking` what figures mean little without, in a line, for a dataset's part; none where
    it is not known before a test.

    Where `judge` goes by one centre crop a picture, `of_centre` is what it makes of the answers to
    those, and what they show, whoever worked them out.

    `protocols` are the tests by posteriors that end a run, one score file each. Where a task has
    none, the test part is judged once as the validation part is after every epoch.
    """

    name: str
    outputs: Callable[[Dataset], tuple[str, ...]]
    last_rows: Callable[[Dataset], tuple[str, ...]]
    target: Callable[[Part, Labels, Sequence[str], Sequence[Window]], Targets]
    loss: Callable[[Scores, Targets, ClassWeights | None], Float[Tensor, " B"]]
    guess: Callable[[Network, Targets], float]
    judge: Callable[[Network, Part, Runtime, Callable[[], None]], Judgement]
    figures: tuple[Figure, ...]
    judged_by: str
    without_looking: Callable[[Dataset, Part], str]
    of_centre: Callable[[Answers, Sequence[Window], Part], Judgement] | None = None
    protocols: tuple[str, ...] = ()
    several: bool = False
    classes: int = 2
    by_window: bool = False
    fitting: Callable[[Dataset], Dataset] = lambda dataset: dataset
    rates: Callable[[Part], Rates] | None = None
    balanced: Callable[[int, Counts], ClassWeights] | None = None
    smoothed: Callable[[Scores, Targets, ClassWeights | None, float], Each] | None = None
    jointly: bool = False
    least: int = 1
    apart: bool = False

    @property
    def watched(self) -> Figure:
        """The figure that the schedule watches, and that chooses the weights."""
        return self.figures[0]

    @property
    def names(self) -> Sequence[str]:
        """The names of its figures."""
        return [figure.name for figure in self.figures]
