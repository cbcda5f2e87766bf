from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mtl.benchmark.folder import EvaluationFolder
from mtl.benchmark.plan import Plan
from mtl.benchmark.publish import numbers_of, per_sequence, publish
from mtl.benchmark.run import NO_FRAME, Progress, evaluate, in_this_process
from mtl.errors import ConfigError, DataError, MtlError, RunExistsError
from mtl.evaluation.analysis import analyse
from mtl.evaluation.result import EvaluationResult
from tests.benchmark.small_evaluation import (
    Drifter,
    nothing_may_run,
    small_plan,
    write_test_split,
)
from tests.data.sequence_files import write_sequence

HERE = in_this_process(torch.device("cpu"))
GOOD, SLOW = Drifter("good", 1.0), Drifter("slow", 0.0)


def run(
    plan: Plan, out: Path, execute: Callable[..., object] = HERE
) -> tuple[EvaluationResult, list[str]]:
    told: list[str] = []
    result = evaluate(plan, EvaluationFolder(out), execute, told.append)  # type: ignore[arg-type]
    return result, told


def numbers(result: EvaluationResult) -> dict[str, Any]:
    return numbers_of(result, analyse(result, use_labels=True, use_predictions=True))


def write(plan: Plan, out: Path, result: EvaluationResult) -> None:
    analysis = analyse(result, use_labels=True, use_predictions=True)
    publish(EvaluationFolder(out), plan, result, analysis)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_test_split(tmp_path / "data")


def test_trackers_are_scored_side_by_side(root: Path, tmp_path: Path) -> None:
    result, told = run(small_plan(root, GOOD, SLOW), tmp_path / "out")
    good, slow = result.trackers
    assert good.summary.metrics["ao"] == pytest.approx(1.0, abs=1e-5)
    # A box of 16 x 12 that stays where the truth goes 1 to 7 pixels right.
    overlaps = [(16 - d) * 12 / ((16 + d) * 12) for d in range(1, 8)]
    assert slow.summary.metrics["ao"] == pytest.approx(sum(overlaps) / 7, abs=1e-5)
    assert (result.num_sequences, result.num_frames) == (3, 21)
    assert told == []


def test_what_is_done_is_not_tracked_again(root: Path, tmp_path: Path) -> None:
    plan = small_plan(root, GOOD, SLOW)
    first, _ = run(plan, tmp_path / "out")
    again, told = run(plan, tmp_path / "out", nothing_may_run)
    assert told == ["6 of 6 sequences are done already; going on with the rest"]
    assert numbers(again) == numbers(first)


def test_only_what_is_missing_or_broken_is_tracked(root: Path, tmp_path: Path) -> None:
    plan, out = small_plan(root, GOOD), tmp_path / "out"
    first, _ = run(plan, out)
    results = out / "results" / "good"
    before = {path: path.read_bytes() for path in sorted(results.rglob("*_001.txt"))}
    shutil.rmtree(results / "alpha")
    file = results / "beta" / "beta_001.txt"
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:3]))
    seen: list[Progress] = []
    told: list[str] = []
    again = evaluate(plan, EvaluationFolder(out), HERE, told.append, seen.append)
    assert {path: path.read_bytes() for path in sorted(results.rglob("*_001.txt"))} == before
    assert [(p.done, p.sequence) for p in seen] == [(1, ""), (2, "alpha"), (3, "beta")]
    assert "tracked again: beta: " in told[0]
    assert "3 boxes" in told[0]
    assert again.trackers[0].summary.metrics["ao"] == first.trackers[0].summary.metrics["ao"]


def test_many_broken_files_are_told_of_in_few_words(root: Path, tmp_path: Path) -> None:
    plan, out = small_plan(root, GOOD, SLOW), tmp_path / "out"
    run(plan, out)
    for file in out.rglob("*_time.txt"):
        file.unlink()
    _, told = run(plan, out)
    assert len(told) == 4
    assert "alpha_time.txt is absent" in told[0]
    assert told[3] == "tracked again for such reasons: 3 more"
    assert len(list(out.rglob("*_time.txt"))) == 6


def test_another_tracker_of_the_same_name_is_refused(root: Path, tmp_path: Path) -> None:
    run(small_plan(root, GOOD), tmp_path / "out")
    with pytest.raises(RunExistsError, match="another tracker called 'good'") as caught:
        run(small_plan(root, Drifter("good", 2.0)), tmp_path / "out", nothing_may_run)
    assert str(caught.value).count("\n") == 0


def test_a_folder_of_other_trackers_is_refused_but_takes_more(root: Path, tmp_path: Path) -> None:
    run(small_plan(root, GOOD), tmp_path / "out")
    with pytest.raises(RunExistsError, match=r"evaluation of 'good' \(tests\)"):
        run(small_plan(root, SLOW), tmp_path / "out", nothing_may_run)
    result, told = run(small_plan(root, GOOD, SLOW), tmp_path / "out")
    assert told == ["3 of 6 sequences are done already; going on with the rest"]
    assert [tracker.name for tracker in result.trackers] == ["good", "slow"]


