"""Training on a GPU against the same training on the CPU, which other tests hold against theory.

Dropout is drawn by the device's own generator, so nets that are compared are trained without.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from verydeep.datasets import open_dataset
from verydeep.nets.layers import to_channels_last
from verydeep.nets.network import Network, build
from verydeep.parts.dataset import Part
from verydeep.pictures.preprocessing import Pixels
from verydeep.runtime.distributed import Ranks
from verydeep.runtime.machine import Machine
from verydeep.runtime.runtime import Runtime
from verydeep.training.checkpoints import About, newest, restore, save
from verydeep.training.loader import CropSource, batches
from verydeep.training.loop import fit
from verydeep.training.settings import Settings
from verydeep.training.state import Training
from verydeep.training.step import NotFiniteError, Step
from verydeep.verbs.evaluate import evaluate
from verydeep.verbs.train import train

pytestmark = pytest.mark.gpu
SETTINGS = Settings(
    net="A", width=0.125, crop=32, scale=(40, 40), batch=10, micro_batch=5, epochs=2, patience=2,
    dropout=0.0, initial="he", rate=0.01, average=0.5,
)  # fmt: skip
PIXELS = Pixels((40, 40), (120.0, 115.0, 110.0), (58.0, 58.0, 58.0))
AXES = ((10.0, 0.0, 0.0), (0.0, 10.0, 0.0), (0.0, 0.0, 10.0))


def network(device: str) -> Network:
    return build("A", 10, width=0.125, crop=32, fc=16, pixels=PIXELS, initial="he").to(device)


def drawn() -> tuple[Part, Part]:
    dataset = open_dataset("drawn:30x48")
    return dataset.train, dataset.validation


def source(pinned: bool = False) -> CropSource:
    return CropSource(drawn()[0], PIXELS, AXES, pinned=pinned)


def stepped(training: Training, settings: Settings, count: int) -> list[float]:
    """The losses of so many steps on the first batch."""
    batch = next(batches(source(), settings, 0, threads=1))
    with ThreadPoolExecutor(1) as pool:
        step = Step(training, settings, pool, Ranks())
        training.network.train()
        return [step(batch, number).item() for number in range(count)]


def near(a: torch.Tensor, b: torch.Tensor, tolerance: float) -> bool:
    """Whether two tensors differ by no more than that share of the larger's largest value."""
    a, b = a.detach().cpu(), b.detach().cpu()
    return bool((a - b).abs().max() <= tolerance * b.abs().max())


def test_a_training_step_in_float32_is_that_of_the_cpu(device: str, exactly: None) -> None:
    batch = next(batches(source(), SETTINGS, 0, threads=1))
    found = []
    for where in ("cpu", device):
        with ThreadPoolExecutor(1) as pool:
            training = Training.of(network(where).train(), SETTINGS)
            found.append(Step(training, SETTINGS, pool, Ranks()).gradients(batch, 0))
    (loss, gradients, _), (loss_there, gradients_there, _) = found
    assert loss_there.item() == pytest.approx(loss.item(), rel=1e-5)
    for here, there in zip(gradients, gradients_there, strict=True):
        assert near(there, here, 1e-3)


def test_three_training_steps_and_a_cut_of_the_rate_are_those_of_the_cpu(
    device: str, exactly: None
) -> None:
    trainings = [Training.of(network(where), SETTINGS) for where in ("cpu", device)]
    for training in trainings:
        stepped(training, SETTINGS, 2)
        training.optimiser.set_rate(SETTINGS.rate / 10)  # the velocity stays what it is
        stepped(training, SETTINGS, 1)
    here, there = trainings
    for name, weight in here.optimiser.weights.items():
        assert near(there.optimiser.weights[name], weight, 1e-4)
        assert near(there.optimiser.momentum[name], here.optimiser.momentum[name], 5e-3)
    assert here.average is not None
    assert there.average is not None
    for name, weight in here.average.items():
        assert near(there.average[name], weight, 1e-4)


