"""Comparing and fusing score files.

McNemar's p are of published examples: Armitage & Berry, Statistical Methods in Medical Research
(1994), p. 127; Agresti, Categorical Data Analysis, on approval of a prime minister, whose exact p
Fay's R package exact2x2 gives; and the calculator of VassarStats. The rest is whole numbers summed
here, plain resampling, and properties.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from verydeep.commands.compare import cells_of, errors_table
from verydeep.errors import UserError
from verydeep.evaluation import comparison, metrics
from verydeep.evaluation.comparison import Comparison, compare, mcnemar, paired_interval
from verydeep.evaluation.fusion import fuse, row_of
from verydeep.evaluation.scores import KIND, Scores, aligned, save_scores
from verydeep.evaluation.views import Protocol
from verydeep.report.protocols import write_protocols_page
from verydeep.verbs.compare import compared, fused

CENTRE, DENSE = Protocol("centre", 64, (64,)), Protocol("dense", 64, (96,))


def pair(both: int, only_a: int, only_b: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """What a and what b have missed, for these counts of pictures."""
    counts = [both, only_a, only_b, neither]
    a, b = np.array([True, True, False, False]), np.array([True, False, True, False])
    return np.repeat(a, counts), np.repeat(b, counts)


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        (12, 2, 0.0129),
        (86, 150, 3.716e-05),
        (70, 59, 0.378688),
        (80, 59, 0.089452),
        (10, 30, 0.002221),
        (10, 10, 1),
        (1, 0, 1),
        (6, 0, 2 / 64),
        (0, 0, 1),
    ],
)
def test_p_is_that_of_published_examples(only_a: int, only_b: int, p: float) -> None:
    found = mcnemar(*pair(20, only_a, only_b, 16))
    assert (found.only_a, found.only_b) == (only_a, only_b)
    assert found.p == pytest.approx(p, rel=0.004)
    assert mcnemar(*pair(0, only_b, only_a, 0)).p == found.p


def test_p_is_as_small_as_it_looks_no_more_often_than_that() -> None:
    """Under even chances, P(p <= x) <= x: for every number of pictures, at every p there is."""
    for pictures in range(1, 60):
        found = [mcnemar(*pair(0, i, pictures - i, 0)).p for i in range(pictures + 1)]
        chances = [math.comb(pictures, i) / 2**pictures for i in range(pictures + 1)]
        for p in found:
            assert math.fsum(c for f, c in zip(found, chances, strict=True) if f <= p) < p + 1e-12


def test_logarithms_give_what_whole_numbers_give(monkeypatch: pytest.MonkeyPatch) -> None:
    splits = [(most, most + more) for most in (0, 1, 2, 30, 480) for more in (1, 2, 40)]
    whole = [mcnemar(*pair(0, *split, 0)).p for split in splits]
    monkeypatch.setattr(comparison, "COUNTED", -1)
    found = [mcnemar(*pair(0, *split, 0)).p for split in splits]
    assert found == pytest.approx(whole, rel=1e-11)


def test_p_of_a_million_pictures_is_that_of_the_normal_distribution() -> None:
    """Mean 500,000, deviation 500, and half a picture for the step."""
    for most in (499_900, 499_000, 497_500):
        expected = math.erfc((500_000 - most - 0.5) / 500 / math.sqrt(2))
        found = mcnemar(*pair(0, most, 1_000_000 - most, 0)).p
        assert found == pytest.approx(expected, rel=1e-4)
    assert mcnemar(*pair(0, 500_000, 500_000, 0)).p == 1
    assert mcnemar(*pair(0, 0, 1_000_000, 0)).p == 0


def test_a_paired_interval_is_that_of_pictures_drawn_one_by_one() -> None:
    a, b = pair(40, 41, 17, 302)
    chosen = np.random.default_rng(0).integers(0, 400, (10_000, 400))
    plain = np.quantile(100 * (a[chosen].mean(1) - b[chosen].mean(1)), [0.025, 0.975])
    assert paired_interval(a, b) == pytest.approx(plain, abs=0.5)


def test_against_a_perfect_network_the_paired_interval_is_that_of_the_error() -> None:
    a, b = pair(0, 100, 0, 300)
    assert paired_interval(a, b) == pytest.approx(metrics.interval(a), abs=0.5)
    low, high = paired_interval(b, a)
    assert (-high, -low) == pytest.approx(metrics.interval(a), abs=0.5)
    assert paired_interval(a, a) == (0, 0)


def test_a_paired_interval_is_fixed_by_its_seed() -> None:
    a, b = pair(500, 900, 700, 7900)
    one, again, other = (paired_interval(a, b, seed=seed) for seed in (3, 3, 4))
    assert one == again
    assert one != other
    assert one == pytest.approx(other, abs=0.1)


def test_a_paired_interval_of_95_percent_covers_the_true_difference_as_often() -> None:
    random = np.random.default_rng(0)
    covered = []
    for seed in range(1000):
        both, only_a, only_b, neither = random.multinomial(500, [0.1, 0.12, 0.07, 0.71])
        low, high = paired_interval(*pair(both, only_a, only_b, neither), draws=1000, seed=seed)
        covered.append(low <= 5 <= high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def scores(missed: np.ndarray, protocol: Protocol = CENTRE, weights: str = "01234567ab") -> Scores:
    """Scores over three classes, sure of the true class or of the next one."""
    labels = np.arange(len(missed)) % 3
    posteriors = np.eye(3, dtype=np.float32)[(labels + missed) % 3]
    names = tuple(f"{i}.png" for i in range(len(missed)))
    return Scores(posteriors, labels, names, ("cat", "dog", "owl"), protocol, weights, "print")


def test_classes_with_the_same_wnids_are_the_same() -> None:
    """Released weights name a class "n02123045 tabby", ILSVRC's own folders n02123045."""
    own = replace(ONE, classes=("n01440764", "n02123045", "cat"))
    theirs = replace(ONE, classes=("n01440764 tench", "n02123045 tabby", "cat"))
    assert compare(own, theirs).difference == 0
    with pytest.raises(UserError, match="class 2 is 'cat dog' there and 'cat' in"):
        compare(own, replace(theirs, classes=(*theirs.classes[:2], "cat dog")))


