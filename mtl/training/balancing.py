"""How the gradients of several tasks become those of one step, over all micro-batches and workers.

A balancer leaves in `.grad` what the optimiser shall follow. All of them see the losses and
gradients of the step's whole batch, so that two workers take the step one worker would take.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from mtl.config import schema
from mtl.losses.gradient_weighting import GramMethod, cagrad, coefficients, nash_mtl, pcgrad
from mtl.losses.weighting import (
    FAMO,
    DynamicWeightAverage,
    LearnableWeights,
    LossGroups,
    RandomWeights,
    UncertaintyWeights,
    Weighting,
)
from mtl.training.distributed import sync_gradients, world
from mtl.training.step import Step

Losses = dict[str, Tensor]


class Balancer:
    """Weighs losses: one backward pass of their weighted sum per micro-batch.

    Args:
        weighting: gives the weights of each step and learns from it.
        groups: the tasks.
    """

    def __init__(self, weighting: Weighting, groups: LossGroups) -> None:
        self.weighting = weighting
        self.groups = groups

    def backward(self, step: Step) -> tuple[Losses, Tensor]:
        """Fill `.grad`; returns the last micro-batch's losses with their total, and the weights.

        Raises:
            NonFiniteLossError: as `Step.losses`.
        """
        self.weighting.follow(step.learning_rate)
        weights = self.weighting.weights(step.random_state())
        values = self._descend(step, weights)
        if self.weighting.needs_losses:
            self.weighting.after_step(*step.mean(values))
        return self._told(values[-1], weights), weights

    def after_step(self, step: Step) -> None:
        """Learn from the weights after the optimiser moved them."""

    def after_epoch(self) -> None:
        """Learn from the steps of an epoch."""
        self.weighting.after_epoch()

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on from here: tensors and numbers."""
        return self.weighting.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.weighting.load_state_dict(state)

    def _descend(self, step: Step, weights: Tensor) -> list[Losses]:
        factors = dict(zip(self.groups.names, weights.tolist(), strict=True))
        values = []
        last = len(step.micro_batches) - 1
        for number, batch in enumerate(step.micro_batches):
            with sync_gradients(step.setting.model, when=number == last):
                losses = step.losses(step.setting.model, batch)
                step.scale(self.groups.total(losses, factors)).backward()
            values.append({name: value.detach() for name, value in losses.items()})
        return values

    def _told(self, losses: Losses, weights: Tensor) -> Losses:
        factors = dict(zip(self.groups.names, weights.tolist(), strict=True))
        detached = {name: value.detach() for name, value in losses.items()}
        return {**detached, "total": self.groups.total(detached, factors)}


class FAMOBalancer(Balancer):
    """FAMO's weights depend on the losses of the batch they are for, and learn from their fall."""

    def __init__(self, weighting: FAMO, groups: LossGroups) -> None:
        super().__init__(weighting, groups)
        self.famo = weighting
        self._before = torch.zeros(weighting.count, dtype=torch.float64)

    def backward(self, step: Step) -> tuple[Losses, Tensor]:
        """See `Balancer.backward`; the losses are measured first, then descended."""
        self._before = step.measure()
        step.reseed()
        weights = self.famo.weights_for(self._before)
        values = self._descend(step, weights)
        return self._told(values[-1], weights), weights

    def after_step(self, step: Step) -> None:
        """See `Balancer.after_step`."""
        self.famo.learn(self._before, step.measure())


