from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from mtl.families import family_of
from tests.tune.made import carry_on, lines_of, study_of, write_lines
from tune.sampler import good_trials
from tune.study import Study

FEW = [
    *("run.data.synthetic.train_sequences=4", "run.data.synthetic.val_sequences=2"),
    *("run.data.synthetic.width=96", "run.data.synthetic.height=72"),
]
RISING = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]


def begun(study: Study) -> int:
    begin = study.begin()
    assert begin is not None
    return begin[0]


def test_the_first_trial_is_the_run_itself(tmp_path: Path) -> None:
    study = study_of(tmp_path / "s")
    begin = study.begin()
    assert begin is not None
    number, run = begin
    assert number == 0
    assert run.name == "trial-00000"
    assert run.loss == study.space.base.loss  # type: ignore[attr-defined]
    assert run.stages == study.space.base.stages


def test_finished_stopped_and_failed_trials_are_told_apart(tmp_path: Path) -> None:
    study = study_of(tmp_path / "s")
    carry_on(study, begun(study), RISING)
    carry_on(study, begun(study), [0.0] * 6)
    study.failed(begun(study), "no luck")
    states = [trial.state for trial in study.optuna.trials]
    assert states == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]
    stopped = study.optuna.trials[1]
    assert stopped.last_step == 3  # the rung at half of 6 epochs
    assert stopped.user_attrs["epochs"] == 3
    assert study.optuna.trials[2].user_attrs["reason"] == "no luck"
    assert study.optuna.trials[0].value == 0.6


def test_a_value_at_an_early_epoch_is_never_told_as_a_final_one(tmp_path: Path) -> None:
    study = study_of(tmp_path / "s")
    carry_on(study, begun(study), [0.9, 0.2, 0.3, 0.4, 0.5, 0.6])
    carry_on(study, begun(study), [0.95, 0.0, 0.2])
    assert study.optuna.trials[1].state is TrialState.PRUNED
    assert [trial.number for trial in study.best()] == [0]


def test_a_run_is_judged_by_the_weights_it_keeps(tmp_path: Path) -> None:
    study = study_of(tmp_path / "s", "objectives=[{value: ao}]", "halving.metric=iou")
    carry_on(study, begun(study), [0.1, 0.5, 0.3, 0.2, 0.2, 0.2], ao=0.45)
    assert study.optuna.trials[0].value == 0.45


def test_a_metric_that_never_came_fails_the_trial(tmp_path: Path) -> None:
    study = study_of(tmp_path / "s", "objectives=[{value: iou + accuracy}]")
    carry_on(study, begun(study), RISING)
    assert study.optuna.trials[0].state is TrialState.FAIL
    assert "did not report 'accuracy'" in study.optuna.trials[0].user_attrs["reason"]


def test_an_interrupted_trial_is_begun_again_with_its_values(tmp_path: Path) -> None:
    study = study_of(tmp_path / "s", "trials=4")
    carry_on(study, begun(study), RISING)
    before = study.begin()
    again = study_of(tmp_path / "s", "trials=4")
    assert again.left == 3
    assert again.begin() == before
    carry_on(again, 1, RISING)
    assert [begun(again), begun(again)] == [2, 3]
    assert again.begin() is None


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_an_interruption_changes_no_later_value(tmp_path: Path, sampler: str) -> None:
    words = [f"sampler={sampler}", "trials=8", "scheduler=none", "startup_trials=3"]

    def values(name: str, interrupted: bool) -> list[dict[str, object]]:
        study = study_of(tmp_path / name, *words)
        for number in range(8):
            if interrupted and number in (3, 6):
                study = study_of(tmp_path / name, *words)
            assert begun(study) == number
            score = study.optuna.trials[number].params["learning_rate"]
            carry_on(study, number, [score * 10] * 6)
        return [trial.params for trial in study.optuna.trials]

    straight = values("straight", interrupted=False)
    assert values("interrupted", interrupted=True) == straight
    assert len({trial["learning_rate"] for trial in straight}) == 8


