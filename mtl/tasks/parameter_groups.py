"""Optimiser groups that every family has: a backbone at its own rate, and the rest."""

from __future__ import annotations

from typing import Any, cast

from torch import nn

from mtl.config.schema import StageConfig
from mtl.models.freeze import Parted


def backbone_and_rest(model: nn.Module, stage: StageConfig) -> list[dict[str, Any]]:
    """What learns of the backbone at its own rate, and what else learns at the stage's rate."""
    parts = cast(Parted, model).parts()
    slow = {id(x) for module in parts["backbone"] for x in module.parameters()}
    learning = [x for x in model.parameters() if x.requires_grad]
    backbone = [x for x in learning if id(x) in slow]
    rest = [x for x in learning if id(x) not in slow]
    rates = (stage.learning_rate * stage.backbone_lr_ratio, stage.learning_rate)
    return [
        {"params": parameters, "lr": rate}
        for parameters, rate in zip((backbone, rest), rates, strict=True)
        if parameters
    ]
