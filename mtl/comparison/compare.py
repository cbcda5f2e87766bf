"""All measurements of one config's variants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from mtl.comparison.counts import flops, parameters
from mtl.comparison.peak_memory import peak_memory
from mtl.comparison.timing import Times, take_turns
from mtl.comparison.variants import Variant
from mtl.comparison.work import WORKS, Work

CALLS = {"training step": 3, "tracked frame": 25}
"""How often each work is done in a round; a frame is short."""


class WorkCost(NamedTuple):
    """What doing something costs."""

    flops: int
    times: Times
    peak_bytes: int


class Cost(NamedTuple):
    """What a variant costs."""

    variant: Variant
    parameters: int
    """Of the model."""
    head_parameters: int
    """Of the condition head with its fusion."""
    works: dict[str, WorkCost]
    """By the names in WORKS."""


def compare(
    variants: Sequence[Variant], rounds: int, device: torch.device, tell: Callable[[str], None]
) -> list[Cost]:
    """Measure the variants of one config; ratios of times are to the first.

    Args:
        variants: from `variants_of`.
        rounds: in which each is timed once.
        device: where they run.
        tell: is told what is being measured.
    """
    costs: dict[str, dict[str, WorkCost]] = {variant.name: {} for variant in variants}
    for name, kind in WORKS.items():
        what = f"{variants[0].source}, {name}"
        tell(f"{what}: operations")
        works: dict[str, Work] = {v.name: kind(v.config, device) for v in variants}
        counted = {variant: flops(work) for variant, work in works.items()}
        tell(f"{what}: times")
        times = take_turns(works, rounds, CALLS[name], device)
        works.clear()  # their memory is needed by the processes that follow
        for variant in variants:
            tell(f"{what}: memory with {variant.name}")
            peak = peak_memory(variant.config, name, device)
            costs[variant.name][name] = WorkCost(counted[variant.name], times[variant.name], peak)
    return [Cost(v, *parameters(v.config), costs[v.name]) for v in variants]
