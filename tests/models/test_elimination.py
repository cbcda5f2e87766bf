from __future__ import annotations

import pytest
import torch

from mtl.config.schema import BackboneConfig
from mtl.models.elimination import (
    Survivors,
    center_token,
    eliminate,
    keep_ratio_at,
    num_kept,
    ranking_scores,
)


def test_ranking_row_equals_the_row_of_full_attention() -> None:
    torch.manual_seed(0)
    query, key = torch.randn(2, 2, 3, 10, 8).unbind(0)
    full = (query @ key.transpose(-2, -1) * 8**-0.5).softmax(dim=-1)
    scores = ranking_scores(query, key, row=3, first=4)
    torch.testing.assert_close(scores, full[:, :, 3, 4:].mean(dim=1))


def test_the_best_tokens_stay_in_order_and_the_template_always() -> None:
    tokens = torch.arange(6.0).view(1, 6, 1)
    scores = torch.tensor([[0.1, 0.4, 0.2, 0.3]])
    start = Survivors(torch.tensor([[7, 5, 3, 1]]))
    kept, survivors = eliminate(tokens, scores, start, keep_ratio=0.5)
    assert kept.flatten().tolist() == [0, 1, 3, 5]
    assert survivors.numbers.tolist() == [[5, 1]]
    assert survivors.removed[0] is not None
    assert survivors.removed[0].tolist() == [[3, 7]]


def test_equal_scores_keep_the_order_of_the_grid() -> None:
    tokens, start = torch.zeros(1, 5, 2), Survivors(torch.arange(4)[None])
    _, survivors = eliminate(tokens, torch.ones(1, 4), start, keep_ratio=0.5)
    assert survivors.numbers.tolist() == [[0, 1]]


def test_a_ratio_that_rounds_up_to_all_removes_nothing() -> None:
    tokens, start = torch.zeros(1, 5, 2), Survivors(torch.arange(4)[None])
    kept, survivors = eliminate(tokens, torch.ones(1, 4), start, keep_ratio=0.9)
    assert kept is tokens
    assert survivors.removed == (None,)


def test_kept_tokens_pass_their_gradient() -> None:
    tokens = torch.randn(1, 5, 2, requires_grad=True)
    scores = torch.tensor([[1.0, 4.0, 2.0, 3.0]])
    eliminate(tokens, scores, Survivors(torch.arange(4)[None]), 0.5)[0].sum().backward()
    assert tokens.grad is not None
    assert tokens.grad[0, :, 0].tolist() == [1, 0, 1, 0, 1]


@pytest.mark.parametrize(("side", "cell"), [(12, 5), (8, 3), (7, 3), (14, 6), (1, 0)])
def test_the_middle_cell_ranks(side: int, cell: int) -> None:
    assert center_token(side) == cell * side + cell


def test_keep_ratio_falls_from_one_to_the_configs() -> None:
    config = BackboneConfig(
        keep_ratio=0.6, elimination_start_epoch=2, elimination_full_epoch=6, elimination_blocks=(3,)
    )
    ratios = [keep_ratio_at(config, epoch) for epoch in range(1, 9)]
    assert ratios[:2] == [1.0, 1.0]
    assert ratios[3] == pytest.approx(0.8)
    assert ratios[5:] == [0.6] * 3
    assert ratios == sorted(ratios, reverse=True)


def test_kept_count_rounds_up() -> None:
    assert [num_kept(0.7, n) for n in (576, 404, 283, 1)] == [404, 283, 199, 1]
