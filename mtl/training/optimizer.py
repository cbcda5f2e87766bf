"""AdamW over a stage's parameter groups, and the step that moves the weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from mtl.config.schema import OptimizerConfig
from mtl.errors import NonFiniteLossError


def build_optimizer(groups: list[dict[str, Any]], config: OptimizerConfig) -> torch.optim.AdamW:
    """AdamW; each group keeps its own learning rate as `initial_lr` for the schedule."""
    optimizer = torch.optim.AdamW(groups, betas=config.betas, weight_decay=config.weight_decay)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return optimizer


def set_learning_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Scale every group's learning rate from its own start."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor


def clip_gradients(model: nn.Module, max_norm: float | None) -> Tensor:
    """Scale gradients down to `max_norm` (global L2; none: not at all); returns the norm before."""
    learning = [p for p in model.parameters() if p.grad is not None]
    limit = math.inf if max_norm is None else max_norm
    return nn.utils.clip_grad_norm_(learning, limit, foreach=True)


def require_finite(losses: dict[str, Tensor], step: int, samples: Callable[[], str]) -> None:
    """Stop before any weight moves when a loss is not finite.

    Args:
        losses: by name.
        step: number of the step.
        samples: names what it is trained on; asked only where a loss is not finite.

    Raises:
        NonFiniteLossError: names the losses, the step and the samples.
    """
    values = torch.stack([loss.detach().float() for loss in losses.values()]).tolist()
    bad = {n: v for n, v in zip(losses, values, strict=True) if not math.isfinite(v)}
    if bad:
        named = ", ".join(f"loss/{name} is {value}" for name, value in bad.items())
        raise NonFiniteLossError(
            f"{named} at step {step} for {samples()}; no weight has moved: look at these samples, "
            "lower the learning rate or use training.precision=fp32."
        )


def require_finite_gradient(norm: Tensor, step: int, samples: Callable[[], str]) -> None:
    """Stop before any weight moves when the gradient is not finite."""
    if not math.isfinite(float(norm)):
        raise NonFiniteLossError(
            f"the gradient norm is {float(norm)} at step {step} though every loss is finite, for "
            f"{samples()}; no weight has moved: lower the learning rate or use precision fp32."
        )
