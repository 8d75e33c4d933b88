"""Plans carried out: what is done stays, what is damaged is done again, nobody is in the way."""

from __future__ import annotations

import fcntl
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tests.conftest import TWO_CORES
from verydeep.errors import UserError
from verydeep.studies.plan import Measurement, Plan, Training
from verydeep.training.recipes import Recipe
from verydeep.training.run import read_log
from verydeep.verbs import plans
from verydeep.verbs.plans import Work, carry_out

SMALL: dict[str, Any] = {
    "net": "A", "width": 0.125, "crop": 32, "scale": 32, "fc": 16, "batch": 8, "epochs": 1,
    "bad_start": "train",
}  # fmt: skip
DATA = "drawn:20x32"


def work(*steps: Training | Measurement) -> Work:
    folder = Path("plan")
    folder.mkdir(exist_ok=True)
    return Work(Plan(steps), folder, DATA, SMALL)


def files() -> dict[str, bytes]:
    names = ("best.safetensors", "*.safetensors")
    found = [*Path("plan").glob(f"*/{names[0]}"), *Path("plan").glob(f"*/scores/{names[1]}")]
    return {str(path): path.read_bytes() for path in found}


A = Training("a", {"seed": 1})
B = Training("b", {"seed": 2}, after="a")
DENSE = Measurement("a", "dense", (32, 64))


def test_steps_are_done_once_and_after_what_they_stand_on() -> None:
    finished: list[str] = []
    carry_out(work(A, B, DENSE), TWO_CORES, lambda run: finished.append(run.folder.name))
    assert finished == ["a", "b"]
    assert 'start = "' in Path("plan/b/run.toml").read_text()
    first = files()
    carry_out(work(A, B, DENSE), TWO_CORES, lambda run: finished.append("again"))
    assert finished == ["a", "b"]
    assert files() == first


def test_what_is_damaged_is_done_again_to_the_same_bytes() -> None:
    carry_out(work(A, DENSE), TWO_CORES)
    first = files()
    for name in first:
        damaged = bytearray(first[name])
        damaged[-1] ^= 1
        Path(name).write_bytes(damaged)
        carry_out(work(A, DENSE), TWO_CORES)
        again = {k: v for k, v in files().items() if "damaged" not in k}
        assert again == first, name


def test_a_run_of_another_plan_is_refused() -> None:
    carry_out(work(A), TWO_CORES)
    other = Training("a", {"seed": 7})
    with pytest.raises(UserError, match="plan/a holds a run of another plan: its seed is 1, and 7"):
        carry_out(work(other), TWO_CORES)
    Path("plan/a", plans.FINISHED).unlink()  # begun, and not done
    with pytest.raises(UserError, match="another plan"):
        carry_out(work(other), TWO_CORES)


def test_a_run_by_another_recipe_is_refused() -> None:
    recipe = Recipe("own", {"momentum": 0.5})
    carry_out(work(Training("a", recipe=recipe)), TWO_CORES)
    carry_out(work(Training("a", recipe=recipe)), TWO_CORES)
    with pytest.raises(UserError, match=r"plan/a .* its momentum is 0.5, and 0.8 is planned"):
        carry_out(work(Training("a", recipe=Recipe("own", {"momentum": 0.8}))), TWO_CORES)
    with pytest.raises(UserError, match=r"plan/a .* its momentum is 0.5, and 0.9 is planned"):
        carry_out(work(Training("a")), TWO_CORES)  # of which nobody says anything


def test_a_run_on_other_pictures_is_refused() -> None:
    carry_out(work(A), TWO_CORES)
    other = replace(work(A), data="drawn:21x32")
    with pytest.raises(UserError, match=r"plan/a holds a run on other pictures \(drawn:20x32, fi"):
        carry_out(other, TWO_CORES)


def test_a_run_at_another_rate_than_trials_chose_is_refused() -> None:
    trials = [Training(f"trial-{rate}", {"seed": 1, "rate": rate}) for rate in (0.02, 0.01)]
    tried = tuple(trial.name for trial in trials)
    carry_out(work(*trials, Training("last", {"seed": 2}, tried=tried)), TWO_CORES)
    path = Path("plan/last/run.toml")
    (rate,) = [line for line in path.read_text().splitlines() if line.startswith("rate = 0")]
    path.write_text(path.read_text().replace(f"\n{rate}\n", "\nrate = 0.03\n"))
    with pytest.raises(UserError, match=r"plan/last holds a run .* its rate is 0.03, and 0.0"):
        carry_out(work(*trials, Training("last", {"seed": 2}, tried=tried)), TWO_CORES)


