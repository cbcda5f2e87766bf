"""Files of an evaluation of the unified model that other programs read."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mtl.config.unified import UnifiedTaskName
from mtl.data.unified.index import UnifiedIndex
from mtl.evaluation.unified.boxes import from_rows
from mtl.evaluation.unified.coco_results import write_coco_results
from mtl.files import write_atomically


def write_results(
    results: Path,
    split: str,
    name: str,
    index: UnifiedIndex,
    sums: Mapping[UnifiedTaskName, np.ndarray],
) -> None:
    """Write <name>/<split>/detections.json, pixels.csv and classes.csv, of the tasks there are.

    Args:
        results: folder of results.
        split: that was evaluated.
        name: of the model.
        index: of the split.
        sums: statistics of `UnifiedAnswers`, over all images.
    """
    folder = results / name / split
    det, seg, cls = index.det, index.seg, index.cls
    if det is not None and "det" in sums:
        found = from_rows(sums["det"])
        ids = det.image_ids.tolist()
        write_coco_results(folder / "detections.json", found, ids, det.category_ids.tolist())
    if seg is not None and "seg" in sums:
        rows = [
            (name, *(int(x) for x in confusion.ravel()))
            for name, confusion in zip(seg.names, sums["seg"], strict=True)
        ]
        pairs = [f"{true} as {said}" for true in seg.class_names for said in seg.class_names]
        _write_csv(folder / "pixels.csv", ("image", *pairs), rows)
    if cls is not None and "cls" in sums:
        said = sums["cls"].astype(int) - 1
        answers = [
            (image, cls.class_names[label], cls.class_names[answer] if answer >= 0 else "")
            for image, label, answer in zip(cls.images, cls.labels, said, strict=True)
        ]
        _write_csv(folder / "classes.csv", ("image", "class", "predicted"), answers)


def _write_csv(path: Path, header: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([header, *rows])
    write_atomically(path, text.getvalue().encode())
