"""Which parts of a model learn in a stage, and how those behave that do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, cast

import torch
from timm.layers import DropPath
from torch import nn

from mtl.config.schema import FrozenPart
from mtl.errors import ConfigError
from mtl.models.stochastic_depth import StochasticDepth


class Parted(Protocol):
    """What a model offers besides being a module."""

    def parts(self) -> dict[str, list[nn.Module]]:
        """The parts a stage can freeze, by the names of its config.

        A part may lie within one before it. It is frozen where either is named, and behaves as
        its own name says.
        """

    def constants(self) -> list[nn.Parameter]:
        """Parameters that never learn."""


def graph_if_learning(module: nn.Module) -> torch.set_grad_enabled:
    """Context in which no graph is built if nothing of the module learns."""
    learns = any(parameter.requires_grad for parameter in module.parameters())
    return torch.set_grad_enabled(torch.is_grad_enabled() and learns)


def freeze_parts(model: nn.Module, freeze: Mapping[str, FrozenPart]) -> None:
    """Set `requires_grad` of a `Parted` model: off in the named parts and its constants, else on.

    A part the model lacks (its condition head may be off) is nothing to freeze.

    Raises:
        ConfigError: if a name is none of the model's parts.
    """
    parts = cast(Parted, model).parts()
    for name in freeze:
        if name not in parts:
            raise ConfigError(
                f"'{name}' in a stage's freeze is no part of the model; parts are "
                f"{', '.join(parts)}."
            )
    model.requires_grad_(True)
    for name in freeze:
        for module in parts[name]:
            module.requires_grad_(False)
    for parameter in cast(Parted, model).constants():
        parameter.requires_grad_(False)


def apply_stage_mode(model: nn.Module, freeze: Mapping[str, FrozenPart]) -> None:
    """Train mode as a stage wants it; call this wherever one would call `model.train()`.

    A frozen part goes to eval mode if its `eval_mode` says so, and keeps dropping blocks at random
    only if its `stochastic_depth` says so.
    """
    model.train()
    for name, modules in cast(Parted, model).parts().items():
        how = freeze.get(name)
        if how is None:
            continue
        for part in modules:
            part.train(not how.eval_mode)
            for module in part.modules():
                if isinstance(module, (StochasticDepth, DropPath)):
                    module.train(how.stochastic_depth)
