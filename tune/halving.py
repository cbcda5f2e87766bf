"""Which trials go on at a rung: successive halving without waiting (Li et al., MLSys 2020).

The decision is a function of the values that trials had at the rung so far, so a search that was
interrupted decides as one that was not. Trials are stopped only; none is paused and promoted later.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from tune.config import HalvingConfig


class Halving:
    """Rungs in epochs, and who passes them."""

    def __init__(self, config: HalvingConfig, total: int, brackets: bool) -> None:
        """Place the rungs.

        Args:
            config: their shares.
            total: epochs of a trial.
            brackets: whether trials take turns in starting at a later rung (Hyperband).
        """
        self.epochs = tuple(max(1, math.ceil(share * total - 1e-9)) for share in config.rungs)
        self._total = total
        self._factor = config.reduction_factor
        self._brackets = len(self.epochs) + 1 if brackets else 1

    def bracket(self, trial: int) -> int:
        """Rungs that a trial passes unseen; trials of a bracket are compared with each other."""
        return trial % self._brackets

    def stops_at(self, trial: int, epoch: int) -> bool:
        """Whether a trial is looked at after this epoch.

        Never the first trial, which is the yardstick, and none after its last epoch.
        """
        return trial > 0 and epoch < self._total and epoch in self.epochs[self.bracket(trial) :]

    def passes(self, value: float, others: Iterable[float], minimize: bool) -> bool:
        """Whether a value is among the best of those at its rung, itself included."""
        sign = -1.0 if minimize else 1.0
        rest = list(others)
        better = sum(sign * other > sign * value for other in rest)
        return better < max(1, math.floor((len(rest) + 1) / self._factor))
