"""Where the values of the next trial come from: chance, or an estimator of what good trials have.

Trials that are stopped early leave values of several budgets. The estimator learns from one
budget at a time, the highest that enough trials have reached (Falkner et al., BOHB, ICML 2018);
those that were stopped before it come behind, in the order of what they had reached.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState


class Budget(NamedTuple):
    """A length of training after which trials have a value."""

    value: Callable[[FrozenTrial], float | None]
    """Of a trial; none: it did not get there."""
    minimize: bool
    """Whether smaller values are better."""


def final_budget(minimize: bool) -> Budget:
    """The whole training, with the objective's value."""

    def value(trial: FrozenTrial) -> float | None:
        return trial.values[0] if trial.state is TrialState.COMPLETE else None

    return Budget(value, minimize)


def rung_budget(epoch: int, minimize: bool) -> Budget:
    """Training until an epoch, with the value that was told then; a trial may still run."""
    return Budget(lambda trial: trial.intermediate_values.get(epoch), minimize)


class Ranking(NamedTuple):
    """Trials in the order of what they reached."""

    best_first: tuple[FrozenTrial, ...]
    """All that have a value, then those that have only begun, so that none is begun twice."""
    compared: int
    """How many of them, from the first on, were compared at one budget."""


def ranked(trials: Sequence[FrozenTrial], budgets: Sequence[Budget], enough: int) -> Ranking:
    """Compare trials at the highest budget that enough of them have reached.

    Args:
        trials: of a study; those that failed do not count.
        budgets: the highest first.
        enough: trials that make a comparison; at the lowest budget any number does.
    """
    left = [trial for trial in trials if trial.state is not TrialState.FAIL]
    order: list[FrozenTrial] = []
    compared = 0
    for budget in budgets:
        worth = {t.number: _worth(t, budget) for t in left if budget.value(t) is not None}
        if not compared and len(worth) < enough and budget is not budgets[-1]:
            continue
        there = [trial for trial in left if trial.number in worth]
        order += sorted(there, key=lambda trial: (-worth[trial.number], trial.number))
        compared = compared or len(there)
        left = [trial for trial in left if trial.number not in worth]
    begun = [trial for trial in left if trial.state is TrialState.RUNNING and compared]
    return Ranking((*order, *begun), compared)


def _worth(trial: FrozenTrial, budget: Budget) -> float:
    value = float(budget.value(trial))  # type: ignore[arg-type]
    if math.isnan(value):
        return -math.inf
    return -value if budget.minimize else value


def good_trials(compared: int) -> int:
    """How many of these trials the estimator takes for good ones: their root, at most 25.

    From 100 trials on it is Optuna's own rule, a tenth; of ten trials that would be a single one.
    """
    return min(math.ceil(max(math.sqrt(compared), compared / 10)), 25)


class Estimator(optuna.samplers.TPESampler):
    """Optuna's tree-structured Parzen estimator, of each parameter alone, for one trial.

    It may be shown other values of trials than those of the study that it samples for.
    """

    def __init__(self, startup: int, seed: int, ranking: Ranking | None = None) -> None:
        """Choose what it learns from.

        Args:
            startup: trials by chance before it has enough to learn from.
            seed: of the trial.
            ranking: what it sees; none: the study's own trials, which all have one budget.
        """
        with warnings.catch_warnings():
            # Optuna 6 will not take gamma any more; until then there is nothing in its place.
            warnings.filterwarnings("ignore", ".*gamma", FutureWarning)
            super().__init__(
                n_startup_trials=startup,
                gamma=lambda ended: good_trials(ranking.compared if ranking else ended),
                constant_liar=ranking is None,  # of a ranking those that run are a part
                seed=seed,
            )
        self._seen = _as_study(ranking) if ranking else None

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """See `optuna.samplers.BaseSampler`."""
        seen = self._seen or study
        return super().sample_independent(seen, trial, param_name, param_distribution)


def _as_study(ranking: Ranking) -> optuna.Study:
    """A study in memory, of which each trial's value is its place."""
    study = optuna.create_study()
    places = {trial.number: place for place, trial in enumerate(ranking.best_first)}
    study.add_trials(
        optuna.trial.create_trial(
            params=trial.params, distributions=trial.distributions, value=places[trial.number]
        )
        for trial in sorted(ranking.best_first, key=lambda trial: trial.number)
    )
    return study
