"""Found boxes as COCO result JSON: what other programs and evaluation servers read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtl.errors import DataError, ShapeError
from mtl.evaluation.unified.boxes import FoundBoxes
from mtl.files import write_atomically

_KEYS = ("image_id", "category_id", "bbox", "score")


def write_coco_results(
    path: Path, found: FoundBoxes, image_ids: Sequence[int], category_ids: Sequence[int]
) -> None:
    """Write the boxes of a set, one map a box.

    Args:
        path: the file; replaced if there.
        found: boxes in pixels of the original images.
        image_ids: id of each image in the annotation file.
        category_ids: id of each class in the annotation file.

    Raises:
        ShapeError: if a score or coordinate is not finite.
    """
    if not (np.isfinite(found.boxes_xywh).all() and np.isfinite(found.scores).all()):
        raise ShapeError("boxes and scores to write must be finite numbers.")
    rows = zip(found.images, found.classes, found.boxes_xywh, found.scores, strict=True)
    results = [
        {
            "image_id": int(image_ids[image]),
            "category_id": int(category_ids[number]),
            "bbox": [round(float(value), 3) for value in box],
            "score": round(float(score), 6),
        }
        for image, number, box, score in rows
    ]
    write_atomically(path, json.dumps(results).encode())


def read_coco_results(
    path: Path, image_ids: Sequence[int], category_ids: Sequence[int]
) -> FoundBoxes:
    """Read boxes of any program.

    Args:
        path: a COCO result JSON of boxes.
        image_ids: id of each image of the set.
        category_ids: id of each class.

    Raises:
        DataError: if the file cannot be read or an entry is broken or of an unknown image or
            category; names the entry.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the path.") from None
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path} is no JSON ({' '.join(str(error).split())}); copy it again."
        ) from None
    if not isinstance(content, list):
        raise DataError(f"{path} must hold a list of boxes as COCO's result format has it.")
    images = {int(number): place for place, number in enumerate(image_ids)}
    classes = {int(number): place for place, number in enumerate(category_ids)}
    rows = [_row(entry, f"{path}, box {k}", images, classes) for k, entry in enumerate(content)]
    table = np.array(rows, dtype=np.float64).reshape(-1, 7)
    places = table[:, :2].astype(np.int64)
    return FoundBoxes(table[:, 3:], table[:, 2], places[:, 1], places[:, 0])


def _row(
    entry: Any, where: str, images: Mapping[int, int], classes: Mapping[int, int]
) -> tuple[float, ...]:
    """Image, class, score, x, y, w, h."""
    if not isinstance(entry, dict) or not all(key in entry for key in _KEYS):
        raise DataError(f"{where}: must be a map with {', '.join(_KEYS)}, got {entry!r}.")
    image, category, box, score = (entry[key] for key in _KEYS)
    if not isinstance(image, int) or image not in images:
        raise DataError(f"{where}: image_id {image!r} is not of this set; give its own results.")
    if not isinstance(category, int) or category not in classes:
        raise DataError(
            f"{where}: category_id {category!r} is not among {sorted(classes)}; correct it."
        )
    numbers = [*box, score] if isinstance(box, list) and len(box) == 4 else []
    if not numbers or not all(_is_finite(value) for value in numbers) or min(box[2:]) < 0:
        raise DataError(
            f"{where}: bbox must be [x, y, w, h] and score a number, got {box!r} and {score!r}."
        )
    return (images[image], classes[category], score, *box)


def _is_finite(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)
