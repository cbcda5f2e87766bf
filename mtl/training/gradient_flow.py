"""What each task asks of the shared layers: length and angle of their gradients, layer by layer.

Everything follows from the losses of one forward pass, whose graph stays as it was. What training
itself measures on the way, over all workers and without layers, is `mtl.training.gradients`.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mtl.errors import GradientError
from mtl.losses.weighting import LossGroups

Pair = tuple[str, str]
"""Names of two tasks, in the order of their loss groups."""
Layers = Mapping[str, Sequence[nn.Parameter]]
"""Parameters by the name of their layer group, from the picture to the heads."""

BLOCK = re.compile(r"(?:^|\.)(?:res)?blocks\.(\d+)\.")
EMBEDDING = re.compile(r"(?:^|\.)(?:patch_embed|conv1|class_embedding|cls_token)(?:\.|$)")
POSITION = re.compile(r"(?:^|\.|_)pos(?:_|itional_)")
NORM = re.compile(r"(?:^|\.)(?:norm|ln_)[^.]*\.")


def layer_groups(model: nn.Module, shared: Sequence[nn.Parameter]) -> dict[str, list[nn.Parameter]]:
    """The learning ones of some parameters by the part of a transformer that their name tells.

    Args:
        model: whose names count, not wrapped.
        shared: parameters of the model.

    Returns:
        In the order in which a picture meets them: `embedding`, `position`, `first norm`,
        `block 0` ..., `last norm`, then others by the name of their module. No group is empty.
    """
    wanted = {id(parameter) for parameter in shared if parameter.requires_grad}
    found: dict[str, tuple[int, list[nn.Parameter]]] = {}
    behind_blocks = False
    for name, parameter in model.named_parameters():
        block = BLOCK.search(name)
        behind_blocks |= block is not None
        if id(parameter) not in wanted:
            continue
        if block:
            place, group = 3 + int(block[1]), f"block {block[1]}"
        elif EMBEDDING.search(name):
            place, group = 0, "embedding"
        elif POSITION.search(name):
            place, group = 1, "position"
        elif NORM.search(name):
            place, group = (10_000, "last norm") if behind_blocks else (2, "first norm")
        else:
            place, group = 10_001, name.rpartition(".")[0] or name
        found.setdefault(group, (place, []))[1].append(parameter)
    ordered = sorted(found.items(), key=lambda item: item[1][0])
    return {group: parameters for group, (_, parameters) in ordered}


@dataclass(frozen=True)
class LayerFlow:
    """The tasks' gradients at some parameters."""

    norms: dict[str, float]
    """Euclidean norm of the gradient of each task's weighted loss."""
    cosines: dict[Pair, float]
    """Of the angle between two tasks' gradients; none for a pair in which one is 0."""


@dataclass(frozen=True)
class GradientFlow:
    """The tasks' gradients of one batch at what the tasks share."""

    layers: dict[str, LayerFlow]
    """By layer group."""
    overall: LayerFlow
    """At all of them together."""
    identity_error: float
    """|grad(total) - sum of the tasks' gradients| / |grad(total)|."""


def measure(values: Mapping[str, Tensor], groups: LossGroups, layers: Layers) -> GradientFlow:
    """Compare the gradients of a batch's tasks, weighted as in the total.

    The graph can be used again, no `.grad` and no random state changes.

    Args:
        values: unweighted scalar losses in their graph.
        groups: the tasks, and the weights of their losses.
        layers: parameters that all tasks share.
    """
    parameters = [parameter for group in layers.values() for parameter in group]
    gradients = {
        task: _flat_gradient(loss, parameters) for task, loss in groups.losses(values).items()
    }
    alike = dict.fromkeys(groups.names, 1.0)
    total = _flat_gradient(groups.total(values, alike), parameters)
    gap = torch.stack(list(gradients.values())).double().sum(dim=0) - total.double()
    sizes = [sum(parameter.numel() for parameter in group) for group in layers.values()]
    cut = {task: gradient.split(sizes) for task, gradient in gradients.items()}
    return GradientFlow(
        layers={
            name: _compare({task: pieces[number] for task, pieces in cut.items()})
            for number, name in enumerate(layers)
        },
        overall=_compare(gradients),
        identity_error=_ratio(float(gap.norm()), float(total.double().norm())),
    )


