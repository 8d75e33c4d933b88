"""What the pictures of some data are for weights: learnt from, chosen by, or fair to test on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from verydeep.datasets import Dataset, Memory, Part, open_dataset, settled
from verydeep.drawings.drawn import series_of
from verydeep.errors import UserError
from verydeep.parts.dataset import ROLES, marks
from verydeep.parts.fingerprints import of_pictures
from verydeep.parts.seen import NO_KEYS, UNKNOWN, looked_into
from verydeep.parts.splitting import has_own_parts, in_fold, with_test
from verydeep.runtime.runtime import Runtime
from verydeep.weights.file import WeightsInfo, read_info, read_memory
from verydeep.weights.info import members_of

ALIASES = {"val": "validation"}
WORDS = {
    "train": ", some of which it has learnt from",
    "validation": ", which chose the weights",
    "test": "",
}
"""What is said of pictures that were this for the weights."""


def opened(
    data: str | Path, settings: Mapping[str, Any], several: bool = False, apart: bool = False
) -> Dataset:
    """The dataset in the parts that a training with these settings has; see `Settings`.

    Where classes are to be `apart`, as identities are, raises UserError for settings by which parts
    would have the same ones.
    """
    split = int(settings.get("split", 0))
    dataset = open_dataset(data, split, several, apart)
    if apart:
        said = [n for n, v in (("fold", None), ("validation", "found")) if settings.get(n, v) != v]
        if said:
            raise UserError(
                f"{said[0]} parts the pictures of each class, and here identities are parted; "
                f"leave it out, or give train/, val/ and test/ folders"
            )
        return dataset
    if fold := settings.get("fold"):
        return in_fold(dataset, tuple(fold), split)
    return with_test(dataset, split) if settings.get("validation") == "drawn" else dataset


def split_of(info: WeightsInfo) -> int:
    """The seed of the split that weights were trained on; once that of the training."""
    settings = info.provenance.get("settings", {})
    return int(settings.get("split", settings.get("seed", 0)))


def remembered(path: Path, dataset: Dataset, else_do: str) -> Memory:
    """Which pictures the weights of a file have learnt from, and which chose and tested them.

    Weights of an earlier version know that of data that has not changed since. Raises UserError
    where it has; `else_do` says what helps.
    """
    info = read_info(path)
    if info.has_memory:
        return read_memory(path)
    learnt = info.provenance.get("data", {})
    if not dataset.made or "made_split" not in learnt:
        return Memory()
    if learnt.get("fingerprint") == of_pictures(dataset.fingerprint):
        return _of_two_parts(open_dataset(dataset.where, split_of(info)))
    everything = dataset.everything
    if set(learnt.get("marks", ())) & set(marks(everything, range(len(everything)))):
        raise UserError(
            f"{dataset.where} has changed since {path} was trained on it by an earlier verydeep: "
            f"what would be set aside may have been learnt; {else_do}"
        )
    return Memory()


def _of_two_parts(dataset: Dataset) -> Memory:
    """What the earlier version made of it: two parts, the second of which chose the weights."""
    found = Memory.of(settled(dataset, Memory())).keys
    train, validation, test = (found.get(role, NO_KEYS) for role in ROLES)
    if "test" not in dataset.made and len(test):
        train, validation, test = np.union1d(train, validation), test, NO_KEYS
    return Memory({"train": train, "validation": np.union1d(validation, test)})


def to_test(
    path: Path,
    data: str | Path,
    split: int | None,
    name: str | None,
    runtime: Runtime,
    fitting: Callable[[Dataset], Dataset] = lambda dataset: dataset,
    apart: bool = False,
) -> tuple[Dataset, str, Part, str]:
    """Data, the name of a part of it, that part, and what its pictures were for the weights.

    Without a `name`, what is fair to test on: the part set aside where the data has one, or where
    the weights were trained on it; else all of it that they do not know. From "all" nothing is left
    out, learnt or not. `fitting` leaves out what no test can be of; parts of classes that are
    `apart` have other ones each. Raises UserError where none is known to be.
    """
    info, name = read_info(path), ALIASES.get(name or "", name)
    split = split_of(info) if split is None else split
    settings = {**info.provenance.get("settings", {}), "split": split}
    several = members_of(info)[0].table.has_several
    if settings.get("fold") and has_own_parts(open_dataset(data, split, several)):
        del settings["fold"]  # other data than theirs
    if apart:
        settings = {"split": split}
    dataset = fitted = fitting(opened(data, settings, several, apart))
    if name in ("train", "all"):
        memory = read_memory(path)
    else:
        memory = remembered(path, dataset, "give --part all to test on all of it")
    threads, progress = runtime.machine.threads, runtime.progress
    if memory and name == "all":
        dataset = looked_into(dataset, threads, progress)
    elif memory:
        dataset = settled(
            dataset, memory, str(path), to_test=True, threads=threads, progress=progress
        )
    if name or not _is_new(dataset, memory):
        name = name or dataset.held_out
        part = part_of(dataset, name)
    else:
        name = "all"
        part, note = _not_known(dataset.everything, memory, str(path))
        dataset = replace(fitted, notes=(*fitted.notes, *note))
    return dataset, name, part, _role(dataset, name, part, memory, info, split)


def _is_new(dataset: Dataset, memory: Memory) -> bool:
    """Whether data without a part of its own to test on is none that the weights were made with.

    It is where they know fewer than half of its pictures.
    """
    known = int(_known(dataset.everything, memory).sum())
    return dataset.held_out in dataset.made and 2 * known < len(dataset.everything)


def _known(part: Part, memory: Memory) -> Bool[np.ndarray, " M"]:
    """Which of the pictures the weights had to do with."""
    if part.keys is None:
        return np.zeros(len(part), bool)
    return memory.roles(part.keys) < UNKNOWN


def _not_known(part: Part, memory: Memory, whose: str) -> tuple[Part, list[str]]:
    """What the weights had nothing to do with, and a line for the rest where there is any."""
    known = _known(part, memory)
    if not (count := int(known.sum())):
        return part, []
    pictures = f"{count:,} picture{'' if count == 1 else 's'}"
    note = f"left out, learnt or set aside by {whose} before: {pictures}"
    return part.only(np.flatnonzero(~known)), [note]


def part_of(dataset: Dataset, name: str) -> Part:
    """The part of that role or that name, or "all"; UserError where there is none."""
    if name == "all":
        return dataset.everything
    parts = {**dataset.parts, **dataset.by_role}
    if name not in parts:
        why = "; what chose the weights is no test" if name == "test" else ""
        raise UserError(
            f"no part '{name}' in {dataset.where}; there are {', '.join(parts)}, all{why}"
        )
    return parts[name]


def _role(
    dataset: Dataset, name: str, part: Part, memory: Memory, info: WeightsInfo, split: int
) -> str:
    """What the pictures were for the weights, the worst of it, as far as is known."""
    name = dataset.role_of(name) or name
    if memory and part.keys is not None:
        worst = int(memory.roles(part.keys, own=name).min(initial=UNKNOWN))
        return ROLES[worst] if worst < UNKNOWN else "test"
    learnt = info.provenance.get("data", {})
    alike = dataset.kind == "drawn" and split == split_of(info)
    alike = alike and series_of(dataset.where) == series_of(str(learnt.get("where")))
    same = of_pictures(str(learnt.get("fingerprint"))) == of_pictures(dataset.fingerprint)
    if alike or same:
        earlier = "validation" not in learnt and name == "test"
        role = name if name in ROLES else "test"
        return "train" if name == "all" else "validation" if earlier else role
    published = dataset.kind == "ilsvrc" and name in ("validation", "all")
    return "validation" if published else "test"