class GradientBalancer(Balancer):
    """Combines the tasks' gradients of the shared parameters; the others follow the plain sum.

    Gradients are taken per micro-batch outside DDP and averaged over workers once per step,
    because what is combined must be the gradient of the whole batch.

    Args:
        method: coefficients from a Gram matrix.
        groups: the tasks.
    """

    def __init__(self, method: GramMethod, groups: LossGroups) -> None:
        super().__init__(Weighting(len(groups.names)), groups)
        self.method = method

    def backward(self, step: Step) -> tuple[Losses, Tensor]:
        """See `Balancer.backward`; the weights are the coefficients of the combination."""
        run = step.setting.run
        learning = [x for x in run.model.parameters() if x.requires_grad]
        shared = {id(x) for x in run.task.shared_parameters(run.model)}
        common = [x for x in learning if id(x) in shared]
        own = [x for x in learning if id(x) not in shared]
        names = self.groups.names
        of_task = {name: [torch.zeros_like(x) for x in common] for name in names}
        rest = [torch.zeros_like(x) for x in own]
        losses: Losses = {}
        for batch in step.micro_batches:
            losses = step.losses(run.model, batch)
            tasks = self.groups.losses(losses)
            for name, loss in tasks.items():
                if not loss.requires_grad:  # none of what it depends on learns in this stage
                    continue
                found = torch.autograd.grad(
                    step.scale(loss), common + own, retain_graph=True, allow_unused=True
                )
                _add(of_task[name], found[: len(common)])
                _add(rest, found[len(common) :])
            del tasks
        _average([*(x for name in names for x in of_task[name]), *rest])
        gram = _gram([of_task[name] for name in names], step.setting.scaler.get_scale())
        weights = coefficients(gram, self.method, step.random_state())
        for number, parameter in enumerate(common):
            parameter.grad = torch.stack(
                [w * of_task[name][number] for w, name in zip(weights, names, strict=True)]
            ).sum(dim=0)
        for parameter, gradient in zip(own, rest, strict=True):
            parameter.grad = gradient
        factors = torch.from_numpy(weights)
        return self._told(losses, torch.ones_like(factors)), factors


def build_balancer(config: schema.Weighting, groups: LossGroups) -> Balancer:
    """The balancer that `weighting` of a config names."""
    count = len(groups.names)
    match config:
        case schema.LearnableWeighting():
            rate, decay = config.learning_rate, config.weight_decay
            weights = LearnableWeights(count, rate, decay, config.start, config.floor)
            return Balancer(weights, groups)
        case schema.UncertaintyWeighting():
            return Balancer(UncertaintyWeights(count, config.learning_rate), groups)
        case schema.DWAWeighting():
            return Balancer(DynamicWeightAverage(count, config.temperature), groups)
        case schema.RLWWeighting():
            return Balancer(RandomWeights(count), groups)
        case schema.FAMOWeighting():
            return FAMOBalancer(FAMO(count, config.learning_rate, config.decay), groups)
        case schema.PCGradWeighting():
            return GradientBalancer(pcgrad, groups)
        case schema.CAGradWeighting():
            c = config.c
            return GradientBalancer(lambda gram, _: cagrad(gram, c), groups)
        case schema.NashMTLWeighting():
            return GradientBalancer(lambda gram, _: nash_mtl(gram), groups)
        case _:
            return Balancer(Weighting(count), groups)


def _add(sums: list[Tensor], found: tuple[Tensor | None, ...]) -> None:
    for total, gradient in zip(sums, found, strict=True):
        if gradient is not None:
            total += gradient


def _average(gradients: list[Tensor]) -> None:
    """Replace gradients by their mean over all processes, in one exchange."""
    size = world()[1]
    if size == 1 or not gradients:
        return
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= size
    for gradient, mean in zip(gradients, flat.split([x.numel() for x in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def _gram(gradients: list[list[Tensor]], scale: float) -> np.ndarray:
    """(K, K) float64 inner products of unscaled gradients."""
    count = len(gradients)
    gram = np.zeros((count, count))
    for i in range(count):
        for j in range(i + 1):
            products = [
                (a.double() * b.double()).sum()
                for a, b in zip(gradients[i], gradients[j], strict=True)
            ]
            value = float(torch.stack(products).sum()) if products else 0.0
            gram[i, j] = gram[j, i] = value / scale / scale
    return gram