@pytest.mark.parametrize("sampler", ["tpe", "random"])
@pytest.mark.parametrize("number", [2, 5])  # before and after the estimator has enough
def test_values_left_to_draw_are_drawn_as_if_nothing_had_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampler: str, number: int
) -> None:
    words = [f"sampler={sampler}", "trials=8", "scheduler=none", "startup_trials=3"]
    studies = [study_of(tmp_path / name, *words) for name in ("straight", "interrupted")]
    for each in range(number):
        for study in studies:
            carry_on(study, begun(study), [each / 10] * 6)
    begun(studies[0])

    drawn: list[str] = []
    suggest = optuna.Trial.suggest_float

    def killed(self: optuna.Trial, name: str, *rest: float, **how: Any) -> float:
        drawn.append(name)
        if len(drawn) > 1:
            raise KeyboardInterrupt
        return suggest(self, name, *rest, **how)

    with monkeypatch.context() as patch:
        patch.setattr("optuna.Trial.suggest_float", killed)
        with pytest.raises(KeyboardInterrupt):
            studies[1].begin()
    again = study_of(tmp_path / "interrupted", *words)
    assert len(again.optuna.trials[number].params) < len(again.space.parameters)
    assert begun(again) == number
    assert again.optuna.trials[number].params == studies[0].optuna.trials[number].params


@pytest.mark.parametrize(
    ("ended", "good"), [(1, 1), (3, 2), (10, 4), (24, 5), (100, 10), (240, 24), (1000, 25)]
)
def test_few_trials_have_more_than_one_good_one(ended: int, good: int) -> None:
    assert good_trials(ended) == good


def test_the_sampler_learns_from_as_many_good_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def counted(ended: int) -> int:
        asked.append(ended)
        return good_trials(ended)

    monkeypatch.setattr("tune.sampler.good_trials", counted)
    study = study_of(tmp_path / "s", "trials=5", "startup_trials=3", "scheduler=none")
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)  # nothing a user would have to read
        for _ in range(5):
            carry_on(study, begun(study), RISING)
    assert asked == [3, 4]


def test_a_validation_told_twice_counts_once(tmp_path: Path) -> None:
    study = study_of(tmp_path / "s")
    number = begun(study)
    study.told(number, 1, {"iou": 0.3})
    study.told(number, 1, {"iou": 0.4})
    assert study.optuna.trials[0].intermediate_values == {1: 0.3}


def test_a_stopped_trial_keeps_no_checkpoint(tmp_path: Path) -> None:
    study = study_of(tmp_path / "s")
    carry_on(study, begun(study), RISING)
    number = begun(study)
    for place in ("checkpoints/step-00000001", "teachers/det/checkpoints/step-00000001"):
        (study.run_folder(number) / place).mkdir(parents=True)
    study.stopped(number)
    assert not list(study.run_folder(number).rglob("checkpoints"))


def test_several_objectives_keep_their_front(tmp_path: Path) -> None:
    words = ["objectives=[{value: ao}, {value: 1/fps, direction: minimize}]", "scheduler=none"]
    study = study_of(tmp_path / "s", *words)
    for ao, fps in ((0.5, 10.0), (0.4, 20.0), (0.3, 5.0)):
        carry_on(study, begun(study), RISING, ao=ao, fps=fps)
    assert sorted(trial.number for trial in study.best()) == [0, 1]


def test_trials_are_evaluated_only_where_an_objective_asks(tmp_path: Path) -> None:
    one = study_of(tmp_path / "one").begin()
    other = study_of(tmp_path / "other", "objectives=[{value: ao}]").begin()
    assert one is not None
    assert other is not None
    assert one[1].evaluation.splits == ()  # type: ignore[attr-defined]
    assert other[1].evaluation.splits == ("val",)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("value", "splits"), [("ao", ("val",)), ("iou", ())])
def test_trials_have_the_splits_of_the_data_they_share(
    tmp_path: Path, value: str, splits: tuple[str, ...]
) -> None:
    words = [f"objectives=[{{value: {value}}}]", "run.evaluation.splits=[test]", *FEW]
    study = study_of(tmp_path / "s", *words)
    begin = study.begin()
    assert begin is not None
    assert begin[1].evaluation.splits == splits  # type: ignore[attr-defined]
    assert tuple(family_of(study.space.base).indices().final) == splits


def test_the_final_evaluation_belongs_to_the_best_weights(tmp_path: Path) -> None:
    from tune.outcome import read_outcome

    study = study_of(tmp_path / "s")
    write_lines(tmp_path / "run", lines_of([0.2, 0.6, 0.4], ao=0.7))
    outcome = read_outcome(tmp_path / "run", study.space.base)
    assert outcome.metrics["iou"] == 0.6
    assert outcome.metrics["ao"] == 0.7
    assert outcome.spent == (3, 7.5, 768)
