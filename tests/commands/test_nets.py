"""`verydeep nets` with the nets beside Table 1.

Counts are those of their papers (tests/nets/test_named.py says whose); what is printed beside them
are lines of those papers' tables.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.test_commands import Run
from tests.commands.test_commands import verydeep as verydeep  # a fixture
from verydeep.evaluation.published_nets import (
    PRINTED,
    PRINTED_ACCURACIES,
    PRINTED_OF_SMALL,
    best_of,
    printed_of,
)
from verydeep.nets import named
from verydeep.nets.cost import RowCost
from verydeep.nets.paper import Family, columns


def test_all_nets_are_listed_by_family_behind_table_1(verydeep: Run) -> None:
    said = verydeep("nets").out
    assert said.startswith("A          A-LRN      B")
    for family in named.FAMILIES:
        assert f"{family.title}: {family.source}"[:78] in said.replace("\n  ", " ")
        assert all(net.name in said for net in family.nets)


def test_one_is_told_by_its_papers_table_and_its_costs(verydeep: Run) -> None:
    said = verydeep("nets", "googlenet").out
    assert said.startswith("GoogLeNet of Szegedy et al., CVPR 2015")
    assert "inception (3a)       28x28x256  2     64  96   128 16   32  32   159K   128M" in said
    assert "concat3_1   256 x 28 x 28    640K     163K       128M" in said
    assert "6,998,552 parameters" in said
    assert "144 crops               Szegedy et al., 2015, Table 3      -   7.89" in said
    assert max(map(len, said.splitlines())) <= 80
    said = verydeep("nets", "ResNet_50").out
    assert "conv4_x  14    [1x1, 256; 3x3, 256; 1x1, 1024]x6" in said
    assert "add2_13 and 4 more  1024 x 14 x 14" in said
    assert max(map(len, said.splitlines())) <= 80
    said = verydeep("nets", "D").out
    assert "dense, S = 256, Q = 256                ICLR 2015, Table 3   27.0    8.8\n" in said
    assert "vgg16 is configuration D of Table 1" in verydeep("nets", "vgg16").out
    assert "lenet is LeNet-5 of LeCun et al." in verydeep("nets", "lenet").out


def test_the_printed_table_is_of_the_net_that_is_built(verydeep: Run) -> None:
    """One tower: 64, 192, 384, 256, 256 maps, no LRN. CaffeNet pools first, with k 1. ZFNet b: 512,
    1024, 512. v1.5 strides in the 3x3 layer, He's files in the first 1x1. 56 is 6n + 2 of 9."""
    said = verydeep("nets", "AlexNet-one-tower").out.partition(", a picture of")[0]
    maps = ["conv11-64 /4 pad 2", "conv5-192", "conv3-384", "conv3-256", "conv3-256"]
    assert [line for line in said.splitlines() if line.startswith("conv")] == maps
    assert "LRN" not in said
    assert "ZFNet" not in said
    assert "maxpool3 /2         LRN k 1\n" in verydeep("nets", "caffenet").out
    assert "conv3-384           conv3-1024\n" in verydeep("nets", "zfnet-b").out
    late, first = (verydeep("nets", f"resnet-50{v}").out.replace("\n", " ") for v in ("-v1.5", ""))
    assert "the stride of 2 in the 3x3 layer of conv3_1 to conv5_1, as torchvision has it" in late
    assert "the stride of 2 in the first layer of conv3_1 to conv5_1." in first
    assert "ResNet-56 has 9 for n, and shortcuts A" in verydeep("nets", "resnet-56").out
    assert "Plain-18 has no shortcuts" in verydeep("nets", "plain-18").out
    assert "GoogLeNet-torchvision has norms" in verydeep("nets", "googlenet-torchvision").out


@pytest.mark.parametrize("family", [f for f in named.FAMILIES if f.title in ("AlexNet", "NiN")])
def test_a_column_of_a_printed_table_has_the_words_of_its_net(family: Family) -> None:
    for net in family.nets:
        column = columns(net.printed)[net.name]
        assert tuple(word for word in column if not word.startswith("input ")) == net.words


