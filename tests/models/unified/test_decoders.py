"""Decoders: equal to a plain loop, and what each switch changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mtl.config.unified import BoxDecodingConfig, PoolingConfig
from mtl.models.unified.boxes import Boxes
from mtl.models.unified.decoders import decode_boxes, pool_classes, suppress
from mtl.models.unified.grid import DetectionGrid

SIZE = (96, 128)


def random_grid(
    shape: tuple[int, int] = (5, 7), num_boxes: int = 2, classes: int = 4, seed: int = 0
) -> DetectionGrid:
    """Two images; some classes and confidences are exactly equal, so that order matters."""
    generator = torch.Generator().manual_seed(seed)
    raw = torch.randn(2, 5 * num_boxes + classes, *shape, generator=generator) * 2
    return DetectionGrid.of_raw((raw * 4).round() / 4, num_boxes)


def class_score(grid: DetectionGrid, cell: tuple[int, int, int], kind: str) -> tuple[float, int]:
    image, row, column = cell
    values, raw = grid.classes[image, :, row, column], grid.class_logits[image, :, row, column]
    label = int(values.argmax())
    scores = {"sigmoid": values, "softmax": raw.softmax(0)}.get(kind, values.softmax(0))
    return scores[label], label


def overlap(a: Tensor, b: Tensor) -> Tensor:
    first, second = torch.maximum(a[:2], b[:2]), torch.minimum(a[2:], b[2:])
    shared = (second - first).clamp(min=0).prod()
    return shared / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared)


def loop(grid: DetectionGrid, image: int, config: BoxDecodingConfig) -> Boxes:
    """The definition: cell by cell, slots innermost, then greedily down the scores."""
    height, width = SIZE
    rows, columns = grid.values.shape[-2:]
    found = []
    for row in range(rows):
        for column in range(columns):
            best, label = class_score(grid, (image, row, column), config.class_score)
            for slot in range(1 if config.slots == "first" else grid.num_boxes):
                x, y, sqrt_w, sqrt_h, confidence = grid.values[
                    image, 5 * slot : 5 * slot + 5, row, column
                ]
                score = confidence * best
                if confidence < config.threshold or score < config.threshold:
                    continue
                margin = (config.center_span - 1) / 2
                cx = (column + config.center_span * x - margin) / columns
                cy = (row + config.center_span * y - margin) / rows
                half_w, half_h = sqrt_w**2 / 2, sqrt_h**2 / 2
                corners = torch.stack(
                    [
                        ((cx - half_w) * width).clamp(0, width - 1),
                        ((cy - half_h) * height).clamp(0, height - 1),
                        ((cx + half_w) * width).clamp(0, width - 1),
                        ((cy + half_h) * height).clamp(0, height - 1),
                    ]
                )
                found.append((corners, score, label))
    found.sort(key=lambda candidate: -float(candidate[1]))
    kept: list[Any] = []
    for corners, score, label in found:
        rivals = (c for c, _, other in kept if config.nms == "class_agnostic" or other == label)
        if all(not overlap(corners, rival) > config.nms_iou for rival in rivals):
            kept.append((corners, score, label))
    kept = [
        (voted(corners, label, found, config), score, label)
        for corners, score, label in kept[: config.max_boxes]
    ]
    boxes, scores, labels = zip(*kept, strict=True)
    return Boxes(torch.stack(boxes), torch.stack(scores), torch.tensor(labels))


def voted(corners: Tensor, label: int, found: list[Any], config: BoxDecodingConfig) -> Tensor:
    """The definition: the mean of the boxes that overlap one, each as often as its score says."""
    if config.voting_iou is None:
        return corners
    total, weight = torch.zeros(4), torch.zeros(())
    for other, score, other_label in found:
        rival = config.nms == "class_agnostic" or other_label == label
        if rival and overlap(corners, other) >= config.voting_iou:
            total, weight = total + score * other, weight + score
    return total / weight if weight > 0 else corners


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"threshold": 0.15},
        {"slots": "first"},
        {"class_score": "sigmoid"},
        {"class_score": "softmax"},
        {"nms": "per_class"},
        {"nms_iou": 0.1, "nms": "per_class", "class_score": "sigmoid"},
        {"center_span": 2.0},
        {"max_boxes": 7},
        {"voting_iou": 0.4},
        {"voting_iou": 0.3, "nms": "per_class", "max_boxes": 7},
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", range(3))
def test_vectorised_decoding_equals_the_loop(changes: dict[str, Any], seed: int) -> None:
    config, grid = BoxDecodingConfig(**changes), random_grid(seed=seed)
    for image, found in enumerate(decode_boxes(grid, SIZE, config)):
        wanted = loop(grid, image, config)
        assert found.labels.tolist() == wanted.labels.tolist()
        assert torch.equal(found.scores, wanted.scores)
        torch.testing.assert_close(found.boxes_xyxy, wanted.boxes_xyxy, rtol=0, atol=1e-4)


def test_an_image_in_which_nothing_reaches_the_threshold_has_no_boxes() -> None:
    for nms in ("class_agnostic", "per_class"):
        config = BoxDecodingConfig(threshold=1.0, nms=nms)
        for boxes in decode_boxes(random_grid(), SIZE, config):
            assert boxes.boxes_xyxy.shape == (0, 4)
            assert boxes.labels.dtype == torch.int64


def test_a_box_without_area_or_score_stays_where_it_is_after_a_vote() -> None:
    config = BoxDecodingConfig(voting_iou=0.4, nms="per_class")
    candidates = Boxes(
        torch.tensor([[4.0, 4.0, 4.0, 9.0], [10.0, 10.0, 20.0, 20.0]]),
        torch.tensor([0.5, 0.0]),
        torch.tensor([0, 1]),
    )
    assert torch.equal(suppress(candidates, config).boxes_xyxy, candidates.boxes_xyxy)


def test_a_vote_is_not_rounded_where_training_is() -> None:
    config, grid = BoxDecodingConfig(voting_iou=0.4), random_grid()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = decode_boxes(grid, SIZE, config)
    for one, other in zip(rounded, decode_boxes(grid, SIZE, config), strict=True):
        assert torch.equal(one.boxes_xyxy, other.boxes_xyxy)


def test_published_class_scores_of_ten_classes_hardly_differ() -> None:
    raw = torch.zeros(1, 15, 1, 1)
    raw[:, 4] = 100.0  # confidence 1
    raw[:, 5:] = -100.0
    raw[:, 7] = 100.0
    grid = DetectionGrid.of_raw(raw, 1)
    scores = {
        kind: float(decode_boxes(grid, SIZE, BoxDecodingConfig(class_score=kind))[0].scores)
        for kind in ("softmax_of_sigmoids", "sigmoid", "softmax")
    }
    assert scores["softmax_of_sigmoids"] == pytest.approx(0.232, abs=5e-4)
    assert scores["sigmoid"] == pytest.approx(1.0)
    assert scores["softmax"] == pytest.approx(1.0)


def test_a_class_below_the_threshold_everywhere_learns_only_with_the_soft_one() -> None:
    for kind, learns in (("threshold", False), ("soft_threshold", True), ("mean", True)):
        raw = torch.full((1, 2, 3, 3), -2.0, requires_grad=True)
        pooled = pool_classes(raw, PoolingConfig(kind=kind))
        pooled.sum().backward()
        assert raw.grad is not None
        assert bool(raw.grad.any()) is learns


def test_a_soft_threshold_becomes_the_hard_one_as_it_narrows() -> None:
    raw = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    hard = pool_classes(raw, PoolingConfig())
    errors = [
        float(
            (pool_classes(raw, PoolingConfig(kind="soft_threshold", softness=s)) - hard).abs().max()
        )
        for s in (0.05, 0.005, 0.0001)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-3


def test_the_mean_is_that_of_the_raw_values() -> None:
    raw = torch.tensor([1.0, -3.0, 5.0, 9.0]).view(1, 1, 2, 2)
    assert pool_classes(raw, PoolingConfig(kind="mean")).item() == 3.0