def test_bf16_learns_a_batch_by_heart_and_keeps_weights_in_float32(device: str) -> None:
    settings = replace(SETTINGS, precision="bf16", rate=0.005)
    learning = network(device)
    to_channels_last(learning)
    training = Training.of(learning, settings)
    losses = stepped(training, settings, 60)
    assert losses[-1] < losses[0] / 4
    assert all(w.dtype == torch.float32 for w in training.optimiser.weights.values())


def test_crops_are_mirrored_and_shifted_as_on_the_cpu(device: str) -> None:
    batch = next(batches(source(), SETTINGS, 0, threads=1))
    assert 0 < batch.mirrored.sum() < len(batch.mirrored)
    there = batch.part(0, len(batch.samples), torch.device(device)).shown(PIXELS)
    assert near(there, batch.shown(PIXELS), 1e-5)


def test_pinned_batches_hold_what_others_do(cuda: str) -> None:
    made = zip(*(batches(source(pinned), SETTINGS, 1, threads=2) for pinned in (False, True)),
               strict=True)  # fmt: skip
    for plain, pinned in made:
        assert pinned.images.is_pinned()
        assert pinned.shift.is_pinned()
        assert torch.equal(plain.images, pinned.images)
        assert torch.equal(plain.targets, pinned.targets)
        assert torch.equal(plain.mirrored, pinned.mirrored)
        assert torch.equal(plain.shift, pinned.shift)
        assert np.array_equal(plain.samples, pinned.samples)


def test_a_loss_that_is_not_finite_is_found_on_a_gpu_too(device: str) -> None:
    settings = replace(SETTINGS, rate=1e6)
    training = Training.of(network(device), settings)
    with pytest.raises(NotFiniteError, match="the loss is not finite at step"):
        list(fit(training, source(), drawn()[1], settings, Runtime(Machine(device, 2))))


def test_a_training_goes_on_from_a_checkpoint(device: str, exactly: None, tmp_path: Path) -> None:
    """To the weights of the run that was never stopped, but for the order in which it sums."""
    shown = [*batches(source(), SETTINGS, 0, threads=1), *batches(source(), SETTINGS, 1, threads=1)]

    def gone_on(training: Training, first: int, last: int) -> Training:
        training.network.train()
        with ThreadPoolExecutor(1) as pool:
            step = Step(training, SETTINGS, pool, Ranks())
            for number in range(first, last):
                step(shown[number], number)
        return training

    whole = gone_on(Training.of(network(device), SETTINGS), 0, 6)
    first = gone_on(Training.of(network(device), SETTINGS), 0, 4)
    save(first, tmp_path, About({}, {}), 4)
    second = Training.of(network(device), SETTINGS)
    files = newest(tmp_path, print)
    assert files is not None
    restore(second, files)
    assert second.network.device.type == device
    for name, momentum in first.optimiser.momentum.items():
        assert torch.equal(second.optimiser.momentum[name], momentum)
    gone_on(second, 4, 6)
    for name, weight in whole.optimiser.weights.items():
        assert near(second.optimiser.weights[name], weight, 1e-3)
        assert whole.average is not None
        assert second.average is not None
        assert near(second.average[name], whole.average[name], 1e-3)


def test_a_run_on_a_gpu_is_tested_alike_on_both(device: str, exactly: None) -> None:
    """The whole walk by the verbs, in bf16 as is chosen on a GPU; scores from its folder."""
    small: dict[str, Any] = {
        "net": "A", "width": 0.125, "crop": 32, "scale": 40, "batch": 10, "epochs": 2,
    }  # fmt: skip
    run = train("drawn:60x48", "run", Runtime(Machine(device, 2)), precision="bf16", **small)
    found = [
        evaluate(run.folder, "drawn:60x48", "both", Runtime(Machine(where, 2)), out=f"{i}.scores")
        for i, where in enumerate(("cpu", device))
    ]
    here, there = (tested.scores.posteriors for tested in found)
    assert abs(here - there).max() < 1e-4
