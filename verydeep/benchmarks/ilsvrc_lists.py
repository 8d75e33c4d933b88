"""The lists that come with ILSVRC-2012: labels, class names, boxes.

In come files as they are handed round, plain or with .gz after their names; out go dicts by the
pictures' names without suffix, such as ILSVRC2012_val_00000001. Classes are WordNet ids ("wnids",
n01440764); the development kit numbers them from 1 in an order of its own, which is not the
sorted one. What a list says of a class twice, or of no class, is refused with its line.
"""

from __future__ import annotations

import gzip
import re
import zlib
from array import array
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unicodedata import normalize
from xml.etree import ElementTree

import numpy as np

from verydeep.benchmarks.voc_xml import parsed
from verydeep.errors import UserError
from verydeep.formats import mat5
from verydeep.parts.annotations import Ends, Labels
from verydeep.pictures.boxes import FARTHEST, Boxes, are_places

WNID = re.compile(r"n\d{8}")
SOLUTION_HEADER = "ImageId,PredictionString"
PREDICTION = "NAME,wnid x_min y_min x_max y_max"


def class_names(path: Path) -> dict[str, str]:
    """Words for each wnid, from `synset_words.txt` or Kaggle's `LOC_synset_mapping.txt`.

    A line is `n01440764 tench, Tinca tinca`.
    """
    names: dict[str, str] = {}
    for number, line in _lines(path):
        wnid, _, words = line.strip().partition(" ")
        if not WNID.fullmatch(wnid) or not words or wnid in names:
            raise _mistake(path, number, line, "a wnid not named before, and its words")
        names[wnid] = words.strip()
    return names


def class_key(name: str) -> str:
    """What a class is known by among others: its wnid where it begins with one, or its name.

    >>> class_key("n02123045 tabby"), class_key("cat")
    ('n02123045', 'cat')
    """
    wnid = name.partition(" ")[0]
    return wnid if WNID.fullmatch(wnid) else normalize("NFC", name)


def devkit_ids(path: Path) -> dict[int, str]:
    """The wnid of each of the development kit's ids, from `meta.mat` or a text list.

    A line of the text list is `1 n02119789`.
    """
    return _ids_of_mat(path) if path.suffix == ".mat" else _ids_of_text(path)


def _ids_of_text(path: Path) -> dict[int, str]:
    ids: dict[int, str] = {}
    seen: set[str] = set()
    for number, line in _lines(path):
        first, _, wnid = line.strip().partition(" ")
        if not first.isdecimal() or not WNID.fullmatch(wnid) or int(first) in ids or wnid in seen:
            raise _mistake(path, number, line, "an id and a wnid, both not named before")
        ids[int(first)] = wnid
        seen.add(wnid)
    return ids


def _ids_of_mat(path: Path) -> dict[int, str]:
    """Those of the classes without children, which are the thousand of the classification task."""
    synsets: Any = mat5.read(path).get("synsets")
    try:
        leaves = [s for s in synsets if int(s["num_children"].item()) == 0]
        ids = {int(s["ILSVRC2012_ID"].item()): str(s["WNID"]) for s in leaves}
    except (LookupError, TypeError, AttributeError, ValueError):  # no structs of such fields
        ids, leaves = {}, []
    whole = ids and len(set(ids.values())) == len(leaves)
    if not whole or not all(map(WNID.fullmatch, ids.values())):
        raise UserError(f"{path} is no meta.mat of the development kit: it has no wnid for each id")
    return ids


def devkit_places(ids: Mapping[int, str]) -> Labels:
    """Of each class, in the sorted order of wnids, its place in the development kit's order.

    >>> devkit_places({1: "n02119789", 2: "n02100735", 3: "n01440764"})
    array([2, 1, 0])
    """
    place = {ids[number]: i for i, number in enumerate(sorted(ids))}
    return np.array([place[wnid] for wnid in sorted(place)], dtype=np.int64)