def _flat_gradient(loss: Tensor, parameters: Sequence[nn.Parameter]) -> Tensor:
    """All numbers of a loss's gradient, (P,); 0 where it does not depend on a parameter."""
    found: Sequence[Tensor | None] = [None] * len(parameters)
    if loss.requires_grad:
        found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return torch.cat(
        [
            (torch.zeros_like(parameter) if gradient is None else gradient).detach().flatten()
            for parameter, gradient in zip(parameters, found, strict=True)
        ]
    )


def _compare(gradients: Mapping[str, Tensor]) -> LayerFlow:
    exact = {task: gradient.double() for task, gradient in gradients.items()}
    norms = {task: float(gradient.norm()) for task, gradient in exact.items()}
    cosines = {
        (a, b): float(exact[a] @ exact[b]) / (norms[a] * norms[b])
        for a, b in itertools.combinations(exact, 2)
        if norms[a] and norms[b]
    }
    return LayerFlow(norms, cosines)


def require_identity(flow: GradientFlow, tolerance: float = 1e-4) -> None:
    """Check that the tasks' gradients add up to that of the total.

    Raises:
        GradientError: they do not, or are not finite.
    """
    if not flow.identity_error <= tolerance:
        raise GradientError(
            f"the gradient of the total loss differs from the sum of the gradients of its tasks "
            f"({', '.join(flow.overall.norms)}) by {flow.identity_error:.2g} of its norm, more "
            f"than {tolerance:g}; measure in fp32 and look for losses that are not finite."
        )


class PairSummary(NamedTuple):
    """Two tasks at one layer group over several batches."""

    cosine: float
    """Mean over batches."""
    lowest: float
    highest: float
    conflict_rate: float
    """Share of batches whose cosine is negative."""


@dataclass(frozen=True)
class LayerSummary:
    """The tasks' gradients at one layer group over several batches."""

    norms: dict[str, float]
    """Mean norm of each task over the batches that had it."""
    pairs: dict[Pair, PairSummary]
    """Over the batches in which both had a gradient; none for a pair without such a batch."""


@dataclass(frozen=True)
class Summary:
    """Gradient flow over batches."""

    layers: dict[str, LayerSummary]
    overall: LayerSummary
    identity_error: float
    """The largest of any batch."""
    batches: int

    @classmethod
    def of(cls, flows: Sequence[GradientFlow]) -> Summary:
        """Over at least one batch, all of the same layer groups."""
        return cls(
            layers={
                name: _summarize([flow.layers[name] for flow in flows]) for name in flows[0].layers
            },
            overall=_summarize([flow.overall for flow in flows]),
            identity_error=max(flow.identity_error for flow in flows),
            batches=len(flows),
        )


def _summarize(flows: Sequence[LayerFlow]) -> LayerSummary:
    norms: dict[str, list[float]] = {}
    cosines: dict[Pair, list[float]] = {}
    for flow in flows:
        for task, norm in flow.norms.items():
            norms.setdefault(task, []).append(norm)
        for pair, cosine in flow.cosines.items():
            cosines.setdefault(pair, []).append(cosine)
    return LayerSummary(
        {task: _mean(found) for task, found in norms.items()},
        {
            pair: PairSummary(
                _mean(found), min(found), max(found), _mean([float(x < 0) for x in found])
            )
            for pair, found in cosines.items()
        },
    )


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)


def _ratio(part: float, whole: float) -> float:
    """Part of a whole; nothing of nothing is nothing."""
    if whole:
        return part / whole
    return math.inf if part else 0.0
