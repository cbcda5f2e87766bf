from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from mtl.losses.weighting import (
    FAMO,
    DynamicWeightAverage,
    LearnableWeights,
    LossGroups,
    RandomWeights,
    UncertaintyWeights,
    Weighting,
)

WEIGHTS = {"giou": 2.0, "l1": 5.0, "location": 1.0, "classification": 0.1}
GROUPS = LossGroups(
    {"boxes": ("giou", "l1", "location"), "conditions": ("classification", "severity")}, WEIGHTS
)


def rng(step: int = 0) -> np.random.Generator:
    return np.random.default_rng(step)


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def losses_of(seed: int) -> dict[str, Tensor]:
    numbers = torch.rand(4, generator=torch.Generator().manual_seed(seed))
    return dict(zip(WEIGHTS, numbers, strict=True))


@pytest.mark.parametrize("seed", range(20))
def test_equal_factors_give_the_sum_of_weighted_losses_to_the_last_bit(seed: int) -> None:
    values = losses_of(seed)
    plain = torch.stack([WEIGHTS[n] * v.float() for n, v in values.items()]).sum()
    assert torch.equal(GROUPS.total(values, {"boxes": 1.0, "conditions": 1.0}), plain)


def test_a_tasks_loss_is_the_weighted_sum_of_its_losses() -> None:
    values = {"classification": tensor(3.0), "giou": tensor(1.0), "l1": tensor(2.0)}
    found = GROUPS.losses(values)
    assert list(found) == ["boxes", "conditions"]
    assert found["boxes"].item() == pytest.approx(2 * 1 + 5 * 2)
    assert found["conditions"].item() == pytest.approx(0.3)
    factors = {"boxes": 0.5, "conditions": 4.0}
    assert GROUPS.total(values, factors).item() == pytest.approx(0.5 * 12 + 4 * 0.3)


def test_a_task_without_losses_is_absent() -> None:
    assert list(GROUPS.losses({"l1": tensor(2.0)})) == ["boxes"]


def test_fixed_weights_are_one() -> None:
    assert Weighting(3).weights(rng()).tolist() == [1, 1, 1]


def test_random_weights_are_a_softmax_of_normal_numbers() -> None:
    found = RandomWeights(3).weights(rng(5))
    normal = rng(5).standard_normal(3)
    wanted = 3 * np.exp(normal) / np.exp(normal).sum()
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert not torch.equal(found, RandomWeights(3).weights(rng(6)))


def test_dynamic_weights_follow_the_ratio_of_the_last_two_epochs() -> None:
    dwa = DynamicWeightAverage(2, temperature=2.0)
    shares = tensor(1, 1)
    for first, second in ((4.0, 3.0), (6.0, 1.0)):  # mean losses 5 and 2
        dwa.after_step(tensor(first, second), shares)
    assert dwa.weights(rng()).tolist() == [1, 1]
    dwa.after_epoch()
    assert dwa.weights(rng()).tolist() == [1, 1]
    dwa.after_step(tensor(4.0, 0.5), shares)
    dwa.after_epoch()
    powers = [math.exp(4 / 5 / 2), math.exp(0.5 / 2 / 2)]
    wanted = [2 * power / sum(powers) for power in powers]
    np.testing.assert_allclose(dwa.weights(rng()), wanted, rtol=1e-12)


def test_dynamic_weights_average_over_the_batches_that_had_the_task() -> None:
    dwa = DynamicWeightAverage(2, temperature=1.0)
    dwa.after_step(tensor(1.0, 2.0), tensor(1, 0.5))  # a mean of 4 where it was there
    dwa.after_epoch()
    dwa.after_step(tensor(1.0, 4.0), tensor(1, 1))
    dwa.after_epoch()
    assert dwa.weights(rng()).tolist() == [1, 1]
    dwa.after_step(tensor(1.0, 0.0), tensor(1, 0))
    dwa.after_epoch()
    assert dwa.weights(rng()).tolist() == [1, 1]


def test_learnable_weights_descend_the_weighted_loss_and_add_up_to_one() -> None:
    scheme = LearnableWeights(2, learning_rate=0.1)
    assert scheme.weights(rng()).tolist() == [0.5, 0.5]
    r = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([r], lr=0.1)
    losses = tensor(3.0, 1.0)
    for _ in range(5):
        adam.zero_grad()
        (r.sigmoid() / r.sigmoid().sum() * losses).sum().backward()
        adam.step()
        scheme.after_step(losses, tensor(1, 1))
    weights = scheme.weights(rng())
    torch.testing.assert_close(weights, (r.sigmoid() / r.sigmoid().sum()).detach())
    assert weights.sum().item() == pytest.approx(1)
    assert weights[0] < weights[1]


def test_uncertainty_descends_its_objective_and_finds_the_loss() -> None:
    scheme = UncertaintyWeights(2, learning_rate=0.05)
    s = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([s], lr=0.05)
    losses = tensor(4.0, 0.25)
    for _ in range(3):
        adam.zero_grad()
        ((-s).exp() * losses + s).sum().backward()
        adam.step()
        scheme.after_step(losses, tensor(1, 1))
    torch.testing.assert_close(scheme.values, s)
    for _ in range(2000):
        scheme.after_step(losses, tensor(1, 1))
    np.testing.assert_allclose(scheme.weights(rng()), [0.25, 4.0], rtol=1e-3)


