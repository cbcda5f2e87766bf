"""What a trial tells when it is begun again, without Ray."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray
import torch
from optuna.trial import TrialState

from mtl.config.load import load
from mtl.config.run import RunConfig
from mtl.errors import AwayError, DataError
from mtl.families import family_of
from mtl.training.run_folder import RunFolder
from mtl.training.state import TrainingState
from tests.tune.made import carry_on, lines_of, study_of, write_lines
from tune import trial
from tune.study import Study


class Interrupted(BaseException):
    """The search was killed."""


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was reported to Tune, instead of reporting it."""
    told: list[dict[str, Any]] = []
    monkeypatch.setattr("tune.trial.tune.report", told.append)
    return told


def training(values: list[float]) -> Callable[..., None]:
    """Stands for `carry_out`: an epoch for each value that the state has not trained yet."""

    def carry_out(
        run: RunConfig, indices: Any, device: Any, state: TrainingState, post: Any, keep: Any
    ) -> None:
        for epoch in range(len(state.history) // 2 + 1, len(values) + 1):
            lines = lines_of(values[:epoch])[-2:]
            state.step = lines[-1]["step"]
            state.history += lines
            keep({k: v for k, v in lines[-1].items() if k != "split"}, state)

    return carry_out


def train(run: RunConfig) -> None:
    trial._carry_out(run, None, torch.device("cpu"), tells=True)  # type: ignore[arg-type]


def test_a_validation_that_was_kept_but_not_told_is_told_when_the_trial_begins_again(
    tmp_path: Path, reported: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_of(tmp_path / "s")
    begun = study.begin()
    assert begun is not None
    run = begun[1]
    monkeypatch.setattr("tune.trial.carry_out", training([0.1, 0.2, 0.3, 0.4]))

    def killed(metrics: dict[str, Any]) -> None:
        if metrics["epoch"] == 3:
            raise Interrupted
        reported.append(metrics)

    with monkeypatch.context() as patch:
        patch.setattr("tune.trial.tune.report", killed)
        with pytest.raises(Interrupted):
            train(run)
    assert len(RunFolder(run.storage, str(run.name)).checkpoints.last().state.history) == 6
    assert [line["epoch"] for line in reported] == [1, 2]
    train(run)
    assert [(line["epoch"], line["iou"]) for line in reported] == [
        (1, 0.1),
        (2, 0.2),
        (3, 0.3),
        (4, 0.4),
    ]


def test_a_new_trial_and_a_teacher_tell_nothing_of_before(
    tmp_path: Path, reported: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = study_of(tmp_path / "s").begin()
    assert begun is not None
    monkeypatch.setattr("tune.trial.carry_out", lambda *arguments: None)
    train(begun[1])
    state = TrainingState(step=16, history=lines_of([0.1]))
    RunFolder(begun[1].storage, str(begun[1].name)).checkpoints.save(state, {}, keep=1)
    trial._carry_out(begun[1], None, torch.device("cpu"), tells=False)  # type: ignore[arg-type]
    assert reported == []


def test_of_several_workers_every_validation_is_told_again(
    tmp_path: Path, reported: list[dict[str, Any]]
) -> None:
    write_lines(tmp_path / "run", lines_of([0.1, 0.2, 0.3]))
    folder = RunFolder(str(tmp_path), "run")
    assert sum(1 for _ in trial._tell_new(folder, 0)) == 3
    assert sum(1 for _ in trial._tell_new(folder, 2)) == 1
    assert [line["epoch"] for line in reported] == [1, 2, 3, 3]


def at_the_rung(tmp_path: Path) -> Study:
    """A study whose trial 1 stands at the rung with nobody better but trial 0."""
    study = study_of(tmp_path / "s", "halving.reduction_factor=2")
    for _ in range(4):
        assert study.begin()
    carry_on(study, 0, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    return study


def test_a_rung_that_was_passed_is_passed_however_often_it_is_told(tmp_path: Path) -> None:
    study = at_the_rung(tmp_path)
    assert not study.told(1, 3, {"iou": 0.5})
    for other in (2, 3):
        assert not study.told(other, 3, {"iou": 0.6 + other / 10})
    again = study_of(tmp_path / "s", "halving.reduction_factor=2")
    assert not again.told(1, 3, {"iou": 0.5})


def test_a_trial_that_was_to_stop_stops_when_the_rung_is_told_again(tmp_path: Path) -> None:
    study = at_the_rung(tmp_path)
    assert study.told(1, 3, {"iou": 0.1})
    for other in (2, 3):
        study.told(other, 3, {"iou": 0.0})
    again = study_of(tmp_path / "s", "halving.reduction_factor=2")
    assert again.told(1, 3, {"iou": 0.1})


def test_a_rung_without_a_decision_is_decided_by_the_trials_known_then(tmp_path: Path) -> None:
    study = at_the_rung(tmp_path)
    for number, value in ((1, 0.2), (2, 0.1)):  # killed between the value and the decision
        study._trial(number).report(value, 3)
    assert study.told(2, 3, {"iou": 0.9})  # the value of the journal counts
    study.stopped(2)
    assert study.optuna.trials[2].state is TrialState.PRUNED


def test_a_trial_of_an_older_journal_that_went_on_is_not_judged_again(tmp_path: Path) -> None:
    study = at_the_rung(tmp_path)
    for epoch in (3, 4):
        study._trial(1).report(0.0, epoch)
    assert not study.told(1, 3, {"iou": 0.0})


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["train_type=det"], []),
        ([], ["run/teachers/det", "run/teachers/seg", "run/teachers/cls"]),
        (["train_type=sequential", "retention.order=[seg, cls]"], ["run/teachers/seg"]),
        (
            ["train_type=sequential"],
            ["run/before/seg-det/teachers/seg", "run/before/seg-det"],
        ),
    ],
)
def test_a_trial_trains_all_that_its_run_needs_in_order(
    words: list[str], wanted: list[str], tmp_path: Path
) -> None:
    config = load("unified_demo", ["name=run", f"storage={tmp_path}", *words])
    found = [RunFolder(one.storage, str(one.name)) for one in trial.needs(_prepared(config))]
    assert [str(Path(folder.path).relative_to(tmp_path)) for folder in found] == wanted


def _prepared(config: RunConfig) -> RunConfig:
    return family_of(config).prepared()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (DataError("a.jpg is no picture"), "a.jpg is no picture"),
        (KeyError("template"), "KeyError: 'template'"),
        (AwayError("AWS Error SLOW_DOWN"), None),
        (OSError(errno.ESTALE, "Stale file handle"), None),
        (ray.exceptions.RayActorError(), None),
    ],
)
def test_what_may_pass_is_left_to_tune_and_the_rest_is_told(
    error: Exception,
    told: str | None,
    tmp_path: Path,
    reported: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(run: RunConfig, indices: Any) -> None:
        raise error

    monkeypatch.setattr("tune.trial._train_here", broken)
    config = load("demo", ["name=run", f"storage={tmp_path}", "evaluation.splits=[]"])
    one_trial = {"run": config.model_dump_json()}
    if told is None:
        with pytest.raises(type(error)):
            trial.train_trial(one_trial)
    else:
        trial.train_trial(one_trial)
    assert reported == ([] if told is None else [{trial.FAILURE: told}])
