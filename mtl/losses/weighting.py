"""How the losses of several tasks become one: weights that are given, drawn or learned.

A weighting works on K numbers, the tasks' losses averaged over a step's whole batch, on the CPU in
float64. Whoever feeds every process the same numbers gets the same weights in every process.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor


class LossGroups:
    """Losses that belong together: the weighted sum of each group is one task.

    Args:
        groups: names of losses by the name of their task; a loss in none of them has its own weight
            alone, whatever tasks weigh.
        weights: weight of each loss in the total.
    """

    def __init__(self, groups: Mapping[str, Sequence[str]], weights: Mapping[str, float]) -> None:
        self.names = tuple(groups)
        self._weights = weights
        self._group_of = {loss: name for name, losses in groups.items() for loss in losses}

    def total(self, values: Mapping[str, Tensor], factors: Mapping[str, float]) -> Tensor:
        """Sum of losses times their weights times their task's factor, in the order of `values`."""
        return torch.stack(
            [
                self._weights[name] * self._factor(name, factors) * value.float()
                for name, value in values.items()
            ]
        ).sum()

    def losses(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weighted sum of each task, in the graph; a task without any loss is left out."""
        terms: dict[str, list[Tensor]] = {}
        for name, value in values.items():
            if name in self._group_of:
                weighted = self._weights[name] * value.float()
                terms.setdefault(self._group_of[name], []).append(weighted)
        return {name: torch.stack(terms[name]).sum() for name in self.names if name in terms}

    def _factor(self, loss: str, factors: Mapping[str, float]) -> float:
        group = self._group_of.get(loss)
        return 1.0 if group is None else factors[group]


class Weighting:
    """Every task weighs the same; the base of the other weightings.

    Args:
        count: K, the number of tasks.
    """

    needs_losses = False
    """Whether `after_step` wants to be told."""

    def __init__(self, count: int) -> None:
        self.count = count

    def weights(self, rng: np.random.Generator) -> Tensor:
        """Weights of one step, (K,) float64; `rng` is that step's own."""
        return torch.ones(self.count, dtype=torch.float64)

    def follow(self, learning_rate: float) -> None:
        """Learn at the rate at which the model learns in this step, if the scheme wants that."""

    def after_step(self, losses: Tensor, shares: Tensor) -> None:
        """Learn from a step.

        Args:
            losses: (K,) sum over the micro-batches that had the task, over all micro-batches.
            shares: (K,) share of the micro-batches that had the task.
        """

    def after_epoch(self) -> None:
        """Learn from the steps of an epoch."""

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on from here: tensors and numbers."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""


class RandomWeights(Weighting):
    """Random loss weighting (Lin et al., TMLR 2022): w = K softmax(n), n normal, new each step."""

    def weights(self, rng: np.random.Generator) -> Tensor:
        """See `Weighting.weights`."""
        return self.count * torch.from_numpy(rng.standard_normal(self.count)).softmax(dim=0)


class DynamicWeightAverage(Weighting):
    """Dynamic weight average (Liu et al., CVPR 2019, equation 7).

    w = K softmax(r / T), r_k = mean loss of the last epoch over that of the one before it; r = 1 in
    the first two epochs, and where a task had no loss.

    Args:
        count: K, the number of tasks.
        temperature: T; the larger, the more even the weights.
    """

    needs_losses = True

    def __init__(self, count: int, temperature: float) -> None:
        super().__init__(count)
        self._temperature = temperature
        nothing = torch.full((count,), torch.nan, dtype=torch.float64)
        self._state = {
            "sums": torch.zeros(count, dtype=torch.float64),
            "counts": torch.zeros(count, dtype=torch.float64),
            "last": nothing,
            "before": nothing,
        }

    def weights(self, rng: np.random.Generator) -> Tensor:
        """See `Weighting.weights`."""
        ratio = self._state["last"] / self._state["before"]
        ratio = torch.where(ratio.isfinite(), ratio, torch.ones_like(ratio))
        return self.count * (ratio / self._temperature).softmax(dim=0)

    def after_step(self, losses: Tensor, shares: Tensor) -> None:
        """See `Weighting.after_step`."""
        self._state["sums"] = self._state["sums"] + losses
        self._state["counts"] = self._state["counts"] + shares

    def after_epoch(self) -> None:
        """See `Weighting.after_epoch`."""
        mean = self._state["sums"] / self._state["counts"]  # nan where there was no loss
        nothing = torch.zeros_like(mean)
        self._state = {
            "sums": nothing, "counts": nothing, "last": mean, "before": self._state["last"]
        }  # fmt: skip

    def state_dict(self) -> dict[str, Any]:
        """See `Weighting.state_dict`."""
        return dict(self._state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Weighting.load_state_dict`."""
        self._state = dict(state)


class LearnedWeighting(Weighting):
    """One number per task, learned by Adam.

    Args:
        count: K, the number of tasks.
        learning_rate: of the numbers.
        weight_decay: pulls them towards 0, inside Adam's gradient.
        start: of the numbers.
        decoupled: whether the decay acts outside Adam's gradient instead (AdamW).
    """

    needs_losses = True

    def __init__(
        self,
        count: int,
        learning_rate: float,
        weight_decay: float = 0.0,
        start: float = 0.0,
        decoupled: bool = False,
    ) -> None:
        super().__init__(count)
        self.values = torch.full((count,), start, dtype=torch.float64, requires_grad=True)
        self._optimizer = torch.optim.Adam(
            [self.values],
            lr=learning_rate,
            weight_decay=weight_decay,
            decoupled_weight_decay=decoupled,
        )

    def descend(self, gradient: Tensor) -> None:
        """One step against the gradient (K,) of the values."""
        self.values.grad = gradient
        self._optimizer.step()
        self.values.grad = None

    def state_dict(self) -> dict[str, Any]:
        """See `Weighting.state_dict`."""
        return {
            "values": self.values.detach().clone(),
            "optimizer": copy.deepcopy(self._optimizer.state_dict()),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Weighting.load_state_dict`."""
        with torch.no_grad():
            self.values.copy_(state["values"])
        self._optimizer.load_state_dict(state["optimizer"])


class LearnableWeights(LearnedWeighting):
    """w = f + (1 - K f) sigmoid(r) over the sum of all sigmoid(r); r descends the weighted loss.

    With floor f = 0 nothing keeps a task's weight from vanishing, as published for the unified
    model (its specification, section 7): the task that does worst is turned down.

    Args:
        count: K, the number of tasks.
        learning_rate: of r; none: the model's own at each step.
        weight_decay: decoupled, of r.
        start: of every r.
        floor: f, less than 1 / K.
    """

    def __init__(
        self,
        count: int,
        learning_rate: float | None,
        weight_decay: float = 0.0,
        start: float = 0.0,
        floor: float = 0.0,
    ) -> None:
        super().__init__(count, learning_rate or 0.0, weight_decay, start, decoupled=True)
        self._follows = learning_rate is None
        self._floor = floor

    def follow(self, learning_rate: float) -> None:
        """See `Weighting.follow`."""
        if self._follows:
            self._optimizer.param_groups[0]["lr"] = learning_rate

    def weights(self, rng: np.random.Generator) -> Tensor:
        """See `Weighting.weights`."""
        return self._weights().detach()

    def after_step(self, losses: Tensor, shares: Tensor) -> None:
        """See `Weighting.after_step`."""
        (gradient,) = torch.autograd.grad((self._weights() * losses).sum(), self.values)
        self.descend(gradient)

    def _weights(self) -> Tensor:
        shares = normalized_sigmoids(self.values)
        return self._floor + (1 - self.count * self._floor) * shares


def normalized_sigmoids(raw: Tensor) -> Tensor:
    """Weights (K,) that add up to 1 from raw numbers (K,): sigmoid(r) over the sum of all."""
    shares = raw.sigmoid()
    return shares / shares.sum()


class UncertaintyWeights(LearnedWeighting):
    """Homoscedastic uncertainty (Kendall et al., CVPR 2018): the sum of exp(-s) loss + s.

    s is the logarithm of a task's variance; the weight is exp(-s). A batch without a task says
    nothing about its s.
    """

    def weights(self, rng: np.random.Generator) -> Tensor:
        """See `Weighting.weights`."""
        return (-self.values.detach()).exp()

    def after_step(self, losses: Tensor, shares: Tensor) -> None:
        """See `Weighting.after_step`."""
        self.descend(shares - (-self.values.detach()).exp() * losses)


class FAMO(LearnedWeighting):
    """Fast adaptive multitask optimisation (Liu et al., NeurIPS 2023, algorithm 1).

    The model descends sum_k z_k log(loss_k) / c with z = softmax(xi), c = sum_k z_k / loss_k, so
    that the weights z_k / (c loss_k) add up to 1. Then xi learns from how far each logarithm fell:
    tasks that fell less get more. A task whose loss is 0 or absent, an unlabelled batch say, has
    nothing to fall: it is left out of the step.
    """

    def weights_for(self, losses: Tensor) -> Tensor:
        """Weights (K,) of the step on the batch with these losses (K,)."""
        alive = losses > 0
        raw = torch.where(alive, self.values.detach().softmax(dim=0) / losses, 0.0)
        return raw / raw.sum() if alive.any() else torch.zeros_like(raw)

    def learn(self, before: Tensor, after: Tensor) -> None:
        """Learn from the losses (K,) of one batch before and after the model's step on it."""
        alive = (before > 0) & (after > 0)
        fall = torch.where(alive, before.log() - after.log(), 0.0)
        (gradient,) = torch.autograd.grad(self.values.softmax(dim=0), self.values, fall)
        self.descend(gradient)
