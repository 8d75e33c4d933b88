"""What is said of a run before its long work begins: data, settings and why, what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from verydeep import tasks
from verydeep.datasets import Dataset
from verydeep.go import positions
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import Progress
from verydeep.shell import command
from verydeep.training.defaults import Choice
from verydeep.training.duration import are_few, minutes_of_features
from verydeep.training.loader import epoch_in_words
from verydeep.training.settings import Settings, scale_text


def announce(progress: Progress, dataset: Dataset, choice: Choice, takes: str, out: Path) -> None:
    """Says what was found and what was chosen."""
    settings = choice.settings
    progress.say(f"{dataset.where}: {len(dataset.classes)} classes, {dataset.kind}")
    for note in dataset.notes:
        progress.say(f"  {note}")
    progress.say("chosen:")
    for name, reason in choice.reasons.items():
        progress.say(f"  {name:11} {in_words(name, getattr(settings, name)):>19}  {reason}")
    progress.say(takes)
    progress.say(epoch_in_words(len(dataset.train), settings))
    task, part = tasks.named(settings.task), dataset.by_role[dataset.held_out]
    if without_looking := task.without_looking(dataset, part):
        progress.say(without_looking)
    progress.say(f"writing to {out}/")


def instead(dataset: Dataset, choice: Choice, machine: Machine) -> str | None:
    """What would serve few pictures better than a net from random weights, in a line, or None."""
    settings, pictures = choice.settings, len(dataset.everything)
    named = dataset.kind not in ("drawn", positions.KIND) and settings.task == Settings().task
    if settings.start is not None or not named or not are_few(len(dataset.train)):
        return None
    takes = ""
    if machine.device == "cpu":
        takes = f", about {minutes_of_features(pictures, machine.cores)} min here"
    return (
        f"few pictures: `{command('transfer', 'vgg16', dataset.where)}` needs no training{takes}, "
        f"and may well be right more often"
    )


def in_words(name: str, value: Any) -> str:
    """A setting's value as it is given on the command line."""
    if name == "scale":
        return scale_text(value)
    if isinstance(value, tuple):
        return ",".join(f"{v:g}" for v in value) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
