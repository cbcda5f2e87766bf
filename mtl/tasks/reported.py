"""Which metrics a run reports, known before it starts, and which of them chooses its weights."""

from __future__ import annotations

from collections.abc import Sequence

from mtl.conditions import ATTRIBUTE_NAMES, CONDITIONS
from mtl.config.run import RunConfig
from mtl.config.tracker_run import TrackerRunConfig
from mtl.config.training import CheckpointConfig
from mtl.config.unified import UnifiedTaskName
from mtl.config.unified_run import UnifiedRunConfig
from mtl.errors import ConfigError
from mtl.tasks.task import Metrics
from mtl.tasks.unified import LOSS_OF

CONDITION_METRICS: dict[str, tuple[str, ...]] = {
    "classes": (
        *("loss/classification", "accuracy", "balanced_accuracy", "macro_f1"),
        *(f"accuracy/{name}" for name in CONDITIONS),
    ),
    "attributes": (
        *("loss/classification", "loss/severity", "attribute_accuracy", "attribute_f1"),
        *(f"attribute_f1/{name}" for name in ATTRIBUTE_NAMES),
        *(f"attribute_precision/{name}" for name in ATTRIBUTE_NAMES),
        *(f"attribute_recall/{name}" for name in ATTRIBUTE_NAMES),
        "severity_mae",
    ),
}
"""Of a condition head, by what it answers."""
TRACKING_METRICS = (
    *("ao", "sr_50", "sr_75", "success_auc", "precision_20", "norm_precision"),
    *("fps", "speed_got10k"),
)
TASK_METRICS: dict[UnifiedTaskName, tuple[str, ...]] = {
    "det": ("map", "map_50", "map_75"),
    "seg": ("miou", "miou_merged"),
    "cls": ("top1",),
}
SCORE = "score"
"""What every unified run reports, whatever its tasks."""


def epoch_metrics(config: RunConfig) -> tuple[str, ...]:
    """Of the validation after each epoch; what needs labels is absent where there are none."""
    if isinstance(config, TrackerRunConfig):
        answers = config.traits.answers
        boxes = ("iou", "loss/total", "loss/giou", "loss/l1", "loss/location")
        return boxes + (CONDITION_METRICS[answers] if answers else ())
    assert isinstance(config, UnifiedRunConfig)
    return _of_tasks(config.validated)


def final_metrics(config: RunConfig) -> tuple[str, ...]:
    """Of the final evaluation of the best weights on a split."""
    if isinstance(config, TrackerRunConfig):
        return TRACKING_METRICS
    assert isinstance(config, UnifiedRunConfig)
    return ("delta_m",) if config.taught else ()


def is_loss(metric: str) -> bool:
    """Whether smaller values of a metric are better."""
    return metric.startswith("loss/") or metric == "severity_mae"


def is_better(metrics: Metrics, name: str, best: float | None) -> bool:
    """Whether the watched metric beats `best`; a loss or an error is better when smaller.

    Where the metric cannot be reported (no validation split, or no labels of what it measures), the
    latest weights count as best; one that is unknown was refused before.
    """
    value = metrics.get(name)
    if value is None or best is None:
        return True
    return bool(value < best if is_loss(name) else value > best)


def watched_metric(config: RunConfig) -> str:
    """The metric that chooses the best weights of a run.

    It is `checkpoint.metric`; a run that learns one task after another watches `score` while it
    learns a task that has no such metric.
    """
    if isinstance(config, UnifiedRunConfig):
        return checkpoint_of(config, config.validated).metric
    return config.checkpoint.metric


def checkpoint_of(config: UnifiedRunConfig, tasks: Sequence[UnifiedTaskName]) -> CheckpointConfig:
    """The section `checkpoint` of a run of some of the tasks, as a run of more of them has it.

    Args:
        config: of the run of more tasks.
        tasks: of the other; where none has the metric, it watches their `score`.
    """
    known = config.checkpoint.metric in _of_tasks(tasks)
    return config.checkpoint if known else config.checkpoint.model_copy(update={"metric": SCORE})


def require_watched(config: RunConfig) -> None:
    """Refuse a `checkpoint.metric` that is none of the run, nor of a phase before it.

    Raises:
        ConfigError: names those that there are.
    """
    if isinstance(config, UnifiedRunConfig):
        known = _of_tasks(config.learned)
    else:
        known = epoch_metrics(config)
    _require(config.checkpoint.metric, "checkpoint.metric", config, known, " after each epoch")


def require_reported(metric: str, where: str, config: RunConfig, final: bool) -> None:
    """Refuse a metric that a run does not report.

    Args:
        metric: its name.
        where: the key that names it.
        config: the run.
        final: whether metrics of the final evaluation count.

    Raises:
        ConfigError: names those that it reports.
    """
    known = epoch_metrics(config) + (final_metrics(config) if final else ())
    _require(metric, where, config, known, "" if final else " after each epoch")


def _of_tasks(tasks: Sequence[UnifiedTaskName]) -> tuple[str, ...]:
    """What a validation of unified tasks reports."""
    own = [name for task in tasks for name in TASK_METRICS[task]]
    return (SCORE, *own, "loss/total", *(f"loss/{LOSS_OF[task]}" for task in tasks))


def _require(metric: str, where: str, config: RunConfig, known: Sequence[str], when: str) -> None:
    if metric in known:
        return
    shown = [name for name in known if "/" not in name or name.startswith("loss/")]
    raise ConfigError(
        f"{where}: no task of this {config.model.family} run reports '{metric}'{when}; it reports "
        f"{', '.join(shown)}."
    )
