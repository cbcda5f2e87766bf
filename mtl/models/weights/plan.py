"""Which entry of a file becomes which entry of a model, decided by names and shapes alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor

from mtl.models.weights.stored import Shape

Shapes = Mapping[str, Shape]
"""Entries of a file or a model, by name."""


class Move(NamedTuple):
    """One entry of the model and where it comes from."""

    source: str
    """Its name in the file."""
    target: str
    """Its name in the model."""
    shape: Shape
    """After the change."""
    change: Callable[[Tensor], Tensor] | None = None
    """What happens to it on the way besides a change of its element type."""
    resized: bool = False
    """Whether that makes up numbers the file does not have."""


@dataclass(frozen=True)
class Plan:
    """What is to be taken from a file."""

    moves: list[Move]
    """Also to entries that the model may turn out not to have."""
    scope: re.Pattern[str]
    """Entries of the model that a file of this kind must fill..."""
    optional: Mapping[str, str] = field(default_factory=dict)
    """...but for these; and why they may be missing."""
    ignored: Mapping[str, str] = field(default_factory=dict)
    """Entries of the file that no model has a use for, and why."""
    notes: tuple[str, ...] = ()
    """What else a user should know about such a file."""


def renamed(shapes: Shapes, targets: Mapping[str, str]) -> list[Move]:
    """Moves of entries as they are; `targets` gives their new names."""
    return [Move(source, target, shapes[source]) for source, target in targets.items()]
