from __future__ import annotations

import time
from typing import Any

import torch

from mtl.comparison.timing import take_turns

CPU = torch.device("cpu")


class Sleep:
    """Takes a known time and says that it was called."""

    def __init__(self, name: str, seconds: float, calls: list[str]) -> None:
        self.name, self.seconds, self.calls = name, seconds, calls

    def __call__(self) -> None:
        self.calls.append(self.name)
        time.sleep(self.seconds)


def test_works_take_turns_and_are_compared_with_the_first() -> None:
    calls: list[str] = []
    works: dict[str, Any] = {"a": Sleep("a", 0.004, calls), "b": Sleep("b", 0.012, calls)}
    times = take_turns(works, rounds=3, calls=2, device=CPU)
    assert "".join(calls) == "ab" + "abab" + "baba" + "abab"
    assert times["a"].ratios == (1.0, 1.0, 1.0)
    low, middle, high = times["b"].ratios
    assert 0.0 < low <= middle <= high
    assert times["b"].seconds >= 0.012
