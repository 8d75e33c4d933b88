"""What any study is asked for: its size, how many seeds, and pictures enough to tell anything."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from verydeep.datasets import Dataset
from verydeep.errors import UserError

SEEDS = 3
LEAST = 100
"""Pictures to test on, below which no finding of the paper's could be told from chance."""


def refuse_other_sizes(size: str, sizes: Collection[str]) -> None:
    """Raises UserError for a size that there is not."""
    if size not in sizes:
        raise UserError(f"no size '{size}'; there are {', '.join(sizes)}")


def refuse_few_seeds(seeds: int) -> None:
    """Raises UserError where there are too few seeds to tell a finding from chance."""
    if seeds < 2:
        raise UserError(f"{seeds} seed(s); findings are told from chance by two at the least")


def refuse_few(dataset: Dataset, what: str = "pictures") -> None:
    """Raises UserError where there are too few pictures that nothing was chosen by."""
    count = len(dataset.by_role.get("test", ()))
    if count < LEAST:
        raise UserError(
            f"{dataset.where} has {count or 'no'} {what} to test on, of {LEAST} at the least; "
            f"give data with a part to test on, or so many that one is made"
        )


def words_of(size: str, seeds: int, split: int) -> list[str | int]:
    """How a command says these numbers, those alone that are not as they are without it."""
    words: list[str | int] = ["--scale", size]
    words += ["--seeds", seeds] if seeds != SEEDS else []
    return words + (["--split-seed", split] if split else [])


def name_of(dataset: Dataset, data: str | Path) -> str:
    """What the folder of a study of some data is called after."""
    return str(data).replace(":", "-") if dataset.kind == "drawn" else Path(data).resolve().name
