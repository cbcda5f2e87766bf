"""Decoders against the published ones."""

from __future__ import annotations

import pytest
import torch

from mtl.config.unified import BoxDecodingConfig, PoolingConfig
from mtl.models.unified.decoders import decode_boxes, decode_segmentation, pool_classes
from mtl.models.unified.grid import DetectionGrid
from tests.models.unified.published import Published, assert_close

pytestmark = pytest.mark.parity


def test_threshold_pooling_and_its_gradient_are_the_published_ones(published: Published) -> None:
    fixture, tolerance = published.fixture("decoders"), published.tolerance("default")
    raw = torch.from_numpy(fixture["cls_map"]).requires_grad_()
    pooled = pool_classes(raw, PoolingConfig())
    assert_close(pooled, fixture["cls_out"], tolerance, "cls_out")
    assert (pooled == 0).any(), "no class is below the threshold everywhere"
    pooled.backward(torch.from_numpy(fixture["cls_grad_coef"]))
    assert raw.grad is not None
    assert_close(raw.grad, fixture["cls_map_grad"], tolerance, "cls_map_grad")
    assert raw.grad[pooled == 0].count_nonzero() == 0


def test_scores_of_pixels_are_the_published_ones(published: Published) -> None:
    fixture = published.fixture("decoders")
    size = fixture["seg_out"].shape[-2:]
    scores = decode_segmentation(torch.from_numpy(fixture["seg_map"]), size)
    assert_close(scores, fixture["seg_out"], published.tolerance("default"), "seg_out")


@pytest.mark.parametrize("case", ["det_a", "det_b", "det_c", "det_d"])
def test_boxes_are_the_published_ones_in_count_order_and_label(
    published: Published, case: str
) -> None:
    fixture = published.fixture("decoders")
    num_boxes, _, threshold, nms_iou, width, height = fixture[f"{case}_params"].tolist()
    values = torch.from_numpy(fixture[f"{case}_map"])
    grid = DetectionGrid(values, values.logit(), int(num_boxes))
    config = BoxDecodingConfig(threshold=threshold, nms_iou=nms_iou)
    found = decode_boxes(grid, (int(height), int(width)), config)
    assert [len(boxes.scores) for boxes in found] == fixture[f"{case}_count"].tolist()
    boxes, scores, labels = (torch.cat(parts) for parts in zip(*found, strict=True))
    assert labels.tolist() == fixture[f"{case}_labels"].tolist()
    wanted = torch.from_numpy(fixture[f"{case}_boxes"])
    assert (boxes - wanted).abs().max() <= 1e-3
    assert_close(scores, fixture[f"{case}_scores"], published.tolerance("default"), "scores")
