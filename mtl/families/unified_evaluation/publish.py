"""The files of a finished evaluation of unified models that people and programs read."""

from __future__ import annotations

import csv
import io
import json
import platform
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from mtl.config.unified import UNIFIED_TASKS, UnifiedTaskName
from mtl.data.unified.build import local_unified_index
from mtl.evaluation.unified.measured import Measured
from mtl.evaluation.unified.per_image import bad_and_good
from mtl.evaluation.unified.result import MAIN_METRIC, RULES, ModelResult, UnifiedResult, verdict
from mtl.families.unified_evaluation.folder import EvaluationFolder
from mtl.families.unified_evaluation.plan import Plan
from mtl.families.unified_evaluation.run import Kept, answers_of, counted_rows, opened
from mtl.families.unified_pictures import draw_answer, titled
from mtl.families.unified_results import IMAGE_COLUMNS, image_rows, write_results
from mtl.families.unified_scores import image_scores
from mtl.files import write_atomically
from mtl.report.frames import Picture
from mtl.report.unified_evaluation import unified_page

PICTURED = 6
"""Images of each task that the report shows of every model."""


def publish(folder: EvaluationFolder, plan: Plan, kept: Kept, result: UnifiedResult) -> None:
    """Write results/, per_image.csv, report.html and evaluation.json, each whole or not at all."""
    rows = counted_rows(plan, kept)
    index = plan.index.take(rows)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("model", *IMAGE_COLUMNS))
    for place, entrant in enumerate(plan.entrants[: plan.num_compared]):
        answers = answers_of(kept, place, rows)
        write_results(folder.results, plan.split, entrant.name, index, answers)
        writer.writerows((entrant.name, *row) for row in image_rows(index, answers))
    write_atomically(folder.path / "per_image.csv", table.getvalue().encode())
    page = unified_page(result, drawn(plan, kept, rows))
    write_atomically(folder.path / "report.html", page.encode())
    numbers = json.dumps(numbers_of(result), indent=1) + "\n"
    write_atomically(folder.path / "evaluation.json", numbers.encode())


def drawn(
    plan: Plan, kept: Kept, rows: Mapping[UnifiedTaskName, np.ndarray]
) -> dict[UnifiedTaskName, list[Picture]]:
    """Bad and good images, by the first model that answers a task, as each model answers them."""
    counted = plan.index.take(rows)
    here = local_unified_index(plan.data, counted)
    pictures: dict[UnifiedTaskName, list[Picture]] = {}
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    compared = list(enumerate(plan.entrants[: plan.num_compared]))
    for task in UNIFIED_TASKS:
        able = [place for place, one in compared if task in one.tasks]
        if not able:
            continue
        scores = {
            place: image_scores(counted.only([task]), answers_of(kept, place, rows))[task]
            for place in able
        }
        ready = {place: opened(plan, place, here, device) for place in able}
        for row in bad_and_good(scores[able[0]], PICTURED):
            for place in able:
                entrant = plan.entrants[place]
                (image,) = titled(counted, task, scores[place], [row])
                picture = draw_answer(ready[place], entrant.config, here, image)
                front = f"{entrant.name}: " if len(able) > 1 else ""
                pictures.setdefault(task, []).append(Picture(front + picture.title, picture.image))
    return pictures


def numbers_of(result: UnifiedResult) -> dict[str, Any]:
    """Every number of an evaluation, as plain values."""
    measured = {name for one in result.models for name in one.scores.metrics}
    return {
        "split": result.split,
        "data": {
            task: {
                "root": facts.root,
                "split": facts.split,
                "images": facts.images,
                "unreadable": facts.unreadable,
                "classes": list(facts.class_names),
                "counts": facts.counts,
            }
            for task, facts in result.sets.items()
        },
        "skipped": result.skipped,
        "rules": {name: rule for name, rule in RULES.items() if name in measured},
        "models": {one.name: _model(one) for one in result.models},
        "comparisons": [
            {
                "a": result.models[0].name,
                "b": name,
                "differences": {
                    metric: {**_plain(one), "verdict": verdict(one)}
                    for metric, one in differences.items()
                },
            }
            for name, differences in result.differences.items()
        ],
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }


def _model(one: ModelResult) -> dict[str, Any]:
    scores = one.scores
    return {
        "source": one.source,
        "digest": one.digest,
        "image_sides": dict(one.sides),
        "metrics": {name: _plain(value) for name, value in scores.metrics.items()},
        "teachers": {
            task: {
                "source": teacher.source,
                "digest": teacher.digest,
                MAIN_METRIC[task]: _plain(teacher.value),
                "drop": _plain(scores.drops[task]),
            }
            for task, teacher in one.teachers.items()
        },
        "delta_m": None if scores.delta_m is None else _plain(scores.delta_m),
        "class_confusion": _list(one.class_confusion),
        "pixel_confusion": _list(one.pixel_confusion),
    }


def _plain(one: Measured) -> dict[str, float | None]:
    """A value with its interval; none for what is not defined."""
    interval = one.interval()
    value = None if np.isnan(one.value) else one.value
    if interval is None:
        return {"value": value, "low": None, "high": None}
    return {"value": value, "low": interval.low, "high": interval.high}


def _list(matrix: np.ndarray | None) -> list[list[int]] | None:
    return None if matrix is None else matrix.tolist()
