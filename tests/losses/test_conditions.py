from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from mtl.conditions import IGNORE
from mtl.config.schema import LossConfig
from mtl.losses.conditions import AttributeLoss, HardLoss, SoftLoss, build_condition_loss
from tests.parity import Fixture

SHAPE = (2, 3)
ONES = torch.ones(10)
WEIGHTS = torch.tensor([0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3])
LABELS = torch.tensor([[1, IGNORE, 2], [9, IGNORE, 1]])
KNOWN = LABELS != IGNORE

LOSSES = {
    "cross_entropy": lambda: build_condition_loss(LossConfig(), "hard"),
    "weighted": lambda: build_condition_loss(LossConfig(), "hard", WEIGHTS),
    "smooth": lambda: build_condition_loss(LossConfig(label_smoothing=0.1), "hard", WEIGHTS),
    "focal": lambda: build_condition_loss(LossConfig(classification="focal"), "hard"),
    "soft": lambda: build_condition_loss(LossConfig(), "soft"),
    "soft_weighted": lambda: build_condition_loss(LossConfig(), "soft", WEIGHTS),
    "multilabel": lambda: build_condition_loss(LossConfig(), "multilabel"),
}


def logits(seed: int = 0) -> Tensor:
    return torch.randn(*SHAPE, 10, generator=torch.Generator().manual_seed(seed)) * 2


def targets(labels: Tensor = LABELS) -> dict[str, Tensor]:
    """All targets of a clip; the unlabelled frames know nothing, the others most attributes."""
    generator = torch.Generator().manual_seed(1)
    known = (labels != IGNORE).float()
    mask = (torch.rand(*SHAPE, 9, generator=generator) < 0.7).float() * known[..., None]
    shares = torch.rand(*SHAPE, 10, generator=generator)
    shares[..., 3] = 0.0  # a class the distribution rules out
    return {
        "conditions": labels,
        "distribution": shares / shares.sum(-1, keepdim=True) * known[..., None],
        "attributes": torch.rand(*SHAPE, 9, generator=generator) * mask,
        "attribute_mask": mask,
        "severity": torch.rand(*SHAPE, generator=generator) * known,
        "severity_mask": known,
    }


def one_hot(labels: Tensor) -> Tensor:
    known = (labels != IGNORE).float()
    return torch.nn.functional.one_hot(labels.clamp(min=0), 10).float() * known[..., None]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [ONES, WEIGHTS])
def test_hard_loss_is_the_mean_torch_takes_over_labelled_frames(
    weights: Tensor, smoothing: float
) -> None:
    found = HardLoss(weights, smoothing)(logits(), targets())["classification"]
    wanted = cross_entropy(
        logits().flatten(0, 1), LABELS.flatten(), weights, label_smoothing=smoothing
    )
    torch.testing.assert_close(found.value, wanted)
    torch.testing.assert_close(found.weight, weights[LABELS[KNOWN]].sum())


@pytest.mark.parity
def test_cross_entropy_is_the_published_one(reference_root: Path) -> None:
    fixture = Fixture(reference_root / "simtrack" / "classification.npz")
    given = torch.from_numpy(fixture["cls49.logits"])[:, None]
    batch = {"conditions": torch.from_numpy(fixture["ce.labels"]).long()[:, None]}
    weights = torch.from_numpy(fixture["ce.weights"])
    for config, asked, name in (
        (LossConfig(), None, "ce.plain"),
        (LossConfig(class_weights=True), weights, "ce.weighted"),
    ):
        loss = build_condition_loss(config, "hard", asked)
        found = loss(given, batch)["classification"].value
        np.testing.assert_allclose(found, fixture[name], rtol=1e-6, err_msg=name)


def test_focal_loss_worked_by_hand() -> None:
    given = torch.zeros(1, 2, 10)
    given[0, 0, 4] = math.log(9)  # p = 0.5 of class 4, 1/18 of the others
    batch = {"conditions": torch.tensor([[4, 0]])}
    found = HardLoss(ONES, gamma=2.0)(given, batch)["classification"].value
    wanted = (0.5**2 * math.log(2) + 0.9**2 * math.log(10)) / 2
    assert found.item() == pytest.approx(wanted, rel=1e-6)


def test_sure_frames_count_less_the_larger_gamma_and_gamma_0_is_cross_entropy() -> None:
    found = [
        HardLoss(WEIGHTS, 0.1, gamma)(logits(), targets())["classification"].value
        for gamma in (0.0, 0.5, 1.0, 2.0)
    ]
    assert sorted(found, reverse=True) == found
    config = LossConfig(classification="focal", focal_gamma=0.0, label_smoothing=0.1)
    focal = build_condition_loss(config, "hard", WEIGHTS)(logits(), targets())["classification"]
    torch.testing.assert_close(focal.value, found[0])


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_loss_of_a_certain_frame_has_finite_gradients(gamma: float) -> None:
    given = torch.zeros(1, 1, 10)
    given[..., 3] = 200.0
    given.requires_grad_()
    HardLoss(ONES, gamma=gamma)(given, {"conditions": torch.tensor([[3]])})[
        "classification"
    ].value.backward()
    assert given.grad is not None
    assert torch.isfinite(given.grad).all()