def test_a_comparison_says_which_is_better_by_how_much() -> None:
    """(41 - 17) / 2000; its deviation, from (58 - 24**2 / 2000) / 2000**2, is 0.38 points."""
    centre, dense = pair(200, 41, 17, 1742)
    found = compare(scores(centre), scores(dense, DENSE))
    assert (found.error_a, found.error_b) == pytest.approx((12.05, 10.85))
    assert found.difference == pytest.approx(1.2)
    assert found.interval == pytest.approx((1.2 - 1.96 * 0.38, 1.2 + 1.96 * 0.38), abs=0.1)
    assert (found.only_a, found.only_b) == (41, 17)
    assert found.told_apart


def test_a_comparison_reads_as_one_line_with_the_better_one_first() -> None:
    found = Comparison("one", "two", 5, 12.05, 10.85, 1.2, (0.449, 1.98), 41, 17, 0.0022)
    said = (
        "two is better than one by 1.2 points of top-5 error "
        "(95 % interval 0.4 to 2.0; McNemar p = 0.0022, 41 against 17 pictures)"
    )
    assert str(found) == said
    turned = Comparison("two", "one", 5, 10.85, 12.05, -1.2, (-1.98, -0.449), 17, 41, 0.0022)
    assert str(turned) == said
    assert "p < 0.001" in str(replace(found, p=1e-6))
    assert str(replace(found, interval=(-0.04, 1.98), p=0.06)) == (
        "two cannot be told apart from one: 1.2 points of top-5 error "
        "(95 % interval 0.0 to 2.0; McNemar p = 0.06, 41 against 17 pictures)"
    )


def test_compared_with_itself_nothing_is_better() -> None:
    one = scores(pair(0, 30, 0, 70)[0])
    assert str(compare(one, one)) == (
        "one centre crop of 64, Q = 64 cannot be told apart from one centre crop of 64, Q = 64: "
        "0.0 points of top-1 error (95 % interval -3.6 to 3.6; McNemar p = 1, 0 against 0 pictures)"
    )


def test_networks_are_named_where_they_differ() -> None:
    a, b = pair(5, 20, 0, 75)
    found = compare(scores(a), scores(b, weights="89abcdef01"))
    assert found.name_a == "01234567 (one centre crop of 64, Q = 64)"
    assert str(found).startswith("89abcdef (one centre crop of 64, Q = 64) is better than 01234567")


def test_the_k_of_a_comparison_is_that_of_its_errors() -> None:
    a, b = pair(5, 20, 0, 75)
    found = compare(scores(a), scores(b), k=3)
    assert (found.k, found.error_a, found.error_b, found.p) == (3, 0, 0, 1)


