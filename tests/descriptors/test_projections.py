"""Principal components against NumPy's singular values, and by hand; t-SNE of groups far apart."""

from __future__ import annotations

import numpy as np
import pytest

from verydeep.descriptors import projections
from verydeep.descriptors.projections import by_principal_components, by_tsne, principal


@pytest.mark.parametrize("shape", [(30, 7), (7, 30), (12, 12)])
def test_components_are_those_of_the_singular_values(shape: tuple[int, int]) -> None:
    rows = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    found, shares = principal(rows, 3)
    centred = rows.astype(np.float64) - rows.astype(np.float64).mean(0)
    left, values, right = np.linalg.svd(centred, full_matrices=False)
    for k in range(3):
        sign = np.sign(right[k][np.abs(right[k]).argmax()])
        np.testing.assert_allclose(found[:, k], sign * left[:, k] * values[k], atol=1e-9)
    np.testing.assert_allclose(shares, values[:3] ** 2 / (values**2).sum(), atol=1e-12)


def test_a_line_has_one_component_whichever_way_its_rows_are_given() -> None:
    """(1, 2) t has length t sqrt(5) along it, and the larger number, 2, is above zero."""
    along = np.array([-2, -1, 0, 3], np.float32)
    found, shares = principal(along[:, None] * np.array([1, 2], np.float32), 4)
    np.testing.assert_allclose(found[:, 0], along * np.sqrt(5), atol=1e-6)
    assert shares[0] == pytest.approx(1)
    assert np.abs(found[:, 1:]).max() < 1e-6
    assert found.shape == (4, 4)  # those that there are not are zero
    assert not principal(np.ones((3, 2), np.float32), 2)[0].any()


def test_the_plane_says_how_much_of_the_variance_it_shows() -> None:
    rows = np.array([[3, 0, 0], [-3, 0, 0], [0, 1, 0], [0, -1, 0]], np.float32)
    projection = by_principal_components(rows)
    assert "90 % of it to the right and 10 % upwards" in projection.said


def test_groups_far_apart_stay_groups_and_a_seed_gives_the_same_map(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("openTSNE")
    rng = np.random.default_rng(0)
    rows = np.repeat(np.eye(3, 20) * 10, 15, axis=0) + rng.normal(0, 0.1, (45, 20))
    first, second = (by_tsne(rows.astype(np.float32)) for _ in range(2))
    assert first is not None
    assert second is not None
    assert (first.points == second.points).all()
    assert "seed 0" in first.said
    assert "means little" in first.said
    for i, point in enumerate(first.points):
        near = np.argsort(np.linalg.norm(first.points - point, axis=1))[:10]
        assert (near // 15 == i // 15).all()
    assert by_tsne(rows[:11].astype(np.float32)) is None
    monkeypatch.setattr(projections, "find_spec", lambda name: None)
    assert by_tsne(rows.astype(np.float32)) is None
