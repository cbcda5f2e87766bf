"""Segmentation targets and loss."""

from __future__ import annotations

import torch

from mtl.losses.segmentation import (
    IGNORED,
    empty_masks,
    segmentation_loss,
    segmentation_targets,
)


def test_the_background_shares_a_class_or_has_its_own() -> None:
    masks = torch.tensor([[[0, 1, 2, 20, 255]]], dtype=torch.uint8)
    assert segmentation_targets(masks, "merged").tolist() == [[[0, 0, 1, 19, IGNORED]]]
    assert segmentation_targets(masks, "own").tolist() == [[[0, 1, 2, 20, IGNORED]]]


def test_a_batch_of_ignored_pixels_is_no_loss() -> None:
    scores = torch.randn(1, 3, 2, 2, requires_grad=True)
    loss = segmentation_loss(scores, torch.full((1, 2, 2), IGNORED))
    assert loss.item() == 0.0
    loss.backward()
    assert scores.grad is not None
    assert not scores.grad.any()


def test_a_mask_is_empty_where_every_pixel_is_ignored() -> None:
    masks = torch.full((3, 2, 2), IGNORED, dtype=torch.uint8)
    masks[1, 0, 0] = 0
    assert empty_masks(masks).tolist() == [True, False, True]


def test_ignored_pixels_do_not_count_in_the_mean() -> None:
    scores = torch.randn(1, 3, 2, 2)
    targets = torch.tensor([[[0, 1], [2, 2]]])
    alone = segmentation_loss(scores[:, :, :1], targets[:, :1])
    targets[:, 1] = IGNORED
    loss = segmentation_loss(scores, targets)
    torch.testing.assert_close(loss, alone)


def test_scores_follow_the_size_of_the_mask() -> None:
    scores = torch.zeros(1, 2, 2, 2)
    scores[:, 0, :, 0] = 50.0
    scores[:, 1, :, 1] = 50.0
    targets = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1]]).expand(6, 8)[None]
    assert segmentation_loss(scores, targets) < 1e-3
