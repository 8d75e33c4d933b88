"""Nothing is lost: runs that are killed go on to the bits of the run that was not.

What is expected is always the undisturbed run of the same command: `best.safetensors` byte for
byte, the last checkpoint's weights, momentum and average byte for byte, and the log but for its
times. Processes are forked and killed for real, by `tests/killing.py`.
"""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.killing import EVERY, free_port
from verydeep import tensors_file
from verydeep.errors import UserError
from verydeep.runtime.distributed import Ranks
from verydeep.runtime.machine import Machine
from verydeep.runtime.runtime import Runtime
from verydeep.training import checkpoints
from verydeep.training.settings import Settings
from verydeep.verbs.agreement import check_shares

Obey = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def obey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Obey]:
    """Sends an order to a process of its own: obey("name", count=2) -> answer."""
    root = tmp_path_factory.mktemp("killing")
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.killing"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={"PATH": "", "XDG_CACHE_HOME": str(root / "cache"), "PYTHONWARNINGS": "ignore"},
    )
    assert child.stdin is not None
    assert child.stdout is not None

    def send(name: str, **order: Any) -> dict[str, Any]:
        assert child.stdin is not None
        assert child.stdout is not None
        order["folder"] = str(root / name)
        print(json.dumps(order), file=child.stdin, flush=True)
        answer = json.loads(child.stdout.readline())
        return {**answer, "folder": root / name}

    send("first")  # fills the cache of colours, so that all later runs have the same events
    yield send
    child.stdin.close()
    child.stdout.close()
    child.wait()


def ends(folder: Path) -> dict[str, Any]:
    """What a finished run has come to."""
    *_, last = checkpoints.found(folder / "checkpoints")
    with (folder / "log.csv").open() as file:
        log = [
            {k: v for k, v in row.items() if k not in ("seconds", "waiting")}
            for row in csv.DictReader(file)
        ]
    tensors = tensors_file.read(last, checkpoints.KIND).arrays()
    return {
        "last": last.name,
        "best": (folder / "best.safetensors").read_bytes(),
        "log": log,
        **{name: array.tobytes() for name, array in tensors.items()},
    }


@pytest.fixture(scope="module")
def undisturbed(obey: Obey) -> dict[str, Any]:
    """The run that nobody kills, with its events."""
    answer = obey("undisturbed")
    assert answer["codes"] == [0], answer["said"]
    return {**answer, "ends": ends(answer["folder"])}


def went_on(obey: Obey, undisturbed: dict[str, Any], name: str, count: int) -> None:
    """Goes on with a killed run, to the ends of the undisturbed one."""
    answer = obey(name, count=count, resume=True)
    assert answer["codes"] == [0] * count, answer["said"]
    assert ends(answer["folder"]) == undisturbed["ends"]
    shutil.rmtree(answer["folder"])


def saved_before(events: list[str], event: int) -> int:
    """The step of the last checkpoint that had its name by then."""
    renamed = [e for e in events[:event] if e.startswith("replace step-")]
    return EVERY * len(renamed)


def test_a_run_on_two_processes_comes_to_the_bits_of_one(
    obey: Obey, undisturbed: dict[str, Any]
) -> None:
    answer = obey("two", count=2)
    assert answer["codes"] == [0, 0], answer["said"]
    assert ends(answer["folder"]) == undisturbed["ends"]


@pytest.mark.slow
def test_a_run_on_four_processes_comes_to_the_bits_of_one(
    obey: Obey, undisturbed: dict[str, Any]
) -> None:
    answer = obey("four", count=4)
    assert answer["codes"] == [0] * 4, answer["said"]
    assert ends(answer["folder"]) == undisturbed["ends"]


def test_norms_come_to_the_same_bits_on_one_process_and_on_two(obey: Obey) -> None:
    one, two = (
        obey(f"norms-{n}", count=n, settings={"net": "A-BN", "fall": "plateau"}) for n in (1, 2)
    )
    assert two["codes"] == [0] * 2, two["said"]
    assert ends(two["folder"]) == ends(one["folder"])


