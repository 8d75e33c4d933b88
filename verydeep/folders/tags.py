"""Pictures of several labels each, or of none: what lies in a folder, by name.

In comes what is said of pictures; out comes a part. A label is certain or it is not; a picture of
which it is known that it shows nothing is kept.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from verydeep.folders.listing import class_name
from verydeep.parts.annotations import LabelSets, ObjectsIn, PointsIn
from verydeep.parts.dataset import Part
from verydeep.parts.entries import natural_key, some

Said = Mapping[str, bool]
"""The labels of one picture, and whether each is certain."""


@dataclass
class Tags:
    """The pictures of one part, by the names that they have below `root`, and their labels.

    Where `files` says so, what goes by a name lies in a file of another, as several things in one
    picture do.
    """

    root: Path
    called: str
    said: dict[str, Said] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    objects_in: ObjectsIn | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    points_in: PointsIn | None = None

    @classmethod
    def of(
        cls,
        root: Path,
        said: Mapping[str, Said],
        called: str,
        objects_in: ObjectsIn | None = None,
        files: Mapping[str, str] | None = None,
    ) -> Tags:
        """Those of these pictures that have something to be read, in the order of their names."""
        tags = cls(root, called, objects_in=objects_in, files=files or {})
        for name in sorted(said, key=natural_key):
            try:
                size = tags.path(name).stat().st_size
            except OSError:
                tags.left_out["files that cannot be reached"].append(name)
                continue
            if size:
                tags.said[name] = {class_name(label): sure for label, sure in said[name].items()}
                tags.sizes[name] = size
            else:
                tags.left_out["empty files"].append(name)
        return tags

    def path(self, name: str) -> Path:
        """Where the picture of a name lies."""
        return self.root / self.files.get(name, name)

    @property
    def name(self) -> str:
        """What it goes by in notes."""
        return self.called or f"{self.root.name}/"

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that a picture is certainly of, in natural order."""
        found = {label for of_one in self.said.values() for label, sure in of_one.items() if sure}
        return tuple(sorted(found, key=natural_key))

    @property
    def notes(self) -> tuple[str, ...]:
        """How many labels there are, and a line for each kind of thing that was left out."""
        counts = Counter(sum(of_one.values()) for of_one in self.said.values())
        several = sum(count for labels, count in counts.items() if labels > 1)
        unsure = sum(not sure for of_one in self.said.values() for sure in of_one.values())
        words = f"{several:,} pictures of several labels, {counts[0]:,} of none"
        words += f", {unsure:,} uncertain labels" if unsure else ""
        out = (
            f"left out in {self.name}, {why}: {len(names):,} ({some(names)})"
            for why, names in self.left_out.items()
        )
        return (f"labels in {self.name}: {words}", *out)

    def lines(self) -> Iterator[str]:
        """What identifies the pictures and their labels."""
        for name in sorted(self.said):
            labels = (f"{'' if sure else '?'}{label}" for label, sure in self.said[name].items())
            yield "\t".join((name, str(self.sizes[name]), *sorted(labels)))

    def part(self, classes: tuple[str, ...]) -> Part:
        """All the pictures, in the order of their names; of other classes nothing is said."""
        place = {name: i for i, name in enumerate(classes)}
        signs = np.full((len(self.said), len(classes)), -1, np.int8)
        for i, of_one in enumerate(self.said.values()):
            for label, sure in of_one.items():
                if label in place:
                    signs[i, place[label]] = sure
        names, path = [*self.said], self.path
        objects_in, points_in = self.objects_in, self.points_in
        return Part(
            names,
            LabelSets.of_signs(signs),
            lambda i: path(names[i]),
            objects_in and (lambda i: objects_in(names[i], classes)),
            points=points_in and (lambda i: points_in(names[i], classes)),
        )


def classes_of(found: Iterable[Tags]) -> tuple[str, ...]:
    """The classes that pictures of any of these parts are certainly of, in natural order."""
    return tuple(sorted({name for tags in found for name in tags.classes}, key=natural_key))
