"""The walk, with another number of rows for each picture.

What is expected is a plain loop over pictures and passes, without chunks, threads or processes; of
the mean, what was worked out by hand.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import TWO_CORES
from tests.evaluation.ragged import COUNT, PASSES, UNREADABLE, Named, ragged, rows_of
from tests.killing import free_port
from verydeep.evaluation.journal import Journal
from verydeep.evaluation.rows import UNREAD, Rows
from verydeep.evaluation.walk import Made, Walk, chunks, walked
from verydeep.runtime.machine import Machine
from verydeep.runtime.runtime import Runtime

ROOT = Path(__file__).parents[2]


def plainly() -> Rows:
    """The rows of each picture of all passes, one picture after another."""
    readable = [i for i in range(COUNT) if i != UNREADABLE]
    rows = [row for i in readable for shown_as in PASSES for row in rows_of(i, shown_as)]
    counts = [UNREAD if i == UNREADABLE else 3 * (i % 4) for i in range(COUNT)]
    return Rows(np.array(rows, np.float32), np.array(counts))


def same_bits(one: Rows, other: Rows) -> bool:
    """Whether both are the same, the sign of nought included."""
    return (
        one.counts.tolist() == other.counts.tolist()
        and one.values.tobytes() == other.values.tobytes()
    )


def process(
    *words: object, rank: int = 0, count: int = 1, port: int = 0
) -> subprocess.Popen[bytes]:
    """A walk in a process of its own."""
    together = {
        "RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "tests.evaluation.ragged", *map(str, words)],
        cwd=ROOT,
        env={**os.environ, **(together if count > 1 else {})},
    )


def rows_in(path: Path) -> Rows:
    found = np.load(path)
    return Rows(found["values"], found["counts"])


def test_rows_are_those_of_a_plain_loop() -> None:
    found = walked(ragged(), TWO_CORES)
    assert same_bits(found, plainly())
    assert [len(rows) for rows in found.each()] == [max(0, n) for n in plainly().counts]
    assert np.flatnonzero(~found.readable).tolist() == [UNREADABLE]
    assert "picture (10 bytes)" in str(ragged().fault(UNREADABLE))
    assert ragged().fault(0) is None


def test_threads_change_nothing() -> None:
    one = walked(ragged(), Runtime(Machine("cpu", 1)))
    assert same_bits(one, walked(ragged(), Runtime(Machine("cpu", 4))))


def test_a_chunk_is_a_function_of_its_number() -> None:
    whole, walk = plainly(), ragged()
    assert walk.count == 6
    assert [*walk.numbers(5)] == [15, 16]
    ((number, alone),) = chunks(walk, [3])
    assert number == 3
    assert alone.counts.tolist() == whole.counts[9:12].tolist()
    assert [rows.tolist() for rows in alone.each()] == [
        rows.tolist() for rows in whole.each()[9:12]
    ]


@pytest.mark.parametrize("calls", [0, 8, 20, 30])
def test_a_walk_that_is_killed_goes_on_to_the_same_rows(tmp_path: Path, calls: int) -> None:
    kept, out = tmp_path / "kept", tmp_path / "rows.npz"
    assert process(kept, out, calls).wait() == -signal.SIGKILL
    before = Journal(kept, Named()).kept()
    assert set(before) == {*range(len(before))}  # the first ones, in their order
    assert bool(before) == (calls > 8)
    assert process(kept, out).wait() == 0
    assert same_bits(rows_in(out), plainly())


def test_only_what_is_not_kept_is_worked_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verydeep.evaluation.journal.SECONDS", -1.0)
    walk, journal = ragged(), Journal(tmp_path, Named())
    for number, rows in chunks(walk, [0, 2, 3, 5]):
        journal.add(number, rows)
    done: list[int] = []
    found = walked(walk, TWO_CORES, done.append, Journal(tmp_path, Named()))
    assert same_bits(found, plainly())
    assert done[0] == 12  # pictures of four chunks; those of the two others follow
    assert sorted(Journal(tmp_path, Named()).kept()) == [0, 1, 2, 3, 4, 5]


def test_a_chunk_that_is_done_anew_takes_no_other_away(tmp_path: Path) -> None:
    """As where a file could not be read at first, and another begins with the same chunk."""
    rows = dict(chunks(ragged(), [0, 1, 2]))
    for numbers in ([0, 1], [0, 2], [0]):
        journal = Journal(tmp_path, Named())
        for number in numbers:
            journal.add(number, rows[number])
        journal.save()
    found = Journal(tmp_path, Named()).kept()
    assert sorted(found) == [0, 1, 2]
    assert all(same_bits(found[number], rows[number]) for number in rows)


def test_two_processes_come_to_the_rows_of_one(tmp_path: Path) -> None:
    """The second time they go on with the journal that one of them kept of a third of it."""
    for again in range(2):
        if again:
            for path in sorted((tmp_path / "kept").iterdir())[2:]:
                path.unlink()
        port = free_port()
        outs = [tmp_path / f"{rank}.npz" for rank in range(2)]
        running = [
            process(tmp_path / "kept", out, rank=rank, count=2, port=port)
            for rank, out in enumerate(outs)
        ]
        assert [one.wait() for one in running] == [0, 0]
        for out in outs:
            assert same_bits(rows_in(out), plainly())


def test_a_mean_is_that_of_the_passes_row_by_row() -> None:
    """Picture 7 has rows (7, pass, 0), (7, pass, 1) and (7, pass, 2) of passes 0, 1 and 2."""
    found = walked(ragged("mean"), TWO_CORES)
    assert found.counts.tolist() == [UNREAD if i == UNREADABLE else i % 4 for i in range(COUNT)]
    assert found.each()[7].tolist() == [[7, 1, 0], [7, 1, 1], [7, 1, 2]]


def test_a_picture_is_finished_once_by_its_rows_of_all_passes() -> None:
    asked: list[int] = []

    def finish(i: int, rows: Made) -> Made:
        asked.append(i)
        return np.array([[i, len(rows), rows[:, 1].sum()]], np.float32)

    for threads in (Runtime(), TWO_CORES):
        asked.clear()
        found = walked(replace(ragged(), finish=finish), threads)
        readable = [i for i in range(COUNT) if i != UNREADABLE]
        assert sorted(asked) == readable
        # i mod 4 rows of each of three passes, numbered 0, 1 and 2
        expected = [[i, 3 * (i % 4), 3 * (i % 4)] for i in readable]
        assert found.values.tolist() == expected
        assert found.counts.tolist() == [UNREAD if i == UNREADABLE else 1 for i in range(COUNT)]


def test_what_is_stacked_must_be_as_many_of_each_pass() -> None:
    assert same_bits(walked(ragged("stack"), TWO_CORES), plainly())
    walk = ragged("stack")
    uneven = Walk(
        **{
            **vars(walk),
            "make": lambda shown_as, pictures, windows: [
                np.zeros((shown_as.scale, 3), np.float32) for _ in pictures
            ],
        }
    )
    with pytest.raises(ValueError, match=r"stacked gave \[12, 16\] rows of one picture"):
        walked(uneven, TWO_CORES)
