"""What an exported program is: a function of tensors, and the meaning of each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from mtl.models.condition_head import ConditionHead
from mtl.models.tracker import OnlineModel, TrackOutput

Run = Callable[[Sequence[Tensor]], list[Tensor]]
"""A program that was read from a file: its inputs in order to its outputs in order."""


class Port(NamedTuple):
    """An input or an output of a program."""

    name: str
    shape: tuple[int, ...]
    meaning: str
    dtype: torch.dtype = torch.float32
    tolerance: float = 0.0
    """Of an output: how far a file may be from the model, over its largest value if above 1."""

    def random(self, generator: torch.Generator) -> Tensor:
        """Values that an input could have: standard normal, or zero where it counts."""
        if self.dtype == torch.int64:
            return torch.zeros(self.shape, dtype=self.dtype)
        return torch.randn(self.shape, generator=generator)


class Program(NamedTuple):
    """A module whose forward takes and returns the tensors of its ports, in their order."""

    name: str
    module: nn.Module
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def random_inputs(self, seed: int = 0) -> tuple[Tensor, ...]:
        """One tensor for each input."""
        generator = torch.Generator().manual_seed(seed)
        return tuple(port.random(generator) for port in self.inputs)


class Rehearsal(NamedTuple):
    """Frames of one sequence that show whether a program follows the model."""

    memory: Any
    """The model's memory before the first of them."""
    indices: tuple[int, ...]
    """Their numbers."""


class Exportable(Protocol):
    """A model, its two programs, and what is needed to hold one against the other.

    The inputs of `step` are the outputs of `start`, the search crop, the tensors of the memory, and
    what tells frames apart. Its outputs are box and score, the tensors of the memory after the
    frame and, if it answers with them, the conditions.
    """

    @property
    def model(self) -> OnlineModel:
        """In eval mode."""

    @property
    def answer(self) -> Answer:
        """What the step says of a frame."""

    @property
    def start(self) -> Program:
        """What a template gives once."""

    @property
    def step(self) -> Program:
        """The step that follows the target."""

    def memory_tensors(self, memory: Any) -> tuple[Tensor, ...]:
        """Copies of the model's memory as the step takes it."""

    def frame_tensors(self, index: int, size_features: Tensor) -> tuple[Tensor, ...]:
        """What the step is told of a frame besides crop and memory."""

    def rehearsals(self) -> list[Rehearsal]:
        """Sequences in which everything happens that a step can do."""


class Answer(NamedTuple):
    """What a step says of a frame."""

    window: Tensor | None
    """(h, w) that the score map is weighed with; none for a corner head."""
    head: ConditionHead | None
    """Whose probabilities it gives; none: it gives none."""

    @property
    def conditions(self) -> bool:
        """Whether conditions are part of it."""
        return self.head is not None

    def box_and_score(self, found: TrackOutput) -> tuple[Tensor, Tensor]:
        """(B, 4) cxcywh over the side of the search crop, and (B,)."""
        return found.maps.decode(self.window)

    def probabilities(self, found: TrackOutput) -> tuple[Tensor, ...]:
        """(B, 10), if conditions are part of it."""
        if self.head is None or found.condition_logits is None:
            return ()
        return (self.head.probabilities(found.condition_logits),)


BOX_PIXELS = 1e-3
"""Pixels of the search crop by which an exported program's box may differ."""


def template_ports(size: int) -> tuple[Port, Port]:
    """Inputs of a start program; `size` is the side of the template crop."""
    return (
        Port("template", (1, 3, size, size), "template crop, RGB, normalised"),
        Port("template_box_xywh", (1, 4), "box in the template crop over its side: x, y, w, h"),
    )


def search_port(size: int) -> Port:
    """The search crop, `size` its side."""
    return Port("search", (1, 3, size, size), "search crop, RGB, normalised")


def size_feature_ports(head: ConditionHead | None) -> tuple[Port, ...]:
    """What a head that runs wants to know about scale."""
    if head is None or not head.size_features:
        return ()
    meaning = (
        "log of the side sqrt(w h) in pixels of the box that was cropped around: over that of the "
        "first box, and over 100"
    )
    return (Port("size_features", (1, 2), meaning),)


def box_ports(search_size: int) -> tuple[Port, Port]:
    """What every step finds."""
    box = "box in the search crop over its side: centre x, centre y, w, h"
    return (
        Port("box_cxcywh", (1, 4), box, tolerance=BOX_PIXELS / search_size),
        Port("score", (1,), "confidence in (0, 1)", tolerance=1e-4),
    )


def condition_ports(answer: Answer) -> tuple[Port, ...]:
    """What a step says about conditions."""
    if answer.head is None:
        return ()
    meaning = f"probabilities of {', '.join(answer.head.names)}"
    return (Port("conditions", (1, len(answer.head.names)), meaning, tolerance=1e-4),)
