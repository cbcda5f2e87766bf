from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from mtl.config.load import load
from mtl.data.frame_index import FrameIndex
from mtl.losses.tracking import tracking_losses
from mtl.tasks.tracking import TrackingTask
from mtl.training.optimizer import build_optimizer, clip_gradients
from tests.parity import Fixture, assert_near, corner_gains, fill_by_rule, rule_image

pytestmark = pytest.mark.parity

CONFIG = load("simtrack", ["mode=finetune_bbox"])
STAGE = CONFIG.stages["full"]
ZERO = 1e-4
"""Gradient norms of the file below this are zero in exact arithmetic."""


@pytest.fixture
def task() -> TrackingTask:
    return TrackingTask(CONFIG, FrameIndex("", "train", pa.table({}), (), np.zeros(1, np.int64)))


def test_one_training_step_equals_the_published_one(
    reference_root: Path, task: TrackingTask
) -> None:
    fixture = Fixture(reference_root / "simtrack" / "train_step.npz")
    meta = fixture.meta
    model = task.build_model()
    fill_by_rule(model, meta["salt"], gains=corner_gains(meta))
    task.set_mode(model, STAGE)
    z, s = CONFIG.model.template.size, CONFIG.model.search.size
    output = model(
        rule_image(meta["seed"], 0, meta["B"], z),
        rule_image(meta["seed"], 1, meta["B"], s)[:, None],
        torch.tensor(meta["annotations_xywh"]),
    )
    values, iou = tracking_losses(output, torch.tensor(meta["gt_xywh"])[:, None], task.giou_loss)
    total = torch.stack([task.weights[name] * value for name, value in values.items()]).sum()
    total.backward()
    assert_near(output.boxes_cxcywh, fixture["pred_boxes"], 1e-5, "pred_boxes")
    found = {"loss": total, **values, "mean_iou": iou.mean()}
    for name, value in found.items():
        assert_near(value, fixture[name], 1e-5, name)

    parameters = dict(model.named_parameters())
    norms = dict(zip(meta["params"], fixture["grad_norm"].tolist(), strict=True))
    assert parameters.keys() == norms.keys()
    for name, norm in norms.items():
        gradient = parameters[name].grad
        if np.isnan(norm):
            assert gradient is None, name
            continue
        assert gradient is not None, name
        if norm < ZERO:
            assert float(gradient.norm()) < 1e-3, name
        else:
            assert float(gradient.norm()) == pytest.approx(norm, rel=1e-3), name
    for name in (n.removeprefix("grad.") for n in fixture.arrays if n.startswith("grad.")):
        if name in parameters and norms[name] >= ZERO:
            gradient, wanted = parameters[name].grad, fixture[f"grad.{name}"]
            assert gradient is not None
            usual = norms[name] / gradient.numel() ** 0.5
            assert_near(gradient.flatten()[: wanted.size], wanted, 1e-3 * usual, f"grad.{name}")
    rows = parameters["backbone.visual.positional_embedding"].grad
    assert rows is not None
    row_norms = fixture["grad.positional_embedding.row_norms"]
    np.testing.assert_allclose(rows.norm(dim=1), row_norms, rtol=1e-3)

    buffers = dict(model.named_buffers())
    statistics = [name for name in fixture.arrays if name.startswith("bn.")]
    assert statistics
    for name in statistics:
        _, layer, field = name.split(".")
        assert_near(buffers[f"box_head.{layer}.1.{field}"], fixture[name], 1e-5, name)

    before = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    optimizer = build_optimizer(task.parameter_groups(model, STAGE), CONFIG.optimizer)
    assert CONFIG.optimizer.max_grad_norm == meta["grad_clip"]
    norm = clip_gradients(model, CONFIG.optimizer.max_grad_norm)
    assert float(norm) == pytest.approx(float(fixture["grad_total_norm"]), rel=1e-3)
    optimizer.step()
    stepped = [n.removeprefix("delta.") for n in fixture.arrays if n.startswith("delta.")]
    assert stepped
    slow = {f"backbone.visual.{name}" for name, _ in model.backbone.visual.named_parameters()}
    for name in stepped:
        delta = parameters[name].detach() - before[name]
        wanted = fixture[f"delta.{name}"]
        tolerance = 2e-7 if name in slow else 5e-7
        assert_near(delta.flatten()[: wanted.size], wanted, tolerance, f"delta.{name}")
        usual = float(fixture[f"delta_norm.{name}"])
        assert float(delta.norm()) == pytest.approx(usual, rel=1e-3), f"delta_norm.{name}"


def test_parameters_learn_in_the_published_groups(reference_root: Path, task: TrackingTask) -> None:
    wanted = json.loads((reference_root / "simtrack" / "optimizer_groups.json").read_text())
    with torch.device("meta"):
        model = task.build_model()
    task.set_mode(model, STAGE)
    name_of = {id(parameter): name for name, parameter in model.named_parameters()}
    found = {}
    optimizer = build_optimizer(task.parameter_groups(model, STAGE), CONFIG.optimizer)
    for group in optimizer.param_groups:
        assert (group["betas"], group["eps"]) == ((0.9, 0.999), 1e-8)  # `optimizer` in words
        for parameter in group["params"]:
            found[name_of[id(parameter)]] = (pytest.approx(group["lr"]), group["weight_decay"])
    published = {
        name: (group["lr"], group["weight_decay"])
        for group in wanted["groups"]
        for name in group["names"]
    }
    assert len(published) == sum(group["tensors"] for group in wanted["groups"])
    assert found == {n: v for n, v in published.items() if n not in wanted["no_gradient"]}
