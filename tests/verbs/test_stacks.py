"""Stacks where users meet them: tests, predictions, score files compared, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import verydeep
from tests.conftest import TWO_CORES
from tests.stacks import made, net
from verydeep.commands.weights import description_table
from verydeep.drawings.outlines import SHAPES
from verydeep.errors import UserError
from verydeep.evaluation.journal import Journal
from verydeep.evaluation.scores import load_scores
from verydeep.nets.describing import describing
from verydeep.nets.stack import Stack
from verydeep.runtime.progress import SILENT
from verydeep.verbs.compare import compared
from verydeep.verbs.describe import described
from verydeep.verbs.evaluate import evaluate
from verydeep.verbs.measure import Identity
from verydeep.verbs.predict import predict
from verydeep.verbs.train import train
from verydeep.verbs.weights import export_weights, verified
from verydeep.weights import hash_of_stack, save, save_stack

DATA = "drawn:10x48"
HERE = Path("s.safetensors")


def of_shapes(*pieces: Any) -> Stack:
    """A stack for the drawn pictures' classes."""
    return made(*pieces, classes=SHAPES).stack


def two(order: Literal["RGB", "BGR"] = "RGB") -> Stack:
    network = net("D", 1)
    network.pixels = replace(network.pixels, order=order)
    return of_shapes((net(), "relu7", (48, 64)), (network, "pool5", (40,)))


def test_a_stack_is_tested_at_its_members_scales_and_its_scores_are_used_as_any() -> None:
    save_stack(two(), HERE)
    save(two().networks[0], "n.safetensors")
    tested = evaluate(HERE, DATA, runtime=TWO_CORES, progress=SILENT)
    alone = evaluate("n.safetensors", DATA, runtime=TWO_CORES, progress=SILENT)
    assert tested.path is not None
    assert alone.path is not None
    scores = load_scores(tested.path)
    assert scores.protocol.scales == (40, 48, 64)
    assert tested.path.name.startswith("drawn-10x48-test-dense-40-48-64-")
    np.testing.assert_allclose(scores.posteriors.sum(1), 1, atol=1e-5)
    assert len(compared([tested.path, alone.path]).scores) == 2


def test_a_stack_of_one_is_tested_as_its_network_at_these_scales() -> None:
    stack = of_shapes((net(), "relu7", (40, 64)))
    save_stack(stack, HERE)
    save(stack.networks[0], "n.safetensors")
    found = evaluate(HERE, DATA, runtime=TWO_CORES)
    expected = evaluate("n.safetensors", DATA, runtime=TWO_CORES, scales="40,64")
    assert (found.scores.posteriors == expected.scores.posteriors).all()
    assert found.scores.protocol == expected.scores.protocol


@pytest.mark.parametrize("given", [{"scales": "48"}, {"protocol_name": "crops"}])
def test_another_test_of_a_stack_is_refused(given: dict[str, Any]) -> None:
    save_stack(two(), HERE)
    with pytest.raises(UserError, match=r"s.safetensors is a stack, .* own Q \(48, 64; 40\): leav"):
        evaluate(HERE, DATA, runtime=TWO_CORES, **given)


def test_a_member_of_other_pixels_or_other_scales_makes_another_test(
    journals: list[Identity],
) -> None:
    stacks = [two(), two("BGR"), two(), of_shapes((net(), "relu7", (48, 64)))]
    first, second = stacks[2].members
    stacks[2] = Stack((first, replace(second, scales=(48,))))
    names = set()
    for stack in stacks:
        save_stack(stack, HERE)
        tested = evaluate(HERE, DATA, runtime=TWO_CORES)
        assert tested.path is not None
        names.add((tested.path.name, tested.scores.weights))
    assert len(names) == 4
    # of each of the first three: the whole, and its two members
    first_ones, others = ([journals[i + n] for i in (0, 3, 6)] for n in (1, 2))
    assert len({identity.weights for identity in first_ones}) == 1
    rgb, bgr, at_another = others
    assert rgb.weights != bgr.weights
    assert (rgb.weights, rgb.protocol) != (at_another.weights, at_another.protocol)


