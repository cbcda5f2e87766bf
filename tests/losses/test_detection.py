"""The detection loss and its alternatives: what is lowest where, and who learns."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from mtl.config.unified import DetectionLossConfig
from mtl.losses.assignment import Assignment, Objects, assign
from mtl.losses.detection import detection_loss
from mtl.models.unified.grid import DetectionGrid

SIZE = (64, 64)
OBJECTS = Objects(
    torch.tensor([[10.0, 12.0, 20.0, 16.0], [40.0, 44.0, 10.0, 12.0]]),
    torch.tensor([1, 2]),
    torch.tensor([0, 1]),
)
ALTERNATIVES: list[dict[str, Any]] = [
    {},
    {"slots": "all"},
    {"slots": "all", "assignment": "responsible", "confidence_target": "iou"},
    {"slots": "all", "assignment": "center_sampling"},
    {"box": "giou"},
    {"box": "ciou"},
    {"box": "ciou", "l1_weight": 1.0},
    {"confidence": "binary_cross_entropy"},
    {"confidence": "focal", "divide_by": "objects"},
    {"classes": "binary_cross_entropy"},
    {"classes": "cross_entropy"},
]


def raw_of(seed: int = 0) -> Tensor:
    """Two images of 4 x 4 cells, two slots, three classes."""
    return torch.randn(2, 13, 4, 4, generator=torch.Generator().manual_seed(seed)) * 0.5


def loss_of(raw: Tensor, objects: Objects = OBJECTS, **changes: Any) -> tuple[Any, Assignment]:
    config, span = DetectionLossConfig(**changes), 2.0
    grid = DetectionGrid.of_raw(raw, 2)
    target = assign(objects, grid, SIZE, config.assignment, span)
    return detection_loss(grid, target, config, span), target


@pytest.mark.parametrize("changes", ALTERNATIVES, ids=str)
def test_descending_a_loss_finds_the_boxes(changes: dict[str, Any]) -> None:
    raw = raw_of().requires_grad_()
    optimizer = torch.optim.Adam([raw], lr=0.2)
    first, _ = loss_of(raw, **changes)
    for _ in range(120):
        optimizer.zero_grad()
        terms, target = loss_of(raw, **changes)
        terms.total.backward()
        optimizer.step()
    assert terms.total < 0.35 * first.total
    taken = target.taken.nonzero().tolist()
    trained = [place for place in taken if changes.get("slots") == "all" or place[1] == 0]
    grid = DetectionGrid.of_raw(raw.detach(), 2)
    for image, slot, row, column in trained:
        box = grid.boxes_xyxy(2.0)[image, slot, row, column] * 64
        x, y, w, h = OBJECTS.boxes_xywh[image].tolist()
        torch.testing.assert_close(box, torch.tensor([x, y, x + w, y + h]), rtol=0, atol=2.0)
        assert grid.classes[image, :, row, column].argmax() == OBJECTS.labels[image]
        assert grid.confidence[image, slot, row, column] > 0.5


def test_only_the_first_slot_learns_as_published_and_all_do_when_asked() -> None:
    for slots in ("first", "all"):
        raw = raw_of().requires_grad_()
        loss_of(raw, slots=slots)[0].total.backward()
        assert raw.grad is not None
        assert bool(raw.grad[:, 5:10].any()) is (slots == "all")
        assert raw.grad[:, :5].any()


@pytest.mark.parametrize("changes", ALTERNATIVES, ids=str)
def test_images_without_objects_have_finite_losses_and_gradients(changes: dict[str, Any]) -> None:
    nothing = Objects(torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0).long())
    raw = raw_of().requires_grad_()
    terms, _ = loss_of(raw, nothing, **changes)
    assert [terms.box.item(), terms.object.item(), terms.classes.item()] == [0.0, 0.0, 0.0]
    assert terms.no_object > 0
    terms.total.backward()
    assert raw.grad is not None
    assert raw.grad.isfinite().all()


def test_the_confidence_of_a_box_should_be_its_overlap() -> None:
    raw = torch.zeros(2, 13, 4, 4)  # boxes of a quarter of each side, confidence a half
    changes: dict[str, Any] = {"slots": "all", "assignment": "responsible"}
    (one, target), (iou, _) = (
        loss_of(raw, confidence_target=kind, **changes) for kind in ("one", "iou")
    )
    assert target.taken.sum() == 2
    assert float(one.object) == pytest.approx(2 * 0.25 / 32)
    boxes = DetectionGrid.of_raw(raw, 2).boxes_xyxy(2.0)
    wanted = 0.0
    for image, slot, row, column in target.taken.nonzero().tolist():
        x1, y1, x2, y2 = (boxes[image, slot, row, column] * 64).tolist()
        x, y, w, h = OBJECTS.boxes_xywh[image].tolist()
        shared = max(0, min(x2, x + w) - max(x1, x)) * max(0, min(y2, y + h) - max(y1, y))
        wanted += (shared / ((x2 - x1) * (y2 - y1) + w * h - shared) - 0.5) ** 2
    assert float(iou.object) == pytest.approx(wanted / 32, rel=1e-4)


def test_sums_are_divided_by_cells_or_by_objects() -> None:
    by_cells, by_objects = (loss_of(raw_of(), divide_by=k)[0].total for k in ("cells", "objects"))
    assert float(by_objects) == pytest.approx(float(by_cells) * 32 / 2)


def test_focal_confidence_is_entropy_times_the_distance_to_its_power() -> None:
    raw = torch.full((2, 13, 4, 4), math.log(3.0))  # confidence 0.75
    plain, _ = loss_of(raw, confidence="binary_cross_entropy")
    focal, _ = loss_of(raw, confidence="focal", focal_gamma=2.0)
    assert float(focal.no_object / plain.no_object) == pytest.approx(0.75**2, rel=1e-5)
    assert float(focal.object / plain.object) == pytest.approx(0.25**2, rel=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.01, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("logit", [18.0, 200.0, -95.0, -200.0])
def test_focal_confidence_that_is_certain_has_finite_gradients(gamma: float, logit: float) -> None:
    raw = torch.full((2, 13, 4, 4), logit, requires_grad=True)  # a distance of 0 somewhere
    terms, _ = loss_of(raw, confidence="focal", focal_gamma=gamma)
    (terms.object + terms.no_object).backward()
    assert raw.grad is not None
    assert raw.grad.isfinite().all()


def test_weights_scale_their_terms() -> None:
    plain, _ = loss_of(raw_of())
    changed, _ = loss_of(raw_of(), box_weight=10.0, no_object_weight=0.5)
    ratios = [float(b / a) for a, b in zip(plain, changed, strict=True)]
    assert ratios == pytest.approx([2.0, 1.0, 0.5, 1.0])


def test_absolute_errors_are_of_the_centre_in_cells_and_of_the_sides_logarithms() -> None:
    raw = torch.zeros(2, 13, 4, 4)  # centres in the middle of their cell, sides a quarter
    errors = [
        abs(20.0 / 16 - 1.5) + abs(20.0 / 16 - 1.5) + math.log(20 / 16) + 0.0,
        abs(45.0 / 16 - 2.5) + abs(50.0 / 16 - 3.5) + math.log(16 / 10) + math.log(16 / 12),
    ]
    without, _ = loss_of(raw, box="ciou")
    with_l1, _ = loss_of(raw, box="ciou", l1_weight=0.5)
    assert float(with_l1.box - without.box) == pytest.approx(0.5 * sum(errors) / 32, rel=1e-4)


def test_a_box_far_too_large_is_drawn_to_a_small_object_by_its_absolute_errors() -> None:
    small = Objects(torch.tensor([[30.0, 30.0, 2.0, 2.0]]), torch.tensor([1]), torch.tensor([0]))
    slopes = []
    for l1_weight in (0.0, 1.0):
        raw = raw_of().requires_grad_()
        loss_of(raw, small, box="ciou", box_weight=1.0, l1_weight=l1_weight)[0].box.backward()
        assert raw.grad is not None
        slopes.append(float(raw.grad[0, 2:4].abs().max()))
    assert slopes[1] > 3 * slopes[0]


@pytest.mark.parametrize("box", ["squared", "giou", "ciou"])
@pytest.mark.parametrize("sides", [(2, 3), (2,), (3,)])
def test_sides_that_vanish_have_finite_errors(box: str, sides: tuple[int, ...]) -> None:
    raw = raw_of()
    raw[:, [*sides, *(side + 5 for side in sides)]] = -12.0
    raw.requires_grad_()
    terms, _ = loss_of(raw, box=box, l1_weight=1.0, slots="all")
    terms.box.backward()
    assert terms.box.isfinite()
    assert raw.grad is not None
    assert raw.grad.isfinite().all()


def test_an_object_without_area_has_a_finite_loss() -> None:
    flat = Objects(torch.tensor([[30.0, 30.0, 0.0, 0.0]]), torch.tensor([1]), torch.tensor([0]))
    raw = raw_of().requires_grad_()
    terms, _ = loss_of(raw, flat, box="ciou", l1_weight=1.0)
    terms.box.backward()
    assert raw.grad is not None
    assert raw.grad.isfinite().all()
