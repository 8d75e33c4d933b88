"""What the folders in a folder stand for: classes, the parts of a split, or neither.

Data as it is downloaded keeps pictures in folders that are no classes: parts, masks, annotations,
years, copies in grey. A network would learn to tell those apart, and do it well. Names decide
where every folder has one of these, so that a class may still be called "train" among others;
structure decides where folders hold nothing but folders of the same names.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from unicodedata import normalize

from verydeep.errors import UserError
from verydeep.parts.dataset import ROLES
from verydeep.parts.entries import (
    entries_of,
    is_folder,
    is_hidden,
    is_picture,
    leads_up,
    natural_key,
    some,
)

PARTS = {
    **dict.fromkeys(("train", "training", "trn", "trainval"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
"""What parts are for, by the words that they are called by; the first of each comes first."""
KINDS = frozenset(
    "image images img imgs pictures jpeg jpg png mask masks label labels annotation annotations "  # noqa: SIM905
    "annots anno bbox bboxes boxes xml xmls json txt trimaps segmentation segmentations gt pred "
    "predictions unlabeled unlabelled fold split".split()
)
"""Words for what data sets keep in folders beside, or in place of, classes."""
NUMBERED = frozenset("image img label".split())  # noqa: SIM905
"""Words that are names of classes with a number behind each: "label_0" beside "label_1"."""
FILLING = frozenset("set sets data dataset seg raw full all the folder part class object".split())  # noqa: SIM905
"""Words that say nothing beside one of these."""
VARIANTS = frozenset(
    "original originals augmented color colour colored gray grey grayscale greyscale segmented "  # noqa: SIM905
    "resized cropped clean raw".split()
)
"""Words for copies of the same pictures: no classes where their folders hold folders only."""
DATE = re.compile(r"(19|20)\d\d([-_. ]?\d\d){0,2}")
LISTS = (".csv", ".tsv", ".json", ".xml", ".txt", ".yaml", ".yml", ".mat")


def part_folders(root: Path) -> dict[str, Path]:
    """The folders of a split by what they are for: "train", "validation", "test".

    Their names say so ("val", "Training Set", "seg_test"), all in the same way, and folders of
    classes lie in them, perhaps in one more folder of the same name. Empty where there is none to
    train on, or no telling which one. A part without class folders is none.
    """
    groups: dict[tuple[str, ...], dict[str, list[Path]]] = {}
    for folder in folders_of(root):
        if role := role_of(folder.name):
            groups.setdefault(role[1], {}).setdefault(role[0], []).append(folder)
    found = [parts for group in groups.values() if (parts := _parts(group))]
    plain = _parts(groups.get((), {}))
    parts = plain or (found[0] if len(found) == 1 else {})
    return {role: parts[role] for role in ROLES if role in parts}


def role_of(name: str) -> tuple[str, tuple[str, ...]] | None:
    """What a part is for by its name, and the words in it that say something else."""
    words = words_of(name)
    roles = [PARTS[word] for word in words if word in PARTS]
    rest = tuple(w for w in words if w not in PARTS and w not in KINDS and w not in FILLING)
    return (roles[0], rest) if len(roles) == 1 else None


def words_of(name: str) -> list[str]:
    """The words of a name in small letters: "JPEGImages" has two, "train2017" one."""
    found = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+", normalize("NFC", name))
    return [word.casefold() for word in found]


def _parts(group: dict[str, list[Path]]) -> dict[str, Path]:
    """One folder for each role; none where the one to train on is not there for certain."""
    chosen = {role: _first(folders) for role, folders in group.items()}
    parts = {role: _unwrapped(path) for role, path in chosen.items() if path}
    parts = {role: path for role, path in parts.items() if not _has_no_classes(path)}
    sure = len(group) > 1 or any(path.name.casefold() in PARTS for path in parts.values())
    return parts if "train" in parts and sure else {}


def _first(folders: list[Path]) -> Path | None:
    """The one that is called by a word for it and nothing else, or else the only one."""
    words = list(PARTS)
    exact = [folder for folder in folders if folder.name.casefold() in PARTS]
    if exact:
        return min(exact, key=lambda folder: words.index(folder.name.casefold()))
    return folders[0] if len(folders) == 1 else None


def _unwrapped(part: Path) -> Path:
    """The folder of the same name in a part, where it has nothing else: some archives hold both."""
    inside = folders_of(part)
    same = len(inside) == 1 and role_of(inside[0].name) == role_of(part.name)
    return inside[0] if same and not holds_pictures(part) else part


def _has_no_classes(part: Path) -> bool:
    """Whether a part's pictures lie in it as they are, or in folders for kinds of files."""
    folders = folders_of(part)
    if not folders:
        return holds_pictures(part)
    kinds = all(is_kind(folder.name) for folder in folders) and not _are_numbered(folders)
    return kinds and has_pictures(part)


