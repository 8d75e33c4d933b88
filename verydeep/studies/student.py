"""Student's t distribution, with any degrees of freedom: its tails and quantiles.

Both tails together are the incomplete beta function I_x(df / 2, 1 / 2) at x = df / (df + t^2),
which is worked out from its continued fraction (dlmf.nist.gov, 8.17.22).
"""

from __future__ import annotations

from math import exp, lgamma, log, log1p, pi, sqrt
from statistics import NormalDist

CLOSE, TINY = 1e-15, 1e-300
"""Share by which a fraction may still change, and what stands for 0 where it is divided by."""


def tails(t: float, df: float) -> float:
    """The chance of a t at least as far from 0 as this, on either side."""
    if t == 0:
        return 1.0
    return _incomplete_beta(df / (df + t * t), t * t / (df + t * t), df / 2, 0.5)


def quantile(level: float, df: float) -> float:
    """The t that is exceeded, on either side, with the chance 1 - level; level in (0, 1).

    Newton's method in the logarithms of t and of its tails, in which the tails bend downwards, from
    the normal distribution's quantile, which is never above it. One step may lead too far; from
    there each leads back towards it. Right to 8 digits for 0.5 to ten million degrees of freedom.
    """
    t = NormalDist().inv_cdf((1 + level) / 2)
    for _ in range(100):
        chance = tails(t, df)
        step = (log(chance) - log(1 - level)) * chance / (2 * t * _density(t, df))
        t *= exp(step)
        if abs(step) < 1e-12:
            break
    return t


def _density(t: float, df: float) -> float:
    ways = lgamma((df + 1) / 2) - lgamma(df / 2) - (df + 1) / 2 * log1p(t * t / df)
    return exp(ways) / sqrt(df * pi)


def _incomplete_beta(x: float, rest: float, a: float, b: float) -> float:
    """I_x(a, b), of which the fraction ends soon where x is below its mean; rest is 1 - x."""
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(rest, x, b, a)
    front = lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(rest)
    return exp(front) / a * _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """1 / (1 + d1 / (1 + d2 / ...)), from the front (Lentz, 1976).

    Kept are the ratios of each numerator and denominator to the one before it.
    """
    value, upper, lower = 1.0, 1.0, 0.0
    i = 0
    while True:
        i += 1
        m = i // 2
        if i % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower = 1 / ((1 + d * lower) or TINY)
        upper = (1 + d / upper) or TINY
        value *= upper * lower
        if abs(upper * lower - 1) < CLOSE:
            return 1 / value
