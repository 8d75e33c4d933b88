"""Weights and a dataset in, what a protocol of the paper's Appendix B comes to out.

All pictures are described once; learning and testing are places in the descriptors. No network
comes out: what a classifier is worth is asked here, and `transfer` makes one to be used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic

from verydeep import weights
from verydeep.descriptors.choice import GRID
from verydeep.engines import engine as engines
from verydeep.errors import UserError, one_line
from verydeep.runtime.progress import Progress
from verydeep.runtime.runtime import Runtime, told
from verydeep.verbs.features import Weights
from verydeep.verbs.transfer_draws import Asked, by_draws
from verydeep.verbs.transfer_rankings import PAPERS, by_ranking
from verydeep.verbs.transfer_work import Outcome, Work

PROTOCOLS = ("draws", *PAPERS)


def transfer_protocol(
    weights_paths: Weights,
    data: str | Path,
    protocol: str,
    *,
    layer: str | None = None,
    scales: str | int | Sequence[int] | None = None,
    stacked: bool = False,
    c: float | Sequence[float] | None = None,
    train: int | Sequence[int] | None = None,
    test: int | None = None,
    draws: int | None = None,
    seed: int | None = None,
    results: str | Path | None = None,
    runtime: Runtime | None = None,
    engine: str | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """What features of networks come to by a protocol of Appendix B of the paper.

    "draws" takes `train` pictures of each class to learn from, or each of several numbers, and up
    to `test` others, so many times; of Caltech-101 and Caltech-256 as the paper has it. "voc2007"
    and "voc2012" rank PASCAL VOC's pictures by its classes, "action" the people in its boxes by
    what they do; `results` is a folder for the files that VOC's server takes. Descriptors are as
    `features` has them, by default at the paper's Q. Raises UserError for classes with too few
    pictures, and data of another kind.

    >>> verydeep.transfer_protocol("vgg16", "101_ObjectCategories", "draws").draws[0].recall
    """
    runtime, begun = told(runtime, progress), monotonic()
    if protocol not in PROTOCOLS:
        raise UserError(
            f"no protocol '{one_line(protocol)}' of transfer; there are {', '.join(PROTOCOLS)}"
        )
    _refuse_strangers(protocol, train, test, draws, results)
    paths = [weights_paths] if isinstance(weights_paths, str | Path) else [*weights_paths]
    found = tuple(weights.find(path, runtime.progress) for path in paths)
    cs = GRID if c is None else (c,) if isinstance(c, float | int) else tuple(c)
    name = engines.chosen(engine, runtime.machine.device)
    work = Work(found, str(data), layer, scales, stacked, cs, seed or 0, runtime, name)
    if protocol == "draws":
        each = (train,) if isinstance(train, int) else tuple(train or ())
        outcome = by_draws(work, Asked(each, test, draws or 0), stored_too=seed is None)
    else:
        outcome = by_ranking(work, protocol, Path(results) if results else None)
    return replace(outcome, seconds=monotonic() - begun)


def _refuse_strangers(
    protocol: str,
    train: int | Sequence[int] | None,
    test: int | None,
    draws: int | None,
    results: str | Path | None,
) -> None:
    """Raises UserError for what is asked of another protocol, and for numbers that are none."""
    numbers = {"train": train, "test": test, "draws": draws}
    for word, value in numbers.items():
        if value is None:
            continue
        if protocol != "draws":
            raise UserError(f"--{word} is of --protocol draws; {protocol} goes by VOC's own lists")
        each = (value,) if isinstance(value, int) else tuple(value)
        if not each or min(each) < 1:
            raise UserError(f"--{word} {', '.join(map(str, each))}; expected numbers from 1 on")
    if results and protocol == "draws":
        raise UserError("--results is of PASCAL VOC's protocols; draws have no such files")
