"""`verydeep look`: what a dataset is made of, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from verydeep.commands.options import Data, Json, Overwrite, Quiet, SplitSeed, Threads
from verydeep.errors import escaped


def look(
    data: Data,
    sheet: Annotated[
        Path | None,
        typer.Option(help="Contact sheet to write, a PNG. [default: a new contact-sheet.png]"),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(help="Features of DATA: also near-duplicates and doubtful labels by them."),
    ] = None,
    overwrite: Overwrite = False,
    split_seed: SplitSeed = None,
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Look at a dataset: counts, classes, sizes, faults, duplicates, and a contact sheet.

    verydeep look photos/

    verydeep look drawn:500x128 --sheet drawn.png

    verydeep look photos/ --features photos.safetensors
    """
    from verydeep.commands.console import Console
    from verydeep.datasets import Memory, settled
    from verydeep.datasets.inspection import inspect
    from verydeep.errors import UserError
    from verydeep.files import refuse_taken
    from verydeep.runtime.machine import cores

    if threads is not None and threads < 1:
        raise UserError(f"{threads} threads; at least 1 is needed")
    if sheet is not None:
        refuse_taken(sheet, overwrite, "--sheet")
    console = Console(quiet)
    console.say("verydeep look: reading names")
    threads = threads or cores()
    dataset = _opened(data, split_seed or 0)
    told = None if features is None else _told_by(features, dataset)
    dataset = settled(dataset, Memory(), threads=threads, progress=console)  # as `train` does
    written = _sheet_of(dataset, sheet, console)
    found = inspect(dataset, threads, console)
    if json:
        from json import dumps

        print(dumps(_as_data(dataset, found, written) | (told.as_data() if told else {}), indent=1))
    else:
        print(answer(dataset, found, written, told.groups() if told else ()))


def _opened(data: str, split: int) -> Any:
    """The data with one class a picture, or with several where it has them, and a note of why."""
    from contextlib import suppress
    from dataclasses import replace

    from verydeep.datasets import Dataset, open_dataset, with_pictures
    from verydeep.errors import UserError
    from verydeep.parts.annotations import has_several

    found: Dataset | None = None
    try:
        return with_pictures(open_dataset(data, split))
    except UserError as error:
        with suppress(UserError):
            found = open_dataset(data, split, several=True)
        if found is None or not any(has_several(part.truth) for part in found.parts.values()):
            raise
        note = f"read with several classes a picture, for with one: {error}"
        return replace(found, notes=(note, *found.notes))


def _told_by(path: Path, dataset: Any) -> Any:
    """What features tell of the data; UserError where they are of other data."""
    from verydeep.descriptors.doubts import told_by
    from verydeep.descriptors.features import load_features
    from verydeep.errors import UserError

    features = load_features(path)
    if features.data != dataset.fingerprint:
        of = features.where or "pictures given one by one"
        raise UserError(
            f"{path} is of {of} as they were then, and not of {dataset.where} as it is; describe "
            f"its pictures again"
        )
    return told_by(features)


def _sheet_of(dataset: Any, sheet: Path | None, console: Any) -> Path | None:
    """Where the sheet was written; in a folder that nobody named it may fail, with a word."""
    from verydeep.errors import UserError
    from verydeep.files import free_place
    from verydeep.report.sheet import write_contact_sheet

    place = sheet or free_place(Path("contact-sheet.png"))
    try:
        write_contact_sheet(dataset, place)
    except UserError as error:
        if sheet is not None:
            raise
        console.say(f"no contact sheet: {error}")
        return None
    return place


def answer(
    dataset: Any, found: Any, sheet: Path | None, told: Iterable[tuple[str, list[str]]] = ()
) -> str:
    """What was found, for the terminal."""
    from verydeep.datasets.inspection import dark_line
    from verydeep.report.tables import text_table

    parts = list(found.counts)
    rows = [["class", *parts]]
    for i, name in enumerate(dataset.classes):
        rows.append([name, *(f"{found.counts[part][i]:,}" for part in parts)])
    rows.append(["all", *(f"{len(dataset.parts[part]):,}" for part in parts)])
    lines = [f"{dataset.where}: {len(dataset.classes)} classes", *dataset.notes, ""]
    lines += [text_table(rows), "", f"sizes (height x width): {_sizes(found.sizes)}"]
    lines += found.marked.lines if found.marked else ()
    lines += _group("cannot be read", found.faults)
    same = _alike(found.duplicates)
    lines += _group("groups of the same picture under several names", same)
    across = _alike(found.across)
    lines += _group("of them in several parts, so that testing would cheat", across)
    if found.contradictions:
        both = _alike(found.contradictions)
        lines += _group("of them in two classes, so that one label is wrong", both)
    near = _alike(found.similar)
    lines += _group("groups of nearly the same picture, re-encoded, resized or mirrored", near)
    if found.similar_across:
        across = _alike(found.similar_across)
        lines += _group("of them in several parts, so that testing flatters", across)
    for title, names in (("of one colour", found.plain), ("of 1 to 3 pixels a side", found.tiny)):
        lines += _group(f"pictures {title}", names) if names else []
    if found.dark:
        lines.append(dark_line(found.dark))
    for title, names in told:
        lines += _group(title, names)
    return "\n".join([*lines, *([f"contact sheet: {sheet}"] if sheet else ())])


def _alike(groups: list[tuple[str, ...]], most: int = 3) -> list[str]:
    """A line for each group of pictures: the first of their names, and how many more there are."""
    lines = [" = ".join(group[:most]) for group in groups]
    more = [len(group) - most for group in groups]
    return [
        f"{line} and {n:,} more" if n > 0 else line for line, n in zip(lines, more, strict=True)
    ]


def _sizes(sizes: list[tuple[int, int]]) -> str:
    """Smallest, median and largest size, by area."""
    if not sizes:
        return "none"
    ordered = sorted(sizes, key=lambda size: size[0] * size[1])
    picks = ordered[0], ordered[len(ordered) // 2], ordered[-1]
    if picks[0] == picks[2]:
        return f"{picks[0][0]} x {picks[0][1]}, all of them"
    smallest, median, largest = (f"{height} x {width}" for height, width in picks)
    return f"{smallest} to {largest}, median {median}"


def _group(title: str, found: list[str], most: int = 10) -> list[str]:
    lines = [f"{title}: {len(found) or 'none'}", *(f"  {escaped(line)}" for line in found[:most])]
    return [*lines, f"  and {len(found) - most} more"] if len(found) > most else lines


def _as_data(dataset: Any, found: Any, sheet: Path | None) -> dict[str, Any]:
    from collections import Counter

    return {
        "where": dataset.where,
        "kind": dataset.kind,
        "fingerprint": dataset.fingerprint,
        "classes": list(dataset.classes),
        "counts": found.counts,
        "notes": list(dataset.notes),
        "sizes": {f"{h}x{w}": count for (h, w), count in sorted(Counter(found.sizes).items())},
        "faults": found.faults,
        "duplicates": found.duplicates,
        "duplicates_across": found.across,
        "contradictions": found.contradictions,
        "near_duplicates": found.similar,
        "near_duplicates_across": found.similar_across,
        "one_colour": found.plain,
        "tiny": found.tiny,
        "marked": found.marked and found.marked.as_data(),
        "dark": [{"picture": name, "bits": bits} for name, bits in found.dark],
        "sheet": None if sheet is None else str(sheet),
    }
