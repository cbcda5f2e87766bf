"""Elastic weight consolidation: weights that mattered to earlier tasks are held by springs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Importance(NamedTuple):
    """What a task needed when it had just been learned."""

    weights: dict[str, Tensor]
    """Parameters as they were then, by name."""
    fisher: dict[str, Tensor]
    """Diagonal of the Fisher information, of the same names and shapes."""

    def to(self, device: torch.device) -> Importance:
        """The same on a device."""
        return Importance(*({n: x.to(device) for n, x in of.items()} for of in self))


class Consolidation:
    """The penalty of Kirkpatrick et al. (PNAS 2017, equation 3), without its lambda.

    penalty = 1/2 sum over earlier tasks t and weights i of F_t,i (w_i - w_t,i)^2

    Args:
        earlier: importance of each task learned before.
    """

    def __init__(self, earlier: Sequence[Importance]) -> None:
        self._earlier = tuple(earlier)

    def __call__(self, model: nn.Module) -> Tensor:
        """The penalty (), float32, over the parameters that learn.

        Args:
            model: whose weights the importances are of; it may be wrapped in DDP.

        Raises:
            KeyError: a parameter that learns has no importance.
        """
        learning = {
            name.removeprefix("module."): x
            for name, x in model.named_parameters()
            if x.requires_grad
        }
        terms = [
            (importance.fisher[name] * (parameter - importance.weights[name]).square()).sum()
            for importance in self._earlier
            for name, parameter in learning.items()
        ]
        return 0.5 * torch.stack(terms).sum()


def fisher_diagonal(
    parameters: Mapping[str, Tensor], losses: Iterable[Tensor]
) -> dict[str, Tensor]:
    """Mean of squared gradients of single examples' losses: the empirical Fisher information.

    Where a loss is minus the log-likelihood of the example's true label, this is its Fisher
    information with labels taken from the data instead of from the model.

    Args:
        parameters: by name, all of which require a gradient.
        losses: (), one for each example, in the graph; taken one at a time, so they may be computed
            on the way. Without any, everything has importance 0.
    """
    sums = {name: torch.zeros_like(x, requires_grad=False) for name, x in parameters.items()}
    count = 0
    for loss in losses:
        found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        for total, gradient in zip(sums.values(), found, strict=True):
            if gradient is not None:
                total += gradient.square()
        count += 1
    return {name: total / max(count, 1) for name, total in sums.items()}
