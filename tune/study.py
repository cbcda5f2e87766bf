"""The study of a search: an Optuna study in a journal, which is the only memory a search has.

Whatever is interrupted, the journal knows every trial: finished ones keep their values, running
ones are begun again under their own number and go on from their last checkpoint.
"""

from __future__ import annotations

import warnings
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from mtl.config.run import RunConfig
from mtl.errors import ConfigError
from mtl.tasks.reported import is_loss
from tune.budget import budget_of
from tune.check import Goal
from tune.checkpoints import clear_checkpoints
from tune.config import SearchConfig
from tune.halving import Halving
from tune.journal import JOURNAL, open_journal, study_name
from tune.outcome import read_outcome
from tune.parameters import Values
from tune.sampler import Estimator, Ranking, final_budget, ranked, rung_budget
from tune.space import Space

DONE = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


def open_study(folder: Path, search: SearchConfig) -> optuna.Study:
    """The study of a search folder, made if it is not there."""
    storage = open_journal(folder / JOURNAL)
    study = optuna.create_study(
        storage=storage,
        study_name=study_name(storage, str(search.name)),
        directions=[objective.direction for objective in search.objectives],
        load_if_exists=True,
    )
    study.set_metric_names([objective.value for objective in search.objectives])
    return study


class Study:
    """Trials of a search, from their first values to their end."""

    def __init__(self, folder: Path, search: SearchConfig, space: Space, goal: Goal) -> None:
        self.folder = folder
        self.search, self.space, self.goal = search, space, goal
        self.optuna = open_study(folder, search)
        total = budget_of(space.base).total
        self.halving = Halving(search.halving, total, search.scheduler == "hyperband")
        running = [t.number for t in self.trials(TrialState.RUNNING)]
        self._unfinished = deque(running)
        self._before: dict[int, int] = {}

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Trials in these states, by number."""
        return self.optuna.get_trials(deepcopy=False, states=states)

    @property
    def left(self) -> int:
        """Trials that have not ended, of those that were asked for."""
        return max(0, self.search.trials - len(self.trials(*DONE)))

    def begin(self) -> tuple[int, RunConfig] | None:
        """The next trial with its run: an interrupted one, or a new one; none: all have begun."""
        while True:
            if self._unfinished:
                trial = self._continued(self._unfinished.popleft())
            else:
                begun = len(self.trials(*DONE, TrialState.RUNNING))
                if begun >= self.search.trials:
                    return None
                self.optuna.sampler = self._sampler(begun)
                trial = self.optuna.ask()
            try:
                return trial.number, self.run(trial.number, self.space.suggest(trial))
            except ConfigError as error:
                self._end(trial, TrialState.FAIL, reason=str(error))

    def run(self, number: int, values: Values) -> RunConfig:
        """The run of a trial."""
        return self.placed(values, f"trial-{number:05d}", "trials")

    def placed(self, values: Values, name: str, below: str, **changes: object) -> RunConfig:
        """A run with these values in the folder of the search."""
        storage = str(self.folder / below)
        return self.space.run(values, name=name, storage=storage, resume=False, **changes)

    def told(self, number: int, epoch: int, metrics: dict[str, Any]) -> bool:
        """Note a trial's validation; returns whether the trial stops here.

        Args:
            number: of the trial.
            epoch: of its run, which does not count those of teachers.
            metrics: of the validation.
        """
        value = metrics.get(self.goal.watched)
        if value is None or len(self.search.objectives) > 1:
            return False
        trial, epoch = self._trial(number), self.epochs_by(number, epoch)
        if epoch not in self._frozen(number).intermediate_values:
            trial.report(float(value), epoch)
        if self.search.scheduler == "none" or not self.halving.stops_at(number, epoch):
            return False
        return self._stops(trial, epoch)

    def epochs_by(self, number: int, epoch: int) -> int:
        """Epochs that a trial has trained by an epoch of its run, as the rungs count them."""
        if number not in self._before:
            run = self.run(number, self._frozen(number).params)
            self._before[number] = budget_of(run).before
        return self._before[number] + epoch

    def stopped(self, number: int) -> None:
        """End a trial that was stopped at a rung."""
        self._end(self._trial(number), TrialState.PRUNED)

    def failed(self, number: int, reason: str) -> None:
        """End a trial that cannot be trained."""
        self._end(self._trial(number), TrialState.FAIL, reason=reason)

    def finished(self, number: int) -> None:
        """End a trial that was trained and evaluated."""
        frozen = self._frozen(number)
        outcome = read_outcome(self.run_folder(number), self.run(number, frozen.params))
        try:
            values = [one.value(outcome.metrics) for one in self.goal.objectives]
        except ConfigError as error:
            self.failed(number, str(error))
            return
        self._end(self._trial(number), TrialState.COMPLETE, values=values)

    def run_folder(self, number: int) -> Path:
        """Where a trial's run is."""
        return self.folder / "trials" / f"trial-{number:05d}"

    def best(self) -> list[FrozenTrial]:
        """Finished trials, the best first; of several objectives those that none beats in all."""
        done = self.trials(TrialState.COMPLETE)
        if len(self.search.objectives) > 1:
            return list(self.optuna.best_trials) if done else []
        sign = 1.0 if self.goal.minimize[0] else -1.0
        return sorted(done, key=lambda trial: (sign * trial.values[0], trial.number))

    def enqueue_first(self, warm: list[Values]) -> None:
        """Ask for the run's own values first, then for those of an earlier search."""
        if self.optuna.get_trials(deepcopy=False):
            return
        for values in [self.space.own(), *warm]:
            self.optuna.enqueue_trial(dict(values), skip_if_exists=True)

    def _stops(self, trial: optuna.Trial, epoch: int) -> bool:
        """Whether a trial stops at a rung; decided once, however often the epoch is told."""
        own = self._frozen(trial.number)
        decision = f"stopped at epoch {epoch}"
        if decision in own.user_attrs:
            return bool(own.user_attrs[decision])
        if max(own.intermediate_values) > epoch:
            return False  # it went on already, in a search that did not note its decisions
        bracket = self.halving.bracket(trial.number)
        others = [
            other.intermediate_values[epoch]
            for other in self.optuna.get_trials(deepcopy=False)
            if other.number != trial.number
            and epoch in other.intermediate_values
            and self.halving.bracket(other.number) == bracket
        ]
        value = own.intermediate_values[epoch]
        stops = not self.halving.passes(value, others, is_loss(self.goal.watched))
        trial.set_user_attr(decision, stops)
        return stops

    def _continued(self, number: int) -> optuna.Trial:
        """An interrupted trial; values it has not drawn yet become what they would have been."""
        sampler = self.optuna.sampler = self._sampler(number)
        trial, frozen = self._trial(number), self._frozen(number)
        given = frozen.system_attrs.get("fixed_params", {})
        for name, distribution in frozen.distributions.items():
            if not (name in given or distribution.single() or name in trial.relative_params):
                sampler.sample_independent(self.optuna, frozen, name, distribution)
        return trial

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """A sampler for one trial; its seed is the trial's, however often the search began anew."""
        seed = int(np.random.SeedSequence([self.search.seed, number]).generate_state(1)[0])
        if self.search.sampler == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        return Estimator(self.search.startup_trials, seed, self._ranking(number))

    def _ranking(self, number: int) -> Ranking | None:
        """Trials in the order that another one learns from; none: all have the same budget."""
        if self.search.scheduler == "none":
            return None
        everyone = self.optuna.get_trials(deepcopy=False)
        others = [trial for trial in everyone if trial.number != number]
        rungs = (rung_budget(e, is_loss(self.goal.watched)) for e in self.halving.epochs[::-1])
        budgets = (final_budget(self.goal.minimize[0]), *rungs)
        return ranked(others, budgets, self.search.startup_trials)

    def _end(
        self,
        trial: optuna.Trial,
        state: TrialState,
        values: list[float] | None = None,
        reason: str | None = None,
    ) -> None:
        frozen = self._frozen(trial.number)
        if frozen.state.is_finished():
            return
        folder = self.run_folder(trial.number)
        spent = read_outcome(folder, self.space.base).spent
        trial.set_user_attr("seconds", round(spent.seconds, 3))
        trial.set_user_attr("epochs", spent.epochs)
        if reason:
            trial.set_user_attr("reason", reason)
        self.optuna.tell(trial.number, values, state)
        clear_checkpoints(folder)

    def _frozen(self, number: int) -> FrozenTrial:
        return self.optuna.get_trials(deepcopy=False)[number]

    def _trial(self, number: int) -> optuna.Trial:
        """A trial that this process may not have begun itself."""
        return optuna.Trial(self.optuna, self._frozen(number)._trial_id)
