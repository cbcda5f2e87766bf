"""The final evaluation of a unified model in its run's report: scores, intervals, drops."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtl.evaluation.unified.result import MAIN_METRIC
from mtl.report.html import Html, paragraph, section, table
from mtl.report.measured import ORDER
from mtl.report.metrics import History
from mtl.report.values import MISSING, SPLIT_LABELS, label, number


def evaluation_section(history: History, results: Path) -> Html:
    """Scores by split with their intervals, and drops against the teachers; empty without any.

    Args:
        history: lines of the run.
        results: folder of its result files, of which those of a run of trackers are shown.
    """
    lines = history.tracking
    if not lines:
        return Html("")
    splits = [SPLIT_LABELS[line["split"]] for line in lines]
    scores = [
        (label(name), *(_with_interval(line, name) for line in lines))
        for name in (*ORDER, "score")
        if any(name in line for line in lines)
    ]
    images = [
        (f"Images, {task}", *(number(line.get(f"images/{task}")) for line in lines))
        for task in MAIN_METRIC
        if any(f"images/{task}" in line for line in lines)
    ]
    if any("skipped" in line for line in lines):  # lines say so where it is not 0
        images.append(("Images not readable", *(number(line.get("skipped", 0)) for line in lines)))
    parts = [table("Best weights", ("metric", *splits), [*scores, *images])]
    for line, split in zip(lines, splits, strict=True):
        rows = _drops(line)
        if rows:
            headers = ("metric", "single-task teacher", "this model", "drop")
            parts.append(table(f"Beside the teachers, {split} images", headers, rows))
    note = paragraph(
        "In brackets: 95 % bootstrap intervals, whole images drawn again; a model and its teacher "
        "are judged on the same images. Drop: (teacher - model) / teacher, below 0 the model is "
        "the better one; the average change Δm is the other way round. mAP of misread boxes is "
        "what the published programs print, for comparison with published tables only.",
        "soft",
    )
    return section("Final evaluation", *parts, note)


def _drops(line: Mapping[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (
            label(name),
            number(line[f"teacher/{name}"]),
            number(line.get(name)),
            _percent(line, f"drop/{name}"),
        )
        for name in MAIN_METRIC.values()
        if f"teacher/{name}" in line
    ]
    if rows:
        rows.append((label("delta_m"), "", "", _percent(line, "delta_m")))
    return rows


def _with_interval(line: Mapping[str, Any], name: str) -> str:
    low, high = line.get(f"{name}_low"), line.get(f"{name}_high")
    ends = "" if low is None or high is None else f" [{number(low)}, {number(high)}]"
    return number(line.get(name)) + ends


def _percent(line: Mapping[str, Any], name: str) -> str:
    value, low, high = (line.get(name + end) for end in ("", "_low", "_high"))
    if value is None:
        return MISSING
    ends = "" if low is None or high is None else f" [{100 * low:+.1f}, {100 * high:+.1f}]"
    return f"{100 * value:+.1f} %{ends}"
