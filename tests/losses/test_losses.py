from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mtl.errors import ShapeError
from mtl.losses.boxes import giou_loss, l1_loss, published_giou_loss
from mtl.losses.heatmap import focal_loss, gaussian_radius, target_maps
from mtl.losses.tracking import tracking_losses
from mtl.models.tracker import TrackerOutput


def painted(box: list[float], side: int) -> np.ndarray:
    """The target map cell by cell, as the specification words it."""
    x, y, w, h = (value * side for value in box)
    column, row = round(x + w / 2), round(y + h / 2)
    radius = int(gaussian_radius(torch.tensor([w, h])))
    sigma = (2 * radius + 1) / 6
    target = np.zeros((side, side))
    for r in range(max(row - radius, 0), min(row + radius + 1, side)):
        for c in range(max(column - radius, 0), min(column + radius + 1, side)):
            target[r, c] = math.exp(-((r - row) ** 2 + (c - column) ** 2) / (2 * sigma**2))
    return target


@pytest.mark.parametrize(
    "box", [[0.2, 0.3, 0.5, 0.4], [0.9, 0.9, 0.2, 0.2], [-0.2, 0.5, 0.3, 0.3], [2.0, 0.1, 0.5, 0.5]]
)
def test_target_map_is_what_a_loop_paints(box: list[float]) -> None:
    found = target_maps(torch.tensor([[box]]), 16)
    assert found.shape == (1, 1, 16, 16)
    np.testing.assert_allclose(found[0, 0], painted(box, 16), rtol=1e-5)


def test_a_centre_rounds_to_even_and_may_leave_the_map() -> None:
    half = target_maps(torch.tensor([[2.25, 2.25, 0.5, 0.5]]) / 8, 8)  # centre 2.5
    assert half[0].argmax() == 2 * 8 + 2
    outside = target_maps(torch.tensor([[7.4, 3.0, 1.0, 1.0]]) / 8, 8)  # centre 7.9 -> 8
    assert (outside == 1).sum() == 0


def test_focal_loss_worked_by_hand() -> None:
    target = torch.tensor([[[[1.0, 0.5], [0.0, 0.0]]]])
    score = torch.tensor([[[[0.5, 0.5], [0.25, 0.1]]]])
    wanted = -(
        math.log(0.5) * 0.25
        + math.log(0.5) * 0.25 * 0.5**4
        + math.log(0.75) * 0.0625
        + math.log(0.9) * 0.01
    )
    torch.testing.assert_close(focal_loss(score, target), torch.tensor([wanted]))


def test_focal_loss_counts_peaks_over_the_batch_and_per_frame() -> None:
    target = torch.zeros(2, 2, 4, 4)
    target[:, 0, 1, 1] = 1.0
    score = torch.full_like(target, 0.5)
    two, none = focal_loss(score, target)
    lone = focal_loss(score[:1, :1], target[:1, :1])
    torch.testing.assert_close(two, lone[0])
    torch.testing.assert_close(none, torch.tensor(32 * math.log(2) * 0.25))


def test_crossed_corners_silence_the_frame_but_no_other_by_the_published_rule() -> None:
    predicted = torch.tensor([0.1, 0.1, 0.5, 0.5]).repeat(2, 2, 1)
    predicted[0, 1] = torch.tensor([0.5, 0.1, 0.4, 0.5])
    predicted.requires_grad_()
    loss, iou = published_giou_loss(predicted, torch.tensor([0.2, 0.1, 0.5, 0.5]).expand(2, 2, 4))
    assert loss[1] == 0
    assert iou[:, 1].tolist() == [0, 0]
    assert loss[0] > 0
    loss.sum().backward()
    assert predicted.grad is not None
    assert torch.isfinite(predicted.grad).all()
    assert predicted.grad[:, 1].abs().sum() == 0


