from __future__ import annotations

import pytest
import torch
from torch import nn

from mtl.config.schema import ClipBackboneConfig
from mtl.models.clip_vit import Attention, ClipBackbone, Mlp, TokenLayout, resize_positions
from mtl.models.target_position import TargetPosition, cell_inputs, coverage
from tests.models.small import small_simtrack_config

BOXES = torch.tensor([[0.3, 0.2, 0.4, 0.5], [-0.5, 0.55, 0.8, 0.9]])


def backbone(template: int = 40, search: int = 64, fovea: int = 16) -> ClipBackbone:
    torch.manual_seed(0)
    config = small_simtrack_config().backbone.model_copy(update={"fovea": fovea})
    return ClipBackbone(config, template, search).eval()


def test_attention_is_torch_s_own() -> None:
    torch.manual_seed(0)
    ours, theirs = Attention(32, 4), nn.MultiheadAttention(32, 4, batch_first=True)
    theirs.load_state_dict(ours.state_dict())
    tokens = torch.randn(2, 7, 32)
    wanted, _ = theirs(tokens, tokens, tokens)
    torch.testing.assert_close(ours(tokens), wanted)


def test_the_perceptron_uses_the_quick_gelu() -> None:
    mlp = Mlp(1, 1)
    for layer in (mlp.c_fc, mlp.c_proj):
        nn.init.ones_(layer.weight)
        nn.init.zeros_(layer.bias)
    found = mlp(torch.tensor([[1.0], [-2.0]]))
    wanted = [[1 / (1 + 2.718281828**-1.702)], [-2 / (1 + 2.718281828**3.404)]]
    torch.testing.assert_close(found, torch.tensor(wanted))


def test_coverage_is_the_share_of_the_cell_not_an_overlap_ratio() -> None:
    found = coverage(torch.tensor([[0.25, 0.0, 0.5, 0.5]]), 2)
    torch.testing.assert_close(found, torch.tensor([[[0.5, 0.5], [0.0, 0.0]]]))
    outside = coverage(torch.tensor([[-1.0, -1.0, 3.0, 3.0], [1.2, 0.0, 0.5, 0.5]]), 3)
    torch.testing.assert_close(outside[0], torch.ones(3, 3))
    assert outside[1].abs().sum() == 0


def test_a_cell_is_told_by_coverage_then_x_then_y() -> None:
    found = cell_inputs(torch.tensor([[0.0, 0.0, 1.0, 0.5]]), 2)
    torch.testing.assert_close(found[0, 0, 1], torch.tensor([1.0, 0.75, 0.25]))
    torch.testing.assert_close(found[0, 1, 0], torch.tensor([0.5, 0.25, 0.75]))


def test_the_layout_names_every_token() -> None:
    layout = TokenLayout(template=3, search=4, fovea=2)
    pieces = layout.split(torch.arange(10.0)[None, :, None])
    assert pieces.template.flatten().tolist() == [0, 1, 2]
    assert pieces.class_token.tolist() == [[3]]
    assert pieces.search.flatten().tolist() == [4, 5, 6, 7]


@pytest.mark.parametrize(
    ("template", "search", "fovea", "first_pixel"),
    [
        (40, 64, 16, 12),  # 1.5 patches from the border: half a patch aside as it is
        (48, 64, 16, 20),  # 2 patches: shifted by half a patch, as the published model does
        (32, 48, 16, 12),  # 1 patch: shifted too, where the published model would repeat patches
    ],
)
def test_the_fovea_lies_half_a_patch_beside_the_template_s_grid(
    template: int, search: int, fovea: int, first_pixel: int
) -> None:
    model = backbone(template, search, fovea)
    image = torch.randn(2, 3, template, template)
    tokens = model.embed_template(image, BOXES)
    positions = model.pos_fc(BOXES)
    patch, cells = 8, fovea // 8
    first = first_pixel // patch
    assert tokens.template.shape == (2, (template // patch) ** 2, 32)
    for row in range(cells):
        for column in range(cells):
            y, x = first_pixel + row * patch, first_pixel + column * patch
            patches = model.visual.embed(image[:, :, y : y + patch, x : x + patch])[:, 0]
            i, j = first + row, first + column
            mean = (positions[:, i, j] + positions[:, i + 1, j + 1]) / 2
            found = tokens.fovea[:, row * cells + column]
            torch.testing.assert_close(found, patches + mean, rtol=1e-4, atol=1e-5)


def test_all_tokens_see_each_other() -> None:
    model = backbone()
    image, search = torch.randn(1, 3, 40, 40), torch.randn(1, 3, 64, 64)
    start = model.embed_template(image, BOXES[:1])
    whole = model(start, search)
    assert [tuple(piece.shape) for piece in whole] == [(1, 25, 32), (1, 32), (1, 64, 32)]
    changed = start._replace(fovea=start.fovea + torch.randn(32))
    for piece, other in zip(whole, model(changed, search), strict=True):
        assert not torch.allclose(piece, other)


def test_positions_keep_their_grid_where_it_fits() -> None:
    positions = torch.randn(1 + 14 * 14, 8)
    assert resize_positions(positions, 14) is positions
    other = resize_positions(positions, 7)
    assert other.shape == (1 + 49, 8)
    assert torch.equal(other[0], positions[0])
    grid = positions[1:].unflatten(0, (14, 14))
    mean = (grid[0, 0] + grid[0, 1] + grid[1, 0] + grid[1, 1]) / 4
    torch.testing.assert_close(other[1], mean)


def test_positions_stay_in_float32_under_autocast() -> None:
    model = backbone()
    image = torch.randn(2, 3, 40, 40)
    wanted = model.pos_fc(BOXES)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(model.pos_fc(BOXES.double()), wanted)
        tokens = model.embed_template(image, BOXES)
        patches = model.visual.embed(image)
    assert patches.dtype == torch.bfloat16
    assert tokens.template.dtype == tokens.fovea.dtype == torch.float32
    torch.testing.assert_close(
        tokens.template, patches.float() + wanted.flatten(1, 2), rtol=0, atol=0
    )


def test_an_odd_width_is_refused() -> None:
    assert TargetPosition(6, 3)(BOXES).shape == (2, 3, 3, 6)
    with pytest.raises(ValueError, match="width must be even"):
        ClipBackboneConfig(width=9, num_heads=3)
