"""Targets, losses and the joint total of the unified model against the published ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mtl.config.unified import (
    UNIFIED_TASKS,
    DetectionLossConfig,
    PoolingConfig,
    UnifiedConfig,
    UnifiedLossConfig,
)
from mtl.losses.assignment import Assignment, Objects, assign
from mtl.losses.classification import classification_loss
from mtl.losses.detection import detection_loss
from mtl.losses.distillation import Distillation, joint_total, teachers_of
from mtl.losses.segmentation import segmentation_loss, segmentation_targets
from mtl.losses.weighting import normalized_sigmoids
from mtl.models.unified import UnifiedOutput
from mtl.models.unified.grid import DetectionGrid
from tests.parity import Fixture

pytestmark = pytest.mark.parity


class Folder:
    """The folder of fixtures."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "unified"
        text = (self.folder / "fixtures.json").read_text()
        default = json.loads(text)["tolerances"]["default"]
        self.tolerance = float(default.removeprefix("float32: ").split()[0])

    def __call__(self, name: str) -> Fixture:
        return Fixture(self.folder / f"{name}.npz")

    def assert_close(self, found: Tensor, wanted: np.ndarray, name: str) -> None:
        assert found.shape == wanted.shape, name
        np.testing.assert_allclose(
            found.detach().numpy(), wanted, rtol=1e-4, atol=self.tolerance, err_msg=name
        )


@pytest.fixture(scope="module")
def folder(reference_root: Path) -> Folder:
    return Folder(reference_root)


def empty_grid(shape: tuple[int, ...], num_boxes: int) -> DetectionGrid:
    return DetectionGrid.of_raw(torch.zeros(shape), num_boxes)


@pytest.mark.parametrize(
    ("key", "images", "num_boxes"), [("target", None, 2), ("target_b", [0, 2], 1)]
)
def test_targets_are_the_published_ones(
    folder: Folder, key: str, images: list[int] | None, num_boxes: int
) -> None:
    fixture = folder("det_targets")
    boxes, labels, image = (torch.from_numpy(fixture[n]) for n in ("boxes", "labels", "image"))
    if images is not None:  # the fixture leaves the others out and renumbers
        kept = torch.isin(image, torch.tensor(images))
        boxes, labels, image = boxes[kept], labels[kept], image[kept]
        image = torch.searchsorted(torch.tensor(images), image)
    grid = empty_grid(fixture[key].shape, num_boxes)
    target = assign(Objects(boxes, labels, image), grid, (512, 512), "first_free")
    folder.assert_close(target.to_map(), fixture[key], key)


def test_the_four_detection_terms_and_their_gradient_are_the_published_ones(
    folder: Folder,
) -> None:
    fixture, config = folder("losses"), DetectionLossConfig()
    values = torch.from_numpy(fixture["det_pred"]).requires_grad_()
    target = Assignment.of_map(torch.from_numpy(fixture["det_target"]), 2)
    terms = detection_loss(DetectionGrid(values, values.logit(), 2), target, config, 1.0)
    found = torch.stack([*terms, terms.total])
    folder.assert_close(found, fixture["det_terms"], "det_terms")
    terms.total.backward()
    assert values.grad is not None
    folder.assert_close(values.grad, fixture["det_grad"], "det_grad")


def test_an_image_without_objects_has_the_published_loss(folder: Folder) -> None:
    fixture = folder("losses")
    values = torch.from_numpy(fixture["det_pred"])[1:2]
    target = Assignment.of_map(torch.from_numpy(fixture["det_target"])[1:2], 2)
    assert not target.taken.any()
    grid = DetectionGrid(values, values.logit(), 2)
    terms = detection_loss(grid, target, DetectionLossConfig(), 1.0)
    found = torch.stack([*terms, terms.total])
    folder.assert_close(found, fixture["det_terms_empty"], "det_terms_empty")