def ground_truth(path: Path, ids: Mapping[int, str]) -> dict[str, str]:
    """The wnid of each validation picture, from the development kit's list.

    `ILSVRC2012_validation_ground_truth.txt` has one of the kit's ids a line; line n is of
    ILSVRC2012_val_n.
    """
    labels = {}
    for number, line in _lines(path):
        text = line.strip()
        if not text.isdecimal() or int(text) not in ids:
            raise _mistake(path, number, line, f"one of the {len(ids)} ids of the development kit")
        labels[f"ILSVRC2012_val_{number:08}"] = ids[int(text)]
    return labels


def synset_labels(path: Path) -> dict[str, str]:
    """The wnid of each validation picture, from TensorFlow's list of one a line.

    Line n of `imagenet_2012_validation_synset_labels.txt` is of ILSVRC2012_val_n.
    """
    labels = {}
    for number, line in _lines(path):
        if not WNID.fullmatch(line.strip()):
            raise _mistake(path, number, line, "a wnid")
        labels[f"ILSVRC2012_val_{number:08}"] = line.strip()
    return labels


def place_labels(path: Path, wnids: Collection[str]) -> dict[str, str]:
    """The wnid of each validation picture, from Caffe's `val.txt`.

    A line is `ILSVRC2012_val_00000001.JPEG 65`: the place of the class among the sorted wnids,
    from 0.
    """
    ordered, labels = sorted(wnids), dict[str, str]()
    for number, line in _lines(path):
        name, _, place = line.strip().rpartition(" ")
        stem = name.rpartition("/")[2].partition(".")[0]
        if not place.isdecimal() or int(place) >= len(ordered) or not stem or stem in labels:
            wanted = f"a picture not named before, and a number from 0 to {len(ordered) - 1}"
            raise _mistake(path, number, line, wanted)
        labels[stem] = ordered[int(place)]
    return labels


def solution(path: Path) -> tuple[dict[str, str], dict[str, Boxes]]:
    """The wnid and the boxes of each picture, from Kaggle's `LOC_val_solution.csv`.

    A line is the picture's name, a comma, and `wnid x_min y_min x_max y_max` for each box.
    """
    labels: dict[str, str] = {}
    boxes: dict[str, Boxes] = {}
    for number, line, name, wnid, sides in _predictions(path):
        if name in labels:
            raise _mistake(path, number, line, f"{PREDICTION}, names once only")
        labels[name] = wnid
        boxes[name] = _continuous(sides)
    return labels, boxes


