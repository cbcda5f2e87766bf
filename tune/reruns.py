"""The best trials trained again with other seeds: what is called best must be so on average."""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass
from typing import Any

from optuna.trial import TrialState

from mtl.config.run import RunConfig
from mtl.errors import ConfigError
from tune.checkpoints import clear_checkpoints
from tune.config import SearchConfig
from tune.outcome import read_outcome
from tune.study import Study


@dataclass(frozen=True)
class Confirmed:
    """A trial with its values over seeds."""

    number: int
    """Of the trial; 0 has the run's own values."""
    seeds: tuple[int, ...]
    """Seeds that it is compared by."""
    values: tuple[float, ...]
    """The first objective of each."""

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return statistics.fmean(self.values)

    @property
    def spread(self) -> float | None:
        """Standard deviation over seeds; none of a single one."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


class Reruns:
    """A source of runs (`tune.ray_tune.Source`): the best trials and the run's own values."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self.left = deque(job for job in _jobs(study) if _key(*job) not in study.optuna.user_attrs)
        self._begun: list[tuple[int, int]] = []

    def begin(self) -> tuple[int, RunConfig] | None:
        """The next run, numbered in the order in which they begin."""
        if not self.left:
            return None
        job = self.left.popleft()
        self._begun.append(job)
        return len(self._begun) - 1, self._run(*job)

    def told(self, number: int, epoch: int, metrics: dict[str, Any]) -> bool:
        """None is stopped early."""
        return False

    def stopped(self, number: int) -> None:
        """Never called: none is stopped early."""
        raise AssertionError(number)

    def failed(self, number: int, reason: str) -> None:
        """Note why a run has no value."""
        self._note(number, {"reason": reason})

    def finished(self, number: int) -> None:
        """Note a run's values."""
        run = self._run(*self._begun[number])
        outcome = read_outcome(self._study.folder / "reruns" / str(run.name), run)
        try:
            values = [one.value(outcome.metrics) for one in self._study.goal.objectives]
        except ConfigError as error:
            self.failed(number, str(error))
            return
        spent = outcome.spent
        note = {"values": values, "epochs": spent.epochs, "seconds": round(spent.seconds, 3)}
        self._note(number, note)
        clear_checkpoints(self._study.folder / "reruns" / str(run.name))

    def told_as(self, number: int) -> str:
        """A run in words."""
        trial, seed = self._begun[number]
        return f"trial {trial} again with seed {seed}"

    def _run(self, trial: int, seed: int) -> RunConfig:
        values = self._study.optuna.trials[trial].params
        name = f"trial-{trial:05d}-seed-{seed}"
        return self._study.placed(values, name, "reruns", seed=seed)

    def _note(self, number: int, note: dict[str, Any]) -> None:
        self._study.optuna.set_user_attr(_key(*self._begun[number]), note)


def runs_left(search: SearchConfig, study: Study | None) -> int:
    """Trials and runs with other seeds that a search has still to train.

    Args:
        search: as it is to go on.
        study: of it; none: it is new.
    """
    if study and not study.left:
        return len(Reruns(study).left)
    trials = study.left if study else search.trials
    return trials + ((search.reruns.top + 1) * search.reruns.seeds if search.reruns.top else 0)


def confirmed(study: Study) -> list[Confirmed]:
    """Trials that were trained again, the best on average first.

    They are compared over the seeds with which each of them came to its end; where a failure here
    and there left no such seed, over those that each has.
    """
    found: dict[int, dict[int, float]] = {}
    for trial, seed in _jobs(study):
        note = study.optuna.user_attrs.get(_key(trial, seed), {})
        if "values" in note:
            found.setdefault(trial, {})[seed] = note["values"][0]
    shared = set.intersection(*map(set, found.values())) if found else set()
    each = []
    for number, values in found.items():
        seeds = tuple(seed for seed in values if seed in shared or not shared)
        each.append(Confirmed(number, seeds, tuple(values[seed] for seed in seeds)))
    sign = 1.0 if study.goal.minimize[0] else -1.0
    return sorted(each, key=lambda one: (sign * one.mean, one.number))


def chosen(study: Study) -> int | None:
    """The trial that is called best; none: no trial came to its end."""
    again = confirmed(study)
    best = [trial.number for trial in _ranked(study)]
    return again[0].number if again else best[0] if best else None


def _key(trial: int, seed: int) -> str:
    """Where the study keeps what became of a run."""
    return f"rerun/{trial}/{seed}"


def _jobs(study: Study) -> list[tuple[int, int]]:
    """(trial, seed) of every run, seed by seed: an interrupted round has all trials equally."""
    reruns = study.search.reruns
    if not reruns.top:
        return []
    best = [trial.number for trial in _ranked(study)]
    numbers = [number for number in best if number != 0][: reruns.top]
    if any(trial.number == 0 for trial in study.trials(TrialState.COMPLETE)):
        numbers = [0, *numbers]
    seeds = [study.space.base.seed + 1 + k for k in range(reruns.seeds)]
    return [(number, seed) for seed in seeds for number in numbers]


def _ranked(study: Study) -> list[Any]:
    """Finished trials, the best in the first objective first; of several those on the front."""
    sign = 1.0 if study.goal.minimize[0] else -1.0
    return sorted(study.best(), key=lambda trial: (sign * trial.values[0], trial.number))
