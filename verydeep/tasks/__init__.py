"""Tasks: what a net is trained for and how that is judged, each a record of functions."""

from verydeep.errors import UserError
from verydeep.schema import shown
from verydeep.tasks.classify import CLASSIFY
from verydeep.tasks.localise import LOCALISE, LOCALISE_SINGLE, OBJECTS
from verydeep.tasks.points import POINTS
from verydeep.tasks.tag import TAG
from verydeep.tasks.task import Task

TASKS = {task.name: task for task in (CLASSIFY, TAG, LOCALISE, LOCALISE_SINGLE, OBJECTS, POINTS)}
"""Those that a net can be trained for, by the name that `--task` takes."""


def named(name: str) -> Task:
    """The task of that name; UserError for an unknown one."""
    if name not in TASKS:
        raise UserError(f"no task {shown(name)}; --task takes {', '.join(TASKS)}")
    return TASKS[name]
