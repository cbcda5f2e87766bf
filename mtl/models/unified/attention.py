"""Self-attention between all cells of a grid."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtl.config.unified import UnifiedAttentionConfig


class GridAttention(nn.Module):
    """x + projection of attention over the h * w cells, without normalisation.

    The published module is set up with 8 heads of 64 channels but never splits them: it is one head
    of 512 channels whose logits are scaled by 64^-0.5 (unified specification, section 1).

    Args:
        width: C, channels of a cell.
        out_width: the first this many channels are answered; the others would not be read.
        config: heads and position.
    """

    def __init__(self, width: int, out_width: int, config: UnifiedAttentionConfig) -> None:
        super().__init__()
        inner = config.num_heads * config.head_width
        self.out_width = out_width
        self.num_heads = config.num_heads if config.heads == "split" else 1
        self.scale = config.head_width**-0.5
        self.knows_position = config.position == "sine"
        self.to_qkv = nn.Conv2d(width, 3 * inner, 1, bias=False)
        self.to_out = nn.Conv2d(inner, out_width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to (B, out_width, h, w)."""
        height, width = x.shape[-2:]
        query, key, value = (self._heads(part) for part in self._project(x))
        seen = F.scaled_dot_product_attention(query, key, value, scale=self.scale)
        seen = seen.transpose(2, 3).flatten(1, 2).unflatten(2, (height, width))
        return x[:, : self.out_width] + self.to_out(seen)

    def _project(self, x: Tensor) -> tuple[Tensor, ...]:
        if not self.knows_position:
            return self.to_qkv(x).chunk(3, dim=1)
        placed = x + sine_position(x)
        weights = self.to_qkv.weight.chunk(3)
        return tuple(
            F.conv2d(seen, weight)
            for seen, weight in zip((placed, placed, x), weights, strict=True)
        )

    def _heads(self, maps: Tensor) -> Tensor:
        """(B, heads * c, h, w) to (B, heads, h * w, c)."""
        return maps.flatten(2).unflatten(1, (self.num_heads, -1)).transpose(2, 3)


def sine_position(x: Tensor) -> Tensor:
    """Sines and cosines of a cell's place in the image, as in DETR (Carion et al., ECCV 2020).

    Rows take the first half of the channels, columns the second. Places are over the side of the
    grid, times 2 pi, so that they mean the same on grids of any size.

    Args:
        x: (B, C, h, w), C a multiple of 4.

    Returns:
        (1, C, h, w) of the same type.
    """
    channels, height, width = x.shape[1:]
    octaves = torch.arange(channels // 4, device=x.device, dtype=torch.float32)
    frequencies = 2 * torch.pi * 10_000 ** (-octaves / (channels // 4))
    half = (channels // 2, height, width)
    rows = _waves(height, frequencies)[:, :, None].expand(half)
    columns = _waves(width, frequencies)[:, None, :].expand(half)
    return torch.cat([rows, columns])[None].to(x.dtype)


def _waves(side: int, frequencies: Tensor) -> Tensor:
    """(2 * number of frequencies, side)."""
    places = (torch.arange(side, device=frequencies.device) + 0.5) / side
    angles = frequencies[:, None] * places
    return torch.cat([angles.sin(), angles.cos()])