def test_segmentation_losses_of_20_and_21_classes_are_the_published_ones(folder: Folder) -> None:
    fixture = folder("losses")
    masks = torch.from_numpy(fixture["seg_mask"])
    targets = segmentation_targets(masks, "merged")
    # The fixture writes another number for ignored pixels.
    wanted = fixture["seg_target_remapped"]
    seen = masks.numpy() != 255
    np.testing.assert_array_equal(targets.numpy()[seen], wanted[seen])
    loss = segmentation_loss(torch.from_numpy(fixture["seg_logits"]), targets)
    folder.assert_close(loss, fixture["seg_loss"], "seg_loss")
    own = segmentation_targets(masks, "own")
    loss = segmentation_loss(torch.from_numpy(fixture["seg21_logits"]), own)
    folder.assert_close(loss, fixture["seg21_loss_standard"], "seg21_loss_standard")


def one_cell(pooled: Tensor) -> Tensor:
    """A classification map (B, C, 1, 1) that is pooled to these values."""
    return pooled.logit()[:, :, None, None]


def test_the_class_loss_and_its_floor_are_the_published_ones(folder: Folder) -> None:
    fixture, config, pooling = folder("losses"), UnifiedLossConfig(), PoolingConfig()
    labels = torch.from_numpy(fixture["cls_label"])
    pooled = torch.from_numpy(fixture["cls_decoded"])
    loss = classification_loss(one_cell(pooled), labels, pooling, config)
    folder.assert_close(loss, fixture["cls_loss"], "cls_loss")
    best = torch.nn.functional.one_hot(labels, pooled.shape[1]).float()
    floor = classification_loss(one_cell(best), labels, pooling, config)
    folder.assert_close(floor, fixture["cls_loss_floor"], "cls_loss_floor")


def test_distances_from_the_teachers_are_the_published_ones(folder: Folder) -> None:
    fixture, config = folder("distill_total"), UnifiedLossConfig()
    to_raw = {"det": torch.logit, "seg": torch.clone, "cls": one_cell}
    means = []
    for batch in UNIFIED_TASKS:
        others = teachers_of(batch, config)
        who: dict[str, dict[str, Tensor]] = {
            role: {
                task: to_raw[task](torch.from_numpy(fixture[f"{batch}_batch_{task}_{role}"]))
                for task in others
            }
            for role in ("student", "teacher")
        }
        nothing = torch.zeros(0)
        student, teacher = (
            UnifiedOutput(*(who[role].get(task, nothing) for task in UNIFIED_TASKS))
            for role in ("student", "teacher")
        )
        side = fixture["det_batch_seg_student"].shape[-1]
        # The fixture's class values are pooled already; some are below the usual threshold.
        pooled = PoolingConfig(threshold=0.0)
        model = UnifiedConfig(segmentation_size=side, pooling=pooled)
        distillation = Distillation(model, config)
        for task in others:
            found = distillation.distance(task, student, teacher, (side, side))
            folder.assert_close(found, fixture[f"{batch}_batch_{task}_mse"], f"{batch} {task}")
        means.append(distillation(student, dict.fromkeys(others, teacher), (1, 1)))
    folder.assert_close(torch.stack(means), fixture["kd"], "kd")


def test_both_totals_and_their_gradients_are_the_published_ones(folder: Folder) -> None:
    fixture = folder("distill_total")
    kd = torch.from_numpy(fixture["kd"])
    for i, raw_weights in enumerate(fixture["raw_weights"]):
        for j, factor in enumerate(fixture["lambda_distill"].tolist()):
            raw = torch.from_numpy(raw_weights.copy()).requires_grad_()
            losses = torch.from_numpy(fixture["task_losses"][i].copy()).requires_grad_()
            weights = normalized_sigmoids(raw)
            folder.assert_close(weights, fixture["norm_weights"][i], "norm_weights")
            total = joint_total(losses, kd, weights, factor, inside_weights=True)
            folder.assert_close(total, fixture["total"][i, j], "total")
            total.backward()
            assert raw.grad is not None
            assert losses.grad is not None
            folder.assert_close(raw.grad, fixture["grad_raw_weights"][i, j], "grad_raw_weights")
            folder.assert_close(losses.grad, fixture["grad_task_losses"][i, j], "grad_task_losses")
            other = joint_total(losses, kd, weights, factor, inside_weights=False)
            folder.assert_close(other, fixture["total_seed_formula"][i, j], "total_seed_formula")
