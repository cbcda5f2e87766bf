"""From 8-bit crops to network input, on the device that trains."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mtl.errors import ShapeError

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def normalize(
    images: Tensor,
    brightness: Tensor | None = None,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
) -> Tensor:
    """Brighten, clamp and standardise crops (HIPTrack spec 10.2, step 4; ImageNet statistics).

    out = (clamp(pixel brightness / 255, 0, 1) - mean) / std

    Args:
        images: (..., H, W, 3) uint8 RGB.
        brightness: (...) factor of each image; none: 1.
        mean: of the channels, pixels in [0, 1].
        std: of the channels.

    Returns:
        (..., 3, H, W) float32 on the device of `images`.

    Raises:
        ShapeError: if the images do not end in 3 channels or the factors do not fit them.
    """
    if images.ndim < 3 or images.shape[-1] != 3:
        raise ShapeError(f"images must be (..., H, W, 3), got {tuple(images.shape)}.")
    pixels = images.movedim(-1, -3).float()
    if brightness is None:
        pixels = pixels / 255.0
    else:
        if brightness.shape != images.shape[:-3]:
            raise ShapeError(
                f"brightness must be {tuple(images.shape[:-3])} for images "
                f"{tuple(images.shape)}, got {tuple(brightness.shape)}."
            )
        pixels = (pixels * (brightness.float() / 255.0)[..., None, None, None]).clamp_(0.0, 1.0)
    shift = torch.tensor(mean, device=pixels.device).view(3, 1, 1)
    scale = torch.tensor(std, device=pixels.device).view(3, 1, 1)
    return pixels.sub_(shift).div_(scale)
