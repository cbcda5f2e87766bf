"""The condition head's losses, one per kind of target (annotation formats, section 6).

Each is a mean over what is known in one micro-batch, so micro-batches and workers count equally
however much of each is labelled. With it comes the weight it was taken over, by which means of
several batches add up to that of an epoch. All arithmetic is float32, and where nothing is known a
loss is 0 but still in the graph, so that every worker has the same gradients to share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from mtl.conditions import ATTRIBUTE_NAMES, CONDITIONS, IGNORE
from mtl.config.schema import LossConfig

Targets = Literal["hard", "soft", "multilabel"]


class Mean(NamedTuple):
    """A weighted mean."""

    value: Tensor
    """() float32; 0 where there was nothing to average."""
    weight: Tensor
    """() sum of the weights, outside the graph."""


class ConditionLoss(Protocol):
    """Losses of a head's outputs against the targets it is made for."""

    def __call__(self, logits: Tensor, batch: Mapping[str, Tensor]) -> dict[str, Mean]:
        """Means by loss name; logits (B, T, 10), targets under the keys of a clip."""


class HardLoss:
    """Cross entropy against one class a frame, or its focal form (Lin et al., ICCV 2017).

    loss = sum (1 - p_y)^gamma w_y CE / sum w_y over labelled frames

    CE is smoothed as `torch.nn.functional.cross_entropy` does, which this equals for gamma 0.

    Args:
        class_weights: (10,) w.
        label_smoothing: share of a label that is spread over all classes.
        gamma: exponent of the focal loss; 0 is cross entropy.
    """

    def __init__(
        self, class_weights: Tensor, label_smoothing: float = 0.0, gamma: float = 0.0
    ) -> None:
        self._weights = class_weights.float()
        self._label_smoothing = label_smoothing
        self._gamma = gamma

    def __call__(self, logits: Tensor, batch: Mapping[str, Tensor]) -> dict[str, Mean]:
        """`classification` against `conditions` (B, T), IGNORE where unlabelled."""
        logits = logits.float().flatten(0, -2)
        target = batch["conditions"].flatten()
        known = target != IGNORE
        self._weights = self._weights.to(logits.device)
        each = F.cross_entropy(
            logits,
            target,
            weight=self._weights,
            ignore_index=IGNORE,
            reduction="none",
            label_smoothing=self._label_smoothing,
        )
        safe = target.where(known, 0)  # IGNORE is no index
        if self._gamma:
            certainty = logits.softmax(dim=-1).gather(-1, safe[:, None]).squeeze(-1)
            # The root of 0 has no finite slope, and gamma may be below 1.
            each = each * (1.0 - certainty).clamp(min=1e-6).pow(self._gamma)
        return {"classification": _mean(each, self._weights[safe] * known)}


class SoftLoss:
    """Kullback-Leibler divergence of the softmax from a distribution over the classes.

    loss = sum w_q KL(q || p) / sum w_q over labelled frames, w_q = sum_c q_c w_c

    Of distributions that name one class it equals cross entropy.

    Args:
        class_weights: (10,) w.
    """

    def __init__(self, class_weights: Tensor) -> None:
        self._weights = class_weights.float()

    def __call__(self, logits: Tensor, batch: Mapping[str, Tensor]) -> dict[str, Mean]:
        """`classification` against `distribution` (B, T, 10), all 0 where unlabelled."""
        self._weights = self._weights.to(logits.device)
        target = batch["distribution"].float()
        logged = logits.float().log_softmax(dim=-1)
        weights = (target * self._weights).sum(dim=-1)  # not @, which autocast would round
        divergence = F.kl_div(logged, target, reduction="none").sum(dim=-1)
        return {"classification": _mean(divergence * weights, weights)}


class AttributeLoss:
    """Binary cross entropy of nine attributes, and L1 distance of severity.

    `classification` is a mean over known attributes, `severity` over frames whose severity is
    known.
    """

    def __call__(self, logits: Tensor, batch: Mapping[str, Tensor]) -> dict[str, Mean]:
        """Against `attributes` (B, T, 9) and `severity` (B, T) under their masks."""
        attributes, severity = logits.float().split([len(ATTRIBUTE_NAMES), 1], dim=-1)
        mask, rated = batch["attribute_mask"].float(), batch["severity_mask"].float()
        entropy = F.binary_cross_entropy_with_logits(
            attributes, batch["attributes"].float(), reduction="none"
        )
        distance = (severity.squeeze(-1).sigmoid() - batch["severity"].float()).abs()
        return {
            "classification": _mean(entropy * mask, mask),
            "severity": _mean(distance * rated, rated),
        }


def build_condition_loss(
    config: LossConfig, targets: Targets, class_weights: Tensor | None = None
) -> ConditionLoss:
    """The loss of a kind of target.

    Args:
        config: which form hard labels take; soft ones and attributes have one form.
        targets: what the mode learns from.
        class_weights: (10,) of the ten classes, none: all alike; attributes have no such weights.
    """
    weights = torch.ones(len(CONDITIONS)) if class_weights is None else class_weights
    gamma = config.focal_gamma if config.classification == "focal" else 0.0
    builders: dict[Targets, Callable[[], ConditionLoss]] = {
        "hard": lambda: HardLoss(weights, config.label_smoothing, gamma),
        "soft": lambda: SoftLoss(weights),
        "multilabel": AttributeLoss,
    }
    return builders[targets]()


def _mean(weighted: Tensor, weights: Tensor) -> Mean:
    """Sum of weighted values over the sum of their weights."""
    weight = weights.detach().sum()
    return Mean(weighted.sum() / torch.where(weight > 0, weight, 1.0), weight)
