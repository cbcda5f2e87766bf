"""What a search leaves: files that others read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from mtl.config.load import load as load_run
from mtl.config.load import to_yaml
from tests.tune.made import carry_on, lines_of, study_of, write_lines
from tune.load import base_run
from tune.publish import publish
from tune.reruns import Reruns, chosen, confirmed, runs_left
from tune.study import Study


def searched(folder: Path, *words: str, trials: int = 10) -> Study:
    """A search whose runs rise the faster the nearer their values are to a best place."""
    study = study_of(folder, f"trials={trials}", *words)
    rng = np.random.default_rng(0)
    while (begun := study.begin()) is not None:
        number, run = begun
        loss = run.loss  # type: ignore[attr-defined]
        distance = abs(np.log10(run.stages["full"].learning_rate / 2e-3)) + abs(loss.giou - 3) / 8
        top = 0.7 - 0.4 * distance + 0.02 * rng.normal()
        curve = [float(top * (1 - 0.6**epoch)) for epoch in range(1, 7)]
        carry_on(study, number, curve, ao=curve[-1], fps=float(20 + loss.giou))
    return study


def rerun(study: Study, values: dict[int, list[float]]) -> None:
    """Train again, with these values of each trial over the seeds."""
    again = Reruns(study)
    while (begun := again.begin()) is not None:
        number, run = begun
        trial = int(str(run.name).split("-")[1])
        write_lines(study.folder / "reruns" / str(run.name), lines_of([values[trial].pop(0)] * 6))
        again.finished(number)


def fails(study: Study, trial: int, seed: int) -> None:
    """Note that a trial with one of the seeds 1, 2, 3 was lost."""
    key = f"rerun/{trial}/{study.space.base.seed + seed}"
    study.optuna.set_user_attr(key, {"reason": "its process was lost"})


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = searched(tmp_path_factory.mktemp("s") / "made")
    best = next(trial.number for trial in study.best() if trial.number)
    rerun(study, {0: [0.40, 0.42, 0.44], best: [0.50, 0.54, 0.49]})
    publish(study)
    return study


def test_the_best_on_average_becomes_a_config_for_training(study: Study) -> None:
    first, second = confirmed(study)
    assert first.number == chosen(study) != 0
    assert second.number == 0
    assert first.mean == pytest.approx(0.51)
    assert second.spread == pytest.approx(0.02)
    config = load_run(str(study.folder / "best.yaml"))
    assert config.name is None
    params = study.optuna.trials[first.number].params
    assert config.loss.giou == params["giou"]  # type: ignore[attr-defined]
    assert config.evaluation == base_run(study.search).evaluation  # type: ignore[attr-defined]
    assert config.seed == study.space.base.seed


def test_the_run_itself_stays_best_where_no_trial_is_better_on_average(tmp_path: Path) -> None:
    study = searched(tmp_path / "s", "scheduler=none", trials=4)
    best = next(trial.number for trial in study.best() if trial.number)
    rerun(study, {0: [0.6, 0.6, 0.6], best: [0.9, 0.4, 0.4]})
    assert chosen(study) == 0


def test_a_trial_is_not_worse_for_a_run_that_was_lost(tmp_path: Path) -> None:
    study = searched(tmp_path / "s", "scheduler=none", trials=4)
    best = next(trial.number for trial in study.best() if trial.number)
    rerun(study, {0: [0.6, 0.5, 0.4], best: [0.5, 0.4, 0.9]})
    fails(study, 0, seed=3)
    first, second = confirmed(study)
    assert (first.number, first.values) == (0, (0.6, 0.5))
    assert second.values == (0.5, 0.4)
    assert chosen(study) == 0


def test_trials_that_share_no_seed_are_compared_over_their_own(tmp_path: Path) -> None:
    study = searched(tmp_path / "s", "scheduler=none", "reruns.seeds=2", trials=4)
    best = next(trial.number for trial in study.best() if trial.number)
    rerun(study, {0: [0.6, 0.5], best: [0.5, 0.8]})
    fails(study, 0, seed=2)
    fails(study, best, seed=1)
    assert [one.values for one in confirmed(study)] == [(0.8,), (0.6,)]


def test_a_run_whose_own_values_failed_is_not_trained_again(tmp_path: Path) -> None:
    words = ["objectives=[{value: iou}, {value: 1 - iou}]", "scheduler=none", "trials=2"]
    study = study_of(tmp_path / "s", *words)
    study.failed(study.begin()[0], "no luck")  # type: ignore[index]
    carry_on(study, study.begin()[0], [0.5] * 6)  # type: ignore[index]
    rerun(study, {1: [0.5, 0.5, 0.5]})
    assert [one.number for one in confirmed(study)] == [1]
    publish(study)
    assert "Trained again" in (study.folder / "search.html").read_text(encoding="utf-8")


def test_the_best_of_a_search_over_a_resumed_run_is_a_new_run(tmp_path: Path) -> None:
    old = load_run("demo", ["name=old", "resume=true"])
    (tmp_path / "config.yaml").write_text(to_yaml(old))
    words = [f"run={{preset: {tmp_path}/config.yaml}}", "halving.rungs=[0.8]", "trials=1"]
    study = study_of(
        tmp_path / "s", *words, "space={giou: {kind: float, path: loss.giou, low: 1, high: 3}}"
    )
    carry_on(study, study.begin()[0], [0.1] * 9)  # type: ignore[index]
    publish(study)
    best = load_run(str(study.folder / "best.yaml"))
    assert (best.name, best.resume) == (None, False)


def test_runs_with_other_seeds_are_not_trained_twice(tmp_path: Path) -> None:
    study = searched(tmp_path / "s", trials=3)
    again = Reruns(study)
    asked = len(again.left)
    begun = again.begin()
    assert begun is not None
    write_lines(study.folder / "reruns" / str(begun[1].name), lines_of([0.5] * 6))
    again.finished(begun[0])
    assert len(Reruns(study).left) == asked - 1
    assert begun[1].seed == study.space.base.seed + 1


def test_a_search_has_left_what_it_did_not_train(tmp_path: Path) -> None:
    words = ["trials=3", "scheduler=none", "reruns.top=1", "reruns.seeds=2"]
    study = study_of(tmp_path / "s", *words)
    assert runs_left(study.search, None) == 3 + 4
    for left in (2 + 4, 1 + 4, 4):
        carry_on(study, study.begin()[0], [0.1] * 6)  # type: ignore[index]
        assert runs_left(study.search, study) == left
    rerun(study, {0: [0.1, 0.2], 1: [0.1, 0.2]})
    assert runs_left(study.search, study) == 0


def test_the_table_has_a_row_for_each_trial(study: Study) -> None:
    table = pyarrow.parquet.read_table(study.folder / "trials.parquet").to_pylist()
    assert [row["trial"] for row in table] == list(range(10))
    assert {row["state"] for row in table} == {"finished", "stopped"}
    for row in table:
        assert len(row["epoch"]) == row["epochs"] == len(row["val/iou"])
        assert row["samples"] == 256 * row["epochs"]
        assert (row["objective/iou"] is None) == (row["state"] == "stopped")
        assert 0.01 <= row["parameter/cls_weight"] <= 1


def test_the_table_has_the_validation_split_of_the_final_evaluation(tmp_path: Path) -> None:
    study = study_of(tmp_path / "s", "trials=1", "objectives=[{value: ao}]", "halving.metric=iou")
    carry_on(study, study.begin()[0], [0.1] * 6, ao=0.4)  # type: ignore[index]
    lines = lines_of([0.1] * 6, ao=0.4)
    write_lines(study.run_folder(0), [*lines, {**lines[-1], "split": "test", "ao": 0.9}])
    publish(study)
    (row,) = pyarrow.parquet.read_table(study.folder / "trials.parquet").to_pylist()
    assert row["final/ao"] == row["objective/ao"] == 0.4


def test_tensorboard_has_the_values_of_each_trial(study: Study) -> None:
    events = list((study.folder / "tensorboard").glob("trial-*/events.out.tfevents.*"))
    assert len(events) == 10
    content = b"".join(event.read_bytes() for event in events)
    assert b"learning_rate" in content
    assert b"search/iou" in content


def test_the_report_is_one_file_that_loads_nothing(study: Study) -> None:
    html = (study.folder / "search.html").read_text(encoding="utf-8")
    for part in ("Trained again", "Progress", "Parameters", "All trials", "the run&#x27;s own"):
        assert part in html
    assert "http" not in html.replace("http-equiv", "")
    assert "<script" not in html


def test_several_objectives_show_their_front(tmp_path: Path) -> None:
    words = ["objectives=[{value: ao}, {value: fps}]", "scheduler=none", "reruns.top=0"]
    study = searched(tmp_path / "s", *words, trials=6)
    publish(study)
    assert "Pareto front" in (study.folder / "search.html").read_text(encoding="utf-8")
    assert (study.folder / "best.yaml").exists()


def test_a_search_without_a_finished_trial_has_a_table_and_no_best(tmp_path: Path) -> None:
    study = study_of(tmp_path / "s", "trials=1")
    begun = study.begin()
    assert begun is not None
    study.failed(begun[0], "a loss is not finite")
    publish(study)
    (row,) = pyarrow.parquet.read_table(study.folder / "trials.parquet").to_pylist()
    assert (row["state"], row["reason"]) == ("failed", "a loss is not finite")
    assert not (study.folder / "best.yaml").exists()
