"""Tasks: what a net is trained for and how that is judged, each a record of functions."""

from difflib import get_close_matches

from verydeep.errors import UserError
from verydeep.schema import shown
from verydeep.tasks.classify import CLASSIFY
from verydeep.tasks.embed import EMBED
from verydeep.tasks.localise import LOCALISE, LOCALISE_SINGLE, OBJECTS
from verydeep.tasks.points import POINTS
from verydeep.tasks.tag import TAG
from verydeep.tasks.task import Task

TASKS = {
    task.name: task for task in (CLASSIFY, TAG, LOCALISE, LOCALISE_SINGLE, OBJECTS, POINTS, EMBED)
}
"""Those that a net can be trained for, by the name that `--task` takes."""


CALLED = {
    "localise": ("localization", "localisation", "box", "boxes", "bbox", "bboxes"),
    "points": ("point", "keypoint", "keypoints", "landmarks", "joints", "pose"),
    "classify": ("class", "classes", "classification"),
    "embed": ("embedding", "embeddings", "verify", "verification", "triplet", "faces", "facenet"),
    "tag": ("tags", "tagging", "labels", "multilabel", "multi-label"),
}
"""What else such tasks are called, where it is not spelt nearly the same."""
ALIKE = 0.75
"""How alike spellings are from which on one is taken for the other: 'localize' is, not 'paint'."""


def named(name: str) -> Task:
    """The task of that name; UserError for an unknown one, with the one that may be meant."""
    if name not in TASKS:
        meant = f"did you mean '{near}'? " if (near := _nearest(name.lower())) else ""
        raise UserError(f"no task {shown(name)}; {meant}--task takes {', '.join(TASKS)}")
    return TASKS[name]


def _nearest(name: str) -> str | None:
    """The task that a name may mean, if any."""
    for task, others in CALLED.items():
        if name in others:
            return task
    return next(iter(get_close_matches(name, TASKS, 1, ALIKE)), None)
