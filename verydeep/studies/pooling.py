"""What the difference of two ways comes to over pictures and seeds, and how far it can be trusted.

In go the losses of both ways on the same pictures, once for each seed of the training. Other
pictures would give another difference, and so would other seeds: both are drawn at random (Clark,
1973, The language-as-fixed-effect fallacy, J. Verb. Learn. Verb. Behav. 12, 335-359). An interval
over pictures alone is one of these very networks, and tells nothing of the next training. Of folds
each has pictures and a seed of its own, so that pictures are nested in folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, sqrt
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64

from verydeep.errors import UserError
from verydeep.evaluation.comparison import LEVEL
from verydeep.evaluation.metrics import Interval
from verydeep.studies.student import quantile, tails

WHOLE = 100.0
"""The most by which two figures in % can differ, in points."""


class Variances(NamedTuple):
    """How much a difference varies with the picture, with the seed, and with both together.

    In squared units of the difference. As mean squares of a two-way layout: those of pictures, of
    seeds, and of the rest.
    """

    pictures: float
    seeds: float
    rest: float


@dataclass(frozen=True)
class Difference:
    """The loss of a less that of b, the mean over so many pictures and seeds: in points of %.

    Of seed s and picture i it is mean + picture_i + seed_s + rest, the last three drawn at random
    each time: a two-way layout without replication (Cornfield & Tukey, 1956, Ann. Math. Statist.
    27, 907-949). `squares` are its mean squares, of which the expected values are

        pictures  R var_pictures + var_rest
        seeds     N var_seeds + var_rest
        rest      var_rest.

    The variance of the mean would be (pictures + seeds - rest) / (N R). Taken is Clark's min F',
    which leaves the rest in. So nothing comes out negative, the interval is never narrower than
    what pictures alone give, and seeds that are alike by chance do not count for more than they
    are. It is Student's t with the degrees of freedom of Satterthwaite (1946), which are estimated
    too: with 2, 3, 4, 5 and 8 seeds, intervals of 95 % hold 87, 92, 94, 94 and 95 times of 100 at
    worst, which is where seeds are all that matters; where they matter no more than pictures, 94
    times of two seeds and 95 or more of others; where not at all, 95 to 98. At levels nearer to 1
    less of the rest is kept: of 99.6 %, 97.5 with three seeds at worst, and 99.1 with five.

    Two pictures more are pretended in the variance, one that tells for a and one for b by the
    `most` that a picture can, as Bonett & Price do (2012, J. Educ. Behav. Stat. 37, 479-488). So an
    interval is no point where nothing was seen to differ, but reaches 2.8 pictures to either side.

    Where folds are `nested` picture i has been in one of so many `seeds` alone, so that what is its
    own cannot be told from the rest, and `pictures` has both:

        pictures  var_pictures
        seeds     N / R var_seeds + var_pictures.

    The mean squares are added up all the same, and are N times the variance then: where folds are
    alike the interval is 1.4 times as wide as that of pictures alone. It holds 97 to 99 times of
    100, and 95 where folds are all that matters. The t of the folds' means, with all of 4 degrees
    of freedom for five folds, would hold 95 times of 100 where each was trained on pictures of its
    own; they share most of them, of which no estimate from folds can know what it makes them alike
    (Bengio & Grandvalet, 2004, J. Mach. Learn. Res. 5, 1089-1105). At the levels to which claims
    are corrected it is the wider of the two.

    `pictures` is None of figures that are no mean over pictures, one for each seed. Then it is the
    t of the seeds' mean alone: what other seeds would give on these pictures.
    """

    mean: float
    squares: Variances
    pictures: int | None
    seeds: int
    most: float = WHOLE
    nested: bool = False

    @property
    def losses(self) -> int:
        """How many there are of each way: of each picture one a seed, or of folds one."""
        pictures = self.pictures or 1
        return pictures if self.nested else pictures * self.seeds

    @property
    def variances(self) -> Variances:
        """The components of variance, of which negative estimates are taken as 0."""
        of, rest = self.squares, self.squares.rest
        if self.nested:
            between = max(0.0, of.seeds - of.pictures) * self.seeds / self.losses
            return Variances(of.pictures, between, 0.0)
        return Variances(
            max(0.0, of.pictures - rest) / self.seeds,
            max(0.0, of.seeds - rest) / (self.pictures or 1),
            rest,
        )

    @property
    def _sources(self) -> list[tuple[float, int]]:
        """The mean squares that add up to N R times the variance, and their degrees of freedom."""
        seeds = (self.squares.seeds, self.seeds - 1)
        if self.pictures is None:
            return [seeds]
        free = self.pictures - (self.seeds if self.nested else 1)
        pretended = 2 * (self.losses / self.pictures) * self.most**2 / free
        return [(self.squares.pictures + pretended, free), seeds]

    @property
    def deviation(self) -> float:
        """The standard error of the mean."""
        total = sum(square for square, _ in self._sources)
        return sqrt(total / self.losses)

    @property
    def df(self) -> float:
        """Degrees of freedom by Satterthwaite, at most those of pictures alone."""
        total = sum(square for square, _ in self._sources)
        most = self._sources[0][1]
        if total == 0:
            return most
        return min(most, total**2 / sum(square**2 / df for square, df in self._sources))

    @property
    def p(self) -> float:
        """The chance of a mean at least as far from 0 were there no difference.

        1 where there is no telling: of figures that differ by the same for each seed.
        """
        return tails(self.mean / self.deviation, self.df) if self.deviation else 1.0

    def half_width(self, level: float = LEVEL) -> float:
        """How far the interval reaches to either side; without end where there is no telling."""
        return quantile(level, self.df) * self.deviation if self.deviation else inf

    def interval(self, level: float = LEVEL) -> Interval:
        """Where the difference lies with this confidence, for other pictures and other seeds."""
        reach = self.half_width(level)
        return max(-self.most, self.mean - reach), min(self.most, self.mean + reach)

    def at(self, *, pictures: int | None = None, seeds: int | None = None) -> Difference:
        """The same difference with other numbers, if it varies as it did here.

        The mean is what was measured and the mean squares are what the components of variance lead
        one to expect. Figures that are no mean over pictures stay without any.
        """
        pictures = self.pictures and (pictures or self.pictures)
        seeds = seeds or self.seeds
        of = self.variances
        if self.nested and pictures is not None:
            own = Variances(of.pictures, pictures / seeds * of.seeds + of.pictures, 0.0)
            return replace(self, squares=own, pictures=pictures, seeds=seeds)
        expected = Variances(
            seeds * of.pictures + of.rest, (pictures or 1) * of.seeds + of.rest, of.rest
        )
        return replace(self, squares=expected, pictures=pictures, seeds=seeds)


def difference_of_errors(
    missed_a: Bool[np.ndarray, "R N"], missed_b: Bool[np.ndarray, "S N"]
) -> Difference:
    """The error of a less that of b in points, from the pictures that each has missed.

    A row for each seed, the same pictures in each in one order; a's seed s belongs with b's. Raises
    UserError where there are less than two seeds or pictures, or not as many seeds of both.
    """
    return difference_of_losses(WHOLE * missed_a, WHOLE * missed_b, WHOLE)


def difference_of_losses(
    a: Float[np.ndarray, "R N"], b: Float[np.ndarray, "S N"], most: float
) -> Difference:
    """The mean loss of a less that of b, of any losses of which two differ by so much at `most`.

    Otherwise as `difference_of_errors`.
    """
    _refuse_few(len(a), len(b))
    if a.shape[1] < 2:
        raise UserError(f"{a.shape[1]} picture tells nothing of others; test on two or more")
    differences = a.astype(np.float64) - b
    mean = float(differences.mean())
    return Difference(mean, _mean_squares(differences), a.shape[1], len(a), most)


def difference_of_folds(
    missed_a: Sequence[Bool[np.ndarray, " _"]], missed_b: Sequence[Bool[np.ndarray, " _"]]
) -> Difference:
    """The error of a less that of b in points, where each fold has other pictures than the others.

    One after another the pictures that each has missed of each fold, a's in the order of b's. Each
    picture counts the same. Raises UserError as `difference_of_errors`.
    """
    _refuse_few(len(missed_a), len(missed_b))
    pairs = zip(missed_a, missed_b, strict=True)
    folds = [WHOLE * (a.astype(np.float64) - b) for a, b in pairs]
    pictures = sum(map(len, folds))
    if pictures <= len(folds):
        raise UserError(f"{pictures} pictures in {len(folds)} folds tell nothing; test on more")
    mean = float(np.concatenate(folds).mean())
    within = sum(float(((fold - fold.mean()) ** 2).sum()) for fold in folds)
    between = sum(len(fold) * float(fold.mean() - mean) ** 2 for fold in folds)
    squares = Variances(within / (pictures - len(folds)), between / (len(folds) - 1), 0.0)
    return Difference(mean, squares, pictures, len(folds), nested=True)


def difference_of_figures(a: Float[np.ndarray, " R"], b: Float[np.ndarray, " S"]) -> Difference:
    """The figure of a less that of b in points, from one figure in % of each for each seed.

    For what is no mean over pictures: mAP, or the mean class recall of a draw. The t of R paired
    differences, of R - 1 degrees of freedom, speaks of other seeds (or draws) on the same pictures;
    how other pictures would differ it cannot know. Where all R are the same it tells nothing: p
    is 1 and the interval whatever figures can be. Raises UserError as `difference_of_errors`.
    """
    _refuse_few(len(a), len(b))
    differences = a.astype(np.float64) - b
    varied = float(differences.var(ddof=1)) if np.ptp(differences) else 0.0
    return Difference(float(differences.mean()), Variances(0.0, varied, 0.0), None, len(a))


def _refuse_few(seeds_a: int, seeds_b: int) -> None:
    if seeds_a != seeds_b:
        raise UserError(
            f"{seeds_a} seeds of one and {seeds_b} of the other are no pairs; test as many of each"
        )
    if seeds_a < 2:
        raise UserError(
            f"{seeds_a} seed tells nothing of what seeds differ by; train with two or more"
        )


def _mean_squares(values: Float64[np.ndarray, "R N"]) -> Variances:
    """Of a two-way layout: what rows (seeds), columns (pictures) and the rest vary by."""
    seeds, pictures = values.shape
    mean = values.mean()
    of_seeds, of_pictures = values.mean(1) - mean, values.mean(0) - mean
    rest = values - mean - of_seeds[:, None] - of_pictures
    return Variances(
        float(seeds * (of_pictures**2).sum() / (pictures - 1)),
        float(pictures * (of_seeds**2).sum() / (seeds - 1)),
        float((rest**2).sum() / ((seeds - 1) * (pictures - 1))),
    )
