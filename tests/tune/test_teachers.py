"""Trials that train teachers first: everything counts their epochs and their time as well."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet
import pytest
from optuna.trial import TrialState
from rich.console import Console

from tests.tune.made import lines_of, study_of, write_lines
from tune.progress import ShownStudy, trial_line
from tune.results import write_trials
from tune.study import Study

TEACHERS, JOINT = 10, 14
"""Epochs of the preset's stages; its rung is after 18 epochs, the eighth of the student."""


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return study_of(tmp_path / "s", "scheduler=asha", preset="unified_demo")


def trained(study: Study, value: float) -> int:
    """A new trial whose student reports this value until it ends or is stopped."""
    begun = study.begin()
    assert begun is not None
    number, run = begun
    folder = study.run_folder(number)
    for task in ("det", "seg", "cls"):
        epochs = run.stages["teachers"].epochs
        write_lines(folder / "teachers" / task, lines_of([0.5] * epochs, "score"))
    for epoch in range(1, run.stages["joint"].epochs + 1):
        write_lines(folder, lines_of([value] * epoch, "score"))
        if study.told(number, epoch, {"score": value}):
            study.stopped(number)
            return number
    study.finished(number)
    return number


def test_a_trial_is_stopped_at_the_rung_however_long_its_teachers_trained(study: Study) -> None:
    trained(study, 0.9)
    for value in (0.5, 0.4, 0.3, 0.2):
        trained(study, value)
    first, *others = study.optuna.trials
    assert first.state is TrialState.COMPLETE
    assert list(first.intermediate_values) == list(range(TEACHERS + 1, TEACHERS + JOINT + 1))
    assert first.user_attrs["epochs"] == TEACHERS + JOINT
    shares = {study.run(t.number, t.params).stages["teachers"].epochs for t in others}
    assert len(shares) > 1
    for trial in others:
        assert trial.state is TrialState.PRUNED
        assert trial.last_step == trial.user_attrs["epochs"] == 18
        assert "stopped after epoch 18 " in trial_line(study, trial)


def test_the_last_epoch_of_a_student_is_no_rung(study: Study) -> None:
    trained(study, 0.9)
    study.optuna.enqueue_trial(study.space.own() | {"teacher_share": 0.25})  # 18 joint epochs
    begun = study.begin()
    assert begun is not None
    assert begun[1].stages["joint"].epochs == 18
    assert study.told(begun[0], 12, {"score": 0.1})
    assert not study.told(begun[0], 18, {"score": 0.1})


def test_the_table_has_the_cost_of_teachers(study: Study) -> None:
    trained(study, 0.9)
    write_trials(study)
    (row,) = pyarrow.parquet.read_table(study.folder / "trials.parquet").to_pylist()
    assert row["epochs"] == TEACHERS + JOINT
    assert row["epoch"] == list(range(TEACHERS + 1, TEACHERS + JOINT + 1))
    assert row["seconds"] == 2.5 * (3 * TEACHERS + JOINT)
    assert row["samples"] == 256 * (3 * TEACHERS + JOINT)
    assert study.optuna.trials[0].user_attrs["seconds"] == row["seconds"]


def test_a_trial_that_failed_while_a_teacher_trained_has_cost_that(study: Study) -> None:
    begun = study.begin()
    assert begun is not None
    write_lines(study.run_folder(0) / "teachers" / "det", lines_of([0.5] * 4, "score"))
    study.failed(0, "no luck")
    assert study.optuna.trials[0].user_attrs == {"reason": "no luck", "epochs": 4, "seconds": 10.0}


def test_the_table_on_the_terminal_counts_them(study: Study) -> None:
    shown = ShownStudy(study, 1, Console(width=200))
    shown.begin()
    shown.told(0, 3, {"score": 0.5})
    console = Console(width=200)
    with console.capture() as capture:
        console.print(shown.table())
    assert f"{TEACHERS + 3}/{TEACHERS + JOINT}" in capture.get()
