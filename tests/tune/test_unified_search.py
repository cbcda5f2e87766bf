"""A search whose trials train teachers first, and the run that it finds."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet
import pytest
from optuna.trial import TrialState

from cluster.train import main as train
from tests.training.unified_runs import TINY
from tests.tune.conftest import study_in
from tune.search import main

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1500)]

EPOCHS = 4
"""Of the teachers and the student together."""


def test_a_search_of_unified_runs_counts_their_teachers_and_finds_a_run(
    local_cluster: str, tmp_path: Path
) -> None:
    run = [f"run.{word}" for word in TINY]
    words = [
        *run, "run.model.neck_width=64", "run.stages.teachers.epochs=1",
        "run.stages.joint.epochs=3", "run.training.num_threads=1",
        "trials=3", "startup_trials=2", "concurrent_trials=1",
        "reruns.top=0", "name=small", f"storage={tmp_path}",
    ]  # fmt: skip
    assert main(["unified_demo", *words]) == 0
    study = study_in(tmp_path / "small")
    first, *others = study.trials
    assert first.state is TrialState.COMPLETE
    assert {trial.state for trial in others} <= {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in study.trials:
        ended = EPOCHS if trial.state is TrialState.COMPLETE else 3  # the rung
        assert trial.user_attrs["epochs"] == trial.last_step == ended
        teachers = tmp_path / "small" / "trials" / f"trial-{trial.number:05d}" / "teachers"
        assert {one.name for one in teachers.iterdir()} == {"det", "seg", "cls"}
    table = pyarrow.parquet.read_table(tmp_path / "small" / "trials.parquet")
    assert set(table.column("trial").to_pylist()) == {0, 1, 2}
    assert "teacher" in (tmp_path / "small" / "search.html").read_text()
    best = str(tmp_path / "small" / "best.yaml")
    assert train([best, "name=best", f"storage={tmp_path}"]) == 0
    assert (tmp_path / "best" / "model.safetensors").is_file()
