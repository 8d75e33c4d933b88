"""What the paper printed of its features on other datasets: Tables 11 and 12 of Appendix B.

Beside the figures stands what they were found on, so that they are printed next to a test of the
same and to no other. Sizes of the datasets are those that their makers tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class OfMethod:
    """A method's figure on a dataset in %, its deviation over draws, and what is to be known."""

    method: str
    figure: float
    deviation: float | None = None
    note: str = ""

    def __str__(self) -> str:
        deviation = "" if self.deviation is None else f" +- {self.deviation:.1f}"
        return f"{self.figure:.1f}{deviation}"


@dataclass(frozen=True)
class OnOther:
    """A dataset of the tables: what was tested there and how, and what was printed.

    `pictures` are the counts by part, "all" where it has none; `side` is what the larger side of
    its pictures has at the least, in the median; `scales` are the Q of the paper's own features,
    `stacked` or averaged. `draws` are pictures a class to train on and to test on (None: the rest),
    and how often.
    """

    table: str
    data: str
    figure: str
    classes: int
    pictures: Mapping[str, int]
    side: int
    scales: tuple[int, ...]
    rows: tuple[OfMethod, ...]
    stacked: bool = False
    draws: tuple[int, int | None, int] | None = None


FIVE = (256, 384, 512, 640, 768)
THREE = (256, 384, 512)
MORE = "pre-trained on 2,000 classes"
MAP = "mean average precision"
RECALL = "mean class recall"

VOC_2007 = OnOther(
    "Table 11", "VOC-2007", MAP, 20, {"train": 2501, "validation": 2510, "test": 4952}, 450, FIVE,
    (
        OfMethod("Chatfield et al.", 82.4), OfMethod("He et al.", 82.4),
        OfMethod("Wei et al.", 81.5), OfMethod("Wei et al.", 85.2, note=MORE),
        OfMethod("D", 89.3), OfMethod("E", 89.3), OfMethod("D and E", 89.7),
    ),
)  # fmt: skip
VOC_2012 = OnOther(
    "Table 11", "VOC-2012", MAP, 20, {"train": 5717, "validation": 5823, "test": 10991}, 450, FIVE,
    (
        OfMethod("Zeiler & Fergus", 79.0), OfMethod("Chatfield et al.", 83.2),
        OfMethod("Wei et al.", 81.7), OfMethod("Wei et al.", 90.3, note=MORE),
        OfMethod("D", 89.0), OfMethod("E", 89.0), OfMethod("D and E", 89.3),
    ),
)  # fmt: skip
CALTECH_101 = OnOther(
    "Table 11", "Caltech-101", RECALL, 102, {"all": 9144}, 250, THREE,
    (
        OfMethod("Zeiler & Fergus", 86.5, 0.5), OfMethod("Chatfield et al.", 88.4, 0.6),
        OfMethod("He et al.", 93.4, 0.5), OfMethod("D", 91.8, 1.0), OfMethod("E", 92.3, 0.5),
        OfMethod("D and E", 92.7, 0.5),
    ),
    stacked=True, draws=(30, 50, 3),
)  # fmt: skip
CALTECH_256 = OnOther(
    "Table 11", "Caltech-256", RECALL, 257, {"all": 30607}, 250, THREE,
    (
        OfMethod("Zeiler & Fergus", 74.2, 0.3), OfMethod("Chatfield et al.", 77.6, 0.1),
        OfMethod("D", 85.0, 0.2), OfMethod("E", 85.1, 0.3), OfMethod("D and E", 86.2, 0.3),
    ),
    stacked=True, draws=(60, None, 3),
)  # fmt: skip
ACTIONS = OnOther(
    "Table 12", "VOC-2012 actions", MAP, 10, {}, 450, FIVE,
    (
        OfMethod("Oquab et al.", 70.2, note="pre-trained on 1,512 classes"),
        OfMethod("Gkioxari et al.", 73.6), OfMethod("Hoai", 76.3),
        OfMethod("D and E, whole picture", 79.2), OfMethod("D and E, picture and box", 84.0),
    ),
)  # fmt: skip
"""The paper does not print the Q of Table 12; they are taken to be those of VOC's classes."""


@dataclass(frozen=True)
class Setting:
    """What a test is of: classes, pictures by part, how large, and the role of what is tested on.

    `side` is the median of their larger sides; `draws` are as in `OnOther`.
    """

    classes: int
    pictures: Mapping[str, int]
    side: int
    part: str = "test"
    draws: tuple[int, int | None, int] | None = None


def differences(paper: OnOther, tested: Setting) -> tuple[str, ...]:
    """In what a test is another than the paper's, in words; none where it is the same."""
    found = []
    if tested.classes != paper.classes:
        found.append(f"{tested.classes:,} classes, not {paper.classes:,}")
    for part, count in paper.pictures.items():
        own = tested.pictures.get(part, 0)
        if own != count:
            of = "in all" if part == "all" else f"to {VERBS[part]}"
            found.append(f"{own:,} pictures {of}, not {count:,}")
    if tested.side < paper.side:
        found.append(f"pictures of {tested.side:,} pixels, the larger side, not {paper.side:,}")
    if tested.part != "test":
        found.append(f"tested on {WORDS[tested.part]}, not on test, whose labels are not public")
    if paper.draws and tested.draws != paper.draws:
        found.append(f"{_drawn(tested.draws)}, not {_drawn(paper.draws)}")
    return tuple(found)


WORDS = {"train": "train", "validation": "val"}
VERBS = {"train": "train on", "validation": "choose by", "test": "test on"}


def _drawn(draws: tuple[int, int | None, int] | None) -> str:
    if draws is None:
        return "no draws"
    train, test, times = draws
    tested = "the rest" if test is None else f"up to {test:,}"
    return f"{train:,} a class to train and {tested} to test on, {times:,} times"