def test_uncertainty_learns_nothing_of_an_absent_task() -> None:
    scheme = UncertaintyWeights(2, learning_rate=0.05)
    scheme.after_step(tensor(4.0, 0.0), tensor(1, 0))
    assert scheme.weights(rng())[1].item() == 1.0


def test_famo_weights_are_the_gradient_of_the_weighted_logarithms() -> None:
    famo = FAMO(3, learning_rate=0.1)
    with torch.no_grad():
        famo.values.copy_(tensor(0.3, -0.2, 0.5))
    losses = tensor(2.0, 0.5, 7.0).requires_grad_()
    z = famo.values.detach().softmax(dim=0)
    c = (z / losses).sum().detach()
    (wanted,) = torch.autograd.grad((z * losses.log() / c).sum(), losses)
    found = famo.weights_for(losses.detach())
    torch.testing.assert_close(found, wanted)
    assert found.sum().item() == pytest.approx(1)


def test_famo_turns_to_the_task_that_fell_less() -> None:
    famo = FAMO(2, learning_rate=0.1, weight_decay=0.01)
    before, after = tensor(2.0, 3.0), tensor(1.0, 2.9)
    xi = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([xi], lr=0.1, weight_decay=0.01)
    for _ in range(4):
        famo.learn(before, after)
        adam.zero_grad()
        (xi.softmax(dim=0) * (before.log() - after.log())).sum().backward()
        adam.step()
    torch.testing.assert_close(famo.values, xi)
    assert famo.values[1] > famo.values[0]


@pytest.mark.parametrize("missing", [0.0])
def test_famo_leaves_out_a_task_without_loss(missing: float) -> None:
    famo = FAMO(2, learning_rate=0.1)
    assert famo.weights_for(tensor(2.0, missing)).tolist() == [1, 0]
    assert famo.weights_for(tensor(missing, missing)).tolist() == [0, 0]
    famo.learn(tensor(2.0, missing), tensor(1.0, missing))
    assert famo.values.isfinite().all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: LearnableWeights(2, 0.1),
        lambda: UncertaintyWeights(2, 0.1),
        lambda: DynamicWeightAverage(2, 2.0),
        lambda: FAMO(2, 0.1),
    ],
)
def test_a_restored_weighting_goes_on_as_the_first(make: object) -> None:
    first, second = make(), make()  # type: ignore[operator]

    def live(scheme: Weighting, steps: range) -> None:
        for step in steps:
            losses = tensor(1.0 + step, 3.0 / (1 + step))
            if isinstance(scheme, FAMO):
                scheme.learn(losses, 0.9 * losses + 0.01)
            else:
                scheme.after_step(losses, tensor(1, 1))
            if step % 2:
                scheme.after_epoch()

    live(first, range(5))
    second.load_state_dict(first.state_dict())
    live(first, range(5, 9))
    live(second, range(5, 9))
    assert torch.equal(first.weights(rng()), second.weights(rng()))
    if isinstance(first, FAMO):
        assert torch.equal(first.values, second.values)
    else:
        assert not torch.equal(first.weights(rng()), make().weights(rng()))  # type: ignore[operator]


def published_weights(rate: float, losses: list[Tensor]) -> Tensor:
    """r = 1 in the optimiser of the model itself, as the published program has it."""
    r = torch.ones(3, dtype=torch.float64, requires_grad=True)
    adamw = torch.optim.AdamW([r], lr=rate, weight_decay=1e-2)
    for k, row in enumerate(losses):
        adamw.param_groups[0]["lr"] = rate / (k + 1)
        adamw.zero_grad()
        (r.sigmoid() / r.sigmoid().sum() * row).sum().backward()
        adamw.step()
    return r.detach()


def test_weights_that_follow_the_model_learn_as_in_its_own_optimiser() -> None:
    losses = [tensor(200.0, 2.5, 2.3), tensor(150.0, 2.2, 2.1), tensor(160.0, 2.0, 1.9)]
    scheme = LearnableWeights(3, learning_rate=None, weight_decay=1e-2, start=1.0)
    assert scheme.weights(rng()).tolist() == pytest.approx([1 / 3] * 3)
    for k, row in enumerate(losses):
        scheme.follow(0.3 / (k + 1))
        scheme.after_step(row, tensor(1, 1, 1))
    torch.testing.assert_close(scheme.values.detach(), published_weights(0.3, losses))


def test_weights_with_a_rate_of_their_own_do_not_follow() -> None:
    first, second = LearnableWeights(2, 0.1), LearnableWeights(2, 0.1)
    for scheme, rate in ((first, 1.0), (second, 1e-9)):
        scheme.follow(rate)
        scheme.after_step(tensor(3.0, 1.0), tensor(1, 1))
    assert torch.equal(first.weights(rng()), second.weights(rng()))
    assert first.weights(rng())[0] < 0.5


def test_no_weight_falls_below_the_floor() -> None:
    scheme = LearnableWeights(3, learning_rate=0.5, floor=0.1)
    for _ in range(200):
        scheme.after_step(tensor(100.0, 1.0, 1.0), tensor(1, 1, 1))
    weights = scheme.weights(rng())
    assert weights.sum().item() == pytest.approx(1)
    assert weights.min().item() == pytest.approx(0.1, abs=1e-3)
    assert weights.min().item() >= 0.1
