from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mtl.evaluation.unified.classification import classification_metrics
from mtl.evaluation.unified.detection import (
    coco_precision,
    detection_metrics,
    misread_metrics,
)
from mtl.evaluation.unified.segmentation import (
    class_iou,
    mask_values,
    merge_background,
    pixel_confusion,
    segmentation_metrics,
)
from tests.evaluation.unified.published_boxes import published_boxes
from tests.parity import Fixture

pytestmark = pytest.mark.parity

TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def fixture(reference_root: Path) -> Fixture:
    return Fixture(reference_root / "unified" / "metrics.npz")


def test_iou_over_21_classes_is_the_standard_one(fixture: Fixture) -> None:
    masks, said = (torch.from_numpy(fixture[name]) for name in ("seg_mask", "seg_pred21"))
    confusions = pixel_confusion(said, masks, 21).numpy()
    each = class_iou(confusions.sum(axis=0))
    np.testing.assert_allclose(each, fixture["iou21"], atol=TOLERANCE, rtol=0)
    found = segmentation_metrics(confusions, [str(k) for k in range(21)], resamples=0)
    assert found["miou"].value == pytest.approx(float(fixture["miou21_standard"]), abs=TOLERANCE)


def test_iou_over_20_classes_is_the_published_one(fixture: Fixture) -> None:
    masks, said = (torch.from_numpy(fixture[name]) for name in ("seg_mask", "seg_pred20"))
    confusions = pixel_confusion(mask_values(said, merged=True), masks, 21).numpy()
    each = class_iou(merge_background(confusions).sum(axis=0))
    np.testing.assert_allclose(each, fixture["iou20"], atol=TOLERANCE, rtol=0)
    found = segmentation_metrics(confusions, [str(k) for k in range(21)], resamples=0)
    published = float(fixture["miou20_faithful"])
    assert found["miou_merged"].value == pytest.approx(published, abs=TOLERANCE)


def test_average_precision_of_right_and_of_misread_boxes(fixture: Fixture) -> None:
    truth, found, images, names = published_boxes(fixture)
    classes = fixture["map_classes"].tolist()
    metrics = detection_metrics(truth, found, images, names, resamples=0)
    for name, wanted in zip(("map", "map_50", "map_75"), fixture["map_correct"], strict=True):
        assert metrics[name].value == pytest.approx(float(wanted), abs=TOLERANCE)
    misread = misread_metrics(truth, found, images, names, resamples=0)["map_misread_boxes"]
    assert misread.value == pytest.approx(float(fixture["map_faithful"][0]), abs=TOLERANCE)
    each = coco_precision(truth, found, images, len(names)).mean(axis=1)
    for number, wanted in zip(classes, fixture["map_per_class_correct"].tolist(), strict=True):
        if wanted < 0:
            assert np.isnan(each[number])
            assert f"ap/{number}" not in metrics
        else:
            assert each[number] == pytest.approx(wanted, abs=TOLERANCE)


def test_top1(fixture: Fixture) -> None:
    predicted, labels = fixture["cls_scores"].argmax(axis=1), fixture["cls_labels"]
    names = [str(k) for k in range(fixture["cls_scores"].shape[1])]
    found = classification_metrics(predicted, labels, names, resamples=0)
    assert found["top1"].value == pytest.approx(float(fixture["top1"]), abs=TOLERANCE)
