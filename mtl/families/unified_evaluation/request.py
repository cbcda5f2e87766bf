"""From the words of a command to a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mtl.benchmark.entrants import model_names
from mtl.benchmark.request import split_words
from mtl.config.load import load_evaluation
from mtl.config.unified import UNIFIED_TASKS, UnifiedTaskName
from mtl.config.unified_data import UnifiedDataConfig
from mtl.config.unified_run import UnifiedEvaluateConfig, UnifiedRunConfig
from mtl.data.unified.build import Split, build_unified_index
from mtl.data.unified.fingerprint import fingerprint
from mtl.data.unified.index import UnifiedIndex
from mtl.errors import ConfigError
from mtl.families.unified_evaluation.plan import Entrant, Plan
from mtl.families.unified_evaluation.teachers import (
    found_teacher,
    named_teachers,
    require_students,
)
from mtl.families.unified_scores import wrong_count
from mtl.tracking.finished_model import FinishedModel, read_model

SPLITS: dict[str, Split] = {"train": "train", "val": "val", "test": "test"}


@dataclass(frozen=True)
class UnifiedRequest:
    """What a command line asks for, unchecked."""

    words: Sequence[str]
    """Run folders and model files, and `section.key=value` words."""
    out: Path
    """Folder of the evaluation."""
    split: str | None = None
    """Part of the data by its role; none: test."""
    teachers: Sequence[str] = ()
    """Words of the form task=MODEL."""


def resolve(request: UnifiedRequest) -> tuple[Plan, UnifiedEvaluateConfig]:
    """Open the models and the data, and check that they belong together.

    Without any root the images are the embedded scenes of the first model's run. What its data call
    their splits and where their annotations lie holds for others too, unless the words say.

    Raises:
        MtlError: one sentence about the word, file or class that is wrong.
    """
    words, overrides = split_words(request.words)
    given = load_evaluation(UnifiedEvaluateConfig(), overrides)  # a wrong word, before a slow file
    split = SPLITS.get(request.split or "test")
    if split is None:
        raise ConfigError(
            f"--split must be train, val or test, got '{request.split}'; data.det_splits.test=NAME "
            "and its like say what a set calls it."
        )
    named = named_teachers(request.teachers)
    found = [read_model(word) for word in words]
    runs = [_unified(one) for one in found]
    data = _read_as(runs[0].data, given.data.embedded)
    config = load_evaluation(UnifiedEvaluateConfig(data=data), overrides)
    index = build_unified_index(config.data, split)
    makers = _Makers(data, overrides, index)
    names = model_names([one.source for one in found])
    entrants = [makers.entrant(one, name) for one, name in zip(found, names, strict=True)]
    compared = len(entrants)
    students = [place for place, run in enumerate(runs) if len(run.learned) > 1]
    require_students(named, index.lengths, entrants, [entrants[place] for place in students])
    teachers: dict[tuple[int, UnifiedTaskName], int] = {}
    for place in students:
        for task in entrants[place].tasks:
            source = named.get(task) or found_teacher(found[place].source, runs[place], task)
            if source is None:
                continue
            taught = makers.entrant(read_model(source), f"{names[place]}-{task}-teacher", (task,))
            teachers[place, task] = _place(entrants, taught, task)
    asked = {task for entrant in entrants for task in entrant.tasks}
    index = index.only([task for task in UNIFIED_TASKS if task in asked])
    return (
        Plan(
            entrants=tuple(entrants),
            num_compared=compared,
            teachers=teachers,
            split=split,
            index=index,
            data=config.data,
            files={task: fingerprint(one) for task, one in index.sets.items()},
        ),
        config,
    )


class _Makers:
    """Makes entrants that are asked about the same images."""

    def __init__(
        self, data: UnifiedDataConfig, overrides: Sequence[str], index: UnifiedIndex
    ) -> None:
        self._data, self._overrides, self._index = data, overrides, index

    def entrant(
        self, found: FinishedModel, name: str, tasks: Sequence[UnifiedTaskName] = UNIFIED_TASKS
    ) -> Entrant:
        """A model with those tasks that it learned and that there is data for.

        Raises:
            ConfigError: it is of another family, has another number of classes or no such task.
            DataError: its classes are others.
        """
        config = _unified(found)
        learned = [task for task in config.learned if task in tasks]
        index = self._index.only(learned)
        if not index.lengths:
            raise ConfigError(
                f"{found.source} answers {', '.join(config.learned)}, for which there is no data "
                f"here; set data.{config.learned[0]}_root, or name another model."
            )
        if wrong := wrong_count(config.model, index):
            raise ConfigError(
                f"{found.source} has {wrong.key}={wrong.got}, but the {wrong.task} data here need "
                f"{wrong.wanted}; give data with the classes that it was trained for."
            )
        index.require_classes(found.unified_classes, f"the model {found.source}")
        sized = self._data.model_copy(update={"sizes": config.data.sizes})
        data = load_evaluation(UnifiedEvaluateConfig(data=sized), self._overrides).data
        return Entrant(
            name=name,
            source=found.source,
            digest=found.digest,
            model=found.model,
            config=config.model_copy(update={"data": data}),
            tasks=tuple(task for task in UNIFIED_TASKS if task in index.lengths),
            class_names=found.unified_classes,
        )


def _read_as(trained: UnifiedDataConfig, embedded: bool) -> UnifiedDataConfig:
    """Defaults for the data of an evaluation.

    Args:
        trained: what the first model was trained on.
        embedded: whether the evaluation is on embedded scenes, which have split names of their own.
    """
    keys = {"synthetic", "det_categories"}
    if trained.embedded or not embedded:
        keys |= {"det_splits", "seg_splits", "cls_splits", "det_annotations"}
    return UnifiedDataConfig.model_validate({key: getattr(trained, key) for key in keys})


def _unified(found: FinishedModel) -> UnifiedRunConfig:
    if not isinstance(found.config, UnifiedRunConfig):
        raise ConfigError(
            f"{found.source} is of family {found.config.model.family}, not a unified model; "
            "evaluate models of one family at a time."
        )
    return found.config


def _place(entrants: list[Entrant], taught: Entrant, task: UnifiedTaskName) -> int:
    """Where the teacher is in the list, which it joins if it is not there yet."""
    for place, one in enumerate(entrants):
        if one.digest == taught.digest and task in one.tasks:
            return place
    entrants.append(taught)
    return len(entrants) - 1