@pytest.fixture(scope="module")
def kept(obey: Obey, undisturbed: dict[str, Any]) -> dict[str, Any]:
    """The run that nobody kills whose FC layers are tuned on kept values, and its settings."""
    start = str(undisturbed["folder"] / "best.safetensors")
    settings = {"start": start, "tune": "fc", "cached": True, "views": 2}
    answer = obey("kept", settings=settings)
    assert answer["codes"] == [0], answer["said"]
    return {**answer, "settings": settings, "ends": ends(answer["folder"])}


def test_values_kept_by_two_processes_come_to_the_bits_of_one(
    obey: Obey, kept: dict[str, Any]
) -> None:
    answer = obey("kept-by-two", count=2, settings=kept["settings"])
    assert answer["codes"] == [0, 0], answer["said"]
    assert ends(answer["folder"]) == kept["ends"]
    assert not (answer["folder"] / "cached").exists()


@pytest.mark.parametrize("event", ["write values-000000", "replace values-000000", "remove cached"])
def test_a_run_killed_while_it_keeps_values_goes_on_to_the_same_bits(
    obey: Obey, kept: dict[str, Any], event: str
) -> None:
    at = next(i for i, name in enumerate(kept["events"]) if name.startswith(event))
    kill = {"event": at, "torn": True}
    answer = obey("kept-killed", settings=kept["settings"], kill=kill)
    assert answer["codes"] == [-signal.SIGKILL], answer["said"]
    assert (answer["folder"] / "cached").exists()
    went_on(obey, kept, "kept-killed", 1)


def kills(events: list[str], of: range) -> list[tuple[int, bool]]:
    """Each of these events, before it, and where it writes or removes torn in the middle too.

    Of a file that is written in many pieces, the first and the last.
    """
    inner = {i for i in of if events[i - 1 : i] == events[i : i + 1] == events[i + 1 : i + 2]}
    chosen = [i for i in of if i not in inner]
    torn = [i for i in chosen if events[i].split()[0] in ("write", "remove")]
    return [(i, False) for i in chosen] + [(i, True) for i in torn]


def survive(obey: Obey, undisturbed: dict[str, Any], cases: list[tuple[int, bool]]) -> None:
    """Kills a run in each of these ways; nothing that had its name is lost, and it goes on."""
    events = undisturbed["events"]
    for event, torn in cases:
        answer = obey("killed", kill={"number": 0, "event": event, "torn": torn})
        assert answer["codes"] == [-9], (events[event], answer["said"])
        newest = checkpoints.found(answer["folder"] / "checkpoints")[-1:]
        kept = [int(found.stem[5:]) for found in newest if checkpoints.verified(found)]
        assert kept == [saved_before(events, event)] or kept == [], events[event]
        assert bool(kept) == bool(saved_before(events, event)), events[event]
        went_on(obey, undisturbed, "killed", 1)


def test_a_run_killed_at_any_event_of_a_save_goes_on(
    obey: Obey, undisturbed: dict[str, Any]
) -> None:
    """Every one from one save to the next."""
    _, second, third = saves(undisturbed["events"])
    cases = kills(undisturbed["events"], range(second, third))
    assert len(cases) > 7
    survive(obey, undisturbed, cases)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_run_killed_at_any_change_to_a_file_goes_on(
    obey: Obey, undisturbed: dict[str, Any]
) -> None:
    events = undisturbed["events"]
    survive(obey, undisturbed, kills(events, range(saves(events)[0], len(events))))


