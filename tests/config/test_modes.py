from __future__ import annotations

from typing import get_args

import pytest

from mtl.config.load import load
from mtl.config.modes import MODES, ModeName
from mtl.errors import ConfigError


def test_every_mode_has_its_traits() -> None:
    assert set(get_args(ModeName)) == set(MODES)


@pytest.mark.parametrize(
    ("mode", "head", "fusion", "stages"),
    [
        ("pretrained", False, "none", []),
        ("finetune_bbox", False, "none", ["full"]),
        ("mtl_hard", True, "none", ["head", "full"]),
        ("mtl_soft", True, "none", ["head", "full"]),
        ("mtl_multilabel", True, "none", ["head", "full"]),
        ("mtl_film", True, "film", ["head", "full"]),
    ],
)
def test_a_mode_decides_head_fusion_and_stages(
    mode: str, head: bool, fusion: str, stages: list[str]
) -> None:
    config = load("hiptrack", [f"mode={mode}"])
    assert (config.condition_head is not None) == head
    assert config.fusion == fusion
    # Stage `head` trains the condition head alone, so without one there is nothing to train in it.
    assert list(config.running_stages) == stages


def test_a_head_may_fuse_in_any_mode_that_has_one() -> None:
    config = load("hiptrack", ["mode=mtl_hard", "head.fusion=residual"])
    assert config.condition_head is not None
    assert config.condition_head.fusion == "residual"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mode=mtl_film", "head.fusion=residual"], "mode=mtl_film needs head.fusion=film"),
        (["mode=mtl"], "'mode' in the command line"),
        (["head.pool=class_token"], "needs model.family=simtrack"),
        (["mode=finetune_bbox", "stages.full.epochs=0"], "in which something learns"),
        (["model.family=mixtrack"], "'model.family' in preset 'hiptrack' must be one of"),
        (["weighting.kind=best"], "'weighting.kind' in preset 'hiptrack' must be one of"),
        (["weighting.temperature=2"], "needs the key 'kind'"),
        (["weighting={kind: dwa, temprature: 2}"], "did you mean 'weighting.temperature'?"),
        (["stages.full.freeze={neck: {}}"], "'neck' is no part of hiptrack; parts are backbone"),
        (["loss.label_smoothing=1"], "less than 1"),
        (["diagnostics.gradients_every=0"], "greater than 0"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_sentence(
    words: list[str], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load("hiptrack", words)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
