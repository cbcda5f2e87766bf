"""Learning all tasks at once beside learning them one after another: the runs, and their numbers.

The sequential runs lie in the folder of the joint run and start from its teacher of the first task,
so that every row of the table stands on the same weights, images and number of steps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from mtl.config.load import validate
from mtl.config.retention import RETENTION_METHODS, RetentionConfig, RetentionMethod
from mtl.config.unified import UnifiedTaskName
from mtl.config.unified_run import UnifiedRunConfig
from mtl.data.storage import join
from mtl.errors import ConfigError, DataError
from mtl.evaluation.retention import Outcome
from mtl.evaluation.unified.result import MAIN_METRIC
from mtl.families.sequential import SequentialFamily
from mtl.tasks.reported import checkpoint_of
from mtl.training.run_folder import RunFolder

KEYS: dict[RetentionMethod, tuple[str, ...]] = {
    "none": (),
    "replay": ("memory_images",),
    "ewc": ("ewc_weight", "fisher_images"),
    "lwf": ("lwf_weight",),
}
"""Keys of the section `retention` that a method reads."""
FOLDER = "retention"
"""Of the sequential runs and their comparison, in the joint run's folder."""


def sequential_runs(
    joint: UnifiedRunConfig, methods: Sequence[RetentionMethod] = RETENTION_METHODS
) -> dict[str, UnifiedRunConfig]:
    """One run for each method of retention, by its name.

    Each phase takes the steps of a teacher.

    Args:
        joint: config of the joint run, prepared.
        methods: of retention.

    Raises:
        ConfigError: the joint run has no teachers or is not evaluated, a task of `retention.order`
            has no data, or phases cannot have the batches of teachers.
    """
    if not joint.taught:
        raise ConfigError(
            "the table compares with single-task teachers and the joint run they teach; it needs "
            "train_type=all and loss.distillation.weight above 0."
        )
    if not joint.evaluation.splits:
        raise ConfigError(
            "evaluation.splits must name a split for the table, got none; give val or test."
        )
    try:
        joint.require_teacher_batch()
    except ValueError as error:
        raise ConfigError(f"{error}; each phase takes the steps of a teacher.") from None
    runs: dict[str, UnifiedRunConfig] = {}
    for method in methods:
        changes = {
            "name": method,
            "storage": join(joint.storage, str(joint.name), FOLDER),
            "train_type": "sequential",
            "retention": _of_method(joint.retention, method),
            "checkpoint": checkpoint_of(joint, joint.retention.order),
            "training": joint.training.model_copy(
                update={"batch_size": joint.teachers.batch_size, "accumulate": 1}
            ),
        }
        values = joint.model_copy(update=changes).model_dump(mode="json")
        run = cast(UnifiedRunConfig, validate(values, f"the sequential run of '{joint.name}'"))
        runs[method] = SequentialFamily(run).placed()
    return runs


def outcomes(joint: UnifiedRunConfig, split: str) -> tuple[dict[str, float], list[Outcome]]:
    """What the finished runs measured in their final evaluations of a split.

    Args:
        joint: config of the joint run, prepared.
        split: evaluated by all of them.

    Returns:
        The metric of each task's teacher, and what the joint run and each sequential run did: those
        of `retention.compare`, and others that have ended before.

    Raises:
        DataError: one of the runs has no such evaluation.
    """
    line = _evaluation(joint, split)
    tasks = joint.retention.order
    single: dict[str, float] = {
        task: float(line.get(f"teacher/{MAIN_METRIC[task]}", "nan")) for task in tasks
    }
    found = [Outcome("joint", [("", _metrics(line, tasks))])]
    for name, run in sequential_runs(joint).items():
        finished = RunFolder(run.storage, str(run.name)).finished()
        if name not in joint.retention.compare and not finished:
            continue
        first, *_ = tasks
        phases: list[tuple[str, dict[str, float]]] = [(first, {first: single[first]})]
        for phase in phases_of(run):
            order = phase.retention.order
            phases.append((order[-1], _metrics(_evaluation(phase, split), order)))
        found.append(Outcome(name, phases))
    return single, found


def _of_method(all_of_them: RetentionConfig, method: RetentionMethod) -> RetentionConfig:
    """What a run with this method depends on; everything else has its default."""
    kept = {key: getattr(all_of_them, key) for key in ("order", *KEYS[method])}
    return RetentionConfig(method=method, **kept)


def phases_of(run: UnifiedRunConfig) -> list[UnifiedRunConfig]:
    """The phases that are sequential runs, the first of them first."""
    before = SequentialFamily(run).before()
    return [*([] if before is None else phases_of(before)), run]


def _metrics(line: Mapping[str, Any], tasks: tuple[UnifiedTaskName, ...]) -> dict[str, float]:
    return {task: float(line.get(MAIN_METRIC[task], "nan")) for task in tasks}


def _evaluation(run: UnifiedRunConfig, split: str) -> dict[str, Any]:
    """The line of a run's final evaluation of a split."""
    folder = RunFolder(run.storage, str(run.name))
    if folder.has("metrics.jsonl"):
        lines = [json.loads(text) for text in folder.read_text("metrics.jsonl").splitlines()]
        for line in lines:
            if line["stage"] == SequentialFamily.final_stage and line["split"] == split:
                return cast(dict[str, Any], line)
    raise DataError(
        f"{folder.place} was not evaluated on split '{split}', the last of evaluation.splits; name "
        "one last that it was evaluated on."
    )
