from __future__ import annotations

import pytest

from mtl.comparison.variants import variants_of
from mtl.errors import ConfigError


def test_variants_differ_in_the_head_alone() -> None:
    off, *fused = variants_of("demo", ["seed=5"])
    assert [variant.name for variant in fused] == ["none", "residual", "film"]
    assert off.config.condition_head is None
    for variant in fused:
        assert variant.config.fusion == variant.name
        assert variant.config.seed == 5
        assert variant.config.model == off.config.model
        assert variant.config.training == off.config.training


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("finetune_bbox", "mtl_hard"),
        ("pretrained", "mtl_hard"),
        ("mtl_soft", "mtl_soft"),
        ("mtl_film", "mtl_multilabel"),
    ],
)
def test_the_mode_says_what_the_heads_learn(given: str, used: str) -> None:
    off, *fused = variants_of("demo", [f"mode={given}"])
    assert off.config.mode == "finetune_bbox"
    assert {variant.config.mode for variant in fused} == {used}


def test_what_the_comparison_varies_cannot_be_set() -> None:
    with pytest.raises(ConfigError, match=r"sets head.fusion; leave out 'head.fusion=film'"):
        variants_of("demo", ["head.fusion=film"])
