from __future__ import annotations

import pytest
import torch

from mtl.config.schema import BackboneConfig
from mtl.errors import ShapeError
from mtl.models.vit import Backbone, interpolate_position_embedding


def backbone(**changes: object) -> Backbone:
    torch.manual_seed(0)
    values = {
        "width": 16,
        "depth": 3,
        "num_heads": 2,
        "patch_size": 8,
        "elimination_blocks": (0, 1),
        **changes,
    }
    return Backbone(BackboneConfig(**values), template_size=24, search_size=48).eval()


def run(model: Backbone, keep_ratio: float | None):
    generator = torch.Generator().manual_seed(1)
    template = torch.randn(2, 3, 24, 24, generator=generator)
    search = torch.randn(2, 3, 48, 48, generator=generator)
    return model(model.embed_template(template), model.embed_search(search), keep_ratio)


def test_removed_tokens_are_zero_and_all_others_are_in_place() -> None:
    output = run(backbone(), 0.5)
    removed = torch.cat([r for r in output.removed if r is not None], dim=1)
    assert removed.shape == (2, 18 + 9)
    zero = (output.search == 0).all(dim=2)
    for row, gone in zip(zero, removed, strict=True):
        assert sorted(row.nonzero().flatten().tolist()) == sorted(gone.tolist())
    assert output.kept.shape == (2, 9, 16)
    torch.testing.assert_close(output.kept.sum(dim=1), output.search.sum(dim=1))


def test_no_ratio_means_the_configs() -> None:
    model = backbone(keep_ratio=0.5)
    assert torch.equal(run(model, None).search, run(model, 0.5).search)


@pytest.mark.parametrize(
    ("changes", "keep_ratio"),
    [({}, 1.0), ({"keep_ratio": 1.0}, 0.5), ({"elimination_blocks": ()}, 0.5)],
)
def test_elimination_is_off(changes: dict[str, object], keep_ratio: float) -> None:
    output = run(backbone(**changes), keep_ratio)
    assert output.removed == ()
    assert output.kept is output.search
    assert torch.equal(output.search, run(backbone(), 1.0).search)


def test_constants_change_nothing() -> None:
    model = backbone()
    before = run(model, 0.5).search
    with torch.no_grad():
        model.cls_token.fill_(9.0)
        model.pos_embed.fill_(9.0)
    assert torch.equal(before, run(model, 0.5).search)


def test_interpolation_to_the_same_grid_drops_the_class_token_only() -> None:
    plain = torch.randn(1, 1 + 25, 6)
    torch.testing.assert_close(interpolate_position_embedding(plain, 5), plain[:, 1:])
    assert interpolate_position_embedding(plain, 7).shape == (1, 49, 6)
    with pytest.raises(ShapeError, match=r"\(1, 24, 6\)"):
        interpolate_position_embedding(plain[:, :24], 7)
