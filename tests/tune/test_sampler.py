"""What the estimator of good values learns from."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from tests.tune.made import lines_of, study_of, write_lines
from tune.sampler import Estimator, final_budget, ranked, rung_budget

SPACE = {"x": FloatDistribution(0.0, 1.0)}


def trial(number: int, x: float, told: dict[int, float], end: float | None = None) -> FrozenTrial:
    made = optuna.trial.create_trial(
        params={"x": x},
        distributions=dict(SPACE),
        state=TrialState.PRUNED if end is None else TrialState.COMPLETE,
        value=end,
        intermediate_values=told,
    )
    made.number = number
    return made


def order(trials: list[FrozenTrial], enough: int) -> tuple[list[int], int]:
    budgets = (final_budget(minimize=False), rung_budget(6, True), rung_budget(3, True))
    found = ranked(trials, budgets, enough)
    return [one.number for one in found.best_first], found.compared


STOPPED = [
    trial(0, 0.1, {3: 0.9, 6: 0.8}, 0.3),
    trial(1, 0.2, {3: 0.5, 6: 0.4}, 0.7),
    trial(2, 0.3, {3: 0.6, 6: 0.7}),
    trial(3, 0.4, {3: 0.8}),
    trial(4, 0.5, {3: 0.7}),
]


@pytest.mark.parametrize(
    ("enough", "wanted", "compared"),
    [
        (2, [1, 0, 2, 4, 3], 2),  # by the objective, which is larger the better
        (3, [1, 2, 0, 4, 3], 3),  # by the loss after 6 epochs
        (4, [1, 2, 4, 3, 0], 5),  # by the loss after 3, which all have
        (9, [1, 2, 4, 3, 0], 5),
    ],
)
def test_trials_are_compared_at_the_highest_budget_that_enough_have_reached(
    enough: int, wanted: list[int], compared: int
) -> None:
    assert order(STOPPED, enough) == (wanted, compared)


def test_a_trial_that_still_runs_counts_where_it_has_been_and_one_that_failed_nowhere() -> None:
    running, failed, begun = trial(5, 0.6, {3: 0.4}), trial(6, 0.7, {3: 0.1}), trial(7, 0.8, {})
    running.state = begun.state = TrialState.RUNNING
    failed.state = TrialState.FAIL
    assert order([*STOPPED, running, failed, begun], 4) == ([5, 1, 2, 4, 3, 0, 7], 6)
    assert order([begun], 4) == ([], 0)


def test_a_value_that_is_no_number_is_the_worst() -> None:
    assert order([trial(0, 0.1, {3: math.nan}), *STOPPED[1:]], 9)[0][-1] == 0


def test_the_estimator_goes_where_the_best_at_a_rung_are_whatever_ended_first() -> None:
    """Optuna takes trials that ended for better than all that were stopped, here two poor ones."""
    xs = np.linspace(0, 1, 20)
    trials = [trial(n, x, {3: abs(x - 0.7)}) for n, x in enumerate(xs)]
    for number in (1, 2):
        trials[number] = trial(number, xs[number], {3: abs(xs[number] - 0.7), 6: 0.9}, 0.1)
    budgets = (final_budget(minimize=False), rung_budget(6, True), rung_budget(3, True))
    drawn = []
    for seed in range(20):
        sampler = Estimator(5, seed, ranked(trials, budgets, enough=5))
        study = optuna.create_study(direction="maximize", sampler=sampler)
        drawn.append(study.ask(SPACE).params["x"])
    assert abs(float(np.median(drawn)) - 0.7) < 0.1


def test_a_search_learns_from_the_loss_at_its_rungs(tmp_path: Path) -> None:
    """A loss is compared at the rungs of a search whose objective is larger the better."""
    words = ["trials=30", "startup_trials=4", "halving.metric=loss/l1", "halving.rungs=[0.5]"]
    study = study_of(tmp_path / "s", *words)
    rates = []
    for _ in range(25):
        begin = study.begin()
        assert begin is not None
        number = begin[0]
        rates.append(study.optuna.trials[number].params["learning_rate"])
        loss = abs(math.log10(rates[-1]) + 3.5)
        write_lines(study.run_folder(number), lines_of([1 - loss / 10] * 6))
        if study.told(number, 3, {"loss/l1": loss, "epoch": 3}):
            study.stopped(number)
        else:
            study.finished(number)
    states = [one.state for one in study.optuna.trials]
    assert states.count(TrialState.PRUNED) > 5
    far = [abs(math.log10(rate) + 3.5) for rate in rates]
    assert np.mean(far[-10:]) < np.mean(far[1:5])
    assert np.median(far[-10:]) < 0.5
