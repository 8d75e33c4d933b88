"""Neighbours by cosine, held against sorting all of them in float64, one query after another."""

from __future__ import annotations

import numpy as np
import pytest

from tests.descriptors.given import made_up
from verydeep.descriptors import search
from verydeep.descriptors.search import nearest
from verydeep.errors import UserError


def unit(count: int, size: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, size))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def by_sorting(rows: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    products = (queries[:, None].astype(np.float64) * rows[None]).sum(2).astype(np.float32)
    return np.stack([np.argsort(-each, kind="stable")[:k] for each in products])


@pytest.mark.parametrize(("block", "k"), [(7, 1), (7, 5), (7, 20), (64, 10), (2**16, 3)])
def test_the_nearest_are_those_of_sorting_all(
    block: int, k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "ROWS", block)
    monkeypatch.setattr(search, "QUERIES", 3)
    rows, queries = unit(50, 9), unit(8, 9, seed=1)
    rows[30:40] = rows[20]  # equals, which keep their order
    queries[0] = rows[20]
    places, cosines = nearest(rows, queries, k)
    assert (places == by_sorting(rows, queries, k)).all()
    expected = np.take_along_axis(queries @ rows.T, places, 1)
    np.testing.assert_allclose(cosines, expected, atol=1e-6)
    assert (np.diff(cosines, axis=1) <= 0).all()


def test_equal_descriptors_have_equal_cosines_wherever_they_stand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search, "ROWS", 33)
    rows = unit(200, 4097)
    rows[::3] = rows[0]
    places, cosines = nearest(rows, rows[:1], 67)
    assert places[0].tolist() == [*range(0, 200, 3)]
    assert len(set(cosines[0].tolist())) == 1


def test_all_are_given_where_there_are_fewer_than_asked_for() -> None:
    features = made_up([[1, 0], [0, 1], [1, 1]])
    places, cosines = nearest(features, np.array([[1, 0]], np.float32), 10)
    assert places.tolist() == [[0, 2, 1]]
    np.testing.assert_allclose(cosines, [[1, 2**-0.5, 0]], atol=1e-7)
    assert nearest(features.descriptors[:0], features.descriptors, 3)[0].shape == (3, 0)
    assert nearest(features, features.descriptors[:0], 3)[0].shape == (0, 3)


def test_what_cannot_be_looked_for_is_refused() -> None:
    rows, queries = unit(10, 4), unit(2, 4)
    with pytest.raises(UserError, match="queries of 3 numbers, and descriptors of 4"):
        nearest(rows, queries[:, :3], 1)
    with pytest.raises(UserError, match="0 neighbours; at least 1"):
        nearest(rows, queries, 0)
    bad = queries.copy()
    bad[1, 2] = np.inf
    with pytest.raises(UserError, match="query 1 is no finite numbers"):
        nearest(rows, bad, 1)
    rows[7, 0] = np.nan
    with pytest.raises(UserError, match="the descriptor of picture 7 is no finite numbers"):
        nearest(rows, queries, 1)
