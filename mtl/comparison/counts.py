"""What a model costs by arithmetic: parameters and floating-point operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mtl.config.schema import TrackerRunConfig
from mtl.models.build import build_model


def parameters(config: TrackerRunConfig) -> tuple[int, int]:
    """Parameters of the model, and of its condition head with its fusion; none is allocated."""
    with torch.device("meta"):
        model: Any = build_model(config)
    head = model.condition_head
    return _count(model), 0 if head is None else _count(head)


def _count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def flops(work: Callable[[], None]) -> int:
    """Floating-point operations of matrix products and convolutions; one fused one counts two.

    Attention is counted as the two products it is, so that the number depends on no kernel: of a
    fused one torch counts nothing on a CPU, and on a GPU also what its backward pass does again.
    """
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()
