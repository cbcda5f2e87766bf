from __future__ import annotations

import numpy as np
import pytest
import torch

from mtl.errors import ShapeError
from mtl.geometry.boxes import (
    clip_box_xywh_np,
    cxcywh_to_xywh,
    cxcywh_to_xyxy,
    giou,
    iou,
    xywh_to_xyxy,
    xyxy_to_cxcywh,
    xyxy_to_xywh,
)


def test_one_box_in_every_format() -> None:
    xyxy = torch.tensor([1.0, 2.0, 5.0, 10.0])
    xywh = torch.tensor([1.0, 2.0, 4.0, 8.0])
    cxcywh = torch.tensor([3.0, 6.0, 4.0, 8.0])
    assert torch.equal(cxcywh_to_xyxy(cxcywh), xyxy)
    assert torch.equal(xywh_to_xyxy(xywh), xyxy)
    assert torch.equal(xyxy_to_xywh(xyxy), xywh)
    assert torch.equal(xyxy_to_cxcywh(xyxy), cxcywh)
    assert torch.equal(cxcywh_to_xywh(cxcywh), xywh)


def test_overlap_of_boxes_worked_by_hand() -> None:
    a = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
    b = torch.tensor([[1.0, 0.0, 3.0, 2.0], [0.0, 0.0, 1.0, 1.0], [2.0, 0.0, 3.0, 1.0]])
    torch.testing.assert_close(iou(a, b), torch.tensor([1 / 3, 1.0, 0.0]))
    torch.testing.assert_close(giou(a, b), torch.tensor([1 / 3, 1.0, -1 / 3]))


def test_giou_is_symmetric_and_at_most_iou() -> None:
    points = torch.rand(50, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    boxes = points.sort(dim=2).values.flatten(2)  # (50, 2, 4)
    a, b = boxes.unbind(1)
    torch.testing.assert_close(giou(a, b), giou(b, a))
    assert (giou(a, b) <= iou(a, b)).all()
    assert (giou(a, b) > -1).all()


def test_gradient_of_giou_reaches_boxes_that_do_not_meet() -> None:
    a = torch.tensor([[0.0, 0.0, 1.0, 1.0]], requires_grad=True)
    giou(a, torch.tensor([[3.0, 0.0, 4.0, 1.0]])).sum().backward()
    assert a.grad is not None
    assert a.grad.abs().sum() > 0


def test_unpaired_boxes_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(2, 4\) and \(3, 4\)"):
        iou(torch.zeros(2, 4), torch.zeros(3, 4))


@pytest.mark.parametrize(
    ("box", "wanted"),
    [
        ([20, 30, 40, 20], [20, 30, 40, 20]),
        ([-15, -15, 20, 20], [0, 0, 10, 10]),
        ([95, 70, 30, 30], [90, 70, 10, 10]),
        ([40, 40, 2, 3], [40, 40, 10, 10]),
        ([-50, 0, 500, 80], [0, 0, 100, 80]),
    ],
)
def test_clipped_box_keeps_a_margin_in_the_picture(box: list[int], wanted: list[int]) -> None:
    clipped = clip_box_xywh_np(np.array(box), height=80, width=100, margin=10)
    np.testing.assert_array_equal(clipped, wanted)
