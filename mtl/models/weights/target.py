"""The model that is to be filled: its entries, without their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import nn

from mtl.config.load import validate
from mtl.config.schema import RunConfig, TrackerRunConfig
from mtl.models.build import build_model
from mtl.models.class_order import HEAD
from mtl.models.freeze import Parted
from mtl.models.weights.stored import Shape


class Target:
    """What the model of some config wants to be filled with.

    Attributes:
        config: of a run with this model.
        family: of the model.
        shapes: of its entries, by name.
        dtypes: of its entries.
        unused: entries no output depends on.
    """

    def __init__(self, config: RunConfig) -> None:
        with torch.device("meta"):
            model = build_model(config)
        entries = model.state_dict()
        self.config = config
        self.family = config.model.family
        self.shapes: dict[str, Shape] = {name: tuple(t.shape) for name, t in entries.items()}
        self.dtypes = {name: tensor.dtype for name, tensor in entries.items()}
        counters = (name for name in entries if name.endswith("num_batches_tracked"))
        self.unused = {*counters, *_constants(model)}


def target_for(config: RunConfig, head: Mapping[str, str]) -> Target:
    """The model of a config, with a condition head exactly if the file has one.

    Args:
        config: sizes of the model.
        head: the file's entries of a condition head -> their names here.
    """
    if not isinstance(config, TrackerRunConfig):
        return Target(config)
    values: dict[str, Any] = config.model_dump(mode="json")
    if head:
        fuses = any(name.startswith(f"{HEAD}residual.") for name in head.values())
        values["head"]["fusion"] = "residual" if fuses else "none"
        values["mode"] = config.mode if config.traits.answers == "classes" else "mtl_hard"
    else:
        values["mode"] = "pretrained"
    return Target(validate(values, "the config of the import"))


def _constants(model: nn.Module) -> list[str]:
    constants = cast(Parted, model).constants()
    return [n for n, p in model.named_parameters() if any(p is constant for constant in constants)]
