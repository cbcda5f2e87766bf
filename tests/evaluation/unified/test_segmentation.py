from __future__ import annotations

import numpy as np
import pytest
import torch

from mtl.errors import ShapeError
from mtl.evaluation.unified.segmentation import (
    class_iou,
    mask_values,
    merge_background,
    pixel_confusion,
    segmentation_metrics,
)

NAMES = ("background", "buoy", "vessel", "water")


def random_masks(seed: int, images: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    masks = rng.integers(0, 4, (images, 12, 10))
    said = np.where(rng.random(masks.shape) < 0.6, masks, rng.integers(0, 4, masks.shape))
    masks[rng.random(masks.shape) < 0.1] = 255
    return torch.from_numpy(said), torch.from_numpy(masks.astype(np.uint8))


def test_counts_are_those_of_a_plain_loop_and_add_up() -> None:
    said, masks = random_masks(1, 3)
    counts = pixel_confusion(said, masks, 4)
    wanted = torch.zeros(3, 4, 4, dtype=torch.int64)
    for image, row, column in np.ndindex(3, 12, 10):
        true = int(masks[image, row, column])
        if true != 255:
            wanted[image, true, int(said[image, row, column])] += 1
    assert torch.equal(counts, wanted)
    halves = [pixel_confusion(said[k:], masks[k:], 4).sum(0) for k in (1,)]
    assert torch.equal(halves[0] + counts[0], counts.sum(0))


def test_iou_is_intersection_over_union_and_absent_classes_are_left_out() -> None:
    masks = torch.tensor([[[0, 0, 2, 2], [0, 0, 2, 255]]], dtype=torch.uint8)
    said = torch.tensor([[[0, 2, 2, 2], [0, 0, 0, 1]]])
    confusion = pixel_confusion(said, masks, 4).sum(0).numpy()
    np.testing.assert_allclose(class_iou(confusion), [3 / 5, np.nan, 2 / 4, np.nan])
    metrics = segmentation_metrics(confusion[None], NAMES)
    assert metrics["miou"].value == pytest.approx((0.6 + 0.5) / 2)
    assert metrics["miou"].interval() is None  # one image
    assert "iou/buoy" not in metrics
    assert metrics["iou/vessel"].value == 0.5


def test_merged_classes_are_those_of_merged_masks() -> None:
    said, masks = random_masks(2, 4)
    merged = merge_background(pixel_confusion(said, masks, 4).numpy())

    def merge(values: torch.Tensor) -> torch.Tensor:
        return torch.where((values > 0) & (values != 255), values - 1, values)

    assert np.array_equal(merged, pixel_confusion(merge(said), merge(masks), 3).numpy())
    network = merge(said)
    back = mask_values(network, merged=True)
    assert torch.equal(merge(back), network)
    assert not (back == 1).any()
    assert torch.equal(mask_values(said, merged=False), said)


def test_intervals_hold_the_value() -> None:
    said, masks = random_masks(3, 30)
    metrics = segmentation_metrics(pixel_confusion(said, masks, 4).numpy(), NAMES, resamples=300)
    for name in ("miou", "miou_merged"):
        low, high = metrics[name].interval()
        assert low < metrics[name].value < high
        assert high - low < 0.1


def test_an_empty_set_or_ignored_pixels_alone_give_no_metric() -> None:
    assert segmentation_metrics(np.zeros((0, 4, 4)), NAMES) == {}
    ignored = torch.full((2, 3, 3), 255, dtype=torch.uint8)
    counts = pixel_confusion(torch.zeros(2, 3, 3, dtype=torch.int64), ignored, 4)
    assert segmentation_metrics(counts.numpy(), NAMES) == {}


def test_what_does_not_fit_is_named() -> None:
    said, masks = random_masks(1, 2)
    with pytest.raises(ShapeError, match=r"must both be \(B, H, W\)"):
        pixel_confusion(said[:1], masks, 4)
    with pytest.raises(ShapeError, match="must be below 3"):
        pixel_confusion(said, masks, 3)
    with pytest.raises(ShapeError, match=r"confusions must be \(N, 4, 4\)"):
        segmentation_metrics(np.ones((2, 3, 3)), NAMES)
