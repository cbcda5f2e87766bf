"""Numbers with their intervals, as a reader sees them."""

from __future__ import annotations

from collections.abc import Callable

from mtl.evaluation.unified.measured import Measured
from mtl.evaluation.unified.result import MAIN_METRIC, ModelResult, UnifiedResult, verdict
from mtl.report.values import MISSING, label, number

ORDER = ("map", "map_50", "map_75", "map_misread_boxes", "miou", "miou_merged", "top1")
"""Metrics of whole sets, as tables list them."""
CLASS_METRICS = {"ap/": "det", "iou/": "seg", "accuracy/": "cls"}
"""Beginnings of the names of metrics of single classes, and their tasks."""


def measured_text(one: Measured | None) -> str:
    """A value and its interval, as in 0.512 [0.431, 0.602]."""
    if one is None or one.value != one.value:
        return MISSING
    interval = one.interval()
    ends = "" if interval is None else f" [{number(interval.low)}, {number(interval.high)}]"
    return number(one.value) + ends


def percent_text(one: Measured | None) -> str:
    """A ratio in percent with its interval, as in +2.4 % [-1.0, +5.5]."""
    if one is None or one.value != one.value:
        return MISSING
    interval = one.interval()
    ends = "" if interval is None else f" [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"
    return f"{100 * one.value:+.1f} %{ends}"


def signed_text(one: Measured) -> str:
    """A difference with its interval, each end so exact that its side of 0 shows."""
    interval = one.interval()
    ends = "" if interval is None else f" [{interval.low:+.3f}, {interval.high:+.3f}]"
    return f"{one.value:+.3f}{ends}"


def metric_name(name: str, result: UnifiedResult) -> str:
    """What a metric is called where the classes of the sets are known."""
    facts = result.sets.get("seg")
    if facts is not None and name in ("miou", "miou_merged"):
        return f"mIoU, {len(facts.class_names) - (name == 'miou_merged')} classes"
    return label(name)


def metric_rows(result: UnifiedResult) -> list[tuple[str, ...]]:
    """A line for each metric that was measured: its name, and each model's value."""
    return [
        (
            metric_name(name, result),
            *(measured_text(one.scores.metrics.get(name)) for one in result.models),
        )
        for name in ORDER
        if any(name in one.scores.metrics for one in result.models)
    ]


def value_text(one: Measured) -> str:
    """A value alone, where there is no room for its interval."""
    return number(one.value)


def teacher_rows(
    model: ModelResult,
    result: UnifiedResult,
    shown: Callable[[Measured], str] = measured_text,
) -> list[tuple[str, ...]]:
    """Metric, teacher, model and drop of each task with a teacher, and the average change.

    Args:
        model: whose teachers they are.
        result: the model is of.
        shown: how scores are written; the drop always has its interval.
    """
    scores = model.scores
    rows: list[tuple[str, ...]] = [
        (
            metric_name(MAIN_METRIC[task], result),
            shown(one.value),
            shown(scores.metrics[MAIN_METRIC[task]]),
            percent_text(scores.drops[task]),
        )
        for task, one in model.teachers.items()
    ]
    if scores.delta_m is not None:
        rows.append((label("delta_m"), "", "", percent_text(scores.delta_m)))
    return rows


def difference_rows(result: UnifiedResult, name: str) -> list[tuple[str, ...]]:
    """A line for each metric of a further model: both values, the difference, and the verdict."""
    first = result.models[0].scores.metrics
    other = next(one for one in result.models if one.name == name).scores.metrics
    return [
        (
            metric_name(metric, result),
            number(first[metric].value),
            number(other[metric].value),
            signed_text(result.differences[name][metric]),
            verdict(result.differences[name][metric]),
        )
        for metric in ORDER
        if metric in result.differences[name]
    ]
