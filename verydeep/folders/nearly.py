"""What a folder nearly is: a layout that is read, but for something that it lacks."""

from __future__ import annotations

from pathlib import Path

from verydeep.folders.layout import has_pictures
from verydeep.parts import archives
from verydeep.parts.entries import entries_of, is_hidden, natural_key, some


def lacking(root: Path) -> str | None:
    """What is there, what is not, and what to do; None of a folder that is like no layout."""
    names = [entry.name for entry in entries_of(root) if not is_hidden(entry.name)]
    names.sort(key=natural_key)
    pictures, told = "JPEGImages" in names, "Annotations" in names
    if pictures and not told and "ImageSets" in names:
        return (
            f"{root} has VOC's JPEGImages/ but no Annotations/ beside it; put its .xml files there"
        )
    if told and not pictures and any(n.endswith(".xml") for n in _names(root / "Annotations")):
        return f"{root} has VOC's Annotations/ but no JPEGImages/ beside it; put its pictures there"
    lists = [n for n in _names(root / "annotations") if n.endswith(".json")]
    if lists:
        return (
            f"{root}/annotations has {some(lists)}, but of COCO's files those called "
            f"instances_*.json are read; put these there"
        )
    if has_pictures(root):
        return None
    if packed := [name for name in names if archives.is_here(root / name)]:
        return f"no pictures in {root}, but {some(packed)}; give {root / packed[0]}"
    if tables := [name for name in names if name.casefold().endswith((".csv", ".tsv", ".json"))]:
        return f"no pictures in {root}, but {some(tables)}; put the pictures that it names there"
    return None


def _names(folder: Path) -> list[str]:
    return [entry.name for entry in entries_of(folder)] if folder.is_dir() else []
