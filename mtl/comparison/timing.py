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
    """Time each work once a round, the first of the round another one each time.

    Args:
        works: by name; ratios are to the first.
        rounds: how often.
        calls: of each work in a round, whose mean counts.
        device: where they run.
    """
    for work in works.values():
        work()
    names = list(works)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            seconds[name].append(_seconds(works[name], calls, device))
    base = seconds[names[0]]
    return {
        name: Times(median(taken), _spread([a / b for a, b in zip(taken, base, strict=True)]))
        for name, taken in seconds.items()
    }


def _spread(ratios: list[float]) -> tuple[float, float, float]:
    return min(ratios), median(ratios), max(ratios)


def _seconds(work: Work, calls: int, device: torch.device) -> float:
    """Mean of some calls; on a GPU by its own clock."""
    if device.type == "cuda":
        before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize(device)
        before.record()
        for _ in range(calls):
            work()
        after.record()
        torch.cuda.synchronize(device)
        return before.elapsed_time(after) / 1000.0 / calls
    start = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - start) / calls