def test_what_moves_and_faces_were_told_right_is_no_error(verydeep: Run) -> None:
    """AlphaGo's Extended Data Table 3; FaceNet's 99.63 % of LFW's pairs."""
    said = verydeep("nets", "alphago-256").out
    assert "moves in games of Go         one symmetry              55.9\n" in said
    assert "moves in games of Go         mean of 8 symmetries      57.0\n" in said
    assert "Silver et al., 2016, Extended Data Table 3\n" in said
    assert "errors in %" not in said
    assert (
        "pairs of LFW                 best of the paper's nets     99.63\n"
        in verydeep("nets", "nn2").out
    )
    assert "told right" not in verydeep("nets", "D").out


def test_the_rows_of_a_deep_net_are_held_against_no_others(
    verydeep: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that 4,000 rows cost no 16 million comparisons."""
    monkeypatch.setattr(RowCost, "__eq__", lambda *rows: pytest.fail("two rows were compared"))
    said = verydeep("nets", "resnet1202").out
    assert "add1_200 and 199 more" in said
    assert "19,421,274 parameters" in said


def test_it_is_scaled_as_others_are(verydeep: Run) -> None:
    words = ["nets", "resnet18", "--width", "0.25", "--crop", "96", "--classes", "10", "--json"]
    (about,) = json.loads(verydeep(*words).out)
    assert (about["name"], about["weight_layers"], about["picture"]) == ("ResNet-18", 18, [96, 96])
    rows = {row["name"]: row for row in about["rows"]}
    assert rows["conv1_1"]["shape"] == [16, 48, 48]
    assert rows["fc3"]["shape"] == [10, 1, 1]
    assert "its last layers fit its map" in verydeep(*words[:-1]).out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["resnet55"], "no configuration 'resnet55'; did you mean 'ResNet-"),
        (["alexnet", "--crop", "64"], "64 x 64 is too small for configuration AlexNet"),
        (["resnet50", "--fc", "0"], "fc is for the nets of Table 1"),
        (["deepface", "--picture", "300"], "DeepFace takes pictures of 152 alone"),
        (["lenet", "--width", "0.5"], "LeNet-5 has a width of 1 alone"),
        (["lenet", "--page", "x.html"], "--page is of all nets; leave lenet out"),
    ],
)
def test_what_a_net_cannot_have_is_refused_in_a_line(
    verydeep: Run,
    words: list[str],
    line: str,
) -> None:
    said = verydeep("nets", *words)
    assert line in said.mistake
    assert said.code == 2


def test_a_page_sets_published_errors_beside_counts(verydeep: Run, tmp_path: Path) -> None:
    assert "nets.html" in verydeep("nets", "--page", str(tmp_path / "nets.html")).out
    page = (tmp_path / "nets.html").read_text()
    assert page.count("<svg") == 2
    assert ">GoogLeNet<" in page
    assert "<td>144 crops</td><td>-</td><td>7.89</td><td>7M</td><td>1.58G</td>" in page
    assert "<td>pairs of LFW</td><td>best of the paper</td><td>97.35</td><td>119M</td>" in page


def test_a_page_is_not_written_over_what_is_there(verydeep: Run) -> None:
    Path("nets.html").write_text("mine")
    again = verydeep("nets", "--page", "nets.html")
    assert again.code == 2
    assert "nets.html is there already; choose another --page, or write over it" in again.err
    assert Path("nets.html").read_text() == "mine"
    assert verydeep("nets", "--page", "nets.html", "--overwrite").code == 0


def test_what_was_printed_is_of_nets_that_there_are() -> None:
    """Each is a net of ours; the lowest of a net is its best line (He et al., Table 4)."""
    for row in (*PRINTED, *PRINTED_OF_SMALL):
        assert named.is_known(row.net)
    assert all(named.is_known(row.net) for row in PRINTED_ACCURACIES)
    best = best_of("ResNet-152")
    assert best is not None
    assert (best.top1, best.top5) == (19.38, 4.49)
    d = best_of("D")
    assert d is not None
    assert (d.top1, d.top5) == (24.8, 7.5)  # Simonyan & Zisserman, Table 4
    assert [row.top5 for row in printed_of("GoogLeNet")] == [10.07, 9.15, 7.89]
    assert best_of("LeNet-5") is None


def test_nets_are_listed_without_pytorch() -> None:
    code = (
        "import sys\nsys.argv = ['verydeep', 'nets']\n"
        "from verydeep.commands.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "assert 'torch' not in sys.modules and 'matplotlib' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
