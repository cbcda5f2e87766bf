"""Where the target is, painted as a picture: the fourth channel of the prompt encoder.

The published masks keep two oddities that trained weights have seen (HIPTrack spec 5 and 12):
coordinates are cut off, not rounded, and a rectangle's negative bound counts from the far end, as
in array slices, so a box that sticks out at the top leaves an empty mask or a strip at the bottom.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def prediction_mask(
    boxes_cxcywh: Tensor, size: int, removed: Sequence[Tensor | None] = (), num_tokens: int = 0
) -> Tensor:
    """Foreground of predicted boxes, without the cells whose tokens were eliminated.

    Args:
        boxes_cxcywh: (B, 4) over the side of the crop.
        size: side of the mask in pixels.
        removed: (B, K_i) numbers of the tokens that elimination i removed, or None where it
            removed nothing; cells are cleared only when every elimination removed something.
        num_tokens: tokens of the square grid the numbers refer to.

    Returns:
        (B, 1, size, size) float32 of zeros and ones, outside the graph.
    """
    boxes = boxes_cxcywh.detach().float()
    half = 0.5 * boxes[:, 2:]
    first, second = (boxes[:, :2] - half) * size, (boxes[:, :2] + half) * size
    mask = _rectangle(first.long(), second.long(), size)
    lists = [tokens for tokens in removed if tokens is not None]
    if lists and len(lists) == len(removed):
        mask = mask & _kept_cells(torch.cat(lists, dim=1), num_tokens, size)
    return mask.unsqueeze(1).float()


def template_mask(boxes_xywh: Tensor, size: int) -> Tensor:
    """Foreground of template boxes; the far corner is the sum of the two cut-off numbers.

    Args:
        boxes_xywh: (B, 4) over the side of the crop.
        size: side of the mask in pixels.

    Returns:
        (B, 1, size, size) float32 of zeros and ones, outside the graph.
    """
    pixels = (boxes_xywh.detach().float() * size).long()
    first, extent = pixels.split(2, dim=1)
    return _rectangle(first, first + extent, size).unsqueeze(1).float()


def _rectangle(first: Tensor, second: Tensor, size: int) -> Tensor:
    """(B, size, size) bool; first and second are (B, 2) whole pixels x, y."""
    left, top = first[:, 0].clamp(min=0), first[:, 1].clamp(max=size)
    right, bottom = second[:, 0].clamp(max=size), second[:, 1].clamp(min=0)
    at = torch.arange(size, device=first.device)
    columns = (at >= _bound(left, size)) & (at < _bound(right, size))
    rows = (at >= _bound(top, size)) & (at < _bound(bottom, size))
    return rows[:, :, None] & columns[:, None, :]


def _bound(position: Tensor, size: int) -> Tensor:
    """(B, 1) the line a slice bound means: negative ones count from the end."""
    return torch.where(position < 0, position + size, position).clamp(0, size)[:, None]


def _kept_cells(removed: Tensor, num_tokens: int, size: int) -> Tensor:
    """(B, size, size) bool, false in the cells of removed tokens."""
    side = math.isqrt(num_tokens)
    kept = torch.ones(len(removed), num_tokens, dtype=torch.bool, device=removed.device)
    kept = kept.scatter(1, removed, 0).view(-1, side, side)
    cell = size // side
    return kept.repeat_interleave(cell, dim=1).repeat_interleave(cell, dim=2)
