"""`verydeep tour`: the whole story on drawn pictures, offline, in minutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from verydeep.commands.options import Device, Quiet, Seed, Threads

if TYPE_CHECKING:
    from verydeep.datasets import Dataset
    from verydeep.evaluation.scores import Scores

DATA = "drawn:2000x64"
SMALL: dict[str, Any] = {
    "crop": 64, "scale": 64, "width": 0.125, "batch": 16, "micro_batch": 8, "rate": 0.007,
    "dropout": 0.0, "colour": 0.0,
}  # fmt: skip
"""How the networks are scaled down, to be trained in about a minute each."""
EPOCHS = 12


def tour(
    out: Annotated[
        Path | None, typer.Option(help="New folder for it all. [default: runs/tour]")
    ] = None,
    seed: Seed = None,
    device: Device = None,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """See the whole story on drawn pictures: train A and D small, test them, read the page.

    verydeep tour

    D starts from layers of A, as in the paper. Needs no data and no network; takes two to three
    minutes on two cores.
    """
    from verydeep.commands.console import Console

    console = Console(quiet)
    console.say("verydeep tour: two of the paper's networks, small, on pictures drawn here and now")
    from verydeep.datasets import open_dataset
    from verydeep.report.page import write_page
    from verydeep.report.sheet import write_contact_sheet
    from verydeep.runtime.machine import Machine
    from verydeep.runtime.runtime import Runtime
    from verydeep.studies.plan import Plan, Training
    from verydeep.training.run import new_folder
    from verydeep.verbs.plans import Work, carry_out

    folder = new_folder(out, "tour")
    dataset = open_dataset(DATA, seed or 0)
    sheet = folder / "contact-sheet.png"
    write_contact_sheet(dataset, sheet)
    console.say(f"the pictures look like this: {sheet}")
    write_some(dataset, folder / "pictures")
    given = {"seed": seed or 0, "split": seed or 0, **SMALL}
    a = Training("A", {"net": "A", "epochs": EPOCHS})
    d = Training("D", {"net": "D", "epochs": EPOCHS}, after="A")
    work = Work(Plan((a, d)), folder, DATA, given)
    carry_out(work, Runtime(Machine.this(device, threads), progress=console), write_page)
    print(answer(folder, {name: work.tests_of(name) for name in ("A", "D")}))


def write_some(dataset: Dataset, folder: Path) -> None:
    """Writes one test picture of each class as PNG, named after its class."""
    from PIL import Image

    from verydeep.pictures.reading import read_picture

    folder.mkdir()
    test = dataset.parts["test"]
    labels = test.labels.tolist()
    for label, name in enumerate(dataset.classes):
        image = read_picture(test.source(labels.index(label)))
        Image.fromarray(image).save(folder / f"{name}.png")


def answer(folder: Path, tests: Mapping[str, Sequence[Scores]]) -> str:
    """The small table, where the pages lie, and what to do next."""
    from verydeep.commands.compare import cells
    from verydeep.report.tables import text_table
    from verydeep.shell import called, command
    from verydeep.verbs.compare import as_data

    of_test = {name: [s for s in found if s.role == "test"] for name, found in tests.items()}
    rows = [["top-1 test error, % (95 % interval)", *(str(s.protocol) for s in of_test["A"])]]
    for name, found in of_test.items():
        errors = [cells(as_data([scores])) for scores in found]
        rows.append([f"configuration {name}", *(f"{e[0]} ({e[1]})" for e in errors)])
    best = min(of_test, key=lambda name: of_test[name][-1].top(1))
    return "\n".join(
        [
            "",
            text_table(rows),
            "",
            "D was started from layers of A, as in the paper, and so has learnt for twice as long:",
            "what depth does is asked by `verydeep study depth`.",
            "",
            "A chance guess errs on 90 %. Each network has its page; open it in a browser:",
            *(f"  {folder / name}/report.html" for name in tests),
            "",
            "Show the better one ten pictures that it has not seen:",
            f"  {command('predict', folder / best, folder / 'pictures', '--top', 1)}",
            "",
            "Then your own, in one folder for each class:",
            f"  {called()} look photos/",
            f"  {called()} train photos/",
        ]
    )
