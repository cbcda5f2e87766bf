"""What an evaluation of unified models prints at the end."""

from __future__ import annotations

from rich.console import Console

from mtl.benchmark.terminal import print_rows
from mtl.evaluation.unified.result import UnifiedResult
from mtl.families.unified_evaluation.folder import EvaluationFolder
from mtl.report.measured import difference_rows, metric_rows, teacher_rows, value_text

MISREAD_NOTE = (
    "mAP of misread boxes is what the published programs print: stretched boxes overlap more; "
    "compare it with published tables only."
)


def print_result(console: Console, folder: EvaluationFolder, result: UnifiedResult) -> None:
    """Print tables of scores, teachers and comparisons, and where everything lies."""
    names = [one.name for one in result.models]
    images = ", ".join(f"{facts.images} {task}" for task, facts in result.sets.items())
    title = f"split '{result.split}': {images} images; in brackets 95 % intervals over images"
    print_rows(console, title, ("metric", *names), metric_rows(result))
    if any("map_misread_boxes" in one.scores.metrics for one in result.models):
        console.print(MISREAD_NOTE, style="dim")
    for model in result.models:
        print_rows(
            console,
            f"{model.name} beside its teachers",
            ("metric", "teacher", "model", "drop"),
            teacher_rows(model, result, value_text),
        )
    for name in result.differences:
        print_rows(
            console,
            f"{name} (B) against {names[0]} (A)",
            ("metric", "A", "B", "B - A", "verdict on B"),
            difference_rows(result, name),
        )
    for task, facts in result.sets.items():
        if facts.unreadable:
            console.print(
                f"left out of every number: {facts.unreadable} {task} images cannot be read",
                style="yellow",
            )
    for what, file in (
        ("all numbers", "evaluation.json"),
        ("each image", "per_image.csv"),
        ("boxes and classes", "results"),
        ("report", "report.html"),
    ):
        console.print(f"{what:<17} {folder.path / file}", markup=False)
