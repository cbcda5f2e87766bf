from __future__ import annotations

import numpy as np
import pytest
import torch

from mtl.geometry.masks import prediction_mask, template_mask


def sliced(first: tuple[int, int], second: tuple[int, int], size: int) -> np.ndarray:
    """The rectangle as array slices would paint it."""
    mask = np.zeros((size, size), dtype=np.float32)
    left, top = max(first[0], 0), min(first[1], size)
    mask[top : max(second[1], 0), left : min(second[0], size)] = 1
    return mask


def test_template_mask_equals_slices_for_any_box() -> None:
    size = 12
    corners = np.random.default_rng(0).integers(-20, 30, (300, 2))
    extents = np.random.default_rng(1).integers(0, 30, (300, 2))
    boxes = torch.from_numpy(np.concatenate([corners, extents], axis=1)).double() / size
    masks = template_mask((boxes * (1 + 1e-6)).float(), size)
    for corner, extent, mask in zip(corners, extents, masks, strict=True):
        wanted = sliced(tuple(corner), tuple(corner + extent), size)
        np.testing.assert_array_equal(mask[0], wanted, f"{corner} {extent}")


def test_coordinates_are_cut_off_toward_zero() -> None:
    box = torch.tensor([[0.5, 0.5, 0.39, 0.39]])  # 3.05 to 6.95 of 10
    mask = prediction_mask(box, 10)
    assert mask.shape == (1, 1, 10, 10)
    assert mask.sum() == 9
    assert mask[0, 0, 3:6, 3:6].all()


def test_a_target_that_sticks_out_at_the_top_has_an_empty_mask() -> None:
    assert template_mask(torch.tensor([[0.4, -0.1, 0.2, 0.5]]), 100).sum() == 0


def test_cells_of_removed_tokens_are_cleared() -> None:
    whole = torch.tensor([[0.5, 0.5, 1.0, 1.0]]).expand(2, -1)
    removed = (torch.tensor([[0], [1]]), torch.tensor([[3], [2]]))
    mask = prediction_mask(whole, 4, removed, num_tokens=4)
    assert mask[0, 0, :2, :2].sum() == mask[0, 0, 2:, 2:].sum() == 0
    assert mask[1, 0, :2, 2:].sum() == mask[1, 0, 2:, :2].sum() == 0
    assert mask.sum() == 16


@pytest.mark.parametrize("removed", [(), (None, None), (torch.tensor([[0]]), None)])
def test_cells_stay_unless_every_elimination_removed_some(
    removed: tuple[torch.Tensor | None, ...],
) -> None:
    whole = torch.tensor([[0.5, 0.5, 1.0, 1.0]])
    assert prediction_mask(whole, 4, removed, num_tokens=4).sum() == 16


def test_masks_carry_no_gradient() -> None:
    box = torch.tensor([[0.5, 0.5, 0.5, 0.5]], requires_grad=True)
    assert not prediction_mask(box, 8).requires_grad