def is_kind(name: str) -> bool:
    """Whether a name is made of words for parts and kinds of files, and of no other."""
    words = {*words_of(name)} - FILLING
    return bool(words) and words <= KINDS | PARTS.keys()


def _are_numbered(folders: Sequence[Path]) -> bool:
    """Whether those of the folders that have pictures are several, one word and a number each.

    "images_1" or "fold1" are pieces of one data set, and no classes.
    """
    found = [folder.name for folder in folders if has_pictures(folder)]
    words = {word for name in found for word in words_of(name) if word not in FILLING}
    numbers = all(re.search(r"\d$", name) for name in found)
    return len(found) > 1 and len(words) == 1 and words <= NUMBERED and numbers


def folders_of(folder: Path) -> list[Path]:
    """The folders in a folder in natural order, but for hidden ones and links to what is above."""
    entries = [e for e in entries_of(folder) if not is_hidden(e.name) and is_folder(e)]
    names = [entry.name for entry in entries if not leads_up(entry, folder)]
    return [folder / name for name in sorted(names, key=natural_key)]


def holds_pictures(folder: Path) -> bool:
    """Whether pictures lie in a folder itself; the first that is met is enough."""
    with suppress(OSError), os.scandir(folder) as entries:  # the listing will name it
        return any(
            is_picture(e.name) and not is_hidden(e.name) and not is_folder(e) for e in entries
        )
    return False


def has_pictures(folder: Path, depth: int = 8) -> bool:
    """Whether pictures lie in a folder, or below it."""
    if holds_pictures(folder):
        return True
    return depth > 0 and any(has_pictures(below, depth - 1) for below in folders_of(folder))


def refuse_no_classes(root: Path, unread: Mapping[str, str]) -> None:
    """Raises UserError where the folders of a folder are no classes, with what would do.

    `unread` says of lists of labels by name why they were not read.
    """
    if reason := _why_no_classes(root, unread):
        raise UserError(f"{reason}; {_advice(root)}")


def lists_in(root: Path) -> list[str]:
    """Names of files that may be lists of labels."""
    names = [entry.name for entry in entries_of(root) if not is_folder(entry)]
    return sorted((n for n in names if n.casefold().endswith(LISTS)), key=natural_key)


def unread_lists(root: Path, unread: Mapping[str, str]) -> str:
    """Which lists are not read, and why, to go on with in a sentence; nothing without any."""
    lists = dict.fromkeys(lists_in(root), "no table `file,class`") | dict(unread)
    return some([f"{name} ({why})" for name, why in lists.items()])


def _why_no_classes(root: Path, unread: Mapping[str, str]) -> str | None:
    folders = folders_of(root)
    others = [folder for folder in folders if not is_kind(folder.name)]
    if not any(map(has_pictures, others)) and not _are_numbered(folders):
        kinds = [folder for folder in folders if is_kind(folder.name)]
        if not any(map(has_pictures, kinds)):
            return None
        lists = unread_lists(root, unread)
        which = f", but these are not: {lists}" if lists else ""
        names = some([f"{folder.name}/" for folder in kinds])
        none = "is no class" if len(kinds) == 1 else "are no classes"
        return (
            f"{root} looks like {_what(root, kinds)}: {names} {none}, and labels in names of files "
            f"are not read; a list of lines `file,class` would be{which}"
        )
    if glued := _glued(folders):
        return (
            f"the folders of {root} ({some([folder.name for folder in glued])}) are named after a "
            f"part and a class at once, and parts are no classes"
        )
    if any(map(holds_pictures, folders)):
        return None
    return _why_folders_of_folders(root, [folder for folder in folders if has_pictures(folder)])


