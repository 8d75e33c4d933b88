"""Linear SVMs of 102 classes for seven C, ours beside scikit-learn's LinearSVC.

    uv run python bench/svm.py
    uv run python bench/svm.py --features FEATURES.npy --labels LABELS.npy

Without files features are drawn: for each of 102 classes 30 pictures of 4,096 values, max(0, class
+ noise) at unit length, where class and noise are normal, with means of -2 and 0 and deviations of
1 and 2. A fifth of the values is not 0, and cosines are 0.20 within classes and 0.11 between them,
on average; those of pool5 of D on Caltech-101 are 0.11 on average of all.

Both have the same pictures in float32, and give weights for each class and C from 10^-2 to 10^2.
LinearSVC is called for each class and each C, as liblinear has it for one machine at a time, by as
many processes as there are cores (joblib, features in float64 shared as a memory map); its
tolerance is its own, 1e-4. They take turns, and the medians of their seconds by the clock are
compared. Apart from that, decision values of some classes are held against those of LinearSVC at a
tolerance of 1e-8.
"""

from __future__ import annotations

import argparse
import os
import statistics
import warnings

import numpy as np
from joblib import Parallel, delayed
from sklearn.svm import LinearSVC
from turns import in_turns

from verydeep.descriptors.linear import signs_of
from verydeep.descriptors.svm import SVMs, fit

CS = tuple(10.0**exponent for exponent in np.linspace(-2, 2, 7))
CORES = len(os.sched_getaffinity(0))
CHECKED = 4
"""Classes of which decision values are compared, which takes minutes."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--features", help=".npy of float32 [N, D]; drawn without")
    parser.add_argument("--labels", help=".npy of whole numbers [N], from 0")
    parser.add_argument("--classes", type=int, default=102, help="of drawn features")
    parser.add_argument("--length", type=int, default=4096, help="values of drawn features")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    if given.features:
        x, labels = np.load(given.features), np.load(given.labels)
    else:
        x, labels = drawn(30 * given.classes, given.length, given.classes)
    x, labels = x.astype(np.float32), labels.astype(np.int64)
    classes = int(labels.max()) + 1
    print(
        f"{len(x)} pictures of {classes} classes, {x.shape[1]} values, {len(CS)} C, {CORES} cores"
    )
    check(x, labels)
    turns = in_turns(
        {"ours": lambda: ours(x, labels), "LinearSVC": lambda: theirs(x, labels)}, given.runs
    )
    medians = {}
    for name, found in turns.items():
        seconds = [turn.clock for turn in found]
        medians[name] = statistics.median(seconds)
        print(f"{name:10} {medians[name]:7.1f} s ({min(seconds):.1f} to {max(seconds):.1f})")
    print(f"{medians['LinearSVC'] / medians['ours']:.1f} times as fast")


def drawn(count: int, length: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors [N, D] around their classes, and labels."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    means = random.normal(-2, 1, (classes, length))
    x = np.maximum(0, means[labels] + random.normal(0, 2, (count, length)))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), labels


def ours(x: np.ndarray, labels: np.ndarray) -> list[SVMs]:
    """All classes and all C at once."""
    return fit(x, signs_of(labels, int(labels.max()) + 1), CS)


def theirs(x: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """The weights of each class and C, a machine at a time in each process."""
    wide = x.astype(np.float64)
    jobs = [(k, c) for c in CS for k in range(int(labels.max()) + 1)]
    return list(Parallel(n_jobs=CORES)(delayed(machine)(wide, labels == k, c) for k, c in jobs))


def machine(x: np.ndarray, positive: np.ndarray, c: float) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where it stops after its 1000 steps
        found = LinearSVC(C=c, dual="auto").fit(x, positive)
    return np.append(found.coef_, found.intercept_)


def check(x: np.ndarray, labels: np.ndarray) -> None:
    """Prints how far decision values are apart for each C."""
    wide = x.astype(np.float64)
    for found in ours(x, labels):
        values = found.classifier.decision(x)
        off = 0.0
        for k in range(CHECKED):
            exact = LinearSVC(C=found.c, dual="auto", tol=1e-8, max_iter=10**6)
            exact.fit(wide, labels == k)
            off = max(off, float(abs(values[:, k] - exact.decision_function(wide)).max()))
        print(
            f"C = {found.c:<7.3g} decision values within {off:.1e}, gap {found.gaps.max():.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
