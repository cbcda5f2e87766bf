"""Times of several works, taken in turns so that a busy machine treats them alike."""

from __future__ import annotations

import time
from collections.abc import Mapping
from statistics import median
from typing import NamedTuple

import torch

from mtl.comparison.work import Work


class Times(NamedTuple):
    """Seconds of a work, and how they compare with the first work's in the same round."""

    seconds: float
    """Median over rounds."""
    ratios: tuple[float, float, float]
    """Smallest, median and largest over rounds."""


def take_turns(
    works: Mapping[str, Work], rounds: int, calls: int, device: torch.device
) -> dict[str, Times]:
    """Time each work in rounds, another one being the first in each.

    Args:
        works: by name; ratios are to the first.
        rounds: how often they are compared.
        calls: of each work in a round, call by call in turns; their median counts.
        device: where they run.
    """
    for work in works.values():
        work()
    names = list(works)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        order = (*names[first:], *names[:first])
        taken = [{name: _seconds(works[name], device) for name in order} for _ in range(calls)]
        for name in names:
            seconds[name].append(median(turn[name] for turn in taken))
    base = seconds[names[0]]
    return {
        name: Times(median(own), _spread([a / b for a, b in zip(own, base, strict=True)]))
        for name, own in seconds.items()
    }


def _spread(ratios: list[float]) -> tuple[float, float, float]:
    return min(ratios), median(ratios), max(ratios)


def _seconds(work: Work, device: torch.device) -> float:
    """Of one call; on a GPU by its own clock."""
    if device.type == "cuda":
        before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize(device)
        before.record()
        work()
        after.record()
        torch.cuda.synchronize(device)
        return before.elapsed_time(after) / 1000.0
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