def saves(events: list[str]) -> list[int]:
    """The events that saves begin with."""
    return [i for i, e in enumerate(events) if e.startswith("write step-") and events[i - 1] != e]


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("number", [0, 1])
def test_either_of_two_processes_killed_at_any_event_goes_on(
    obey: Obey, undisturbed: dict[str, Any], number: int
) -> None:
    """Process 0 at each event of its second save; process 1, which writes no file, at exchanges."""
    events = obey(f"counted-{number}", count=2)["events"]
    _, second, third = saves(events)
    cases = kills(events, range(second, third))
    if number == 1:
        cases = [(i, False) for i in range(2, 16, 2)]
    for event, torn in cases:
        kill = {"number": number, "event": event, "torn": torn}
        answer = obey(f"killed-{number}", count=2, kill=kill, dead=3.0)
        assert answer["codes"][number] == -9, answer
        assert answer["codes"][1 - number] == 1, answer
        assert f"process {number}" in answer["said"], answer
        assert answer["seconds"] < 15
        went_on(obey, undisturbed, f"killed-{number}", 2)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_two_processes_killed_at_random_go_on(obey: Obey, undisturbed: dict[str, Any]) -> None:
    """Twelve kills from outside, of one process or both, each at an instant of its own."""
    whole = obey("timed", count=2)["seconds"]
    draw = random.Random(0)
    killed = 0
    for _ in range(60):
        numbers = draw.choice([[0], [1], [0, 1]])
        kill = {"numbers": numbers, "after": draw.uniform(0.4, 0.95) * whole}
        answer = obey("random", count=2, kill=kill, dead=3.0)
        if answer["codes"] == [0, 0] or not (answer["folder"] / "run.toml").exists():
            shutil.rmtree(answer["folder"], ignore_errors=True)  # done already, or not begun
            continue
        went_on(obey, undisturbed, "random", 2)
        killed += 1
        if killed == 12:
            return
    pytest.fail(f"{killed} of 60 kills came while the run was under way")


# --- processes that die, stall or differ are named


def test_a_process_started_differently_is_named(obey: Obey) -> None:
    answer = obey("differ", count=2, differ={"rate": 0.02})
    assert 0 not in answer["codes"]
    assert "process 1 was started differently: its rate is 0.02" in answer["said"]
    assert answer["seconds"] < 15


def test_a_stalled_process_is_named(obey: Obey) -> None:
    """It lives, and says so, but does not come to the exchange."""
    kill = {"number": 1, "event": 12}
    answer = obey("stall", count=2, kill=kill, stall=True, stalled=3.0)
    assert answer["codes"][0] == 1, answer
    assert "process 1 of 2 has stalled: the others have waited" in answer["said"]


def test_a_frozen_process_is_named(obey: Obey) -> None:
    kill = {"number": 1, "event": "exchange step 3", "signal": signal.SIGSTOP}
    answer = obey("frozen", count=2, kill=kill, dead=2.0, thaw=True)
    assert "process 1 of 2 is dead: no sign of life" in answer["said"], answer


def test_a_batch_that_processes_do_not_divide_is_refused(obey: Obey) -> None:
    answer = obey("three", count=2, settings={"batch": 9})
    assert "a batch of 9 cannot be shared by 2 processes; take --batch 8" in answer["said"]
    answer = obey("shards", count=2, settings={"micro_batch": 8})
    assert "micro-batches of 8 do not divide the 4 pictures a step" in answer["said"]
    assert "take --set micro_batch=4" in answer["said"]


@pytest.mark.parametrize(
    ("device", "in_order", "refused"),
    [("cpu", False, True), ("cpu", True, True), ("cuda", True, True), ("cuda", False, False)],
)
def test_micro_batches_divide_a_share_where_there_are_any(
    device: str, in_order: bool, refused: bool
) -> None:
    """Shares of 5 pictures, in micro-batches of 2."""
    settings = Settings(batch=10, micro_batch=2)
    runtime = Runtime(Machine(device, 1), Ranks(0, 2, in_order=in_order))
    line = "micro-batches of 2 do not divide the 5 pictures a step"
    with pytest.raises(UserError, match=line) if refused else nullcontext():
        check_shares(settings, runtime)
    with pytest.raises(UserError, match="a batch of 9 cannot be shared by 2 processes"):
        check_shares(replace(settings, batch=9), runtime)


def test_a_signal_to_one_of_two_processes_stops_both_and_they_go_on(
    obey: Obey, undisturbed: dict[str, Any]
) -> None:
    events = obey("exchanges", count=2)["events"]
    step = next(i for i, e in enumerate(events) if e == "exchange step 3")
    answer = obey("signal", count=2, kill={"number": 0, "event": step, "signal": signal.SIGTERM})
    assert answer["said"].count("Stopped: stopped after step 3 of 6, saved") == 2, answer
    went_on(obey, undisturbed, "signal", 2)


