"""CLIP's visual tower over the tokens of two crops together: SimTrack's backbone, at any size.

The transformer of Radford et al., ICML 2021, as SimTrack (Chen et al., ECCV 2022; spec 3) uses it.
Parameter names are CLIP's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtl.config.schema import ClipBackboneConfig
from mtl.models.target_position import TargetPosition
from mtl.models.vit import PLAIN_SIDE

PROJECTION_WIDTH = 512
"""Channels of the space CLIP shares between pictures and texts."""


class Pieces(NamedTuple):
    """The tokens of one pair of crops by what they stand for; C channels."""

    template: Tensor
    """(B, Nz, C) row by row."""
    class_token: Tensor
    """(B, C)."""
    search: Tensor
    """(B, Nx, C) row by row."""


@dataclass(frozen=True)
class TokenLayout:
    """Order of the tokens in the transformer's sequence: template, class, search, fovea.

    Attributes:
        template: number of template tokens.
        search: number of search tokens.
        fovea: number of foveal tokens.
    """

    template: int
    search: int
    fovea: int

    def split(self, tokens: Tensor) -> Pieces:
        """Name the pieces of a sequence (B, template + 1 + search + fovea, C)."""
        sizes = [self.template, 1, self.search, self.fovea]
        template, class_token, search, _ = tokens.split(sizes, dim=1)
        return Pieces(template, class_token.squeeze(1), search)


class Attention(nn.Module):
    """Multi-head self-attention; the rows of its input projection are queries, keys, values."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        B, N, C = tokens.shape
        projected = F.linear(tokens, self.in_proj_weight, self.in_proj_bias)
        by_head = projected.view(B, N, 3, self.num_heads, C // self.num_heads)
        query, key, value = by_head.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.out_proj(mixed.transpose(1, 2).reshape(B, N, C))


class Mlp(nn.Module):
    """Two linear layers with CLIP's quick GELU, u sigmoid(1.702 u), between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, hidden)
        self.c_proj = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(..., width) -> (..., width)."""
        hidden = self.c_fc(tokens)
        return self.c_proj(hidden * torch.sigmoid(1.702 * hidden))


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width: int, num_heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.attn = Attention(width, num_heads)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = Mlp(width, int(width * mlp_ratio))
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        tokens = tokens + self.attn(self.ln_1(tokens))
        return tokens + self.mlp(self.ln_2(tokens))


class Transformer(nn.Module):
    """Blocks in a row."""

    def __init__(self, config: ClipBackboneConfig) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(
            Block(config.width, config.num_heads, config.mlp_ratio) for _ in range(config.depth)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        for block in self.resblocks:
            tokens = block(tokens)
        return tokens


class VisualTower(nn.Module):
    """CLIP's visual tower: patches, class token, positions, transformer."""

    def __init__(self, config: ClipBackboneConfig) -> None:
        super().__init__()
        width, patch = config.width, config.patch_size
        scale = width**-0.5
        self.class_embedding = nn.Parameter(scale * torch.randn(width))
        self.positional_embedding = nn.Parameter(scale * torch.randn(1 + PLAIN_SIDE**2, width))
        # A name of published checkpoints that no output depends on; it never learns.
        self.proj = nn.Parameter(scale * torch.randn(width, PROJECTION_WIDTH), requires_grad=False)
        self.conv1 = nn.Conv2d(3, width, kernel_size=patch, stride=patch, bias=False)
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Transformer(config)
        self.ln_post = nn.LayerNorm(width)

    def embed(self, images: Tensor) -> Tensor:
        """(B, 3, n, n) -> (B, N, C) patches without positions."""
        return self.conv1(images).flatten(2).transpose(1, 2)

    def embed_search(self, search: Tensor, side: int) -> Tensor:
        """(B, 3, s, s) -> (B, 1 + side^2, C): the class token, then patches, with positions."""
        patches = self.embed(search)
        positions = resize_positions(self.positional_embedding, side)
        class_token = (self.class_embedding + positions[0]).expand(len(patches), 1, -1)
        return torch.cat([class_token, patches + positions[1:]], dim=1)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, C) embedded -> (B, N, C)."""
        return self.ln_post(self.transformer(self.ln_pre(tokens)))


class TemplateTokens(NamedTuple):
    """What the backbone makes of a template and its box alone."""

    template: Tensor
    """(B, Nz, C) embedded."""
    fovea: Tensor
    """(B, Nf, C) embedded."""


class ClipBackbone(nn.Module):
    """Joint transformer over template, class, search and foveal tokens (SimTrack spec 3).

    The foveal tokens embed the middle of the template once more, half a patch aside of the
    template's own grid. SimTrack as published does so where (template - fovea) is an odd number of
    patches, as in its own 112 and 64 pixels, or a multiple of 2 fovea; elsewhere its foveal patches
    would repeat template patches. Here they lie half a patch aside at any size.

    Args:
        config: sizes of the transformer.
        template_size: side of the template crop in pixels.
        search_size: side of the search crop in pixels.
    """

    def __init__(self, config: ClipBackboneConfig, template_size: int, search_size: int) -> None:
        super().__init__()
        patch = config.patch_size
        self.search_side = search_size // patch
        template_side, fovea_side = template_size // patch, config.fovea // patch
        self.layout = TokenLayout(template_side**2, self.search_side**2, fovea_side**2)
        first = (template_side - fovea_side) // 2
        self.fovea_cells = slice(first, first + fovea_side)
        self.fovea_next_cells = slice(first + 1, first + 1 + fovea_side)
        start = first * patch + patch // 2
        self.fovea_pixels = slice(start, start + config.fovea)
        self.visual = VisualTower(config)
        self.pos_fc = TargetPosition(config.width, template_side)

    def embed_template(self, template: Tensor, boxes_xywh: Tensor) -> TemplateTokens:
        """All that depends on the template alone.

        Args:
            template: (B, 3, z, z) normalised.
            boxes_xywh: (B, 4) of the target over the side of the template crop.
        """
        positions = self.pos_fc(boxes_xywh)
        here, after = self.fovea_cells, self.fovea_next_cells
        # A foveal patch straddles four cells; the published mean is over one diagonal of them.
        between = (positions[:, here, here] + positions[:, after, after]) / 2.0
        middle = template[:, :, self.fovea_pixels, self.fovea_pixels]
        return TemplateTokens(
            self.visual.embed(template) + positions.flatten(1, 2),
            self.visual.embed(middle) + between.flatten(1, 2),
        )

    def forward(self, template: TemplateTokens, search: Tensor) -> Pieces:
        """Tokens from `embed_template` and crops (B, 3, s, s) normalised -> their pieces."""
        seen = self.visual.embed_search(search, self.search_side)
        tokens = torch.cat([template.template, seen, template.fovea], dim=1)
        return self.layout.split(self.visual(tokens))


def resize_positions(positions: Tensor, side: int) -> Tensor:
    """CLIP's position embedding on another grid (SimTrack spec 3.2).

    Bilinear, half-pixel centres, no antialiasing; the class token's row stays.

    Args:
        positions: (1 + n^2, C).
        side: of the new grid.

    Returns:
        (1 + side^2, C).
    """
    if len(positions) == 1 + side**2:
        return positions
    grid = positions[1:].T.unflatten(1, (PLAIN_SIDE, PLAIN_SIDE))[None]
    resized = F.interpolate(grid, size=(side, side), mode="bilinear", align_corners=False)
    return torch.cat([positions[:1], resized[0].flatten(1).T])