def test_gamma_and_smoothing_come_from_the_config() -> None:
    plain, focal, smooth = (
        LOSSES[name]()(logits(), targets())["classification"].value.item()
        for name in ("cross_entropy", "focal", "smooth")
    )
    assert len({plain, focal, smooth}) == 3


def test_soft_loss_is_the_divergence_averaged_over_labelled_frames() -> None:
    q = targets()["distribution"][KNOWN].double()
    p = logits()[KNOWN].double().softmax(-1)
    each = torch.where(q > 0, q * (q.clamp(min=1e-300) / p).log(), 0.0).sum(-1)
    found = SoftLoss(ONES)(logits(), targets())["classification"]
    assert found.value.item() == pytest.approx(each.mean().item(), rel=1e-5)
    assert found.weight.item() == pytest.approx(4)
    weights = (q * WEIGHTS.double()).sum(-1)
    found = SoftLoss(WEIGHTS)(logits(), targets())["classification"]
    assert found.value.item() == pytest.approx(((each * weights).sum() / weights.sum()).item())


@pytest.mark.parametrize("weights", [ONES, WEIGHTS])
def test_soft_loss_of_sure_distributions_is_cross_entropy(weights: Tensor) -> None:
    batch = {"conditions": LABELS, "distribution": one_hot(LABELS)}
    soft, hard = (
        loss(logits(), batch)["classification"] for loss in (SoftLoss(weights), HardLoss(weights))
    )
    torch.testing.assert_close(soft.value, hard.value)
    torch.testing.assert_close(soft.weight, hard.weight)


def test_soft_loss_is_0_where_the_head_says_what_is_true() -> None:
    q = targets()["distribution"].clamp(min=1e-9)
    found = SoftLoss(ONES)(q.log(), targets())["classification"].value
    assert found.item() == pytest.approx(0, abs=1e-5)


def test_attribute_loss_is_a_mean_over_known_entries() -> None:
    batch, given = targets(), logits()
    known = batch["attribute_mask"].bool()
    p, y = given[..., :9].sigmoid()[known], batch["attributes"][known]
    entropy = -(y * p.log() + (1 - y) * (1 - p).log())
    found = AttributeLoss()(given, batch)
    torch.testing.assert_close(found["classification"].value, entropy.mean())
    assert found["classification"].weight == known.sum()
    distance = (given[..., 9].sigmoid() - batch["severity"])[KNOWN].abs()
    torch.testing.assert_close(found["severity"].value, distance.mean())
    assert found["severity"].weight == 4


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_unknown_changes_nothing(name: str) -> None:
    batch, other, loss = targets(), copy.deepcopy(targets()), LOSSES[name]()
    other["attributes"] += 0.3 * (1 - other["attribute_mask"])
    other["severity"] += 0.3 * (1 - other["severity_mask"])
    given = logits()
    given[~KNOWN] = 50.0
    for part, mean in loss(given, other).items():
        torch.testing.assert_close(mean, loss(logits(), batch)[part])


@pytest.mark.parametrize("name", LOSSES)
def test_loss_without_labels_is_zero_in_the_graph(name: str) -> None:
    batch: dict[str, Any] = targets(torch.full(SHAPE, IGNORE))
    given = logits().requires_grad_()
    means = LOSSES[name]()(given, batch)
    assert set(means) == (
        {"classification", "severity"} if name == "multilabel" else {"classification"}
    )
    assert all(mean.value.item() == 0 and mean.weight.item() == 0 for mean in means.values())
    torch.stack([mean.value for mean in means.values()]).sum().backward()
    assert given.grad is not None
    assert given.grad.abs().sum() == 0


@pytest.mark.parametrize("name", LOSSES)
def test_means_of_parts_add_up_to_the_mean_of_the_whole(name: str) -> None:
    loss, batch = LOSSES[name](), targets()
    whole = loss(logits(), batch)
    rows = [loss(logits()[[i]], {key: x[[i]] for key, x in batch.items()}) for i in range(2)]
    for part, mean in whole.items():
        weight = sum(row[part].weight for row in rows)
        total = sum(row[part].value * row[part].weight for row in rows)
        torch.testing.assert_close(weight, mean.weight)
        torch.testing.assert_close(total / weight, mean.value)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_worked_out_in_float32_under_mixed_precision(name: str) -> None:
    loss, rounded = LOSSES[name](), logits().bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = loss(rounded, targets())
    for part, mean in loss(rounded.float(), targets()).items():
        assert mixed[part].value.dtype == torch.float32
        torch.testing.assert_close(mixed[part], mean, rtol=1e-6, atol=0)