def shuffled(one: Scores) -> Scores:
    order = np.random.default_rng(0).permutation(len(one.names))
    names = tuple(one.names[i] for i in order)
    return replace(one, posteriors=one.posteriors[order], truth=one.labels[order], names=names)


def test_pictures_in_another_order_are_matched_by_name() -> None:
    a, b = (scores(missed) for missed in pair(5, 20, 3, 72))
    assert compare(a, shuffled(b)) == compare(a, b)
    back = aligned([a, shuffled(b)])[1]
    assert (back.posteriors == b.posteriors).all()
    assert (back.labels == b.labels).all()
    assert back.names == b.names


def only(one: Scores, count: int) -> Scores:
    names = one.names[:count]
    return replace(one, posteriors=one.posteriors[:count], truth=one.labels[:count], names=names)


ONE = scores(np.arange(12) < 4)
SAME_NAME = replace(ONE, names=("1.png", *ONE.names[1:]))


@pytest.mark.parametrize(
    ("first", "other", "said"),
    [
        (ONE, replace(ONE, classes=("cat", "owl", "dog")), "class 1 is 'owl' there and 'dog' in"),
        (ONE, replace(ONE, classes=("cat", "dog")), "class 2 is missing there and 'owl' in"),
        (replace(ONE, classes=("cat", "dog")), ONE, "class 2 is 'owl' there and missing in"),
        (ONE, only(ONE, 9), "score file 2 lacks picture '9.png', which score file 1 has"),
        (only(ONE, 9), ONE, "score file 1 lacks picture '9.png', which score file 2 has"),
        (ONE, SAME_NAME, "score file 2 has two pictures '1.png'"),
        (SAME_NAME, ONE, "score file 1 has two pictures '1.png'"),
        (
            ONE,
            shuffled(replace(ONE, truth=(ONE.labels + (np.arange(12) > 6)) % 3)),
            "picture '7.png' is of class 'owl' there and of class 'dog' in score file 1",
        ),
        (ONE, replace(ONE, data="other"), "of other data, other instead of print, though"),
    ],
)
def test_scores_of_something_else_are_refused(first: Scores, other: Scores, said: str) -> None:
    for work in (lambda: compare(first, other), lambda: fuse([first, other])):
        with pytest.raises(UserError, match=said) as error:
            work()
        assert "\n" not in str(error.value)


def test_of_several_score_files_the_other_one_is_named() -> None:
    with pytest.raises(UserError, match="score file 3 lacks picture '5.png'"):
        fuse([ONE, ONE, only(ONE, 5)])


def test_fused_posteriors_are_the_mean() -> None:
    tables = [[[0.8, 0.1, 0.1]], [[0.2, 0.6, 0.2]], [[0.2, 0.5, 0.3]]]
    three = [replace(only(ONE, 1), posteriors=np.array(t, np.float32)) for t in tables]
    found = fuse(three)
    np.testing.assert_allclose(found.posteriors, [[0.4, 0.4, 0.2]], atol=1e-7)
    assert found.posteriors.dtype == np.float32


def test_what_is_fused_says_every_engine_once() -> None:
    one, two = (replace(ONE, engine=name) for name in ("winograd", "openvino"))
    assert fuse([one, two]).engine == "winograd and openvino"
    assert fuse([fuse([one, two]), two]).engine == "winograd and openvino"
    assert fuse([one, two]).precision == "float32"


@pytest.mark.parametrize(
    ("roles", "worst"),
    [
        (("test", "test"), "test"),
        (("test", "validation"), "validation"),
        (("validation", "train", "test"), "train"),
    ],
)
def test_what_is_fused_is_no_fairer_than_the_least_fair_of_it(
    roles: tuple[str, ...], worst: str
) -> None:
    assert fuse([replace(ONE, role=role) for role in roles]).role == worst


def test_fusing_follows_the_first_order_and_leaves_what_came_as_it_was() -> None:
    random = np.random.default_rng(0)
    a, b = (
        replace(ONE, posteriors=random.dirichlet(np.ones(3), 12).astype(np.float32))
        for _ in range(2)
    )
    before = a.posteriors.copy()
    np.testing.assert_allclose(
        fuse([a, shuffled(b)]).posteriors, (a.posteriors + b.posteriors) / 2, atol=1e-7
    )
    assert (a.posteriors == before).all()
    assert (fuse([a, a, a]).posteriors == before).all()


