"""What tests came to, whatever they are of: the pictures that were missed, and errors in %."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from verydeep.errors import UserError, escaped
from verydeep.evaluation.metrics import Missed, wrong
from verydeep.evaluation.scores import Scores
from verydeep.localisation.boxes_file import Localised
from verydeep.localisation.guesses import guesses


@dataclass(frozen=True)
class Misses:
    """A test: its pictures by name, in alphabetical order, and which of them it missed.

    `missed` at top-k, by k: at 1 and 5; of boxes of given classes at 1 alone. `data` is the
    fingerprint of what it is of, with the boxes where those were asked for. `blind` says which
    pictures an answer misses that always names the largest class of them; of boxes there is none.
    """

    names: tuple[str, ...]
    data: str
    missed: Mapping[int, Missed]
    blind: Missed | None = None

    @classmethod
    def of_scores(cls, scores: Scores) -> Misses:
        """What a score file came to."""
        missed = {k: wrong(scores.posteriors, scores.labels, k) for k in (1, 5)}
        blind = scores.labels != np.bincount(scores.labels).argmax()
        return cls._in_order(scores.names, scores.data, missed, blind)

    @classmethod
    def of_boxes(cls, found: Localised) -> Misses:
        """What a boxes file came to, merged up to its own threshold."""
        made = guesses(found)
        missed = {k: made.wrong(k) for k in ((1,) if found.is_given_class else (1, 5))}
        return cls._in_order(found.names, found.data, missed)

    @classmethod
    def of_nothing(cls, names: Sequence[str], data: str) -> Misses:
        """What no boxes at all come to, of a training that failed: every picture is missed."""
        return cls._in_order(names, data, {k: np.ones(len(names), bool) for k in (1, 5)})

    @classmethod
    def _in_order(
        cls,
        names: Sequence[str],
        data: str,
        missed: Mapping[int, Missed],
        blind: Missed | None = None,
    ) -> Misses:
        order = sorted(range(len(names)), key=names.__getitem__)
        of_k = {k: each[order] for k, each in missed.items()}
        return cls(
            tuple(names[i] for i in order), data, of_k, None if blind is None else blind[order]
        )

    def error(self, k: int) -> float | None:
        """The top-k error in %, where the test tells of it."""
        return 100 * float(self.missed[k].mean()) if k in self.missed else None


def together(tests: Sequence[Misses], k: int) -> Bool[np.ndarray, "R N"]:
    """Whether each picture was missed at top-k, a row for each test.

    Raises UserError where they are of other pictures.
    """
    first = tests[0]
    for other in tests[1:]:
        refuse_others(first, other)
    return np.array([test.missed[k] for test in tests])


def refuse_others(first: Misses, other: Misses) -> None:
    """Raises UserError where two tests are of other pictures, or of other labels or boxes of them.

    They cannot be held together.
    """
    if first.data != other.data:
        raise UserError(
            f"tests of a study are of other data, {other.data} and {first.data}; take away what "
            f"was made before the data changed, or choose another --out"
        )
    apart = sorted({*first.names} ^ {*other.names})
    if apart:
        raise UserError(
            f"tests of a study are of other pictures: {len(apart):,} are not in all of them, the "
            f"first '{escaped(apart[0])}'; take their folders away, or choose another --out"
        )
