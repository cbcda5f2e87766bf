"""Candidate elimination: drop the search tokens the target's centre looks at least.

OSTrack (Ye et al., ECCV 2022), in the form HIPTrack uses it: the ranking query is the one template
token at the centre of the grid, so one row of attention probabilities per head is all it takes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from mtl.config.schema import BackboneConfig


class Survivors(NamedTuple):
    """Which search tokens are left, and which were removed where."""

    numbers: Tensor
    """(B, S) places of the S remaining search tokens in the whole grid."""
    removed: tuple[Tensor | None, ...] = ()
    """For each elimination so far (B, K) numbers of the removed tokens; None if it kept all."""


def keep_ratio_at(config: BackboneConfig, epoch: int) -> float:
    """Share of tokens each elimination keeps in an epoch of training (HIPTrack spec 3.5).

    1 until the start epoch, then r + (1 - r) (1 + cos(pi progress)) / 2, r from the full epoch on.

    Args:
        config: the schedule's epochs and final ratio r.
        epoch: counted from 1.
    """
    start, full = config.elimination_start_epoch, config.elimination_full_epoch
    if epoch < start:
        return 1.0
    if epoch >= full:
        return config.keep_ratio
    cosine = math.cos(math.pi * (epoch - start) / (full - start))
    return config.keep_ratio + (1.0 - config.keep_ratio) * (1.0 + cosine) / 2.0


def num_kept(keep_ratio: float, num_tokens: int) -> int:
    """ceil(keep_ratio * num_tokens), in double precision."""
    return math.ceil(keep_ratio * num_tokens)


def center_token(side: int) -> int:
    """Number of the template token that ranks the candidates: the (upper left) middle cell."""
    middle = (side - 1) // 2
    return middle * side + middle


def ranking_scores(query: Tensor, keys: Tensor, row: int, first: int) -> Tensor:
    """Attention of one query to the tokens from `first` on, averaged over heads.

    Args:
        query: (B, heads, N, D) queries of all tokens; only `row` is used.
        keys: (B, heads, N, D).
        row: the query that ranks.
        first: first token to be ranked.

    Returns:
        (B, N - first) float32 probabilities, outside the graph.
    """
    with torch.no_grad():
        one = query[:, :, row : row + 1] * query.shape[-1] ** -0.5
        logits = (one @ keys.transpose(-2, -1)).float()
        return logits.softmax(dim=-1)[:, :, 0, first:].mean(dim=1)


def eliminate(
    tokens: Tensor, scores: Tensor, survivors: Survivors, keep_ratio: float
) -> tuple[Tensor, Survivors]:
    """Keep the best search tokens; equal scores keep their order.

    Args:
        tokens: (B, Nz + S, C), template tokens first; these all stay.
        scores: (B, S) of the search tokens.
        survivors: the S tokens' numbers.
        keep_ratio: share to keep, rounded up.

    Returns:
        (B, Nz + K, C), kept search tokens in falling order of score; and who they are.
    """
    num_search = scores.shape[1]
    kept = num_kept(keep_ratio, num_search)
    if kept == num_search:
        return tokens, Survivors(survivors.numbers, (*survivors.removed, None))
    order = scores.sort(dim=1, descending=True, stable=True).indices
    numbers = survivors.numbers.gather(1, order)
    template, search = tokens.split([tokens.shape[1] - num_search, num_search], dim=1)
    rows = order[:, :kept, None].expand(-1, -1, tokens.shape[-1])
    tokens = torch.cat([template, search.gather(1, rows)], dim=1)
    return tokens, Survivors(numbers[:, :kept], (*survivors.removed, numbers[:, kept:]))
