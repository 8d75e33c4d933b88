"""What the paper claims of two ways, and what an interval of our own says of that.

A claim is about the first of two ways beside the second. How large an effect it claims is taken
from the two errors that the paper printed, as a share: of what the worse of them misses, the better
does not miss so much. The same share of our own error is what one would expect to see here, in
points: 0.9 points of 29.6 % are 0.3 of 10 %. Our error is taken as it was measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from verydeep.evaluation.metrics import Interval

Kind = Literal["better", "alike", "no better"]
Outcome = Literal["seen", "not seen", "undecided"]
WORTH = 0.6 / 28.7
"""The share of an error below which a difference is not worth the name, 2.1 %.

The smallest of Table 3 that the paper counts as one: C, 28.1 %, is better than B, 28.7 %. The
largest that it does not count is half of it: E, 27.3 %, beside D, 27.0 %.
"""


@dataclass(frozen=True)
class Claim:
    """A finding of the paper as a claim that can be tested: of the first way beside the second.

    `errors` are the paper's, of the first and of the second, in %, if it printed any; of figures
    where more is better they are what those lack of 100. A claim that the first is better needs
    them, and the first to be the smaller; raises ValueError otherwise.
    """

    name: str
    kind: Kind
    errors: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.kind == "better" and (self.errors is None or self.errors[0] >= self.errors[1]):
            raise ValueError(f"{self.name} is claimed to be better, with the errors {self.errors}")

    def effect(self, error: float) -> float:
        """The points by which the first should be better where the second errs by `error` %.

        By the paper's share; 0 where it printed no errors.
        """
        if self.errors is None:
            return 0.0
        first, second = self.errors
        return (second - first) / second * error

    def outcome(self, interval: Interval, error: float) -> Outcome:
        """Whether the claim is seen where our second errs by `error` %, by points of the first.

        The interval is of how much better the first is. With e the effect that is expected here,
        and w the points that are worth the name, WORTH of the error:

            claim      seen           not seen              undecided
            better     0 < low        high < e, low <= 0    low <= 0, e <= high
            alike      -w < low and   w < low               -w or w is in it
                       high < w       or high < -w
            no better  high < w       w < low               w is in it

        A first that is better, but less so than the paper's, is seen to be better. Two that differ
        for sure, but by less than is worth the name, are alike. Of an interval above 0 that reaches
        beyond w it is not decided whether they are alike, for what they differ by may be less.
        """
        low, high = interval
        worth = WORTH * error
        match self.kind:
            case "better":
                seen, refused = low > 0, high < self.effect(error)
            case "alike":
                seen, refused = -worth < low and high < worth, low > worth or high < -worth
            case "no better":
                seen, refused = high < worth, low > worth
        return "seen" if seen else "not seen" if refused else "undecided"