def _glued(folders: Sequence[Path]) -> list[Path]:
    """Folders such as "train_cats" beside "test_cats", where all with pictures are so called."""
    found = [folder for folder in folders if holds_pictures(folder) or _has_no_classes(folder)]
    named = [of for folder in found if (of := role_of(folder.name)) and of[1]]
    parts = defaultdict[tuple[str, ...], set[str]](set)
    for role, rest in named:
        parts[rest].add(role)
    several = any(len(of_one) > 1 for of_one in parts.values())
    return found if several and len(named) == len(found) else []


def _why_folders_of_folders(root: Path, tops: Sequence[Path]) -> str | None:
    """Why folders that hold nothing but folders are no classes: they share the names of those.

    Folders of images in each class, or of dates, say nothing; other folders of two names, each
    in two places, could be the classes as well. Where the names above are dates or copies, one is
    enough.
    """
    if len(tops) < 2:
        return None
    names = [{normalize("NFC", f.name) for f in folders_of(top) if has_pictures(f)} for top in tops]
    counts = Counter(chain(*names))
    shared = sorted((n for n, count in counts.items() if count > 1), key=natural_key)
    telling = [n for n in shared if not DATE.fullmatch(n) and not {*words_of(n)} <= KINDS]
    if len(telling) < (1 if all(_is_copy(top.name) for top in tops) else 2):
        return None
    return (
        f"the folders of {root} ({some([top.name for top in tops])}) hold no pictures but folders "
        f"of the same names ({some(telling)}), and either could be the classes"
    )


def _is_copy(name: str) -> bool:
    words = {*words_of(name)}
    return bool(DATE.fullmatch(name)) or (bool(words) and words <= VARIANTS | {"fold"})


def _what(root: Path, folders: Sequence[Path]) -> str:
    """Whose layout such folders are."""
    names = {folder.name.casefold() for folder in folders}
    inside = {below.name.casefold() for folder in folders for below in folders_of(folder)}
    if "jpegimages" in names:
        return "Pascal VOC's layout"
    if "trimaps" in inside:
        return "the Oxford-IIIT pets' layout"
    if any(re.fullmatch(r"(train|val|test)20\d\d", name) for name in names | inside):
        return "COCO's layout"
    if "labels" in names | inside or (root / "data.yaml").exists():
        return "YOLO's layout"
    if "annotations" in names:
        return "COCO's layout"
    if all("fold" in words_of(name) for name in names):
        return "folds of one data set"
    if all(role_of(name) for name in names):
        bare = all(map(_has_no_classes, folders))
        return "Kaggle's parts without class folders" if bare else "parts, none to train on"
    return "pictures beside masks, annotations or labels"


FIRST = frozenset({"train", "training", "images", "original", "color", "colour"})
"""Words of folders that are named first, where several would do."""


def _advice(root: Path) -> str:
    """Which folder would do, or what to do where none does."""
    tops = sorted(folders_of(root), key=lambda top: not {*words_of(top.name)} & FIRST)
    fair, tests = ([t for t in tops if _is_test(t) is test] for test in (False, True))
    best = next(filter(_would_do, fair), None)
    own = "put the pictures of each class into a folder named after it"
    if glued := _glued(tops):
        pairs = [(folder.name, role_of(folder.name)) for folder in glued]
        moves = [f"{n}/ into {role[0]}/{'_'.join(role[1])}/" for n, role in pairs if role]
        return f"{own} in one for its part: {some(moves)}"
    if best is not None:
        return f"give {best}, or {own}"
    to_test = next(filter(_would_do, tests), None)
    return own if to_test is None else f"to test only, give {to_test}; to train, {own}"


def _is_test(folder: Path) -> bool:
    role = role_of(folder.name)
    return role is not None and role[0] == "test"


def _would_do(folder: Path) -> bool:
    """Whether a folder is one of classes, or of parts with classes."""
    if parts := part_folders(folder):
        return has_pictures(parts["train"])
    classes = [below for below in folders_of(folder) if has_pictures(below)]
    return len(classes) > 1 and _why_no_classes(folder, {}) is None
