from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mtl.config.schema import (
    FrozenPart,
    HIPTrackConfig,
    LossConfig,
    OptimizerConfig,
    StageConfig,
)
from mtl.losses.tracking import tracking_losses
from mtl.models.elimination import keep_ratio_at
from mtl.models.freeze import apply_stage_mode, freeze_parts
from mtl.models.hiptrack import HIPTrack
from tests.parity import Fixture, assert_near, fill_by_rule, rule_image

pytestmark = pytest.mark.parity

PUBLISHED = HIPTrackConfig()
FREEZE = {"backbone": FrozenPart(eval_mode=False, stochastic_depth=False)}


def test_one_training_step_equals_the_published_one(reference_root: Path) -> None:
    fixture = Fixture(reference_root / "hiptrack" / "train_step.npz")
    meta = fixture.meta
    true_boxes = torch.from_numpy(fixture["search_anno"]).transpose(0, 1)
    batch, frames = true_boxes.shape[:2]
    model = HIPTrack(PUBLISHED)
    fill_by_rule(model, meta["salt"])
    freeze_parts(model, FREEZE)
    apply_stage_mode(model, FREEZE)
    search = [
        rule_image(meta["seed"], t, batch, PUBLISHED.search.size) for t in range(1, frames + 1)
    ]
    output = model(
        rule_image(meta["seed"], 0, batch, PUBLISHED.template.size),
        torch.stack(search, dim=1),
        torch.tensor(meta["template_boxes_xywh"]),
        keep_ratio_at(PUBLISHED.backbone, meta["epoch"]),
    )
    values, iou = tracking_losses(output, true_boxes)
    weights = LossConfig()
    total = sum(getattr(weights, name) * value for name, value in values.items())
    assert isinstance(total, torch.Tensor)
    total.backward()
    for name in ("score_map", "size_map", "offset_map"):
        wanted = np.stack([fixture[f"f{t}.{name}"] for t in range(1, frames + 1)], axis=1)
        assert_near(getattr(output, name), wanted, 2e-4, name)
    found = [total, *(values[name] for name in ("giou", "l1", "location")), iou.mean()]
    np.testing.assert_allclose([value.item() for value in found], fixture["status"], rtol=1e-5)

    parameters = dict(model.named_parameters())
    norms = fixture["grad_norm"]
    for name, norm in zip(fixture["grad_names"], norms, strict=True):
        if norm > 1e-3 * norms.max():  # the rest is rounding noise of gradients that are zero
            gradient = parameters[str(name)].grad
            assert gradient is not None
            assert float(gradient.norm()) == pytest.approx(float(norm), rel=1e-2), name
    learning = {name for name, p in parameters.items() if p.grad is not None}
    assert learning == {str(name) for name in fixture["grad_names"]}

    buffers = dict(model.named_buffers())
    for name in (n.removeprefix("buf.") for n in fixture.arrays if n.startswith("buf.")):
        buffer, wanted = buffers[name].flatten().double(), fixture[f"buf.{name}"]
        np.testing.assert_allclose(buffer[:8], wanted.ravel(), rtol=1e-5, atol=1e-6, err_msg=name)
        if f"bufsum.{name}" in fixture:
            error = abs(float(buffer.sum() - fixture[f"bufsum.{name}"]))
            assert error <= 1e-5 * float(buffer.abs().sum()), name

    optimizer_config = OptimizerConfig()
    learn = [p for p in parameters.values() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        learn,
        lr=StageConfig(epochs=1).learning_rate,
        betas=optimizer_config.betas,
        weight_decay=optimizer_config.weight_decay,
    )
    norm = torch.nn.utils.clip_grad_norm_(learn, optimizer_config.max_grad_norm)
    assert float(norm) == pytest.approx(float(fixture["total_grad_norm"]), rel=1e-2)
    optimizer.step()
    stepped = [n for n in fixture.arrays if n.startswith("step.") and n.endswith(".index")]
    assert stepped
    for name in (n.removeprefix("step.").removesuffix(".index") for n in stepped):
        at = torch.from_numpy(fixture[f"step.{name}.index"])
        gradient = parameters[name].grad
        assert gradient is not None
        np.testing.assert_allclose(
            gradient.flatten()[at], fixture[f"step.{name}.clipped_grad"], rtol=1e-2
        )
        assert_near(parameters[name].flatten()[at], fixture[f"step.{name}.value"], 1e-6, name)
