from __future__ import annotations

import pytest
import torch

from mtl.config.schema import BoxHeadConfig, ConditionHeadConfig
from mtl.errors import ShapeError
from mtl.models.condition_head import ConditionHead
from mtl.models.heads import CenterMaps, CornerHead, CornerMaps, best_boxes, build_box_head


def center_maps(side: int = 4) -> CenterMaps:
    generator = torch.Generator().manual_seed(0)
    score, size, offset = (
        torch.rand(2, channels, side, side, generator=generator) for channels in (1, 2, 2)
    )
    return CenterMaps(score, size, offset)


def test_a_box_is_read_at_the_best_cell() -> None:
    maps = center_maps()
    maps.score_map[0, 0, 1, 2] = 2.0
    box, score = maps.decode()
    dx, dy = maps.offset_map[0, :, 1, 2]
    w, h = maps.size_map[0, :, 1, 2]
    torch.testing.assert_close(box[0], torch.stack([(2 + dx) / 4, (1 + dy) / 4, w, h]))
    assert score[0] == 2.0


def test_a_window_moves_the_choice_but_not_the_score() -> None:
    maps = center_maps()
    window = torch.zeros(4, 4)
    window[3, 0] = 1.0
    box, score = maps.decode(window)
    assert (box[:, 0] < 0.5).all()
    assert (box[:, 1] >= 0.75).all()
    torch.testing.assert_close(score, maps.score_map[:, 0, 3, 0])


def test_best_boxes_begin_with_the_decoded_one() -> None:
    maps = center_maps()
    boxes = best_boxes(maps, 5)
    assert boxes.shape == (2, 5, 4)
    torch.testing.assert_close(boxes[:, 0], maps.decode()[0])


def test_gradients_reach_the_chosen_cell_only() -> None:
    maps = CenterMaps(*(tensor.requires_grad_() for tensor in center_maps()))
    maps.decode()[0].sum().backward()
    assert maps.score_map.grad is None
    assert maps.size_map.grad is not None
    assert (maps.size_map.grad != 0).sum() == 4


def test_sure_corners_give_their_cells_corners() -> None:
    head = CornerHead(8, 8)
    for branch, cell in (("tl", 5), ("br", 15)):
        head.add_module(f"conv5_{branch}", Pointer(cell))
    maps = head(torch.randn(2, 8, 4, 4))
    assert isinstance(maps, CornerMaps)
    wanted = torch.tensor([0.25, 0.25, 0.75, 0.75]).expand(2, -1)
    torch.testing.assert_close(maps.boxes_xyxy, wanted)
    box, score = maps.decode()
    torch.testing.assert_close(box, torch.tensor([0.5, 0.5, 0.5, 0.5]).expand(2, -1))
    torch.testing.assert_close(score, torch.ones(2))


class Pointer(torch.nn.Module):
    def __init__(self, cell: int) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(len(maps), 1, *maps.shape[2:])
        logits.view(len(maps), -1)[:, self.cell] = 100.0
        return logits


@pytest.mark.parametrize(("kind", "branches"), [("center", 3), ("corner", 2)])
def test_a_head_has_its_branches(kind: str, branches: int) -> None:
    head = build_box_head(BoxHeadConfig(kind=kind, channels=16), 8)
    assert len(list(head.children())) == 5 * branches


def test_scores_begin_near_their_prior() -> None:
    torch.manual_seed(0)
    head = build_box_head(BoxHeadConfig(channels=64), 8).eval()
    scores = head(torch.randn(4, 8, 6, 6)).score_map
    assert 0.02 < scores.mean().item() < 0.3


def test_condition_head_has_no_size_inputs_by_default() -> None:
    head = ConditionHead(ConditionHeadConfig(hidden_width=16), 8, 8, "classes")
    assert head.fc1.in_features == 8
    assert head.logits(head.features(torch.randn(2, 3, 8), None)).shape == (2, 3, 10)


def test_condition_head_wants_size_features_of_every_frame() -> None:
    head = ConditionHead(ConditionHeadConfig(hidden_width=16, size_features=True), 8, 8, "classes")
    assert head.features(torch.randn(2, 3, 8), torch.zeros(2, 3, 2)).shape == (2, 3, 16)
    with pytest.raises(ShapeError, match=r"got \(2, 2\); pass them or set"):
        head.features(torch.randn(2, 3, 8), torch.zeros(2, 2))
