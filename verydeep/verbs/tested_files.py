"""Files of tests as they are named on the command line: found, of one kind, in one order, named."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from verydeep.errors import UserError
from verydeep.evaluation.scores import Scores, is_scores
from verydeep.localisation.boxes_file import Localised, is_boxes
from verydeep.shell import called

Test = TypeVar("Test", Scores, Localised)
FOLDERS = ("scores", "boxes")
"""Where the folder of a run has the files of its tests."""


def files_of(named: Sequence[Path]) -> list[Path]:
    """The files of tests that files and folders name; a run's folder stands for those of its tests.

    A file named twice counts once. Raises UserError for a folder without any.
    """
    files: dict[Path, Path] = {}
    for path in named:
        for file in _inside(path) if path.is_dir() else [path]:
            files.setdefault(file.resolve(), file)
    return [*files.values()]


def _inside(folder: Path) -> list[Path]:
    places = [folder / name for name in FOLDERS if (folder / name).is_dir()] or [folder]
    files = [file for place in places for file in sorted(place.glob("*.safetensors"))]
    inside = [file for file in files if is_scores(file) or is_boxes(file)]
    if not inside:
        raise UserError(f"no score files in {folder}, nor boxes; `{called()} evaluate` writes them")
    return inside


def are_boxes(named: Sequence[Path]) -> bool:
    """Whether it is boxes files that are named. Raises UserError where some are and others not."""
    files = files_of(named)
    boxes, others = ([file for file in files if is_boxes(file) is kind] for kind in (True, False))
    if boxes and others:
        raise UserError(
            f"{boxes[0]} is a boxes file, and {others[0]} is not; give the files of one kind"
        )
    return bool(boxes)


def aligned_files(
    named: Sequence[Path],
    load: Callable[[Path], Test],
    align: Callable[[Sequence[Test], Sequence[str]], list[Test]],
) -> tuple[list[Path], list[Test]]:
    """The files that are named, and what is in them in one order of the pictures.

    Of the folder of a run that has a test part, those of the validation part are left out, and of
    one with dense boxes those of centre crops, which were given the class.
    Where a folder has tests of several data or parts, the refusal says which belong together.
    """
    loaded = {path: load(path) for path in files_of(named)}
    files = [path for path in loaded if path in named or not _says_less(path, loaded)]
    tests = [loaded[path] for path in files]
    try:
        return files, align(tests, [str(path) for path in files])
    except UserError:
        groups: dict[tuple[str, str, int], list[str]] = defaultdict(list)
        for path, one in zip(files, tests, strict=True):
            groups[one.data, one.part, one.split].append(str(path))
        if len(groups) == 1 or not any(path.is_dir() for path in named):
            raise
    raise UserError(
        f"tests of {len(groups)} different sets of pictures; give the files of one set: "
        + "; or ".join(" ".join(group) for group in groups.values())
    )


def _says_less(path: Path, loaded: Mapping[Path, Test]) -> bool:
    """Whether one that says more of the same data lies beside a file.

    That is one of the test where the file is of what chose the weights, or of dense boxes where the
    class was given.
    """
    ours = loaded[path]
    beside = [
        test
        for other, test in loaded.items()
        if other.parent == path.parent and test.data == ours.data
    ]
    if ours.role == "validation" and any(test.role == "test" for test in beside):
        return True
    return (
        isinstance(ours, Localised)
        and ours.is_given_class
        and any(isinstance(test, Localised) and not test.is_given_class for test in beside)
    )


def names_of(files: Sequence[Path], tests: Sequence[Test]) -> list[str]:
    """Titles; with the run's or the file's name where the networks, or else titles, are not one."""
    names = [test.title for test in tests]
    if len({test.weights for test in tests}) > 1:
        whose = [p.parents[1].name if p.parent.name in FOLDERS else p.stem for p in files]
        names = [f"{who}: {name}" for who, name in zip(whose, names, strict=True)]
    if len(set(names)) < len(names):
        names = [f"{path.stem}: {test.title}" for path, test in zip(files, tests, strict=True)]
    return names


def refuse_member(out: Path, named: Sequence[Path]) -> None:
    """Raises UserError where what is to be written is one of the files that are read."""
    if out.resolve() in {path.resolve() for path in files_of(named)}:
        raise UserError(f"{out} is one of those to be fused; choose another --out")
