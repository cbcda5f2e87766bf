from __future__ import annotations

import numpy as np
import pytest
import torch

from mtl.errors import ShapeError
from mtl.evaluation.unified.boxes import as_rows, from_rows, place_rows


def test_boxes_of_a_set_come_back_from_rows_that_workers_add_up() -> None:
    rng = np.random.default_rng(0)
    counts = [3, 0, 260]
    boxes = [torch.from_numpy(rng.uniform(0, 100, (n, 4))) for n in counts]
    scores = [torch.from_numpy(rng.random(n)) for n in counts]
    classes = [torch.from_numpy(np.arange(n) // 110 % 2) for n in counts]
    rows = torch.stack([as_rows(*x, 2, 200) for x in zip(boxes, scores, classes, strict=True)])
    one = place_rows(rows[[2, 0]], torch.tensor([2, 0]), 3)  # two workers, the last row not valid
    two = place_rows(rows[[1, 0]], torch.tensor([1, -1]), 3)
    found = from_rows((one + two).numpy())
    for image, count in enumerate(counts):
        order = np.argsort(-scores[image].numpy(), kind="stable")
        first = np.flatnonzero(classes[image].numpy()[order] == 0)[:100]
        other = np.flatnonzero(classes[image].numpy()[order] == 1)[:100]
        order = order[np.sort(np.concatenate([first, other]))]
        assert len(order) == min(count, 200)
        own = found.images == image
        np.testing.assert_array_equal(found.boxes_xywh[own], boxes[image].numpy()[order])
        np.testing.assert_array_equal(found.scores[own], scores[image].numpy()[order])
        np.testing.assert_array_equal(found.classes[own], classes[image].numpy()[order])


def test_counts_are_placed_at_their_images() -> None:
    counts = torch.arange(12).view(3, 2, 2)
    placed = place_rows(counts, torch.tensor([3, -1, 0]), 4)
    assert placed.dtype == torch.float64
    assert torch.equal(placed[3], counts[0].double())
    assert torch.equal(placed[0], counts[2].double())
    assert not placed[1:3].any()


def test_other_shapes_are_named() -> None:
    with pytest.raises(ShapeError, match=r"must be \(N, D, 6\)"):
        from_rows(np.zeros((3, 6)))