# --- what the paper has of the same test

JITTERED = {net: (net, 256, 512) for net in "DE"}


def of_the_paper(net: Any, way: str, scales: tuple[int, ...]) -> Scores:
    """A test of one of the paper's nets on 1000 classes."""
    posteriors = np.full((2, 1000), 1e-3, np.float32)
    classes = tuple(map(str, range(1000)))
    protocol = Protocol(way, 224, scales)
    labels = np.array([0, 1])
    return Scores(posteriors, labels, ("a", "b"), classes, protocol, str(net), "data", net=net)


THREE = (256, 384, 512)


@pytest.mark.parametrize(
    ("tests", "table", "top1", "top5"),
    [
        ([("D", "dense", (384,))], "Table 3", 25.6, 8.1),
        ([("D", "dense", THREE)], "Table 4", 24.8, 7.5),
        ([("E", "crops", THREE)], "Table 5", 24.6, 7.4),
        ([("E", "both", THREE)], "Table 5", 24.4, 7.1),
        ([("D", "dense", THREE), ("D", "crops", THREE)], "Table 5", 24.4, 7.2),
        ([("D", "dense", THREE), ("E", "dense", THREE)], "Table 6", 24.0, 7.1),
        ([("D", "both", THREE), ("E", "both", THREE)], "Table 6", 23.7, 6.8),
        ([("D", "dense", (256,))], None, 0, 0),
        ([("D", "centre", (384,))], None, 0, 0),
        ([("D", "dense", THREE), ("E", "crops", THREE)], None, 0, 0),
        ([("D", "dense", THREE), ("D", "dense", (384,))], None, 0, 0),
    ],
)
def test_the_papers_row_of_the_same_test_is_found(
    tests: list[tuple[str, str, tuple[int, ...]]], table: str | None, top1: float, top5: float
) -> None:
    """Expected: Tables 3 to 6 as printed."""
    row = row_of([of_the_paper(JITTERED[net], way, scales) for net, way, scales in tests])
    assert (row and row.table) == table
    if row:
        assert (row.top1, row.top5) == (top1, top5)


def test_the_seven_nets_of_the_submission_have_their_row() -> None:
    nets = [("D", 256), ("D", 384), ("C", 256), ("C", 384), ("E", 256), ("E", 384)]
    tests = [of_the_paper((net, s, s), "dense", (s - 32, s, s + 32)) for net, s in nets]
    assert row_of(tests) is None
    row = row_of([*tests, of_the_paper(("D", 256, 512), "dense", THREE)])
    assert row is not None
    assert (row.table, row.top1, row.top5) == ("Table 6", 24.7, 7.5)


def test_nets_that_are_not_the_papers_have_no_row() -> None:
    assert row_of([of_the_paper(None, "dense", (384,))]) is None
    assert row_of([replace(ONE, net=("D", 256, 256))]) is None


# --- several tests, each held against the best


def test_p_and_the_interval_are_corrected_for_the_pairs_of_tests() -> None:
    """Four tests have six pairs: p of 12 against 2 pictures, 0.0129, is six times as large."""
    a, b = pair(0, 12, 2, 100)
    alone, many = compare(scores(a), scores(b)), compare(scores(a), scores(b), pairs=6)
    assert (alone.p, many.p) == pytest.approx((0.0129, 6 * 0.0129), rel=0.01)
    assert alone.told_apart
    assert alone.interval[0] > 0
    assert not many.told_apart
    assert many.interval[0] < 0
    assert str(many).endswith("corrected for 6 pairs)")
    kept(("a", scores(b)), ("b", scores(a)), ("c", scores(b)), ("d", scores(a)))
    found = compared([Path(name) for name in "abcd"])
    assert [c.pairs for c in found.comparisons] == [6, 6, 6]
    assert getattr(found.comparisons[-1], "p", None) == many.p
    errors = [s.top(1) for s in found.scores]
    assert errors == sorted(errors)


@pytest.mark.parametrize("pairs", [1, 3, 15])
def test_the_interval_of_a_difference_leaves_0_out_where_p_is_small_and_only_there(
    pairs: int,
) -> None:
    for only_a in range(0, 30, 3):
        for only_b in range(0, 30, 2):
            a, b = pair(5, only_a, only_b, 100)
            low, high = comparison._agreeing(a, b, 1 - 0.05 / pairs)
            assert (low <= 0 <= high) == (pairs * mcnemar(a, b).p >= 0.05), (only_a, only_b)


