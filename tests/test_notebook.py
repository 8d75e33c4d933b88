"""docs/first-steps.ipynb, run whole as Jupyter runs it, in an empty folder.

What is expected of an output is what a reader can stand: some lines a cell, and one line of
progress that was renewed. Numbers are compared with those of the network's own table.
"""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.pages import ROOT

NOTEBOOK = ROOT / "docs" / "first-steps.ipynb"
MOST_LETTERS, MOST_LINES = 4000, 50
COMPLETED = """
from IPython.core.completer import provisionalcompleter

with provisionalcompleter():
    found = [c.text for c in get_ipython().Completer.completions("verydeep.", len("verydeep."))]
found
"""
INTERRUPTED = """
class Button(verydeep.Progress):
    def step(self, what, done, total, note=""):
        if what == "training" and done == 2:
            import _thread
            _thread.interrupt_main()

try:
    verydeep.train("drawn:60x40", "cut", net="A", width=0.125, crop=32, epochs=1, bad_start="train",
                   progress=Button())
except verydeep.Stopped as stopped:
    print(stopped)
verydeep.resume("cut", progress=verydeep.SILENT)
"""
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The cells of code after the run, those of the notebook and two of the test's own."""
    folder = tmp_path_factory.mktemp("notebook")
    book = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") for cell in book.cells), "outputs are to be stripped"
    book.cells += [nbformat.v4.new_code_cell(source) for source in (COMPLETED, INTERRUPTED)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.setenv("OMP_NUM_THREADS", "1")
        client = NotebookClient(
            book,
            timeout=500,
            kernel_name="python3",
            coalesce_streams=True,  # as a notebook shows them
            resources={"metadata": {"path": str(folder)}},
        )
        client.execute()
    return [cell for cell in book.cells if cell.cell_type == "code"]


def cell_of(cells: list[Any], source: str) -> Any:
    (found,) = (cell for cell in cells if source in cell.source)
    return found


def text_of(cell: Any) -> str:
    """All that stands below a cell in letters."""
    return "\n".join(
        output.text if output.output_type == "stream" else output.data.get("text/plain", "")
        for output in cell.outputs
    )


def test_no_cell_floods_its_reader(cells: list[Any]) -> None:
    for cell in cells:
        text = text_of(cell)
        assert len(text) < MOST_LETTERS, cell.source
        assert len(text.splitlines()) < MOST_LINES, cell.source
        assert len(cell.outputs) < 6, cell.source
        assert not [o for o in cell.outputs if o.get("name") == "stderr"], text


def test_training_shows_its_progress_in_one_line_that_is_renewed(cells: list[Any]) -> None:
    """The last of it to be seen is the end of the test, which comes after all training."""
    shown = [o for o in cell_of(cells, "run = verydeep.train").outputs if "data" in o]
    assert len(shown) == 1
    assert shown[0].data["text/plain"].startswith("testing, dense 150/150 (100%)")


def test_results_are_a_line_with_their_interval(cells: list[Any]) -> None:
    for source in ("verydeep.evaluate", "\nrun\n"):
        cell = cells[2] if source == "\nrun\n" else cell_of(cells, source)
        assert " % (" in text_of(cell)
        assert "with 95 % confidence) on 150 pictures" in text_of(cell)


def test_answers_and_activations_are_those_of_the_notebooks_words(cells: list[Any]) -> None:
    """At an eighth of its width A has 8 and 64 channels; of 40 pixels the crop's 32 are seen."""
    assert text_of(cell_of(cells, "top=3")).count("('") == 3
    assert text_of(cell_of(cells, "top=1")).count("is taken for") == 8
    found = text_of(cell_of(cells, "activations("))
    assert "'relu1_1': (1, 8, 32, 32)" in found
    assert "'pool5': (1, 64, 1, 1)" in found


def test_names_are_completed(cells: list[Any]) -> None:
    found = text_of(cell_of(cells, "provisionalcompleter():"))
    for name in ("load", "predict", "train", "SILENT"):
        assert f"'{name}'" in found
    assert "TYPE_CHECKING" not in found


def test_the_stop_button_keeps_what_there_is_to_go_on_with(cells: list[Any]) -> None:
    found = text_of(cell_of(cells, "class Button"))
    assert "stopped after step 2 of " in found
    assert "Run(cut: net A, 10 classes; epoch 1 of 1 kept; " in found