def boxes_in_order(
    path: Path, places: Mapping[str, int], wnids: Sequence[str]
) -> tuple[Boxes, Ends]:
    """The boxes of `LOC_train_solution.csv` in one piece; those of picture i are before end i.

    `places` are the pictures by their names without suffix, `wnids` the class of each; what the
    list says of others is not read. Half a million pictures have 600,000 boxes in 25 MB.
    """
    rows, found = array("q"), array("d")
    for number, line, name, wnid, sides in _predictions(path):
        if (i := places.get(name)) is None:
            continue
        if wnids[i] != wnid:
            raise _mistake(path, number, line, f"the class of its folder, {wnids[i]}")
        rows.extend([i] * (len(sides) // 4))
        found.extend(sides)
    pictures = np.frombuffer(rows, np.int64)
    boxes = _continuous(found)[np.argsort(pictures, kind="stable")]
    return boxes, np.cumsum(np.bincount(pictures, minlength=len(wnids)), dtype=np.int64)


def _predictions(path: Path) -> Iterator[tuple[int, str, str, str, list[float]]]:
    """Number and text of each line of Kaggle's lists, the picture, its wnid and sides of boxes."""
    for number, line in _rows(path, SOLUTION_HEADER):
        name, _, prediction = line.partition(",")
        words = prediction.split()
        wnids = set(words[::5])
        right = len(words) % 5 == 0 and len(wnids) == 1 and WNID.fullmatch(words[0])
        sides = _numbers([word for i, word in enumerate(words) if i % 5])
        if not right or sides is None:
            raise _mistake(path, number, line, f"{PREDICTION}, names once only")
        yield number, line, name, words[0], sides


def labels_table(path: Path) -> dict[str, str]:
    """The wnid of each picture, from a table with the columns `image` and `wnid`."""
    labels: dict[str, str] = {}
    for number, line, (name, wnid) in _columns(path, ("image", "wnid")):
        if name in labels or not WNID.fullmatch(wnid):
            raise _mistake(path, number, line, "a picture not named before, and its wnid")
        labels[name] = wnid
    return labels


def boxes_table(path: Path) -> dict[str, Boxes]:
    """The boxes of each picture, from a table `image,xmin,ymin,xmax,ymax` with a line a box."""
    boxes: dict[str, list[float]] = defaultdict(list)
    for number, line, (name, *sides) in _columns(path, ("image", "xmin", "ymin", "xmax", "ymax")):
        found = _numbers(sides)
        if found is None:
            raise _mistake(path, number, line, "four numbers of pixels")
        boxes[name] += found
    return {name: _continuous(sides) for name, sides in boxes.items()}


def _continuous(sides: Sequence[float]) -> Boxes:
    """Boxes from x_min, y_min, x_max, y_max of each, as ILSVRC has them.

    Those count pixels from 0 and name the last one that is inside: of the 80,477 of the validation
    set none has an x_max of the picture's width, and every thirteenth has one less. Here a box ends
    where that pixel does.
    """
    boxes = np.array(sides, np.float64).reshape(-1, 4)
    boxes[:, 2:] += 1
    return boxes


def xml_boxes(path: Path) -> tuple[Boxes, tuple[float, float]]:
    """The boxes in a file of PASCAL VOC's kind, and width and height of the picture they are of."""
    try:
        tree = parsed(path)
        boxes = [
            side
            for box in tree.iter("bndbox")
            for side in _sides(box, "xmin", "ymin", "xmax", "ymax")
        ]
        ((width, height),) = (_sides(size, "width", "height") for size in tree.iter("size"))
        if min(width, height) <= 0:
            raise ValueError(f"a picture of {width:g} x {height:g} pixels")
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise UserError(f"boxes in {path} are not as in PASCAL VOC: {error}") from None
    return _continuous(boxes), (width, height)


def _sides(element: ElementTree.Element, *names: str) -> list[float]:
    """The numbers in an element's children of these names."""
    found = _numbers([element.findtext(name) or "" for name in names])
    if found is None:
        raise ValueError(f"<{element.tag}> needs numbers up to {FARTHEST:,} in {', '.join(names)}")
    return found


def _numbers(words: list[str]) -> list[float] | None:
    """The words as coordinates, or None where one is none."""
    try:
        found = [float(word) for word in words]
    except ValueError:
        return None
    return found if are_places(found) else None


def _columns(path: Path, names: tuple[str, ...]) -> Iterator[tuple[int, str, list[str]]]:
    """Number, text and the columns of these names of each line of a table."""
    for number, line in _lines(path):
        fields = line.strip().split(",")
        if number == 1:
            if not set(names) <= set(fields):
                raise _mistake(path, number, line, f"the columns {','.join(names)}")
            places, width = [fields.index(name) for name in names], len(fields)
        elif len(fields) != width:
            raise _mistake(path, number, line, f"{width} fields, as in the first line")
        else:
            yield number, line, [fields[place] for place in places]


def _rows(path: Path, header: str) -> Iterator[tuple[int, str]]:
    """Number and text of each line after the first, which must be the header."""
    for number, line in _lines(path):
        if number > 1:
            yield number, line.strip()
        elif line.strip() != header:
            raise _mistake(path, number, line, f"the header '{header}'")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number, from 1, and text of each line; UserError where there is none."""
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {path}: {reason}; copy it again") from None
    lines = text.rstrip().split("\n")
    if lines == [""]:
        raise UserError(f"{path} is empty; copy it again")
    yield from enumerate(lines, 1)


def _mistake(path: Path, number: int, line: str, expected: str) -> UserError:
    shown = line.strip()[:60]
    return UserError(f"line {number} of {path} is '{shown}'; expected {expected}")
