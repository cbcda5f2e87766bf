"""Files of an evaluation of the unified model that other programs read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mtl.config.unified import UNIFIED_TASKS, UnifiedTaskName
from mtl.data.unified.index import UnifiedIndex
from mtl.errors import DataError
from mtl.evaluation.unified.boxes import from_rows
from mtl.evaluation.unified.coco_results import write_coco_results
from mtl.evaluation.unified.result import MAIN_METRIC
from mtl.families.unified_scores import ByTask, image_scores
from mtl.files import write_atomically

IMAGE_COLUMNS = ("task", "image", "metric", "value", "truth", "answer")
"""Of per_image.csv."""
_TASKS: dict[str, UnifiedTaskName] = {task: task for task in UNIFIED_TASKS}


def write_results(
    results: Path,
    split: str,
    name: str,
    index: UnifiedIndex,
    answers: ByTask,
) -> None:
    """Write <name>/<split>/detections.json, pixels.csv, classes.csv and per_image.csv.

    Files of tasks without answers are left out.


    Args:
        results: folder of results.
        split: that was evaluated.
        name: of the model.
        index: of the split.
        answers: answers of the model to all images.
    """
    folder = results / name / split
    det, seg, cls = index.det, index.seg, index.cls
    if det is not None and "det" in answers:
        found = from_rows(answers["det"])
        ids = det.image_ids.tolist()
        write_coco_results(folder / "detections.json", found, ids, det.category_ids.tolist())
    if seg is not None and "seg" in answers:
        rows = [
            (name, *(int(x) for x in confusion.ravel()))
            for name, confusion in zip(seg.names, answers["seg"], strict=True)
        ]
        pairs = [f"{true} as {said}" for true in seg.class_names for said in seg.class_names]
        _write_csv(folder / "pixels.csv", ("image", *pairs), rows)
    if cls is not None and "cls" in answers:
        told = [
            (image, *pair)
            for image, pair in zip(cls.images, _told(index, "cls", answers["cls"]), strict=True)
        ]
        _write_csv(folder / "classes.csv", ("image", "class", "predicted"), told)
    _write_csv(folder / "per_image.csv", IMAGE_COLUMNS, image_rows(index, answers))


def image_rows(index: UnifiedIndex, answers: ByTask) -> list[tuple[str, ...]]:
    """Task, image, metric, value, truth and answer of every image.

    Args:
        index: of the split.
        answers: of a model to all images.
    """
    rows: list[tuple[str, ...]] = []
    for task, scores in image_scores(index, answers).items():
        pairs = _told(index, task, answers[task])
        for place, score, pair in zip(index.places[task], scores.tolist(), pairs, strict=True):
            value = "" if np.isnan(score) else f"{score:.6f}"
            rows.append((task, place, MAIN_METRIC[task], value, *pair))
    return rows


def read_image_scores(
    results: Path, split: str, name: str
) -> dict[UnifiedTaskName, dict[str, float]]:
    """Score of each image by its place, by task; empty where no evaluation has written them.

    Raises:
        DataError: if the file is not as `write_results` writes it.
    """
    path = results / name / split / "per_image.csv"
    scores: dict[UnifiedTaskName, dict[str, float]] = {}
    if not path.is_file():
        return scores
    try:
        for row in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))):
            of_task = scores.setdefault(_TASKS[row["task"]], {})
            of_task[row["image"]] = float(row["value"] or "nan")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is no table of images ({type(error).__name__}: {error}); evaluate the run "
            "again."
        ) from None
    return scores


def _told(
    index: UnifiedIndex, task: UnifiedTaskName, values: np.ndarray
) -> Iterator[tuple[str, str]]:
    """What each image shows, and what was answered."""
    det, seg, cls = index.det, index.seg, index.cls
    if task == "det" and det is not None:
        found = np.bincount(from_rows(values).images, minlength=len(det))
        for image, count in enumerate(found.tolist()):
            required = int((~det.crowd[det.rows(image)]).sum())
            yield f"{required} boxes", f"{count} boxes"
    elif task == "seg" and seg is not None:
        for confusion in values:
            sides = (np.flatnonzero(confusion.sum(axis)) for axis in (1, 0))
            true, said = (" ".join(seg.class_names[k] for k in side) for side in sides)
            yield true, said
    elif cls is not None:
        for label, answer in zip(cls.labels, values.astype(int) - 1, strict=True):
            yield cls.class_names[label], cls.class_names[answer]


def _write_csv(path: Path, header: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([header, *rows])
    write_atomically(path, text.getvalue().encode())
