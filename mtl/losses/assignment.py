"""Which box slot of which cell learns which object."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mtl.geometry.boxes import iou, xywh_to_xyxy
from mtl.models.unified.grid import DetectionGrid

SMALLEST_SIDE = 1e-8
"""Of a box over the side of the image; keeps the square root's slope finite."""


class Objects(NamedTuple):
    """The true boxes of a batch of images, in the order in which they take their slots."""

    boxes_xywh: Tensor
    """(N, 4) pixels of the network's input."""
    labels: Tensor
    """(N,) int64."""
    image: Tensor
    """(N,) int64, which image of the batch each is in."""


class Assignment(NamedTuple):
    """Targets of a detection grid with n slots and C classes in h x w cells."""

    taken: Tensor
    """(B, n, h, w) bool: the slot learns an object."""
    coordinates: Tensor
    """(B, n, 4, h, w) x, y, sqrt_w, sqrt_h; 0 where not taken."""
    classes: Tensor
    """(B, C, h, w) 1 for the class of every object of the cell, which its slots share."""

    @classmethod
    def of_map(cls, target: Tensor, num_boxes: int) -> Assignment:
        """The targets in a map (B, 5 n + C, h, w) laid out as the network's answer."""
        slots = target[:, : 5 * num_boxes].unflatten(1, (num_boxes, 5))
        return cls(slots[:, :, 4] > 0, slots[:, :, :4], target[:, 5 * num_boxes :])

    def to_map(self) -> Tensor:
        """(B, 5 n + C, h, w) laid out as the network's answer, confidence 1 where taken."""
        slots = torch.cat([self.coordinates, self.taken[:, :, None].float()], dim=2)
        return torch.cat([slots.flatten(1, 2), self.classes], dim=1)


class _Candidates(NamedTuple):
    """Cells that could learn an object, better ones first."""

    object: Tensor
    """(P,) number of the object."""
    cell: Tensor
    """(P, 3) image, row, column."""
    coordinates: Tensor
    """(P, 4) x, y, sqrt_w, sqrt_h in the cell's terms."""


def assign(
    objects: Objects,
    grid: DetectionGrid,
    image_size: tuple[int, int],
    assignment: str,
    center_span: float = 1.0,
) -> Assignment:
    """Give every object its slots.

    first_free: an object takes the first slot of the cell of its centre that no earlier object
    took, and is left out where none is free (unified specification, section 3). responsible: of the
    free slots, the one whose predicted box overlaps it most (YOLOv1). center_sampling: likewise, in
    every cell from which its centre can be reached, its own cell first.

    Args:
        objects: of the batch.
        grid: predictions; only their shape matters to first_free.
        image_size: height and width of the input in pixels.
        assignment: of `DetectionLossConfig`.
        center_span: of `BoxDecodingConfig`.
    """
    batch, channels, *sides = grid.values.shape
    device, slots = grid.values.device, grid.num_boxes
    taken = torch.zeros(batch, slots, *sides, dtype=torch.bool, device=device)
    coordinates = torch.zeros(batch, slots, 4, *sides, device=device)
    classes = torch.zeros(batch, channels - 5 * slots, *sides, device=device)
    height, width = image_size
    extent = objects.boxes_xywh.new_tensor([width, height, width, height])
    boxes = objects.boxes_xywh.float() / extent
    reach = center_span if assignment == "center_sampling" else 0.0
    candidates = _candidates(boxes, objects.image, (sides[0], sides[1]), center_span, reach)
    rank = _rank_in_cell(candidates.cell, (sides[0], sides[1]))
    predicted = grid.boxes_xyxy(center_span).detach()
    for turn in range(slots):
        now = rank == turn  # at most one for each cell
        image, row, column = candidates.cell[now].unbind(dim=1)
        true = xywh_to_xyxy(boxes[candidates.object[now]])
        if assignment == "first_free":
            slot = torch.full_like(image, turn)
        else:
            seen = predicted[image, :, row, column]  # (M, n, 4)
            overlap = iou(seen, true[:, None].expand_as(seen)).nan_to_num(0.0)
            slot = overlap.masked_fill(taken[image, :, row, column], -1.0).argmax(dim=1)
        taken[image, slot, row, column] = True
        coordinates[image, slot, :, row, column] = candidates.coordinates[now]
        classes[image, objects.labels[candidates.object[now]], row, column] = 1.0
    return Assignment(taken, coordinates, classes)


def _candidates(
    boxes_xywh: Tensor, image: Tensor, sides: tuple[int, int], center_span: float, reach: float
) -> _Candidates:
    """The cell of every object's centre, then the neighbours that reach it.

    Args:
        boxes_xywh: (N, 4) over the sides of the image.
        image: (N,).
        sides: h and w.
        center_span: cells a centre ranges over.
        reach: cells a neighbour's centre may range over; 0 leaves neighbours out.
    """
    grid_size = boxes_xywh.new_tensor([sides[1], sides[0]])
    center = (boxes_xywh[:, :2] + boxes_xywh[:, 2:] / 2) * grid_size  # x, y in cells
    last = (grid_size - 1).long()
    home = center.long().clamp(min=0).minimum(last)
    root = boxes_xywh[:, 2:].clamp(min=SMALLEST_SIDE).sqrt()
    numbers = torch.arange(len(boxes_xywh), device=boxes_xywh.device)
    steps = [(0, 0)]
    if reach > 0:
        steps += [(dx, dy) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dx or dy]
    parts = []
    for step in steps:
        cell = home + home.new_tensor(step)
        place = (center - cell + (center_span - 1) / 2) / center_span  # what x and y should be
        if step == (0, 0):
            fits = torch.ones_like(numbers, dtype=torch.bool)
        else:
            inside = (cell >= 0) & (cell <= last)
            fits = (inside & (place > 0) & (place < 1)).all(dim=1)
        where = torch.stack([image, cell[:, 1], cell[:, 0]], dim=1)
        parts.append(_Candidates(numbers[fits], where[fits], torch.cat([place, root], dim=1)[fits]))
    return _Candidates(*(torch.cat(values) for values in zip(*parts, strict=True)))


def _rank_in_cell(cell: Tensor, sides: tuple[int, int]) -> Tensor:
    """(P,) how many candidates of the same cell stand before each."""
    image, row, column = cell.unbind(dim=1)
    key = (image * sides[0] + row) * sides[1] + column
    order = key.argsort(stable=True)
    _, counts = torch.unique_consecutive(key[order], return_counts=True)
    first = (counts.cumsum(0) - counts).repeat_interleave(counts)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device) - first
    return rank
