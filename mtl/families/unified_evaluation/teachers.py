"""Who teaches in an evaluation: models named on the command line, or found beside a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from mtl.config.unified import UNIFIED_TASKS, UnifiedTaskName
from mtl.config.unified_run import UnifiedRunConfig
from mtl.data.storage import join, stat
from mtl.errors import AwayError, ConfigError
from mtl.families.unified_evaluation.plan import Entrant
from mtl.tracking.finished_model import model_address

_TASKS: dict[str, UnifiedTaskName] = {task: task for task in UNIFIED_TASKS}


def named_teachers(words: Sequence[str]) -> dict[UnifiedTaskName, str]:
    """Places of the teachers that words of the form task=MODEL name, by task.

    Raises:
        ConfigError: a word is of another form, or a task has two teachers.
    """
    named: dict[UnifiedTaskName, str] = {}
    for word in words:
        task, sign, place = word.partition("=")
        if not sign or not place or task not in _TASKS:
            raise ConfigError(f"--teacher must be det=MODEL, seg=MODEL or cls=MODEL, got '{word}'.")
        if task in named:
            raise ConfigError(
                f"--teacher {task} is given twice, as {named[_TASKS[task]]} and {place}; a task "
                "has one teacher, so leave one out."
            )
        named[_TASKS[task]] = place
    return named


def require_students(
    named: Mapping[UnifiedTaskName, str],
    with_data: Collection[UnifiedTaskName],
    compared: Sequence[Entrant],
    students: Sequence[Entrant],
) -> None:
    """Check that every named teacher has someone to stand beside.

    Args:
        named: places of teachers.
        with_data: tasks that there is data for.
        compared: models that are named to be compared.
        students: those of them that learned several tasks; others have no teachers.

    Raises:
        ConfigError: a teacher would change nothing.
    """
    for task, place in named.items():
        word = f"--teacher {task}={place}"
        if task not in with_data:
            raise ConfigError(
                f"{word} has no {task} data to answer here; set data.{task}_root, or leave it out."
            )
        if not any(task in one.tasks for one in compared):
            raise ConfigError(
                f"{word} teaches no model that is named here, for none learned {task}; leave it "
                "out, or name a model that did."
            )
        if not any(task in one.tasks for one in students):
            raise ConfigError(
                f"{word} is for models of several tasks, and none that is named here learned "
                f"{task} beside another; name {place} as one more model to compare."
            )


def found_teacher(source: str, config: UnifiedRunConfig, task: UnifiedTaskName) -> str | None:
    """Where a run's teacher is: in its folder, or where its config says; none if it is gone.

    Args:
        source: of the run's model.
        config: of the run.
        task: that is taught.
    """
    folder = model_address(source).partition("?")[0].rpartition("/")[0]
    for place in (join(folder, "teachers", task), config.teachers.path(task)):
        if place is not None and _exists(model_address(place)):
            return place
    return None


def _exists(address: str) -> bool:
    try:
        return stat(address) is not None
    except (AwayError, OSError):
        return False  # of a store that is gone or was never reached from here
