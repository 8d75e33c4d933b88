"""What a shell completes: held against what the words are names of."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from verydeep.commands import completion
from verydeep.commands.study import TRANSFER
from verydeep.engines.engine import ENGINES
from verydeep.evaluation.views import WAYS
from verydeep.exporters.families import WRITERS
from verydeep.nets.named import NETS, called
from verydeep.nets.vgg import CONFIGURATIONS
from verydeep.serving.model import WAYS as SERVED
from verydeep.tasks import TASKS
from verydeep.training.settings import checked
from verydeep.verbs.study_plan import ALL, STUDIES
from verydeep.verbs.transfer_protocols import PROTOCOLS


def test_the_words_are_all_there_are() -> None:
    with_norms = (f"{name}-BN" for name in CONFIGURATIONS)
    assert {*completion.NETS} == {*CONFIGURATIONS, *with_norms, *NETS}
    assert all(called(name) == name for name in completion.NETS)
    assert {*completion.PROTOCOLS} == {*WAYS}
    assert completion.TRANSFER_PROTOCOLS == PROTOCOLS
    assert tuple(SERVED) == completion.SERVED_PROTOCOLS
    assert completion.ENGINES == ENGINES
    assert tuple(WRITERS) == completion.FAMILIES
    assert tuple(TASKS) == completion.TASKS
    assert (*STUDIES, ALL, TRANSFER) == completion.STUDIES
    assert [checked({"tune": word})["tune"] for word in completion.TUNED] == [*completion.TUNED]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("verydeep tr", ["train", "transfer"]),
        ("verydeep train photos/ --wid", ["--width"]),
        ("verydeep train photos/ --net D", ["D", "D-BN", "DeepFace"]),
        ("verydeep evaluate runs/a photos/ --protocol c", ["crops", "centre"]),
        ("verydeep weights export vgg16 --to t", ["torchvision", "timm", "torch-export"]),
    ],
)
def test_bash_is_given_what_a_word_may_become(typed: str, expected: list[str]) -> None:
    asked = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    found = subprocess.run(
        [sys.executable, "-c", "from verydeep.commands.main import main; main()"],
        env={**os.environ, "_VERYDEEP_COMPLETE": "complete_bash", **asked},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout.split() == expected
