from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from faster_coco_eval import COCO

from mtl.errors import DataError, ShapeError
from mtl.evaluation.unified.coco_results import read_coco_results, write_coco_results
from tests.evaluation.unified.random_boxes import random_boxes, to_found

IMAGES, CATEGORIES = [14007, 22371, 30], [1, 3, 7]
GOOD = {"image_id": 30, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.5}


def test_boxes_come_back_as_they_were_written(tmp_path: Path) -> None:
    _, found = random_boxes(4, 3, 3)
    path = tmp_path / "results.json"
    write_coco_results(path, found, IMAGES, CATEGORIES)
    again = read_coco_results(path, IMAGES, CATEGORIES)
    np.testing.assert_allclose(again.boxes_xywh, found.boxes_xywh, atol=5e-4)
    np.testing.assert_allclose(again.scores, found.scores, atol=5e-7)
    np.testing.assert_array_equal(again.classes, found.classes)
    np.testing.assert_array_equal(again.images, found.images)


def test_the_coco_library_reads_the_file(tmp_path: Path) -> None:
    found = to_found([(1, 2, 0.75, 10, 20, 30, 40)])
    path = tmp_path / "results.json"
    write_coco_results(path, found, IMAGES, CATEGORIES)
    coco = COCO(
        {
            "images": [{"id": number} for number in IMAGES],
            "categories": [{"id": number, "name": str(number)} for number in CATEGORIES],
            "annotations": [],
        }
    )
    (box,) = coco.loadRes(str(path)).anns.values()
    assert (box["image_id"], box["category_id"]) == (22371, 7)
    assert (box["bbox"], box["score"]) == ([10, 20, 30, 40], 0.75)


def test_no_boxes_are_an_empty_list(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_coco_results(path, to_found([]), IMAGES, CATEGORIES)
    assert json.loads(path.read_text()) == []
    assert read_coco_results(path, IMAGES, CATEGORIES).boxes_xywh.shape == (0, 4)


def test_numbers_that_json_does_not_have_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match="must be finite"):
        write_coco_results(
            tmp_path / "x.json", to_found([(0, 0, np.nan, 0, 0, 1, 1)]), IMAGES, CATEGORIES
        )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no JSON"),
        ({"a": 1}, "must hold a list"),
        ([GOOD, {"image_id": 30}], "box 1: must be a map with image_id"),
        ([GOOD | {"image_id": 31}], "image_id 31 is not of this set"),
        ([GOOD | {"category_id": "3"}], r"category_id '3' is not among \[1, 3, 7\]"),
        ([GOOD | {"bbox": [1, 2, 3]}], r"bbox must be \[x, y, w, h\]"),
        ([GOOD | {"bbox": [1, 2, -3, 4]}], r"bbox must be \[x, y, w, h\]"),
        ([GOOD | {"score": None}], "score a number, got"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, content: object, message: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(DataError, match=message):
        read_coco_results(path, IMAGES, CATEGORIES)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_coco_results(tmp_path / "none.json", IMAGES, CATEGORIES)