@pytest.mark.parametrize(
    ("name", "content"), [("run.toml", None), ("run.toml", "\x00 = ["), ("log.csv", "epoch,step\n")]
)
def test_a_run_whose_words_are_damaged_is_trained_again(name: str, content: str | None) -> None:
    carry_out(work(A), TWO_CORES)
    first = files()
    path = Path("plan/a", name)
    path.unlink()
    if content is not None:
        path.write_text(content)
    carry_out(work(A), TWO_CORES)
    assert {k: v for k, v in files().items() if "damaged" not in k} == first
    assert Path("plan/a.damaged-1").exists()


def test_a_test_that_a_training_ended_with_is_made_again_where_it_is_gone() -> None:
    carry_out(work(A), TWO_CORES)
    first = files()
    (own,) = Path("plan/a/scores").glob("*-test-dense-*")
    own.unlink()
    carry_out(work(A), TWO_CORES)
    assert files() == first


def test_the_rate_is_that_of_the_best_trial() -> None:
    rates = {"slow": 1e-6, "right": 0.02}
    trials = [Training(name, {"rate": rate, "epochs": 6}) for name, rate in rates.items()]
    given = {k: v for k, v in SMALL.items() if k != "epochs"}
    last = Training("last", {"seed": 3, "epochs": 1}, tried=("slow", "right"))
    folder = Path("plan")
    folder.mkdir()
    carry_out(Work(Plan((*trials, last)), folder, "drawn:200x32", given), TWO_CORES)
    errors = {n: min(e.figures["top1"] for e in read_log(folder / n)) for n in rates}
    best = min(errors, key=lambda name: errors[name])
    assert errors["slow"] != errors["right"]
    assert f"rate = {rates[best]}" in (folder / "last" / "run.toml").read_text()


def test_a_step_that_another_process_is_at_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other process is a lock held here, let go once this one waits for it."""
    waits, let_go = Event(), Event()
    claims = Path("plan") / plans.CLAIMS
    done: list[str] = []
    plan = work(A, Training("c", {"seed": 3}))
    claims.mkdir()
    held = (claims / "a").open("w")
    fcntl.flock(held, fcntl.LOCK_EX)

    def slept(seconds: float) -> None:
        assert done == ["c"]
        waits.set()
        let_go.wait(10)

    monkeypatch.setattr(plans, "sleep", slept)
    thread = Thread(
        target=carry_out, args=(plan, TWO_CORES, lambda run: done.append(run.folder.name))
    )
    thread.start()
    assert waits.wait(60)
    held.close()
    let_go.set()
    thread.join(60)
    assert done == ["c", "a"]


BURSTS = Training("bursts", {"seed": 3, "initial": "gaussian:100"}, may_fail=True)
"""Its scores are infinite from the first step on."""


def test_a_training_that_fails_where_it_may_stops_no_other() -> None:
    after = Training("after", {"seed": 4}, after="bursts", may_fail=True)
    test = Measurement("bursts", "dense", (32, 64))
    finished: list[str] = []
    plan = work(BURSTS, after, test, A)
    for _ in range(2):  # the second time nothing is left to do
        carry_out(plan, TWO_CORES, lambda run: finished.append(run.folder.name))
        assert finished == ["a"]
    why = plan.failure("bursts")
    assert why is not None
    assert why.startswith("the loss is not finite at step 1 (rate ")
    assert Path("plan/bursts/failed.txt").read_text() == f"{why}\n"
    assert plan.failure("after") == f"bursts, which it was to begin with: {why}"
    assert plan.failure("a") is None
    assert plan.tests_of("bursts") == ()


def test_a_training_that_fails_where_it_may_not_ends_the_plan() -> None:
    with pytest.raises(UserError, match="the loss is not finite at step 1 .* none were kept yet"):
        carry_out(work(Training("bursts", BURSTS.settings), A), TWO_CORES)
    assert not Path("plan/a").exists()


def test_a_trial_that_fails_is_never_the_best() -> None:
    bursts = [Training(f"bursts-{rate}", {**BURSTS.settings, "rate": rate}, may_fail=True)
              for rate in (0.02, 0.01)]  # fmt: skip
    slow = Training("slow", {"seed": 1, "rate": 1e-6})
    plan = work(*bursts, slow)
    carry_out(plan, TWO_CORES)
    last = Training("last", tried=(bursts[0].name, "slow"))
    assert plan.settings(last)["rate"] == 1e-6
    none = Training("none", tried=tuple(t.name for t in bursts))
    assert plan.settings(none)["rate"] == 0.01  # the lowest, where all failed