def test_ordered_corners_give_the_published_giou_loss() -> None:
    torch.manual_seed(0)
    first, size = torch.rand(8, 3, 2) * 0.5, torch.rand(8, 3, 2) * 0.5
    boxes = torch.cat([first, first + size], dim=-1)
    predicted, true = boxes.clone().requires_grad_(), boxes.flip(0)
    for found, wanted in zip(
        giou_loss(predicted, true), published_giou_loss(predicted, true), strict=True
    ):
        torch.testing.assert_close(found, wanted)
    gradients = [
        torch.autograd.grad(loss(predicted, true)[0].sum(), predicted)[0]
        for loss in (giou_loss, published_giou_loss)
    ]
    torch.testing.assert_close(*gradients)


def test_a_crossed_box_is_handled_alone() -> None:
    true = torch.tensor([0.2, 0.1, 0.5, 0.5]).expand(3, 1, 4)
    predicted = torch.tensor([[0.1, 0.1, 0.5, 0.5], [0.9, 0.2, 0.1, 0.4], [0.9, 0.9, 0.1, 0.1]])
    predicted = predicted[:, None].requires_grad_()
    loss, iou = giou_loss(predicted, true)
    alone = [giou_loss(predicted[[n]], true[[n]])[0] for n in range(3)]
    torch.testing.assert_close(loss, torch.stack(alone).mean(dim=0))
    torch.testing.assert_close(iou[0], torch.tensor([0.75]))
    assert iou[1:].flatten().tolist() == [0, 0]
    # The crossed corners and the true box fit in 0.8 by 0.4; the true box has 0.3 by 0.4.
    torch.testing.assert_close(alone[1].item(), 2.0 - 0.12 / 0.32)
    loss.sum().backward()
    assert predicted.grad is not None
    assert torch.isfinite(predicted.grad).all()
    assert (predicted.grad[1, 0, [0, 2]].sign() == torch.tensor([1.0, -1.0])).all()


def test_boxes_without_area_give_finite_losses() -> None:
    points = torch.tensor([[1.0, 0.3, 1.0, 0.3], [0.5, 0.5, 0.5, 0.5]])[:, None].requires_grad_()
    for true in (points.detach(), points.detach().flip(0)):
        loss, iou = giou_loss(points, true)
        (gradient,) = torch.autograd.grad(loss.sum(), points)
        assert torch.isfinite(loss).all()
        assert torch.isfinite(gradient).all()
        assert iou.tolist() == [[0], [0]]


def test_l1_is_a_mean_over_boxes_and_corners() -> None:
    assert l1_loss(torch.ones(3, 2, 4), torch.zeros(3, 2, 4)).tolist() == [1.0, 1.0]


def output(boxes: torch.Tensor, score_map: torch.Tensor | None) -> TrackerOutput:
    return TrackerOutput(score_map, None, None, boxes, None)


def test_losses_of_a_clip_are_sums_over_its_frames() -> None:
    torch.manual_seed(0)
    boxes = torch.rand(2, 3, 4) * 0.2 + 0.3
    true = torch.rand(2, 3, 4) * 0.2 + 0.3
    scores = torch.rand(2, 3, 1, 8, 8).clamp(1e-4, 1 - 1e-4)
    whole, iou = tracking_losses(output(boxes, scores), true)
    assert iou.shape == (2, 3)
    assert set(whole) == {"giou", "l1", "location"}
    for name, value in whole.items():
        parts = [
            tracking_losses(output(boxes[:, [t]], scores[:, [t]]), true[:, [t]])[0][name]
            for t in range(3)
        ]
        torch.testing.assert_close(value, torch.stack(parts).sum())


def test_a_corner_head_has_no_location_loss() -> None:
    boxes = torch.full((1, 1, 4), 0.5)
    assert set(tracking_losses(output(boxes, None), boxes)[0]) == {"giou", "l1"}


def test_a_box_for_every_frame_is_wanted() -> None:
    with pytest.raises(ShapeError, match=r"must be \(1, 2, 4\), got \(1, 1, 4\)"):
        tracking_losses(output(torch.ones(1, 2, 4), None), torch.ones(1, 1, 4))
