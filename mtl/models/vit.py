"""The one-stream backbone: a vision transformer over template and search tokens together.

OSTrack's backbone (Ye et al., ECCV 2022) in the form of HIPTrack (spec 3), at any size.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtl.config.schema import BackboneConfig
from mtl.errors import ShapeError
from mtl.models.elimination import Survivors, center_token, eliminate, ranking_scores
from mtl.models.stochastic_depth import StochasticDepth

PLAIN_SIDE = 14
"""Grid side of the position embedding of a plain 224-pixel, 16-pixel-patch transformer."""


class BackboneOutput(NamedTuple):
    """What the backbone says about one pair of crops; N tokens of C channels."""

    template: Tensor
    """(B, Nz, C)."""
    search: Tensor
    """(B, Nx, C) in the grid's order; removed tokens are exactly zero."""
    kept: Tensor
    """(B, K, C) the search tokens that are left."""
    removed: tuple[Tensor | None, ...]
    """For each elimination (B, K_i) numbers of removed tokens, None if it kept all; () if off."""


class Attention(nn.Module):
    """Multi-head self-attention; hands out its queries and keys to whoever ranks tokens by them."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, N, C) -> (B, N, C), and queries and keys (B, heads, N, C / heads)."""
        B, N, C = tokens.shape
        qkv = self.qkv(tokens).view(B, N, 3, self.num_heads, C // self.num_heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.proj(mixed.transpose(1, 2).reshape(B, N, C)), query, key


class Mlp(nn.Module):
    """Two linear layers with an exact GELU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(..., width) -> (..., width)."""
        return self.fc2(F.gelu(self.fc1(tokens)))


class Block(nn.Module):
    """Pre-norm transformer block, with an elimination between its two halves where asked for."""

    def __init__(self, width: int, num_heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, num_heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width, int(width * mlp_ratio))

    def forward(
        self,
        tokens: Tensor,
        depth_factors: Tensor | None = None,
        survivors: Survivors | None = None,
        ranking_row: int = 0,
        keep_ratio: float = 1.0,
    ) -> tuple[Tensor, Survivors | None]:
        """(B, N, C) -> (B, N', C) and the survivors; `depth_factors` are (2, B)."""
        mixed, query, key = self.attn(self.norm1(tokens))
        tokens = tokens + _scaled(mixed, depth_factors, 0)
        if survivors is not None and keep_ratio < 1.0:
            first = tokens.shape[1] - survivors.numbers.shape[1]
            scores = ranking_scores(query, key, ranking_row, first)
            tokens, survivors = eliminate(tokens, scores, survivors, keep_ratio)
        return tokens + _scaled(self.mlp(self.norm2(tokens)), depth_factors, 1), survivors


class PatchEmbed(nn.Module):
    """Non-overlapping patches to tokens, row by row."""

    def __init__(self, patch_size: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, kernel_size=patch_size, stride=patch_size)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, H W / patch_size^2, width)."""
        return self.proj(images).flatten(2).transpose(1, 2)


class Backbone(nn.Module):
    """Joint transformer over template and search tokens with candidate elimination.

    Args:
        config: sizes of the transformer.
        template_size: side of the template crop in pixels.
        search_size: side of the search crop in pixels.
    """

    def __init__(self, config: BackboneConfig, template_size: int, search_size: int) -> None:
        super().__init__()
        self.elimination_blocks = frozenset(config.elimination_blocks)
        self.keep_ratio = config.keep_ratio
        self.template_side = template_size // config.patch_size
        self.search_side = search_size // config.patch_size
        self.ranking_row = center_token(self.template_side)
        width = config.width
        # Names of published checkpoints that no output depends on; they never learn.
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width), requires_grad=False)
        plain = torch.zeros(1, 1 + PLAIN_SIDE**2, width)
        self.pos_embed = nn.Parameter(plain, requires_grad=False)
        self.temporal_pos_embed_x = nn.Parameter(torch.empty(1, 1, width))
        self.temporal_pos_embed_z = nn.Parameter(torch.empty(1, 1, width))
        self.pos_embed_z = nn.Parameter(torch.empty(1, self.template_side**2, width))
        self.pos_embed_x = nn.Parameter(torch.empty(1, self.search_side**2, width))
        self.patch_embed = PatchEmbed(config.patch_size, width)
        self.blocks = nn.ModuleList(
            Block(width, config.num_heads, config.mlp_ratio) for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        last = max(config.depth - 1, 1)
        self.stochastic_depth = StochasticDepth(
            [config.drop_path * number / last for number in range(config.depth)]
        )
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        # The published temporal embeddings start at standard deviation 1, beside trained position
        # embeddings. Where everything starts from noise that would drown the patches: 0.02.
        for name in ("pos_embed", "pos_embed_z", "pos_embed_x"):
            nn.init.trunc_normal_(getattr(self, name), std=0.02)
        for name in ("temporal_pos_embed_z", "temporal_pos_embed_x"):
            nn.init.normal_(getattr(self, name), std=0.02)

    def embed_template(self, template: Tensor) -> Tensor:
        """(B, 3, z, z) -> (B, Nz, C) tokens that depend on the template alone."""
        return self.patch_embed(template) + self.pos_embed_z + self.temporal_pos_embed_z

    def embed_search(self, search: Tensor) -> Tensor:
        """(B, 3, s, s) -> (B, Nx, C)."""
        return self.patch_embed(search) + self.pos_embed_x + self.temporal_pos_embed_x

    def forward(
        self,
        template_tokens: Tensor,
        search_tokens: Tensor,
        keep_ratio: float | None = None,
        depth_factors: Tensor | None = None,
    ) -> BackboneOutput:
        """Run the blocks over embedded tokens.

        Args:
            template_tokens: (B, Nz, C) from `embed_template`.
            search_tokens: (B, Nx, C) from `embed_search`.
            keep_ratio: share of search tokens each elimination keeps; None: the config's. A config
                ratio of 1 switches elimination off whatever is given here.
            depth_factors: (depth, 2, B) from `stochastic_depth`.
        """
        ratio = self.keep_ratio if keep_ratio is None or self.keep_ratio == 1.0 else keep_ratio
        num_template, num_search = template_tokens.shape[1], search_tokens.shape[1]
        tokens = torch.cat([template_tokens, search_tokens], dim=1)
        survivors = None
        if ratio < 1.0 and self.elimination_blocks:
            numbers = torch.arange(num_search, device=tokens.device)
            survivors = Survivors(numbers.expand(len(tokens), -1))
        for number, block in enumerate(self.blocks):
            tokens, survivors = block(
                tokens,
                None if depth_factors is None else depth_factors[number],
                survivors,
                self.ranking_row,
                ratio if number in self.elimination_blocks else 1.0,
            )
        tokens = self.norm(tokens)
        template, kept = tokens[:, :num_template], tokens[:, num_template:]
        if survivors is None:
            return BackboneOutput(template, kept, kept, ())
        if kept.shape[1] == num_search:
            return BackboneOutput(template, kept, kept, survivors.removed)
        rows = survivors.numbers[:, :, None].expand_as(kept)
        empty = kept.new_zeros(len(kept), num_search, kept.shape[2])
        return BackboneOutput(template, empty.scatter(1, rows, kept), kept, survivors.removed)


def interpolate_position_embedding(pos_embed: Tensor, side: int) -> Tensor:
    """Position embedding of a plain transformer on another grid (HIPTrack spec 3.2).

    The class token's entry is dropped; the rest is resized bicubically, half-pixel centres, no
    antialiasing.

    Args:
        pos_embed: (1, 1 + n^2, C).
        side: of the new grid.

    Returns:
        (1, side^2, C).

    Raises:
        ShapeError: if the entries after the first form no square.
    """
    number = pos_embed.shape[1] - 1
    old = math.isqrt(max(number, 0))
    if old < 1 or old * old != number:
        raise ShapeError(
            f"a position embedding must be (1, 1 + n^2, C), got {tuple(pos_embed.shape)}."
        )
    grid = pos_embed[:, 1:].transpose(1, 2).unflatten(2, (old, old))
    resized = F.interpolate(grid, size=(side, side), mode="bicubic", align_corners=False)
    return resized.flatten(2).transpose(1, 2)


def _scaled(branch: Tensor, depth_factors: Tensor | None, half: int) -> Tensor:
    if depth_factors is None:
        return branch
    return branch * depth_factors[half][:, None, None]
