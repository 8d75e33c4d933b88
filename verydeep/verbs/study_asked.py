"""What any study is asked for: its size, how many seeds, and pictures enough to tell anything."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from verydeep.datasets import Dataset, Memory, settled
from verydeep.errors import UserError
from verydeep.parts.splitting import MANY, MANY_A_CLASS
from verydeep.runtime.runtime import Runtime
from verydeep.verbs.parts import remembered

SEEDS, FOLDS = 3, 5
MOST_SEEDS = 1000
LEAST = 100
"""Pictures to test on, below which no finding of the paper's could be told from chance."""


def refuse_other_sizes(size: str, sizes: Collection[str]) -> None:
    """Raises UserError for a size that there is not."""
    if size not in sizes:
        raise UserError(f"no size '{size}'; there are {', '.join(sizes)}")


def refuse_other_seeds(seeds: int) -> None:
    """Raises UserError for too few seeds to tell a finding from chance, or too many to train."""
    if seeds < 2:
        raise UserError(f"{seeds} seed(s); findings are told from chance by two at the least")
    if seeds > MOST_SEEDS:
        raise UserError(f"{seeds:,} seeds; {MOST_SEEDS:,} are the most")


def refuse_few(datasets: Sequence[Dataset], what: str = "pictures") -> None:
    """Raises UserError where all parts to test on have too few pictures together."""
    count = sum(len(dataset.by_role.get("test", ())) for dataset in datasets)
    if count < LEAST:
        raise UserError(
            f"{datasets[0].where} has {count or 'no'} {what} to test on, of {LEAST} at the least; "
            f"give data with a part to test on, or {MANY:,} pictures and {MANY_A_CLASS} of each "
            f"class, of which one is made"
        )


def words_of(size: str, seeds: int, split: int, usual: int = SEEDS) -> list[str | int]:
    """How a command says these numbers, those alone that are not as they are without it."""
    words: list[str | int] = ["--scale", size]
    words += ["--seeds", seeds] if seeds != usual else []
    return words + (["--split-seed", split] if split else [])


def not_learnt(dataset: Dataset, paths: Sequence[Path], runtime: Runtime) -> Dataset:
    """The data with nothing set aside that the weights have learnt from, or were chosen by."""
    memory = Memory()
    for path in paths:
        memory = memory | remembered(path, dataset, "take other weights")
    if not memory:
        return dataset
    whose, threads = " and ".join(map(str, paths)), runtime.machine.threads
    return settled(dataset, memory, whose, threads=threads, progress=runtime.progress)


def name_of(dataset: Dataset, data: str | Path) -> str:
    """What the folder of a study of some data is called after."""
    return str(data).replace(":", "-") if dataset.kind == "drawn" else Path(data).resolve().name