def test_other_data_are_refused(root: Path, tmp_path: Path) -> None:
    run(small_plan(root, GOOD), tmp_path / "out")
    shorter = write_test_split(tmp_path / "other", length=6)
    with pytest.raises(RunExistsError, match="on other data: its sequence 'alpha'"):
        run(small_plan(shorter, GOOD), tmp_path / "out", nothing_may_run)
    moved = shutil.copytree(root, tmp_path / "moved")
    run(small_plan(moved, GOOD), tmp_path / "out", nothing_may_run)


def test_a_folder_of_something_else_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").write_text("dear all")
    with pytest.raises(DataError, match="not empty and no folder of an evaluation"):
        run(small_plan(root, GOOD), tmp_path / "out")


@pytest.mark.parametrize("content", ["{", "[]", '{"trackers": {"a": {}}, "sequences": {}}'])
def test_a_broken_config_is_named(root: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "config.json").write_text(content)
    with pytest.raises(DataError, match=r"config\.json is no readable config"):
        run(small_plan(root, GOOD), tmp_path / "out")


def test_a_broken_picture_stops_or_is_left_out_for_all(root: Path, tmp_path: Path) -> None:
    picture = root / "test" / "beta" / "00000004.jpg"
    picture.write_bytes(picture.read_bytes()[:200])
    with pytest.raises(DataError, match=r"00000004\.jpg is cut off .*data\.on_error=skip\.$"):
        run(small_plan(root, GOOD), tmp_path / "stopped")
    result, told = run(small_plan(root, GOOD, SLOW, on_error="skip"), tmp_path / "out")
    assert set(result.left_out) == {"beta"}
    assert result.num_sequences == 2
    assert sum("beta/00000004.jpg" in sentence for sentence in told) == 2
    line = next(x for x in per_sequence(result).splitlines() if x.startswith("good,beta"))
    assert line.startswith("good,beta,0,,,,,,,,")
    assert "cut off" in line


def test_one_tracker_that_cannot_follow_takes_the_sequence_from_all(
    root: Path, tmp_path: Path
) -> None:
    lost = Drifter("lost", float("nan"))
    result, _ = run(small_plan(root, GOOD, lost, on_error="skip"), tmp_path / "out")
    assert set(result.left_out) == {"alpha", "beta", "gamma"}
    assert "not finite" in result.left_out["alpha"]
    assert result.num_sequences == 0
    assert "ao" not in result.trackers[0].summary.metrics


def test_a_sequence_of_one_frame_enters_no_number(root: Path, tmp_path: Path) -> None:
    without, _ = run(small_plan(root, SLOW), tmp_path / "without")
    write_sequence(root / "test" / "single", length=1)
    result, _ = run(small_plan(root, SLOW), tmp_path / "out")
    assert result.left_out == {"single": NO_FRAME}
    assert result.trackers[0].summary.metrics["ao"] == without.trackers[0].summary.metrics["ao"]
    assert result.trackers[0].summary.metrics["sequences"] == 3
    assert numbers(result)["data"]["left_out"] == {"single": NO_FRAME}
    write(small_plan(root, GOOD), tmp_path / "out", result)


def test_truth_that_is_not_published_leaves_results_without_scores(tmp_path: Path) -> None:
    root = tmp_path / "data"
    write_sequence(root / "test" / "alpha", 5, boxes="10,10,16,12\n")
    result, _ = run(small_plan(root, GOOD), tmp_path / "out")
    assert result.num_sequences == 0
    file = tmp_path / "out" / "results" / "good" / "alpha" / "alpha_001.txt"
    assert len(file.read_text().splitlines()) == 5
    write(small_plan(root, GOOD), tmp_path / "out", result)
    assert "nothing could be scored" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("entrants", "error", "message"),
    [
        ((), ConfigError, "name a run folder"),
        ((GOOD, Drifter("good", 3.0)), ConfigError, "two trackers are called 'good'"),
    ],
)
def test_a_plan_without_sense_is_refused(
    root: Path, tmp_path: Path, entrants: tuple[Drifter, ...], error: type[MtlError], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(small_plan(root, *entrants), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_files_say_what_was_found(root: Path, tmp_path: Path) -> None:
    plan, out = small_plan(root, GOOD, SLOW), tmp_path / "out"
    result, _ = run(plan, out)
    write(plan, out, result)
    written = json.loads((out / "evaluation.json").read_text())
    assert written["trackers"]["slow"]["metrics"]["ao"] == result.trackers[1].summary.metrics["ao"]
    assert written["data"]["root"] == str(root)
    (comparison,) = written["comparisons"]
    assert (comparison["a"], comparison["b"]) == ("good", "slow")
    assert comparison["overall"]["verdict"] == "too few sequences"
    assert comparison["overall"]["difference"] < 0
    lines = (out / "per_sequence.csv").read_text().splitlines()
    assert len(lines) == 1 + 6
    assert lines[0].startswith("tracker,sequence,frames,ao,")
    page = (out / "report.html").read_text()
    assert page.count("data:image/svg+xml") >= 3
    assert "http" not in page.split("</style>")[1].replace("http-equiv", "")
    pictures = {path.name for path in (out / "plots").iterdir()}
    assert pictures >= {"success.png", "precision.png", "norm_precision.png"}
    assert (out / "plots" / "success.png").read_bytes().startswith(b"\x89PNG")
