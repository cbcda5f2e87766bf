"""What the unified model costs by arithmetic, in the two ways of counting (specification, 1)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from timm.models._efficientnet_blocks import SqueezeExcite
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mtl.config.unified import UnifiedConfig
from mtl.models.unified.normalization import FrozenNorm, PerTaskNorm
from mtl.models.unified.unified import Unified


class Operations(NamedTuple):
    """Of one pass over one image."""

    parameters: int
    """Numbers that are learned."""
    convolutions: int
    """Multiply-adds of all convolutions."""
    multiply_adds: int
    """Those and the two products of the attention; twice as many floating-point operations."""
    published: int
    """As the original counted: convolutions, 4 for each normalised element (two, doubled for weight
    and bias), 1 for each number that squeeze and excitation averages or finds; no products."""


def count_operations(config: UnifiedConfig, image_size: tuple[int, int]) -> Operations:
    """Count without computing anything.

    Args:
        config: of the model.
        image_size: height and width of the input in pixels.
    """
    with torch.device("meta"):
        model = Unified(config).eval()
        image = torch.zeros(1, 3, *image_size)
    others = _OtherElements()
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm2d, FrozenNorm, PerTaskNorm)):
            module.register_forward_hook(others.normalized)
        elif isinstance(module, SqueezeExcite):
            module.register_forward_pre_hook(others.averaged)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        model.answer(image, "det")
    by_operator = counter.get_flop_counts()["Global"]
    convolutions = by_operator[torch.ops.aten.convolution] // 2
    return Operations(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        convolutions=convolutions,
        multiply_adds=counter.get_total_flops() // 2,
        published=convolutions + others.count,
    )


class _OtherElements:
    """Counts what is neither convolution nor product, by hooks."""

    def __init__(self) -> None:
        self.count = 0

    def normalized(self, module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        self.count += 4 * output.numel()

    def averaged(self, module: nn.Module, inputs: tuple[Tensor]) -> None:
        batch, channels, *_ = inputs[0].shape
        self.count += inputs[0].numel() + batch * channels