def test_a_test_that_is_killed_between_chunks_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each member's chunks, ten of a picture each, are kept apart, and none is worked on twice."""
    monkeypatch.setattr("verydeep.evaluation.journal.SECONDS", -1.0)
    save_stack(two(), HERE)
    whole = evaluate(HERE, DATA, runtime=TWO_CORES, out="whole.safetensors")
    add, kept, left = Journal.add, [], [0]

    def counting(self: Journal, chunk: int, rows: Any) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        kept.append((self.folder.name, chunk))
        add(self, chunk, rows)

    monkeypatch.setattr(Journal, "add", counting)
    for chunks in (4, 10, 100):  # killed in the first member, in the second, and not
        left[0] = chunks
        try:
            done = evaluate(HERE, DATA, runtime=TWO_CORES, out="s-scores.safetensors")
        except KeyboardInterrupt:
            assert Path("s-scores.safetensors.unfinished/member-1").is_dir()
    assert sorted(kept) == [(f"member-{n}", chunk) for n in (1, 2) for chunk in range(10)]
    assert (done.scores.posteriors == whole.scores.posteriors).all()
    assert Path("s-scores.safetensors").read_bytes() == Path("whole.safetensors").read_bytes()
    assert not Path("s-scores.safetensors.unfinished").exists()


def test_pictures_are_answered_by_a_stack(photos: Callable[..., Path]) -> None:
    folder = photos(2, 1)
    save_stack(two(), HERE)
    found = predict(HERE, folder, top=2, progress=SILENT)
    expected = verydeep.load_stack(HERE).predict(folder, top=2, progress=SILENT)
    assert len(found) == 3
    for ours, theirs in zip(found, expected, strict=True):
        assert [name for name, _ in ours] == [name for name, _ in theirs]
        assert [p for _, p in ours] == pytest.approx([p for _, p in theirs], abs=1e-4)


def test_what_wants_one_network_refuses_a_stack_in_a_line() -> None:
    save_stack(two(), HERE)
    for wanting in (
        lambda: train("drawn:10x48", Path("run"), TWO_CORES, start=str(HERE)),
        lambda: verydeep.load(HERE),
        lambda: verydeep.features(HERE, "drawn:10x48", progress=SILENT),
    ):
        with pytest.raises(
            UserError, match="s.safetensors is a stack of 2, and one network is wanted"
        ):
            wanting()
    assert not Path("run").exists()


# --- files of stacks


def test_a_stack_is_shown_member_by_member() -> None:
    """Parameters by hand: those of the trunk are counted once."""
    network = net()
    save_stack(of_shapes((network, "relu7", (48, 64)), (network, "relu7", (40,))), HERE)
    found = described(HERE)
    classifier = 24 * len(SHAPES) + len(SHAPES)
    count = sum(p.numel() for p in describing(network, "relu7").parameters()) + classifier
    shown = description_table(found)
    for line in (
        f"stack     the scores of 2 summed, {count + classifier:,} parameters\n",
        f"member 1  A, crop 32, {count:,} parameters; by relu7 at Q = 48, 64\n",
        f"member 2  A, crop 32, {count:,} parameters, {classifier} of them its own; by relu7 at Q",
        f"classes   10: {', '.join(SHAPES[:3])}, ...\n",
    ):
        assert line in shown
    assert shown.count("pixels ") == 1  # all have the same
    data = json.loads(json.dumps(found.as_json()))
    assert [member["scales"] for member in data["members"]] == [[48, 64], [40]]
    assert [member["own_parameters"] for member in data["members"]] == [count, classifier]
    assert data["hash"] == hash_of_stack(verydeep.load_stack(HERE))


def test_a_stack_is_verified_to_the_last_bit() -> None:
    save_stack(two(), HERE)
    assert verified(HERE) == (
        "s.safetensors: a stack of 2, 25 layers, with the sha256 that the file was written with"
    )
    content = bytearray(HERE.read_bytes())
    content[-1] ^= 1
    HERE.write_bytes(content)
    with pytest.raises(UserError, match="no whole weights file of verydeep: the sha256 of its"):
        verified(HERE)


def test_one_member_at_one_scale_is_exported_as_the_network_it_is() -> None:
    stack = of_shapes((net(), "relu7", (48,)))
    save_stack(stack, HERE)
    save(stack.networks[0], "n.safetensors")
    said = export_weights(HERE, "onnx", Path("s.onnx"))
    expected = export_weights(Path("n.safetensors"), "onnx", Path("n.onnx"))
    assert said == f"{expected}; show it pictures at Q = 48"
    assert Path("s.onnx").read_bytes() == Path("n.onnx").read_bytes()


@pytest.mark.parametrize(
    ("stack", "said"),
    [(two, "a stack of 2 at 3 Q"), (lambda: of_shapes((net(), "relu7", (40, 48))), "1 at 2 Q")],
)
def test_any_other_stack_is_not_exported(stack: Callable[[], Stack], said: str) -> None:
    save_stack(stack(), HERE)
    with pytest.raises(UserError, match=f"{said}, and other programs show a network pictures of"):
        export_weights(HERE, "onnx", Path("s.onnx"))
    assert not Path("s.onnx").exists()