ONE_MACHINE = ["--nproc-per-node", "2"]
TWO_MACHINES = ["--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d"]


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("machines", [1, 2])
def test_torchrun_starts_a_lost_process_again_and_the_run_goes_on(
    tmp_path: Path, machines: int
) -> None:
    """A worker is killed once a checkpoint is there; the end is the undisturbed run's.

    Of two machines, the one whose worker is killed counts a restart and the other does not.
    """
    words = ["-m", "verydeep", "train", "drawn:200x40", "--net", "A", "--width", "0.125"]
    words += [
        "--crop",
        "32",
        "--fc",
        "16",
        "--scale",
        "34",
        "--batch",
        "8",
        "--set",
        "micro_batch=4",
    ]
    words += ["--epochs", "8", "--deterministic", "--save-every", "5"]
    subprocess.run([sys.executable, *words, "--out", "whole"], check=True, capture_output=True)
    given = [*TWO_MACHINES, "--rdzv-endpoint", f"localhost:{free_port()}"]
    torchrun = ["-m", "torch.distributed.run", *(ONE_MACHINE if machines == 1 else given)]
    command = [sys.executable, *torchrun, "--max-restarts", "2", *words, "--out", "cut"]
    runs = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(machines)
    ]
    deadline = time.monotonic() + 120
    while not checkpoints.found(Path("cut/checkpoints")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    workers = subprocess.run(
        ["pgrep", "-P", str(runs[-1].pid), "-f", "verydeep"],
        capture_output=True,
        text=True,
        check=True,
    )
    os.kill(int(workers.stdout.split()[-1]), signal.SIGKILL)
    assert [run.wait() for run in runs] == [0] * machines
    assert ends(Path("cut")) == ends(Path("whole"))


# --- a test that is killed


@pytest.fixture(scope="module")
def tested(obey: Obey) -> dict[str, Any]:
    """The test that nobody kills: its weights, its score file, and its events."""
    weights = str(obey("trained")["folder"] / "best.safetensors")
    answer = obey("tested", weights=weights)
    assert answer["codes"] == [0], answer["said"]
    content = (answer["folder"] / "scores.safetensors").read_bytes()
    return {"weights": weights, "scores": content, "events": answer["events"]}


def goes_on(obey: Obey, tested: dict[str, Any], name: str, **killed: Any) -> bool:
    """Whether a test that is killed so comes to the same score file; True where it was killed."""
    first = obey(name, weights=tested["weights"], **killed)
    assert set(first["codes"]) <= {-9, 0, 1}, first["said"]
    second = obey(name, weights=tested["weights"])
    assert second["codes"] == [0], second["said"]
    folder = second["folder"]
    assert (folder / "scores.safetensors").read_bytes() == tested["scores"]
    assert [path.name for path in folder.iterdir()] == ["scores.safetensors"]
    return -9 in first["codes"]


def test_a_test_killed_at_any_change_to_a_file_goes_on_to_the_same_scores(
    obey: Obey, tested: dict[str, Any]
) -> None:
    events = tested["events"]
    assert sum(event.startswith("write chunks") for event in events) > 3
    for event, torn in kills(events, range(0, len(events), 4)):
        kill = {"number": 0, "event": event, "torn": torn}
        assert goes_on(obey, tested, f"test-{event}-{torn}", kill=kill), events[event]


@pytest.mark.slow
def test_a_test_killed_at_random_goes_on_to_the_same_scores(
    obey: Obey, tested: dict[str, Any]
) -> None:
    """Seven kills from outside; an instant after the end of a test is drawn again, earlier."""
    began = time.monotonic()
    obey("timed", weights=tested["weights"])
    latest, instants = time.monotonic() - began, random.Random(0)
    killed = 0
    for i in range(60):
        after = instants.uniform(0.05, latest)
        if goes_on(obey, tested, f"random-test-{i}", kill={"numbers": [0], "after": after}):
            killed += 1
        else:
            latest = after
        if killed == 7:
            return
    pytest.fail(f"{killed} of 60 kills came while the test was under way")


@pytest.mark.parametrize("count", [2, 4])
def test_several_processes_give_the_score_file_of_one(
    obey: Obey, tested: dict[str, Any], count: int
) -> None:
    answer = obey(f"tested-by-{count}", count=count, weights=tested["weights"])
    assert answer["codes"] == [0] * count, answer["said"]
    assert (answer["folder"] / "scores.safetensors").read_bytes() == tested["scores"]
