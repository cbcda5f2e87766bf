"""Elastic weight consolidation, worked by hand."""

from __future__ import annotations

import torch
from torch import nn

from mtl.losses.consolidation import Consolidation, Importance, fisher_diagonal


def linear(weight: tuple[float, float], bias: float) -> nn.Linear:
    model = nn.Linear(2, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([weight]))
        model.bias.fill_(bias)
    return model


def importance(weight: tuple[float, float], fisher: tuple[float, float]) -> Importance:
    return Importance(
        {"weight": torch.tensor([weight]), "bias": torch.zeros(1)},
        {"weight": torch.tensor([fisher]), "bias": torch.zeros(1)},
    )


def test_fisher_of_a_linear_model_is_the_mean_of_its_squared_gradients() -> None:
    model = linear((1.0, 0.0), 0.0)
    xs = torch.tensor([[1.0, 2.0], [3.0, 0.0]])
    ys = torch.tensor([0.0, 1.0])
    # loss (w x + b - y)^2 / 2 has the gradient (w x + b - y) x: errors 1 and 2
    losses = (0.5 * (model(x) - y).square().sum() for x, y in zip(xs, ys, strict=True))
    fisher = fisher_diagonal(dict(model.named_parameters()), losses)
    torch.testing.assert_close(fisher["weight"], torch.tensor([[(1 + 36) / 2, (4 + 0) / 2]]))
    torch.testing.assert_close(fisher["bias"], torch.tensor([(1 + 4) / 2]))


def test_fisher_of_a_logistic_model_is_that_of_its_probabilities() -> None:
    """With labels as likely as the model says, F = p (1 - p) x^2."""
    logit = torch.tensor([0.8], requires_grad=True)
    labels = torch.cat([torch.ones(690), torch.zeros(310)])  # sigmoid(0.8) = 0.68997
    each = (nn.functional.binary_cross_entropy_with_logits(logit[0], y) for y in labels)
    (fisher,) = fisher_diagonal({"logit": logit}, each).values()
    p = torch.sigmoid(torch.tensor(0.8))
    torch.testing.assert_close(fisher[0], p * (1 - p), rtol=0.001, atol=0)


def test_what_a_loss_does_not_see_has_no_importance() -> None:
    seen = torch.tensor([2.0], requires_grad=True)
    unseen = torch.tensor([5.0], requires_grad=True)
    fisher = fisher_diagonal({"seen": seen, "unseen": unseen}, iter([(3 * seen).sum()]))
    assert fisher == {"seen": torch.tensor([9.0]), "unseen": torch.tensor([0.0])}
    assert not fisher["seen"].requires_grad


def test_penalty_and_its_gradient_are_those_of_springs() -> None:
    model = linear((3.0, 1.0), 7.0)
    penalty = Consolidation(
        [importance((1.0, 1.0), (2.0, 5.0)), importance((0.0, 2.0), (1.0, 4.0))]
    )
    value = penalty(model)
    # 1/2 (2 * 2^2 + 5 * 0^2) + 1/2 (1 * 3^2 + 4 * 1^2)
    assert value.item() == 4.0 + 6.5
    value.backward()
    torch.testing.assert_close(model.weight.grad, torch.tensor([[2 * 2.0 + 3.0, 4 * -1.0]]))
    torch.testing.assert_close(model.bias.grad, torch.zeros(1))


def test_what_does_not_learn_is_not_held() -> None:
    model = linear((3.0, 1.0), 7.0)
    model.weight.requires_grad_(False)
    assert Consolidation([importance((1.0, 1.0), (2.0, 5.0))])(model).item() == 0.0


def test_a_wrapped_model_is_held_alike() -> None:
    model = linear((3.0, 1.0), 7.0)
    wrapped = nn.Module()
    wrapped.module = model  # as DDP names it
    penalty = Consolidation([importance((1.0, 1.0), (2.0, 5.0))])
    assert penalty(wrapped).item() == penalty(model).item() == 4.0
