"""Checkpoints: what is put away comes back to the bit; what is damaged is always found.

Expected values are the training that was put away itself, and the run that was not interrupted.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import TWO_CORES
from tests.training.test_loop import PIXELS, SETTINGS, drawn, source_of, weights_of
from verydeep import tensors_file
from verydeep.errors import Stopped, UserError
from verydeep.files import folder_lock
from verydeep.nets.network import build
from verydeep.parts.seen import Memory
from verydeep.runtime.distributed import Ranks
from verydeep.runtime.progress import Progress
from verydeep.tensors_file import DamagedError
from verydeep.training import checkpoints, loop, recorder
from verydeep.training.checkpoints import (
    About,
    found,
    newest,
    restore,
    save,
    state_of,
    verified,
)
from verydeep.training.loader import Batch, batches
from verydeep.training.loop import fit
from verydeep.training.settings import Settings
from verydeep.training.state import Training
from verydeep.training.step import Step, why_not_finite
from verydeep.verbs.train import resume, train

ABOUT = About({"seed": 0}, {"fingerprint": "x"})
SMALL: dict[str, Any] = {
    "net": "A", "width": 0.125, "crop": 32, "fc": 16, "scale": 40, "batch": 10, "rate": 0.01,
    "micro_batch": 5, "initial": "he", "epochs": 2, "patience": 2,
}  # fmt: skip


def begun(average: float = 0.0, width: float = 0.125) -> tuple[Training, Settings]:
    settings = Settings(**{**vars(SETTINGS), "average": average, "epochs": 2})
    network = build("A", 10, width=width, crop=32, fc=8, pixels=PIXELS, initial="he")
    return Training.of(network, settings), settings


def steps_of(training: Training, settings: Settings, stop: int | None = None) -> None:
    """Trains until so many steps are done in all, or to the end."""
    train_part, test_part = drawn()

    def after_step(training: Training, batch: Batch, loss: float) -> None:
        if 3 * len(training.epochs) + training.step == stop:
            raise Stopped

    source = source_of(train_part)
    try:
        for _ in fit(training, source, test_part, settings, after_step=after_step):
            pass
    except Stopped:
        pass


@pytest.mark.parametrize("average", [0.0, 0.5])
@pytest.mark.parametrize("stop", [1, 2, 3, 4, 5])
def test_a_training_goes_on_from_any_step_to_the_same_bits(
    tmp_path: Path, stop: int, average: float
) -> None:
    whole, settings = begun(average)
    steps_of(whole, settings)
    first, _ = begun(average)
    steps_of(first, settings, stop)
    save(first, tmp_path, ABOUT, stop)
    second, _ = begun(average)
    files = newest(tmp_path, print)
    assert files is not None
    restore(second, files)
    steps_of(second, settings)
    assert torch.equal(weights_of(second.network), weights_of(whole.network))
    for name, tensor in (whole.average or {}).items():
        assert second.average is not None
        assert torch.equal(second.average[name], tensor)
    assert [e.loss for e in second.epochs] == [e.loss for e in whole.epochs]
    assert [e.figures for e in second.epochs] == [e.figures for e in whole.epochs]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a training that has momentum, an average and an epoch behind it."""
    training, settings = begun(0.5, width=1 / 32)
    steps_of(training, settings, 4)
    return save(training, tmp_path_factory.mktemp("checkpoints"), ABOUT, 4)


