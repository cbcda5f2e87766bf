"""What is left of tasks that were learned one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from mtl.evaluation.unified.measured import Measured, delta_m


class Outcome(NamedTuple):
    """One way of learning several tasks, measured after each of its phases."""

    name: str
    """Of the way."""
    phases: Sequence[tuple[str, Mapping[str, float]]]
    """The task that was learned last (empty: all at once) and the metric of every task learned so
    far, higher is better, NaN where there was nothing to measure; phase after phase."""

    @property
    def end(self) -> Mapping[str, float]:
        """Each task's metric when everything has been learned."""
        return self.phases[-1][1]

    def forgetting(self) -> dict[str, float]:
        """Each earlier task's metric right after it was learned, minus at the end.

        Chaudhry et al. (ECCV 2018) take the best it ever was in place of the first; the two differ
        only where a later phase helped.
        """
        return {task: found[task] - self.end[task] for task, found in self.phases[:-1] if task}

    def average(self) -> float:
        """Mean of all tasks' metrics at the end; NaN where one is."""
        return fmean(self.end.values())

    def backward_transfer(self) -> float | None:
        """What later phases did to earlier tasks: minus the mean of `forgetting`.

        BWT of Lopez-Paz and Ranzato (NeurIPS 2017, equation 3); below 0 is forgotten. None where
        nothing was learned earlier.
        """
        found = self.forgetting()
        return -fmean(found.values()) if found else None

    def delta_m(self, single: Mapping[str, float]) -> float:
        """Average relative change against single-task models, as `measured.delta_m`."""
        return delta_m(
            {task: (Measured(x), Measured(single[task])) for task, x in self.end.items()}
        ).value
