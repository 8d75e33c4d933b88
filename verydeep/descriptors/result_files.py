"""PASCAL VOC's result files, as its server takes them: a line for each picture or person.

Classification: `results/VOC2012/Main/comp2_cls_test_CLASS.txt`, lines `2008_000001 0.8`; actions:
`results/VOC2012/Action/comp10_action_test_CLASS.txt`, lines `2010_006215 1 0.8`. Competitions 2 and
10 are those for what has learnt from other data than VOC's, as all weights of ImageNet have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from verydeep.errors import UserError, escaped
from verydeep.files import write_atomic


@dataclass(frozen=True)
class Results:
    """The names that go before the class in those of the files, and the folder below the results.

    >>> Results("VOC2012", "Main", "comp2_cls").path(Path("results"), "test", "cat").as_posix()
    'results/VOC2012/Main/comp2_cls_test_cat.txt'
    """

    data: str
    folder: str
    competition: str

    def path(self, root: Path, part: str, label: str) -> Path:
        """Where the file of a class lies; UserError for a class that is no name of a file."""
        if "/" in label or label in ("", ".", ".."):
            raise UserError(f"class '{escaped(label)}' is no name of a file of results")
        return root / self.data / self.folder / f"{self.competition}_{part}_{label}.txt"


CLASSES = {year: Results(year, "Main", "comp2_cls") for year in ("VOC2007", "VOC2012")}
ACTION = Results("VOC2012", "Action", "comp10_action")


def free_paths(results: Results, root: Path, part: str, classes: Sequence[str]) -> tuple[Path, ...]:
    """Where the files of a part are to lie, one for each class.

    Raises UserError where one is there already.
    """
    paths = tuple(results.path(root, part, label) for label in classes)
    if there := [path for path in paths if path.exists()]:
        raise UserError(f"{there[0]} is there already; give --results another folder")
    return paths


def write_results(
    paths: Sequence[Path], names: Sequence[str], values: Float64[np.ndarray, "N K"]
) -> None:
    """Writes the files of a part, one for each class; UserError where one cannot be written."""
    for path, of_class in zip(paths, values.T.tolist(), strict=True):
        lines = (f"{name} {value:.8f}\n" for name, value in zip(names, of_class, strict=True))
        write_atomic(path, "".join(lines).encode())