@pytest.mark.parametrize("flips", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_flipped_bits_are_all_found(written: Path, tmp_path: Path, flips: int) -> None:
    place, content, draw = tmp_path / written.name, written.read_bytes(), random.Random(0)
    head = 8 + int.from_bytes(content[:8], "little")
    for n in range(flips):
        changed = bytearray(content)
        changed[draw.randrange(head if n % 2 else len(content))] ^= 1 << draw.randrange(8)
        place.write_bytes(changed)
        with pytest.raises(DamagedError, match="is no whole checkpoint"):
            verified(place)


@pytest.mark.parametrize("loads", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_loads_of_an_intact_checkpoint_raise_no_alarm(written: Path, loads: int) -> None:
    for _ in range(loads):
        assert verified(written)


def test_a_missing_or_cut_file_is_found(written: Path, tmp_path: Path) -> None:
    place, content = tmp_path / written.name, written.read_bytes()
    for cut in (0, 1, 50, len(content) // 2, len(content) - 1):
        place.write_bytes(content[:cut])
        with pytest.raises(DamagedError):
            verified(place)
    place.unlink()
    with pytest.raises(DamagedError):
        verified(place)


def test_a_damaged_checkpoint_is_named_and_passed_over(tmp_path: Path) -> None:
    training, settings = begun()
    steps_of(training, settings, 1)
    save(training, tmp_path, ABOUT, 1)
    steps_of(training, settings, 2)
    last = save(training, tmp_path, ABOUT, 2)
    last.write_bytes(b"no")
    said: list[str] = []
    files = newest(tmp_path, said.append)
    assert files is not None
    assert [*files] == ["step-000000001.safetensors"]
    assert state_of(files).step == 1
    assert said[0].startswith(
        f"passed over: {last} is no whole checkpoint of verydeep: it does not"
    )


def test_a_checkpoint_of_another_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not passed over: those before it are of the same version."""
    training, _ = begun()
    save(training, tmp_path, ABOUT, 1)
    monkeypatch.setattr(checkpoints, "KIND", replace(checkpoints.KIND, format=5))
    with pytest.raises(UserError, match="safetensors is a checkpoint of format 4, and this v"):
        newest(tmp_path, print)


def test_a_checkpoint_of_the_format_before_is_refused(tmp_path: Path) -> None:
    """It was a folder of several files."""
    (tmp_path / "step-000000001").mkdir()
    with pytest.raises(UserError, match="step-000000001 is a checkpoint of an earlier format, and"):
        newest(tmp_path, print)


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    training, _ = begun(width=1 / 32)
    (tmp_path / "step-000000009.safetensors.77.part").touch()
    for step in range(1, 6):
        save(training, tmp_path, ABOUT, step)
    kept = [f"step-00000000{step}.safetensors" for step in (4, 5)]
    assert sorted(p.name for p in tmp_path.iterdir()) == kept


@pytest.mark.parametrize("failing", ["open", "fsync", "mkdir", "replace"])
def test_an_error_at_any_write_leaves_the_older_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """ENOSPC from the first, the second, ... of these calls, as long as there is one to fail."""
    training, _ = begun(width=1 / 32)
    save(training, tmp_path, ABOUT, 1)
    home: Any = os if failing == "fsync" else Path
    real = getattr(home, failing)
    for n in range(20):
        calls = 0

        def fails(*args: Any, n: int = n, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == n + 1:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(home, failing, fails)
            if n == 0:
                with pytest.raises(UserError, match="cannot write .*bytes.*No space.*untouched"):
                    save(training, tmp_path, ABOUT, 2)
            else:
                with suppress(UserError):
                    save(training, tmp_path, ABOUT, 2)
        assert verified(tmp_path / "step-000000001.safetensors")
        assert not list(tmp_path.glob("*.part"))
        if calls <= n:
            break
        (tmp_path / "step-000000002.safetensors").unlink(missing_ok=True)
    else:
        pytest.fail("it never came to an end")


def test_a_full_disk_leaves_the_older_checkpoint(tmp_path: Path) -> None:
    """A real one: a tmpfs with room for one checkpoint and a half."""
    training, _ = begun(width=1 / 32)
    size = save(training, tmp_path, ABOUT, 1).stat().st_size
    disk = tmp_path / "disk"
    disk.mkdir()
    options = f"size={size * 3 // 2 // 4096 * 4096 + 16384}"
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(words, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("no right to mount a small tmpfs here")
    try:
        save(training, disk, ABOUT, 1)
        with pytest.raises(UserError, match="No space left on device; older checkpoints are unt"):
            save(training, disk, ABOUT, 2)
        assert [p.name for p in disk.iterdir()] == ["step-000000001.safetensors"]
        assert verified(disk / "step-000000001.safetensors")
        with pytest.raises(UserError, match=r"need .* bytes and .* are free"):
            checkpoints.need_space(disk, checkpoints.bytes_of(training))
    finally:
        subprocess.run(["umount", str(disk)], check=True)


# --- runs


def ends(folder: Path) -> tuple[bytes, bytes]:
    last = found(folder / "checkpoints")[-1]
    tensors = tensors_file.read(last, checkpoints.KIND).arrays()
    momentum = [array.tobytes() for name, array in tensors.items() if name.startswith("momentum.")]
    return (folder / "best.safetensors").read_bytes(), b"".join(momentum)


def test_a_stopped_run_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM in the second epoch, as a scheduler sends it; the handler is the real one."""
    train("drawn:40x48", tmp_path / "whole", runtime=TWO_CORES, **SMALL)
    after_step = recorder.Recorder.after_step

    def terminated(self: Any, training: Training, batch: Batch, loss: float) -> None:
        if self.steps(training) == 6:
            os.kill(os.getpid(), signal.SIGTERM)
        after_step(self, training, batch, loss)

    with monkeypatch.context() as patch:
        patch.setattr(recorder.Recorder, "after_step", terminated)
        with pytest.raises(Stopped, match=r"stopped after step 6 of 8, saved; go on with"):
            train("drawn:40x48", tmp_path / "cut", runtime=TWO_CORES, **SMALL)
    run = resume(tmp_path / "cut", runtime=TWO_CORES)
    assert ends(tmp_path / "cut") == ends(tmp_path / "whole")
    assert [e.epoch for e in run.epochs] == [1, 2]
    assert len((tmp_path / "cut" / "log.csv").read_text().splitlines()) == 3


def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch, look_back: int) -> None:
    """Losses are read some steps late, and what is learnt is not held back for them."""
    init = Step.__init__

    def begin(self: Step, *given: Any) -> None:
        init(self, *given)
        self.on_gpu = True

    monkeypatch.setattr(Step, "__init__", begin)
    monkeypatch.setattr(loop, "LOOK_BACK", {"cpu": look_back})


def test_a_run_that_reads_its_losses_late_goes_on_to_the_same_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four steps an epoch, read after the third and the fourth."""
    as_on_a_gpu(monkeypatch, 3)
    whole = train("drawn:40x48", tmp_path / "whole", runtime=TWO_CORES, **SMALL)
    after_step = recorder.Recorder.after_step

    def asked(self: Any, training: Training, batch: Batch, loss: float) -> None:
        self._interruption.asked = self.steps(training) in (5, 6, 7)
        after_step(self, training, batch, loss)

    with monkeypatch.context() as patch:
        patch.setattr(recorder.Recorder, "after_step", asked)
        with pytest.raises(Stopped, match="after step 7 of 8"):
            train("drawn:40x48", tmp_path / "cut", runtime=TWO_CORES, **SMALL)
    run = resume(tmp_path / "cut", runtime=TWO_CORES)
    assert ends(tmp_path / "cut") == ends(tmp_path / "whole")
    assert [e.loss for e in run.epochs] == [e.loss for e in whole.epochs]


def test_ctrl_c_while_testing_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train("drawn:40x48", tmp_path / "whole", runtime=TWO_CORES, **SMALL)
    while_testing = recorder.Recorder.while_testing

    def interrupted(self: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        while_testing(self)

    with monkeypatch.context() as patch:
        patch.setattr(recorder.Recorder, "while_testing", interrupted)
        with pytest.raises(Stopped, match="stopped after step 4 of 8"):
            train("drawn:40x48", tmp_path / "cut", runtime=TWO_CORES, **SMALL)
    resume(tmp_path / "cut", runtime=TWO_CORES)
    assert ends(tmp_path / "cut") == ends(tmp_path / "whole")


def test_a_finished_run_is_only_tested_again(tmp_path: Path) -> None:
    train("drawn:40x48", tmp_path / "run", runtime=TWO_CORES, **SMALL)
    before = ends(tmp_path / "run")
    said: list[str] = []

    class Ear(Progress):
        def say(self, line: str) -> None:
            said.append(line)

    resume(tmp_path / "run", replace(TWO_CORES, progress=Ear()))
    assert ends(tmp_path / "run") == before
    assert "going on after step 8 of 8" in said


def test_changed_data_is_refused(tmp_path: Path, photos: Callable[..., Path]) -> None:
    root = photos(8, 8, side=48)
    train(root, tmp_path / "run", runtime=TWO_CORES, **{**SMALL, "batch": 5})
    (root / "arrow" / "0.png").unlink()
    with pytest.raises(UserError, match="has changed since .* was begun: its fingerprint was"):
        resume(tmp_path / "run", runtime=TWO_CORES)


def test_a_run_of_an_earlier_version_is_refused_before_its_pictures_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the format before this a checkpoint was a folder."""
    train("drawn:40x48", tmp_path / "run", runtime=TWO_CORES, **SMALL)
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    (tmp_path / "run" / "checkpoints" / "step-000000004").mkdir(parents=True)
    for where in ("verydeep.verbs.run.read", "verydeep.verbs.train.set_apart"):
        monkeypatch.setattr(where, lambda *given: pytest.fail("pictures were read"))
    with pytest.raises(UserError, match="step-000000004 is a checkpoint of an earlier format, and"):
        resume(tmp_path / "run", runtime=TWO_CORES)


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    for name, rate in (("one", 0.01), ("two", 0.02)):
        train("drawn:40x48", tmp_path / name, runtime=TWO_CORES, **{**SMALL, "rate": rate})
    shutil.rmtree(tmp_path / "one" / "checkpoints")
    shutil.copytree(tmp_path / "two" / "checkpoints", tmp_path / "one" / "checkpoints")
    with pytest.raises(UserError, match=r"is of another run: its rate is 0.02, 0.01 is needed"):
        resume(tmp_path / "one", runtime=TWO_CORES)


def test_a_folder_that_is_no_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run.toml in .*; --resume takes the folder of a run"):
        resume(tmp_path)


# --- a loss that is not finite


@pytest.mark.parametrize("look_back", [1, 3])
def test_a_run_rolls_back_and_leaves_the_batch_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look_back: int
) -> None:
    """Step 6 of 8 is spoilt; the run goes back to step 4 and comes through without that batch.

    Where losses are read late, step 6 is over before that is known, and is not to be saved.
    """
    if look_back > 1:
        as_on_a_gpu(monkeypatch, look_back)
    gradients = Step.gradients
    spoilt = []

    def spoils(self: Step, batch: Batch, number: int) -> Any:
        loss, found, norms = gradients(self, batch, number)
        if number == 5:
            spoilt.append(number)
            return loss * float("nan"), [f * float("nan") for f in found], norms
        return loss, found, norms

    monkeypatch.setattr(Step, "gradients", spoils)
    given = {**SMALL, "bad_loss": "rollback"}
    run = train("drawn:40x48", tmp_path / "run", replace(TWO_CORES, save_every=2), **given)
    assert spoilt == [5]
    assert len(run.epochs) == 2
    assert any("back to step 4, leaving that batch out" in note for note in run.notes)


def test_what_is_not_finite_is_named_by_layer_and_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A few pictures at a time: their layers' values would fill the memory together."""
    monkeypatch.setattr("verydeep.training.step.AT_ONCE", 4)
    training, settings = begun()
    with torch.no_grad():
        dict(training.network.named_parameters())["conv2_1.bias"][0] = float("inf")
    source = source_of(drawn()[0])
    batch = next(batches(source, settings, 0, threads=1))
    error = why_not_finite(training, batch, 7, source.part, Ranks())
    named = [source.part.names[i] for i in batch.samples[:5]]
    assert f"at step 8 (rate 0.01): the first layer is conv2_1; pictures {', '.join(named)}" in str(
        error
    )


def test_the_picture_that_was_shown_is_named_and_none_that_was_skipped() -> None:
    """Picture 3 is shown in place of the first of the batch, and the second counts nothing."""
    training, settings = begun()
    with torch.no_grad():
        dict(training.network.named_parameters())["conv2_1.bias"][0] = float("inf")
    source = source_of(drawn()[0])
    batch = next(batches(source, settings, 0, threads=1)).part(0, 3, torch.device("cpu"))
    weight = torch.tensor([1.0, 0.0, 1.0])
    batch = replace(batch, weight=weight, shown_of=(3, *batch.shown_of[1:]))
    error = why_not_finite(training, batch, 7, source.part, Ranks())
    named = [source.part.names[i] for i in (3, batch.samples[2])]
    assert str(error).split("pictures ")[1].split(";")[0] == ", ".join(named)


def test_a_picture_that_is_unreadable_every_epoch_is_counted_once(tmp_path: Path) -> None:
    training, settings = begun()
    settings = replace(settings, bad_picture="skip")
    batch = next(batches(source_of(drawn()[0]), settings, 0, threads=1))

    def kept() -> recorder.Recorder:
        return recorder.Recorder(tmp_path, vars(ABOUT), {}, settings, 6, TWO_CORES, Memory())

    one = kept()
    for _ in range(3):
        one.after_step(training, replace(batch, faults=("a.jpg is empty",)), float("nan"))
        one.after_step(training, replace(batch, faults=("b.jpg is empty",)), 1.0)
    assert training.faults == ["a.jpg is empty", "b.jpg is empty"]
    one.save(training)
    other, again = begun()[0], kept()
    with again.keeping():
        again.restore(other)
        assert again.notes == one.notes == [f"skip, unreadable: {f}" for f in training.faults]
        many = [f"{i}.jpg is empty" for i in range(98)]
        again.after_step(other, replace(batch, faults=tuple(many)), 1.0)
        with pytest.raises(UserError, match="more than 100 pictures .* skip, unreadable: z.jpg"):
            again.after_step(other, replace(batch, faults=("z.jpg is empty",)), 1.0)


def test_checkpoints_that_are_there_need_no_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, _ = begun(width=1 / 32)
    usage = shutil.disk_usage(tmp_path)._replace(free=250)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(UserError, match="need 300 bytes and 250 are free"):
        checkpoints.need_space(tmp_path, 100)
    save(training, tmp_path, ABOUT, 1)
    checkpoints.need_space(tmp_path, 100)


# --- where a run lies and what lies there


def test_pictures_that_can_be_read_again_are_another_run(
    photos: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = photos(8, 8, side=48)
    spoilt = root / "arrow" / "0.png"
    content = spoilt.read_bytes()
    spoilt.write_bytes(bytes(len(content)))  # names and sizes are what they were
    with monkeypatch.context() as patch:
        patch.setattr(recorder.Recorder, "after_step", stopping_at(2))
        with pytest.raises(Stopped):
            train(root, "cut", TWO_CORES, **{**SMALL, "batch": 5})
    spoilt.write_bytes(content)
    with pytest.raises(UserError, match=r"other pictures can be read now .* number of pictures in"):
        resume("cut", TWO_CORES)
    spoilt.write_bytes(bytes(len(content)))
    resume("cut", TWO_CORES)


def test_a_log_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    train("drawn:40x48", "run", TWO_CORES, **SMALL)
    opened = Path.open

    def refuses(path: Path, *given: Any, **named: Any) -> Any:
        if path.name == "log.csv":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return opened(path, *given, **named)

    monkeypatch.setattr(Path, "open", refuses)
    with pytest.raises(UserError, match="cannot write the log of run: Read-only file system; che"):
        resume("run", TWO_CORES)


def test_data_whose_path_cannot_be_written_down_is_refused(photos: Callable[..., Path]) -> None:
    root = photos(8, 8, side=48).rename(os.fsdecode(b"caf\xe9"))
    with pytest.raises(UserError, match=r"the path .*caf\\udce9' is not UTF-8, and run.toml must"):
        train(root, "run", TWO_CORES, **{**SMALL, "batch": 5})


# --- who was started again goes on


@pytest.mark.parametrize("mark", ["SLURM_RESTART_COUNT", "TORCHELASTIC_RESTART_COUNT"])
def test_who_was_started_again_goes_on_with_the_very_same_run(
    monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    train("drawn:40x48", "whole", TWO_CORES, **SMALL)
    with monkeypatch.context() as patch:
        patch.setattr(recorder.Recorder, "after_step", stopping_at(5))
        with pytest.raises(Stopped):
            train("drawn:40x48", "cut", replace(TWO_CORES, save_every=3), **SMALL)
    with pytest.raises(UserError, match="cut holds something already"):
        train("drawn:40x48", "cut", TWO_CORES, **SMALL)
    monkeypatch.setenv(mark, "1")
    for given in ({"rate": 0.02}, {"seed": 1}):
        with pytest.raises(UserError, match="cut holds something already"):
            train("drawn:40x48", "cut", TWO_CORES, **{**SMALL, **given})
    train("drawn:40x48", "cut", TWO_CORES, **SMALL)
    assert ends(Path("cut")) == ends(Path("whole"))


def test_a_run_goes_on_from_another_folder(
    tmp_path: Path, photos: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data and start were given by relative paths, and the start is gone since."""
    photos(8, 8, side=48)
    small = {**SMALL, "batch": 5}
    train("photos", "start", TWO_CORES, **{**small, "epochs": 1})
    train("photos", "whole", TWO_CORES, **small, start="start")
    with monkeypatch.context() as patch:
        patch.setattr(recorder.Recorder, "after_step", stopping_at(3))
        with pytest.raises(Stopped):
            train("photos", "cut", TWO_CORES, **small, start="start")
    shutil.rmtree("start")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    resume(tmp_path / "cut", TWO_CORES)
    assert ends(tmp_path / "cut") == ends(tmp_path / "whole")


def stopping_at(step: int) -> Any:
    after_step = recorder.Recorder.after_step

    def stops(self: Any, training: Training, batch: Batch, loss: float) -> None:
        after_step(self, training, batch, loss)
        if self.steps(training) == step:
            raise Stopped

    return stops


def test_a_run_goes_on_with_data_that_was_moved(
    photos: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = photos(8, 8, side=48)
    small = {**SMALL, "batch": 5}
    train(root, "whole", TWO_CORES, **small)
    with monkeypatch.context() as patch:
        patch.setattr(recorder.Recorder, "after_step", stopping_at(2))
        with pytest.raises(Stopped):
            train(root, "cut", TWO_CORES, **small)
    root.rename("moved")
    with pytest.raises(UserError, match=r"photos, which cut was begun with, is gone; say where"):
        resume("cut", TWO_CORES)
    resume("cut", TWO_CORES, data="moved")
    assert ends(Path("cut")) == ends(Path("whole"))


def test_a_folder_in_which_another_process_trains_is_refused() -> None:
    train("drawn:40x48", "run", TWO_CORES, **SMALL)
    with (
        folder_lock(Path("run")),
        pytest.raises(UserError, match="another process is working in run"),
    ):
        resume("run", TWO_CORES)
    resume("run", TWO_CORES)  # let go


def test_where_no_checkpoint_is_whole_nothing_is_begun_anew_unasked() -> None:
    train("drawn:40x48", "run", TWO_CORES, **SMALL)
    for file in Path("run/checkpoints").iterdir():
        file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(UserError, match="no checkpoint in run/checkpoints is whole; take that"):
        resume("run", TWO_CORES)
    shutil.rmtree("run/checkpoints")
    resume("run", TWO_CORES)
