"""What memory there is and what a training takes.

Groups of processes are folders written here, as Linux lays them out; footprints are worked out by
hand, and held against the peak of a process that trains. Sums are those of whole gradients, kept
until all are there and added as a tree or one after another.
"""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch

from verydeep.errors import UserError
from verydeep.evaluation import metrics
from verydeep.evaluation.class_order import by_chance
from verydeep.nets import named, vgg
from verydeep.nets.network import build
from verydeep.nets.words import read_table
from verydeep.runtime import memory
from verydeep.runtime.distributed import tree_merges, tree_sum
from verydeep.training.footprint import bytes_of_values, footprint, micro_batch_of, shared_batch
from verydeep.training.settings import Settings
from verydeep.training.sums import Sums

ROOT = Path(__file__).parents[2]


def group(place: Path, most: str, used: int, inactive: int) -> None:
    place.mkdir(parents=True, exist_ok=True)
    (place / "memory.max").write_text(f"{most}\n")
    (place / "memory.current").write_text(f"{used}\n")
    (place / "memory.stat").write_text(f"anon 5\ninactive_file {inactive}\n")


def test_a_container_may_take_no_more_than_any_group_around_it(tmp_path: Path) -> None:
    root, listed = tmp_path / "groups", tmp_path / "cgroup"
    listed.write_text("12:cpu:/x\n0::/pod/box\n")
    group(root / "pod", "1000", 700, 50)  # 350 left: what is kept of files is given up
    group(root / "pod" / "box", "900", 100, 0)
    group(root, "max", 5000, 0)
    assert sorted(memory._of_groups(root, listed)) == [350, 800]


def test_without_groups_the_machine_alone_counts(tmp_path: Path) -> None:
    assert list(memory._of_groups(tmp_path, tmp_path / "none")) == []
    there = memory.available()
    assert there is not None
    total = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    assert 0 < there <= total


def test_a_network_that_does_not_fit_is_refused_before_it_is_built() -> None:
    with pytest.raises(
        UserError, match=r"a network A of these sizes takes about .* GB, and .* free"
    ):
        build("A", 10, fc=10**7)


def test_a_footprint_is_that_worked_out_by_hand() -> None:
    """conv 3 -> 8 (224), pool, FC 8 x 4 x 4 -> 2 (258): 482 weights, crop 8.

    Kept of a picture: itself 192 values, conv 512, pool 128 and its places, FC 2 four times over;
    at work four times the largest, 512.
    """
    table = read_table("A", ["conv3-8", "maxpool", "FC-2", "soft-max"], 8)
    each = 4 * 192 + 4 * 512 + (4 + 8) * 128 + 4 * 4 * 2 + 4 * 4 * 512
    assert bytes_of_values(table, 1) == each
    settings = Settings(net="A", crop=8, scale=(8, 8), batch=4, micro_batch=2)
    found = footprint(table, settings, threads=2, pictures=1000)
    assert found.weights == 2 * 4 * 482  # and momentum
    assert found.gradients == 4 * (482 + 258)
    assert found.values == 2 * (2 * each + 2**26)
    assert found.pictures == 1000 + 5 * 4 * 3 * 64
    ordered = footprint(table, settings, threads=2, pictures=0, in_order=True)
    assert ordered.gradients == 4 * (2 * 482 + 258)
    averaged = Settings(net="A", crop=8, scale=(8, 8), batch=4, micro_batch=2, average=0.9)
    assert footprint(table, averaged, 2, 0).weights == 3 * 4 * 482
    last = Settings(net="A", crop=8, scale=(8, 8), batch=4, micro_batch=2, tune="last")
    assert footprint(table, last, 2, 0).gradients == 4 * 2 * 258


@pytest.mark.parametrize(
    ("net", "expected"),
    [("D", [8, 8, 12, 16]), ("AlexNet", [16, 16, 16, 32]), ("ResNet-18", [16, 16, 16, 16])],
)
def test_micro_batches_are_a_quarter_of_a_batch_and_larger_of_heavy_nets(
    net: str, expected: list[int]
) -> None:
    """D has a weight for 112 multiply-adds, AlexNet for 12; the norms of ResNet-18 go by them."""
    table = named.table(net)
    assert [shared_batch(table, batch) for batch in (8, 32, 48, 256)] == expected


def test_whole_nets_at_the_papers_crop_are_worked_on_few_pictures_at_a_time() -> None:
    assert micro_batch_of(vgg.table("D"), 16) == 2
    assert micro_batch_of(vgg.table("A", width=0.25, crop=96), 16) == 16
    assert micro_batch_of(vgg.table("E", width=4), 16) == 1


def test_what_is_reckoned_is_what_a_process_takes() -> None:
    """To a factor of 1.6 either way; by `bench/memory.py` it is closer for larger nets."""
    words = [sys.executable, str(ROOT / "bench" / "memory.py"), "--one", "A,0.5,96,32,16"]
    said = subprocess.run(words, check=True, capture_output=True, text=True, cwd=ROOT)
    found = json.loads(said.stdout)
    assert 1 / 1.6 < found["taken"] / found["reckoned"] < 1.6, found


# --- sums


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 7, 8, 12, 16])
def test_a_tree_of_what_comes_has_the_bits_of_the_tree_of_all(count: int) -> None:
    draw = torch.Generator().manual_seed(count)
    parts = [torch.randn(50, generator=draw) * 10.0 ** (i % 7) for i in range(count)]
    sums = Sums(1, tree_merges(count))
    for i, part in enumerate(parts):
        sums.add(0, i, part.clone())
        assert len(sums._partial[0]) <= max(1, count.bit_length())
    assert torch.equal(sums.totals[0], tree_sum(parts))


def test_sums_are_added_in_order_whichever_thread_comes_first() -> None:
    parts = [torch.tensor([1e8]), torch.tensor([1.0]), torch.tensor([-1e8])]
    sums = Sums(1, [0, 1, 1])
    with ThreadPoolExecutor(3) as pool:
        for i in (2, 1, 0):
            pool.submit(sums.add, 0, i, parts[i].clone())
    assert sums.totals[0].item() == (parts[0] + parts[1] + parts[2]).item() == 0.0


def test_a_micro_batch_that_fails_lets_go_of_those_after_it() -> None:
    sums, waits = Sums(1, [0, 1]), Event()

    def later() -> None:
        waits.set()
        sums.wait(0, 1)

    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(later)
        waits.wait()
        sums.fail()
        with pytest.raises(RuntimeError, match="another micro-batch has failed"):
            second.result()
    sums.add(0, 0, torch.zeros(1))  # whose turn it is may still go on


# --- testing


def test_errors_of_pictures_some_at_a_time_are_those_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw = np.random.default_rng(0)
    posteriors = draw.dirichlet(np.ones(7), 100).astype(np.float32).round(1)
    labels = draw.integers(0, 7, 100)
    by_sorting = np.argsort(-posteriors, 1, kind="stable")[:, :3]  # the first of equals is first
    expected = ~(by_sorting == labels[:, None]).any(1)
    for block in (2**22, 10, 1):
        monkeypatch.setattr(metrics, "BLOCK", block)
        assert (metrics.wrong(posteriors, labels, 3) == expected).all()


def test_chance_is_reckoned_without_a_table_of_all_pairs_of_classes() -> None:
    """Of 200,000 classes that would be 320 GB."""
    classes = 200_000
    places = np.roll(np.arange(classes), 1)
    labels = np.array([0, 0, 0, 1, 1, 5])
    predictions = places[labels]
    assert by_chance(predictions, labels, places) < 1e-14
    assert by_chance(labels, labels, places) == 1.0
