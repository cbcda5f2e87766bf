from __future__ import annotations

import pytest
import torch

from mtl.config.schema import FrozenPart
from mtl.errors import ConfigError
from mtl.models.freeze import apply_stage_mode, freeze_parts
from tests.models.small import small_config, small_model

WITH_DEPTH = small_config(backbone={"drop_path": 0.5})


def draws(model: torch.nn.Module) -> torch.Tensor | None:
    return model.get_submodule("backbone.stochastic_depth")(2, 3, torch.device("cpu"))


def test_only_named_parts_stop_learning() -> None:
    model = small_model()
    freeze_parts(model, {"prompt": FrozenPart(), "condition_head": FrozenPart()})
    learning = {n.split(".")[0] for n, p in model.named_parameters() if p.requires_grad}
    assert learning == {"backbone", "box_head"}
    freeze_parts(model, {})
    still = {n for n, p in model.named_parameters() if not p.requires_grad}
    assert still == {"backbone.cls_token", "backbone.pos_embed"}


def test_every_learning_parameter_belongs_to_exactly_one_part() -> None:
    model = small_model()
    owned = [p for part in model.parts().values() for m in part for p in m.parameters()]
    assert len(owned) == len({id(p) for p in owned}) == len(list(model.parameters()))


@pytest.mark.parametrize("eval_mode", [True, False])
@pytest.mark.parametrize("stochastic_depth", [True, False])
def test_a_frozen_backbone_behaves_as_told(eval_mode: bool, stochastic_depth: bool) -> None:
    model = small_model(WITH_DEPTH)
    how = FrozenPart(eval_mode=eval_mode, stochastic_depth=stochastic_depth)
    for _ in range(2):  # again, as a loop does in every epoch
        model.eval()
        apply_stage_mode(model, {"backbone": how})
        assert model.backbone.blocks.training is not eval_mode
        assert (draws(model) is not None) is stochastic_depth
        assert model.box_head.training
    model.eval()
    assert draws(model) is None


def test_frozen_normalisation_keeps_its_statistics() -> None:
    model = small_model()
    frozen = {"box_head": FrozenPart(), "prompt": FrozenPart(eval_mode=False)}
    apply_stage_mode(model, frozen)
    assert not model.box_head.conv1_ctr.training
    assert model.HIP.encoder.bn1.training


def test_stochastic_depth_skips_at_its_rates() -> None:
    model = small_model(WITH_DEPTH).train()
    torch.manual_seed(0)
    factors = model.backbone.stochastic_depth(500, 4, torch.device("cpu"))
    assert factors is not None
    assert factors.shape == (3, 2, 500, 4)
    assert (factors[0] == 1).all()
    for number, rate in enumerate((0.0, 0.25, 0.5)):
        assert float((factors[number] == 0).float().mean()) == pytest.approx(rate, abs=0.03)
        assert float(factors[number].mean()) == pytest.approx(1.0, abs=0.06)


def test_a_missing_condition_head_is_nothing_to_freeze() -> None:
    model = small_model(head=None)
    freeze_parts(model, {"condition_head": FrozenPart()})
    apply_stage_mode(model, {"condition_head": FrozenPart()})


def test_an_unknown_part_is_named_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'backbon' in a stage's freeze .* backbone, prompt,"):
        freeze_parts(small_model(), {"backbon": FrozenPart()})
