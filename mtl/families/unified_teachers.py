"""Teachers of a unified run: where they are, which it trains itself, and which may teach it."""

from __future__ import annotations

from typing import Any

from mtl.config.unified import BoxDecodingConfig, UnifiedTaskName
from mtl.config.unified_run import UnifiedRunConfig
from mtl.data.storage import absolute, join
from mtl.errors import CheckpointError, ConfigError
from mtl.tasks.reported import checkpoint_of
from mtl.tracking.finished_model import FinishedModel, read_model

FREE: Any = {
    "init": True,  # how weights begin
    "initial_confidence": True,
    "backbone": {"drop_path"},  # chance while they learn
    "head": {"dropout"},
    "boxes": set(BoxDecodingConfig.model_fields) - {"center_span"},  # what is made of the maps
    "segmentation_output": True,
    "segmentation_size": True,
}
"""Keys of a network that change neither which weights fit nor what its raw maps mean; finished ones
may differ in them. Pooling is none: classes are learned, and distilled, through it."""


def teacher_place(config: UnifiedRunConfig, task: UnifiedTaskName) -> str:
    """Where a run keeps a teacher that it trains itself."""
    return join(config.storage, str(config.name), "teachers", task)


def own_teachers(config: UnifiedRunConfig) -> list[UnifiedTaskName]:
    """Tasks whose teachers a run trains itself, once its config has a place for each."""
    tasks = config.tasks if config.taught else ()
    return [task for task in tasks if config.teachers.path(task) == teacher_place(config, task)]


def given_teachers(config: UnifiedRunConfig) -> dict[UnifiedTaskName, str]:
    """Where the teachers are that a run does not train itself."""
    if not config.taught:
        return {}
    places = {task: config.teachers.path(task) for task in config.tasks}
    return {
        task: absolute(place)
        for task, place in places.items()
        if place is not None and place != teacher_place(config, task)
    }


def with_teachers(config: UnifiedRunConfig) -> UnifiedRunConfig:
    """The config with a place for every teacher that it needs.

    Raises:
        CheckpointError: a given teacher cannot teach; see `read_teacher`.
        ConfigError: a teacher is not given, and there is no stage to train it in.
    """
    if not config.taught:
        return config
    given = given_teachers(config)
    ours = [task for task in config.tasks if task not in given]
    stage = config.stages.get("teachers")
    if ours and (stage is None or not stage.epochs):
        raise ConfigError(
            f"the run needs a teacher of {ours[0]}: give teachers.{ours[0]}=PATH of one, "
            "stages.teachers.epochs=N to train it, or loss.distillation.weight=0 to do without."
        )
    for task, place in given.items():
        read_teacher(config, task, place)
    return with_places(config, {**given, **{task: teacher_place(config, task) for task in ours}})


def with_places(config: UnifiedRunConfig, places: dict[UnifiedTaskName, str]) -> UnifiedRunConfig:
    """The config with these places of teachers."""
    changes: dict[Any, str] = {**places}
    return config.model_copy(update={"teachers": config.teachers.model_copy(update=changes)})


def teacher_run(config: UnifiedRunConfig, task: UnifiedTaskName) -> UnifiedRunConfig:
    """The run that trains a teacher."""
    training = config.training.model_copy(
        update={"batch_size": config.teachers.batch_size, "accumulate": 1}
    )
    changes = {
        "name": task,
        "storage": join(config.storage, str(config.name), "teachers"),
        "train_type": task,
        "training": training,
        "checkpoint": checkpoint_of(config, (task,)),
        "teachers": type(config.teachers)(),
    }
    return config.model_copy(update=changes)


def read_teacher(config: UnifiedRunConfig, task: UnifiedTaskName, place: str) -> FinishedModel:
    """A teacher, which has learned its task and is the same network as the student.

    Raises:
        CheckpointError: it cannot be read, has not, or is not.
    """
    advice = "give another teacher, or none to train one."
    return read_learned(config, place, task, f"teachers.{task}={place}", advice)


def read_learned(
    config: UnifiedRunConfig, place: str, task: UnifiedTaskName, what: str, advice: str
) -> FinishedModel:
    """A model that has learned a task and is the same network as that of a run.

    Args:
        config: of the run.
        place: of the model.
        task: that it must have learned.
        what: it is called in messages.
        advice: what to do, in messages.

    Raises:
        CheckpointError: it cannot be read, has not, or is not.
    """
    found = read_model(place)
    if not isinstance(found.config, UnifiedRunConfig):
        raise CheckpointError(
            f"{what} must be a unified model, got a {found.config.model.family}; {advice}"
        )
    if task not in found.config.learned:
        raise CheckpointError(
            f"{what} must have learned {task}, but it was trained with "
            f"train_type={found.config.train_type} on data of {', '.join(found.config.learned)}; "
            f"{advice}"
        )
    theirs, mine = (one.model.model_dump(exclude=FREE) for one in (found.config, config))
    for key in (k for k in mine if mine[k] != theirs[k]):
        raise CheckpointError(
            f"{what} must be the same network as the student: model.{key} is {theirs[key]} "
            f"there and {mine[key]} here; {advice}"
        )
    return found
