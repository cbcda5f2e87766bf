"""Classification, distillation and the losses of a task's batch."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mtl.config.unified import (
    UNIFIED_TASKS,
    DetectionLossConfig,
    DistillationConfig,
    PoolingConfig,
    UnifiedConfig,
    UnifiedLossConfig,
)
from mtl.errors import ShapeError
from mtl.losses.assignment import Objects
from mtl.losses.classification import classification_loss
from mtl.losses.distillation import Distillation, teachers_of
from mtl.losses.unified import UnifiedLosses
from mtl.models.unified import UnifiedOutput

MODEL = UnifiedConfig(num_det_classes=3, num_seg_classes=5, num_cls_classes=4, segmentation_size=16)


def output_of(seed: int, batch: int = 2) -> UnifiedOutput:
    generator = torch.Generator().manual_seed(seed)

    def raw(channels: int) -> Tensor:
        return torch.randn(batch, channels, 4, 4, generator=generator)

    return UnifiedOutput(raw(13), raw(5), raw(4))


def test_pooled_values_cannot_be_learned_below_the_floor_but_raw_means_can() -> None:
    labels = torch.tensor([0, 3])
    raw = torch.full((2, 4, 2, 2), -100.0)
    for image, label in enumerate(labels):
        raw[image, label] = 100.0
    losses = {
        name: float(classification_loss(raw, labels, MODEL.pooling, config))
        for name, config in {
            "pooled": UnifiedLossConfig(),
            "cooled": UnifiedLossConfig(classification_temperature=0.1),
            "raw_means": UnifiedLossConfig(classification="raw_means"),
            "binary": UnifiedLossConfig(classification="binary_cross_entropy"),
        }.items()
    }
    assert losses["pooled"] == pytest.approx(math.log(1 + 3 / math.e))
    assert losses["cooled"] == pytest.approx(math.log(1 + 3 / math.exp(10)), abs=1e-6)
    assert max(losses["raw_means"], losses["binary"]) < 1e-6


def test_raw_means_are_learned_whatever_the_model_pools_with() -> None:
    raw, labels = output_of(0).cls_raw, torch.tensor([1, 2])
    wanted = torch.nn.functional.cross_entropy(raw.mean(dim=(2, 3)), labels)
    for kind in ("threshold", "mean"):
        config = UnifiedLossConfig(classification="raw_means")
        loss = classification_loss(raw, labels, PoolingConfig(kind=kind), config)
        torch.testing.assert_close(loss, wanted)


def test_teachers_are_those_of_the_other_tasks_of_the_same_or_none() -> None:
    assert teachers_of("seg", UnifiedLossConfig()) == ("det", "cls")
    same = DistillationConfig(teachers="same_task")
    assert teachers_of("seg", UnifiedLossConfig(distillation=same)) == ("seg",)
    off = DistillationConfig(weight=0.0)
    assert teachers_of("seg", UnifiedLossConfig(distillation=off)) == ()


@pytest.mark.parametrize(
    "how",
    [
        DistillationConfig(),
        DistillationConfig(scores="kl"),
        DistillationConfig(scores="kl", temperature=4.0),
        DistillationConfig(detection="foreground"),
    ],
    ids=str,
)
@pytest.mark.parametrize("task", UNIFIED_TASKS)
def test_a_distance_is_zero_at_the_teacher_and_descending_it_comes_closer(
    how: DistillationConfig, task: str
) -> None:
    distillation = Distillation(MODEL, UnifiedLossConfig(distillation=how))
    teacher, student = output_of(0), output_of(1)
    assert distillation(teacher, {task: teacher}, (64, 64)).item() == pytest.approx(0, abs=1e-6)
    raw = [tensor.clone().requires_grad_() for tensor in student]
    first = distillation(UnifiedOutput(*raw), {task: teacher}, (64, 64))
    assert first > 1e-3
    first.backward()
    index = UNIFIED_TASKS.index(task)
    assert all((tensor.grad is not None) is (i == index) for i, tensor in enumerate(raw))
    with torch.no_grad():
        raw[index] -= 1e-2 * raw[index].grad / raw[index].grad.norm()
    assert distillation(UnifiedOutput(*raw), {task: teacher}, (64, 64)) < first


def test_resizing_the_difference_is_the_difference_of_the_resized() -> None:
    student, teacher = output_of(0), output_of(1)
    found = Distillation(MODEL, UnifiedLossConfig())(student, {"seg": teacher}, (64, 64))
    resized = [
        torch.nn.functional.interpolate(raw, (16, 16), mode="bilinear")
        for raw in (student.seg_raw, teacher.seg_raw)
    ]
    torch.testing.assert_close(found, torch.nn.functional.mse_loss(*resized))


def test_divergence_is_that_of_the_softened_distributions() -> None:
    how = DistillationConfig(scores="kl", temperature=3.0)
    config = UnifiedLossConfig(classification="raw_means", distillation=how)
    student, teacher = output_of(0), output_of(1)
    found = Distillation(MODEL, config)(student, {"cls": teacher}, (64, 64))
    p, q = ((o.cls_raw.mean(dim=(2, 3)) / 3).softmax(dim=1) for o in (teacher, student))
    torch.testing.assert_close(found, 9 * (p * (p / q).log()).sum(dim=1).mean())


def test_the_foreground_is_where_the_teacher_is_sure() -> None:
    teacher, student = output_of(0, batch=1), output_of(0, batch=1)
    teacher.det_raw[:, [4, 9]] = -20.0
    teacher.det_raw[:, 4, 2, 3] = 20.0
    student.det_raw.copy_(teacher.det_raw)
    how = DistillationConfig(detection="foreground")
    distillation = Distillation(MODEL, UnifiedLossConfig(distillation=how))
    student.det_raw[:, :, 0, 0] += 1.0
    elsewhere = distillation(student, {"det": teacher}, (64, 64))
    student.det_raw[:, 0, 2, 3] += 1.0
    assert elsewhere < 1e-6 < distillation(student, {"det": teacher}, (64, 64))


def test_a_teacher_that_sees_nothing_anywhere_is_no_distance() -> None:
    teacher, student = output_of(0), output_of(1)
    teacher.det_raw[:, [4, 9]] = -200.0
    how = DistillationConfig(detection="foreground")
    distillation = Distillation(MODEL, UnifiedLossConfig(distillation=how))
    assert distillation(student, {"det": teacher}, (64, 64)).item() == 0.0


def test_the_gain_of_detection_is_another_when_it_is_trained_alone() -> None:
    objects = Objects(torch.tensor([[8.0, 8.0, 24.0, 24.0]]), torch.tensor([1]), torch.tensor([0]))
    config = UnifiedLossConfig(detection=DetectionLossConfig(gain=50.0, single_task_gain=2.0))
    joint, alone = (
        UnifiedLosses(MODEL, config, joint).detection(output_of(0), objects, (64, 64)).total
        for joint in (True, False)
    )
    torch.testing.assert_close(joint, 25 * alone)


def test_pixels_are_judged_in_the_fixed_size_and_then_in_the_mask_s() -> None:
    output, masks = output_of(0), torch.randint(0, 5, (2, 10, 12), dtype=torch.uint8)
    found = UnifiedLosses(MODEL, UnifiedLossConfig(), True).segmentation(output, masks, (64, 64))
    scores = output.seg_raw
    for size in ((16, 16), (10, 12)):
        scores = torch.nn.functional.interpolate(scores, size, mode="bilinear")
    wanted = torch.nn.functional.cross_entropy(scores, (masks.long() - 1).clamp(min=0))
    torch.testing.assert_close(found, wanted)


def test_masks_of_another_number_are_refused() -> None:
    losses = UnifiedLosses(MODEL, UnifiedLossConfig(), True)
    with pytest.raises(ShapeError, match=r"masks must be \(2, H, W\), got \(3, 8, 8\)"):
        losses.segmentation(output_of(0), torch.zeros(3, 8, 8, dtype=torch.uint8), (64, 64))


def test_half_precision_outputs_have_full_precision_losses() -> None:
    losses = UnifiedLosses(MODEL, UnifiedLossConfig(), True)
    half = UnifiedOutput(*(raw.bfloat16() for raw in output_of(0)))
    objects = Objects(torch.tensor([[8.0, 8.0, 24.0, 24.0]]), torch.tensor([1]), torch.tensor([0]))
    masks = torch.zeros(2, 8, 8, dtype=torch.uint8)
    with torch.autocast("cpu", torch.bfloat16):
        values = (
            losses.detection(half, objects, (64, 64)).total,
            losses.segmentation(half, masks, (64, 64)),
            losses.classification(half, torch.tensor([0, 1])),
        )
    assert all(value.dtype == torch.float32 for value in values)