def test_the_exact_interval_is_clopper_and_pearsons() -> None:
    """10 of 40: 0.1269 to 0.4120 in their tables, and so (2 x share - 1) x 40 of 100 pictures."""
    low, high = comparison.exact_interval(10, 30, 100)
    assert low == pytest.approx((2 * 0.1269 - 1) * 40, abs=0.01)
    assert high == pytest.approx((2 * 0.4120 - 1) * 40, abs=0.01)
    assert comparison.exact_interval(30, 10, 100) == pytest.approx((-high, -low))
    # of 100 pictures none parts them: 1 - 0.025^(1 / 100) is 3.62 %
    assert comparison.exact_interval(0, 0, 100) == pytest.approx((-3.62, 3.62), abs=0.01)


def kept(*tests: tuple[str, Scores]) -> None:
    for name, one in tests:
        save_scores(one, Path(name))


def test_tests_of_two_sets_of_pictures_are_told_apart() -> None:
    other = replace(only(ONE, 5), data="other")
    kept(("run/scores/a", ONE), ("run/scores/b", other), ("run/scores/c", ONE))
    for file in Path("run/scores").iterdir():
        file.rename(f"{file}.safetensors")
    a, b, c = (f"run/scores/{name}.safetensors" for name in "abc")
    said = f"tests of 2 different sets of pictures; give the files of one set: {a} {c}; or {b}"
    for work in (compared, fused):
        with pytest.raises(UserError, match=f"^{said}$"):
            work([Path("run")])
    with pytest.raises(UserError, match=f"^{b} lacks picture '5.png', which {a} has; test both"):
        compared([Path(a), Path(b)])
    assert len(compared([Path(a), Path(c)]).scores) == 2


def test_an_old_score_file_of_a_folder_is_named_and_may_be_taken_away() -> None:
    kept(("run/scores/a.safetensors", ONE), ("run/scores/b.safetensors", ONE))
    old = {"x": np.zeros(1, np.float32)}
    save_file(old, "run/scores/old.safetensors", {KIND.key: '{"format": 3}'})
    with pytest.raises(UserError, match="old.safetensors is .* 3, .*; test again, or take it away"):
        compared([Path("run")])


def test_a_file_that_is_named_twice_counts_once() -> None:
    two = replace(ONE, posteriors=np.roll(ONE.posteriors, 1, 1))
    kept(("run/a.safetensors", ONE), ("run/b.safetensors", two))
    files = [Path("run/a.safetensors"), Path("run/../run/a.safetensors"), Path("run")]
    found = fused(files)
    assert len(found.scores) == 2
    np.testing.assert_allclose(found.together.posteriors, (ONE.posteriors + two.posteriors) / 2)


def test_nets_are_called_by_their_folders_and_what_was_averaged_is_said() -> None:
    other = replace(ONE, weights="f" * 64)
    kept(("runs/a/scores/x.safetensors", ONE), ("runs/b/scores/y.safetensors", other))
    found = fused([Path("runs/a"), Path("runs/b")])
    assert found.names == (f"a: {ONE.title}", f"b: {other.title}")
    assert found.comparison.name_a == "the mean of these 2"
    shown = errors_table(found.scores, found.names, found.together)
    assert "paper" not in shown  # a column of dashes
    assert "top-1" in shown


def test_equal_tests_differ_by_no_minus_nought() -> None:
    """Of 12 pictures none parts them: 1 - 0.025^(1 / 12) is 26.5 %."""
    kept(("a", ONE), ("b", ONE))
    found = compared([Path("a"), Path("b")])
    assert cells_of(found.comparisons[0]) == ["0.0", "-26.5 to 26.5", "1.000", "cannot be told"]
    page = write_protocols_page(found, Path("page.html")).read_text()
    assert "<td>0.0</td><td>-26.5 to 26.5</td><td>0 / 0</td><td>1.000</td>" in page


def test_a_mean_is_held_against_the_best_of_several_as_of_so_many_pairs() -> None:
    """The best is chosen from the same pictures: p is Bonferroni's."""
    names = ("a", "b", "c")
    kept(*((name, scores(np.arange(12) < 4 + i)) for i, name in enumerate(names)))
    found = fused([Path(name) for name in names]).comparison
    assert found.pairs == 3
    assert "corrected for 3 pairs" in str(found)
