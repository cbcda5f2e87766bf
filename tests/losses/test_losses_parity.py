from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mtl.config.schema import LossConfig
from mtl.losses.boxes import GIoULoss, giou_loss, published_giou_loss
from mtl.losses.conditions import HardLoss
from mtl.losses.heatmap import target_maps
from mtl.losses.tracking import tracking_losses
from mtl.models.tracker import TrackerOutput
from tests.parity import Fixture, assert_near

pytestmark = pytest.mark.parity


def test_losses_targets_and_gradients_are_the_published_ones(reference_root: Path) -> None:
    fixture = Fixture(reference_root / "hiptrack" / "losses.npz")
    cases = sorted({name.split(".")[0] for name in fixture.arrays if "." in name})
    weights = LossConfig()
    assert cases
    for case in cases:
        true_boxes = torch.from_numpy(fixture[f"{case}.gt_xywh"])
        boxes = torch.from_numpy(fixture[f"{case}.pred_cxcywh"]).requires_grad_()
        score_map = torch.from_numpy(fixture[f"{case}.score_map"]).requires_grad_()
        targets = target_maps(true_boxes, score_map.shape[-1])
        np.testing.assert_allclose(targets, fixture[f"{case}.heatmap"], rtol=1e-5, err_msg=case)
        assert int((targets == 1).sum()) == fixture[f"{case}.n_pos"], case
        output = TrackerOutput(score_map[:, None, None], None, None, boxes[:, None], None)
        losses, iou = tracking_losses(output, true_boxes[:, None])
        total = sum(getattr(weights, name) * value for name, value in losses.items())
        assert isinstance(total, torch.Tensor)
        total.backward()
        found = [total, losses["giou"], losses["l1"], losses["location"], iou.mean()]
        np.testing.assert_allclose(
            [value.item() for value in found],
            fixture[f"{case}.total_giou_l1_focal_iou"],
            rtol=1e-5,
            atol=1e-7,
            err_msg=case,
        )
        for name, tensor in (("grad_pred", boxes), ("grad_score", score_map)):
            wanted = fixture[f"{case}.{name}"]
            assert tensor.grad is not None
            floor = 1e-5 * np.abs(wanted).max()
            np.testing.assert_allclose(tensor.grad, wanted, rtol=1e-5, atol=floor, err_msg=case)


@pytest.mark.parametrize("rule", [published_giou_loss, giou_loss])
def test_simtrack_losses_and_gradients_are_the_published_ones(
    reference_root: Path, rule: GIoULoss
) -> None:
    fixture = Fixture(reference_root / "simtrack" / "loss.npz")
    weights = fixture.meta["weights"]
    cases = sorted({name.split(".")[0] for name in fixture.arrays if "." in name})
    assert cases
    for case in cases:
        boxes = torch.from_numpy(fixture[f"{case}.pred_cxcywh"]).requires_grad_()
        true_boxes = torch.from_numpy(fixture[f"{case}.gt_xywh"])[:, None]
        output = TrackerOutput(None, None, None, boxes[:, None], None)
        losses, iou = tracking_losses(output, true_boxes, rule)
        total = torch.stack([weights[name] * value for name, value in losses.items()]).sum()
        (gradient,) = torch.autograd.grad(total, boxes)
        assert_near(losses["l1"], fixture[f"{case}.l1"], 1e-6, f"{case}.l1")
        if rule is giou_loss and (boxes[:, 2:] < 0).any():
            assert losses["giou"].item() > 0 == fixture[f"{case}.giou"]  # nothing is silenced
            continue
        assert_near(losses["giou"], fixture[f"{case}.giou"], 1e-6, f"{case}.giou")
        assert_near(total, fixture[f"{case}.total"], 1e-6, f"{case}.total")
        assert_near(iou.mean(), fixture[f"{case}.mean_iou"], 1e-6, f"{case}.mean_iou")
        if case != "exact":  # whose gradient sits on kinks
            assert_near(gradient, fixture[f"{case}.grad"], 1e-5, f"{case}.grad")


def test_cross_entropy_is_the_published_branch_s(reference_root: Path) -> None:
    fixture = Fixture(reference_root / "simtrack" / "classification.npz")
    logits = torch.from_numpy(fixture["cls49.logits"])[:, None]
    batch = {"conditions": torch.from_numpy(fixture["ce.labels"])[:, None]}
    weights = torch.from_numpy(fixture["ce.weights"])
    for name, given in (("plain", torch.ones_like(weights)), ("weighted", weights)):
        found = HardLoss(given)(logits, batch)["classification"].value
        assert_near(found, fixture[f"ce.{name}"], 1e-6, f"ce.{name}")
