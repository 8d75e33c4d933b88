"""The paper's rows of localisation, found for tests of the same; figures as printed there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.localisation.made import centre, dense
from verydeep.evaluation.published import Trained
from verydeep.evaluation.views import Protocol
from verydeep.localisation.boxes_file import Localised
from verydeep.localisation.published import TABLE_10, published_boxes

CLASSES = tuple(f"class {i}" for i in range(1000))


def of(found: Localised, net: Trained | None, *scales: int) -> Localised:
    protocol = Protocol(found.protocol.name, 224, scales)
    return replace(found, net=net, classes=CLASSES, protocol=protocol)


D256, D384 = ("D", 256, 256), ("D", 384, 384)


@pytest.mark.parametrize(
    ("members", "table", "validation", "test"),
    [
        ([of(centre(regression="SCR", tuned="fc"), D384, 384)], "Table 8", 36.4, None),
        ([of(centre(tuned="fc"), D384, 384)], "Table 8", 34.3, None),
        ([of(centre(), D384, 384)], "Table 8", 33.1, None),
        ([of(dense(), D256, 256)], "Table 9", 29.5, None),
        ([of(dense(), D384, 384)], "Table 9", 28.2, 26.7),
        ([of(dense(), D384, 352, 384)], "Table 9", 27.5, None),
        ([of(dense(), D384, 352, 384), of(dense(), D256, 256)], "Table 9", 26.9, 25.3),
    ],
)
def test_a_test_stands_beside_the_papers(
    members: list[Localised], table: str, validation: float, test: float | None
) -> None:
    row = published_boxes(members)
    assert row is not None
    assert (row.table, row.validation, row.test) == (table, validation, test)


@pytest.mark.parametrize(
    "members",
    [
        [of(dense(), None, 256)],
        [of(dense(), D256, 288)],
        [of(dense(tuned="fc"), D256, 256)],
        [of(centre(tuned="last"), D384, 384)],
        [of(dense(), ("E", 256, 256), 256)],
        [replace(of(dense(), D256, 256), classes=("cat", "dog", "owl"))],
        [of(dense(), D256, 256), of(dense(), D256, 256)],
        [of(dense(), D256, 256), of(centre(), D384, 384)],
    ],
)
def test_another_test_stands_beside_nothing(members: list[Localised]) -> None:
    assert published_boxes(members) is None


def test_the_papers_own_row_among_the_teams_is_its_fusion() -> None:
    fusion = published_boxes([of(dense(), D384, 352, 384), of(dense(), D256, 256)])
    assert fusion is not None
    assert (TABLE_10[0].validation, TABLE_10[0].test) == (fusion.validation, fusion.test)
