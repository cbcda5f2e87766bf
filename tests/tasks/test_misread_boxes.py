"""Misread boxes are those of the square the network sees, whatever the size of the images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from mtl.config.unified import UnifiedConfig
from mtl.data.unified.index import DetectionIndex, UnifiedIndex
from mtl.evaluation.unified.boxes import FoundBoxes, TrueBoxes, as_rows
from mtl.geometry.letterbox import Letterbox
from mtl.tasks.unified_answers import NO_BOX, UnifiedAnswers
from tests.evaluation.unified.published_boxes import published_boxes
from tests.evaluation.unified.random_boxes import to_found, to_truth
from tests.parity import Fixture

SIZES = [(640, 480), (300, 500), (512, 512), (1024, 256)]


def answers_of(
    truth: TrueBoxes, sizes_wh: Sequence[tuple[int, int]], names: Sequence[str]
) -> UnifiedAnswers:
    """About images of these sizes, of which the network sees squares of 512 pixels."""
    order = np.argsort(truth.images, kind="stable")
    counts = np.bincount(truth.images, minlength=len(sizes_wh))
    det = DetectionIndex(
        root="/nowhere",
        split="test",
        images=tuple(f"{k}.jpg" for k in range(len(sizes_wh))),
        image_ids=np.arange(len(sizes_wh)),
        sizes_wh=np.array(sizes_wh),
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        boxes_xywh=truth.boxes_xywh[order],
        classes=truth.classes[order],
        areas=truth.boxes_xywh[order, 2:].prod(axis=1),
        crowd=truth.crowd[order],
        class_names=tuple(names),
        category_ids=np.arange(len(names)),
    )
    return UnifiedAnswers(UnifiedConfig(), UnifiedIndex(det=det), {"det": 512})


def rows_of(found: FoundBoxes, num_images: int, num_classes: int) -> np.ndarray:
    """What the network answers about all images, in pixels of each."""
    rows = []
    for image in range(num_images):
        mine = found.images == image
        columns = (found.boxes_xywh[mine], found.scores[mine], found.classes[mine])
        rows.append(as_rows(*map(torch.from_numpy, columns), num_classes, 100 * num_classes))
    placed = torch.stack(rows)
    placed[..., 4].masked_fill_(placed[..., 5] == 0, NO_BOX)
    return placed.numpy()


def test_a_box_is_stretched_from_the_corner_of_the_square() -> None:
    truth = to_truth([(image, 0, 0, 200, 10, 40, 40) for image in (0, 1)])
    found = to_found([(image, 0, 0.9, 215, 20, 40, 40) for image in (0, 1)])
    answers = answers_of(truth, [(640, 480)] * 2, ["boat"])
    sums = {"det": rows_of(found, 2, 1)}
    before = sums["det"].copy()
    misread = answers.published_metrics(sums, resamples=20)["map_misread_boxes"]
    # (160, 72, 192, 104) and (172, 80, 204, 112): IoU 0.68; in pixels of the image it is 0.49
    assert misread.value == pytest.approx(0.4)
    assert misread.interval() == pytest.approx((0.4, 0.4))
    assert answers.metrics(sums, resamples=0)["map"].value == 0.0
    assert np.array_equal(sums["det"], before)


def test_only_images_that_were_looked_at_are_misread() -> None:
    truth = to_truth([(image, 0, 0, 200, 10, 40, 40) for image in (0, 1)])
    found = to_found([(0, 0, 0.9, 200, 10, 40, 40)])
    answers = answers_of(truth, [(640, 480)] * 2, ["boat"])
    rows = rows_of(found, 2, 1)
    metrics = answers.published_metrics({"det": rows}, resamples=0)
    assert metrics["map_misread_boxes"].value == pytest.approx(0.5, abs=0.01)
    rows[1] = 0.0
    metrics = answers.published_metrics({"det": rows}, resamples=0)
    assert metrics["map_misread_boxes"].value == pytest.approx(1.0)
    assert answers.published_metrics({"det": np.zeros_like(rows)}, resamples=0) == {}
    assert answers.published_metrics({}, resamples=0) == {}


@pytest.mark.parity
def test_images_of_any_size_have_the_published_value(reference_root: Path) -> None:
    fixture = Fixture(reference_root / "unified" / "metrics.npz")
    truth, found, images, names = published_boxes(fixture)
    sizes = [SIZES[image % len(SIZES)] for image in range(images)]
    for image in range(images):
        for boxes in (truth, found):
            mine = boxes.images == image
            square = Letterbox.of(*sizes[image], 512)
            boxes.boxes_xywh[mine] = square.to_image(boxes.boxes_xywh[mine])
    answers = answers_of(truth, sizes, names)
    sums = {"det": rows_of(found, images, len(names))}
    right = answers.metrics(sums, resamples=0)
    misread = answers.published_metrics(sums, resamples=0)
    assert right["map"].value == pytest.approx(float(fixture["map_correct"][0]), abs=1e-6)
    wanted = float(fixture["map_faithful"][0])
    assert misread["map_misread_boxes"].value == pytest.approx(wanted, abs=1e-6)
