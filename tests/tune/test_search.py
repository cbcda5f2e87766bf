"""Whole searches on a real Ray cluster, of runs that take seconds."""

from __future__ import annotations

import signal
from pathlib import Path

import pyarrow.parquet
import pytest
from optuna.trial import TrialState

from mtl.config.load import load as load_run
from tests.tune.conftest import TINY, study_in
from tune.search import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["space.giou.low=9"], "low must be below high"),
        (["space.x={kind: float, path: loss.gio, low: 1, high: 2}"], "did you mean 'loss.giou'?"),
        (["objectives=[{value: mota}]"], "reports 'mota'"),
        (["resume=true"], "resume=true needs name="),
        (["resume=true", "name=nothing"], "there is no search 'nothing'"),
        (["storage=s3://bucket/runs"], "appends to its journal"),
        (["warm_start=nowhere"], "must be the folder of a search"),
        (["run.data.root=/nowhere"], "/nowhere"),
    ],
)
def test_a_wrong_search_is_refused_before_ray_starts(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import ray

    running = ray.is_initialized()
    storage = [] if any(word.startswith("storage=") for word in words) else [f"storage={tmp_path}"]
    assert main([*TINY, *storage, *words]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert ray.is_initialized() == running
    assert not list(tmp_path.iterdir())


def test_help_names_the_presets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "demo, tracker, unified, unified_demo" in capsys.readouterr().out


@pytest.mark.ray
@pytest.mark.timeout(900)
class TestSearch:
    def test_ctrl_c_is_heard_after_it(self, searched: Path) -> None:
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def test_every_trial_has_ended_and_its_run_is_an_ordinary_one(self, searched: Path) -> None:
        study = study_in(searched)
        assert len(study.trials) == 3
        assert study.trials[0].state is TrialState.COMPLETE
        assert {t.state for t in study.trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
        for trial in study.trials:
            run = searched / "trials" / f"trial-{trial.number:05d}"
            config = load_run(str(run / "config.yaml"))
            assert config.loss.giou == trial.params["giou"]  # type: ignore[attr-defined]
            epochs = len((run / "metrics.jsonl").read_text().splitlines()) // 2
            assert epochs == trial.user_attrs["epochs"]
            assert epochs == (4 if trial.state is TrialState.COMPLETE else 2)
            assert not (run / "checkpoints").exists()

    def test_the_files_of_the_search_are_there(self, searched: Path) -> None:
        assert load_run(str(searched / "best.yaml")).name is None
        assert pyarrow.parquet.read_table(searched / "trials.parquet").num_rows == 3
        assert (searched / "search.html").stat().st_size > 10_000

    def test_a_finished_search_resumes_to_the_same(self, searched: Path) -> None:
        before = [(t.state, t.params) for t in study_in(searched).trials]
        assert main(["resume=true", "name=three", f"storage={searched.parent}"]) == 0
        assert [(t.state, t.params) for t in study_in(searched).trials] == before

    def test_another_space_is_no_resumption(
        self, searched: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        words = ["resume=true", "name=three", f"storage={searched.parent}", "space.giou.high=4"]
        assert main(words) == 1
        assert "was started with another space" in capsys.readouterr().err

    def test_a_name_in_use_is_refused(
        self, searched: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([*TINY, "name=three", f"storage={searched.parent}"]) == 1
        assert "give resume=true to go on with it" in capsys.readouterr().err

    def test_a_search_that_has_no_place_is_refused_within_seconds(
        self, local_cluster: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([*TINY, "concurrent_trials=99", f"storage={tmp_path}", "name=no"]) == 1
        assert "concurrent_trials=99 cannot be placed" in capsys.readouterr().err
        assert not (tmp_path / "no").exists()

    @pytest.mark.slow
    def test_an_objective_of_the_final_evaluation_is_of_the_validation_split(
        self, local_cluster: str, tmp_path: Path
    ) -> None:
        words = ["trials=2", "scheduler=none", "run.stages.full.epochs=2", "name=ao"]
        words += ["objectives=[{value: ao}]", "run.evaluation.splits=[test]"]
        assert main([*TINY, *words, f"storage={tmp_path}"]) == 0
        states = [trial.state for trial in study_in(tmp_path / "ao").trials]
        assert states == [TrialState.COMPLETE] * 2

    def test_a_trial_that_cannot_be_trained_fails_alone(
        self, local_cluster: str, tmp_path: Path
    ) -> None:
        words = ["trials=2", "run.optimizer.max_grad_norm=1e30", "sampler=random"]
        words += ["space={rate: {kind: float, path: stages.head.learning_rate, low: 0.001, "]
        words[-1] += "high: 1.0e+30, log: true}}"
        assert main([*TINY, *words, f"storage={tmp_path}", "name=f", "seed=1"]) == 0
        first, second = study_in(tmp_path / "f").trials
        assert first.state is TrialState.COMPLETE
        assert second.state is TrialState.FAIL
        assert "no weight has moved" in second.user_attrs["reason"]
