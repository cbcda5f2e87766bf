"""The runs that are compared, and what their folders say."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from mtl.config.load import load
from mtl.config.retention import RetentionConfig
from mtl.config.unified_run import UnifiedRunConfig
from mtl.errors import ConfigError, DataError
from mtl.families import family_of
from mtl.families.footprint import num_runs
from mtl.families.retention import outcomes, sequential_runs
from mtl.training.manifest import write_manifest
from mtl.training.run_folder import RunFolder

METHODS = ["none", "replay", "ewc", "lwf"]


def joint(storage: Path, *words: str) -> UnifiedRunConfig:
    """A prepared joint run."""
    config = load("unified_demo", [f"storage={storage}", "name=a", *words])
    return family_of(config).prepared()  # type: ignore[return-value]


def measured(folder: Path, split: str = "test", **metrics: float) -> None:
    """A folder whose run was evaluated and has ended."""
    last = folder / "checkpoints" / "step-00000001-final"
    last.mkdir(parents=True, exist_ok=True)
    write_manifest(last)
    line: dict[str, Any] = {"stage": "evaluation", "split": split, **metrics}
    (folder / "metrics.jsonl").write_text(json.dumps(line) + "\n")


def test_all_methods_start_from_the_joint_run_s_teacher(tmp_path: Path) -> None:
    runs = sequential_runs(joint(tmp_path))
    assert list(runs) == METHODS
    for method, run in runs.items():
        assert (run.name, run.retention.method) == (method, method)
        assert run.storage == f"{tmp_path}/a/retention"
        (before,) = family_of(run).first()
        assert before.storage == f"{tmp_path}/a/retention/{method}/before"
        assert family_of(before).first() == []
        assert before.teachers.seg == f"{tmp_path}/a/teachers/seg"
        assert num_runs(run) == 2  # before any of them has begun


def test_a_phase_takes_the_steps_of_a_teacher(tmp_path: Path) -> None:
    config = joint(tmp_path, "training.batch_size=4", "training.accumulate=2")
    for run in sequential_runs(config).values():
        assert (run.training.batch_size, run.training.accumulate) == (8, 1)
        assert run.running_stages == {"teachers": config.stages["teachers"]}


def test_a_run_that_does_not_learn_the_watched_task_watches_its_score(tmp_path: Path) -> None:
    config = joint(tmp_path, "retention.order=[seg, det]", "checkpoint.metric=top1")
    for run in sequential_runs(config).values():
        assert run.checkpoint.metric == "score"
        assert family_of(run).first() == []
    config = joint(tmp_path, "retention.order=[seg, det]", "checkpoint.metric=miou")
    assert {run.checkpoint.metric for run in sequential_runs(config).values()} == {"miou"}


def test_a_run_has_only_the_keys_of_its_method(tmp_path: Path) -> None:
    words = ["memory_images=5", "ewc_weight=7", "fisher_images=9", "lwf_weight=3"]
    config = joint(tmp_path, "retention.order=[cls, seg]", *(f"retention.{w}" for w in words))
    plain = RetentionConfig(order=("cls", "seg"))
    changed = {"method": "ewc", "ewc_weight": 7.0, "fisher_images": 9}
    runs = sequential_runs(config, ["ewc", "none"])
    assert {method: run.retention for method, run in runs.items()} == {
        "ewc": plain.model_copy(update=changed),
        "none": plain,
    }


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("loss.distillation.weight=0", "needs train_type=all and loss.distillation.weight above 0"),
        ("retention.method=ewc", r"retention\.method=ewc is of a .*retention\.compare=\[ewc\]"),
        ("evaluation.splits=[]", r"evaluation\.splits must name a split .*, got none"),
    ],
)
def test_what_makes_no_table_is_refused(word: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        sequential_runs(joint(tmp_path, word))


def test_a_batch_that_phases_cannot_share_is_named_by_its_own_key(tmp_path: Path) -> None:
    config = joint(tmp_path)  # whose teachers, were they given, would have no batches
    teachers = config.teachers.model_copy(update={"batch_size": 7})
    cluster = config.cluster.model_copy(update={"workers": 2})
    config = config.model_copy(update={"teachers": teachers, "cluster": cluster})
    with pytest.raises(ConfigError, match=r"^teachers\.batch_size 7 must be .*=8 would"):
        sequential_runs(config)


def test_a_table_has_all_that_was_measured(tmp_path: Path) -> None:
    config = joint(tmp_path, "retention.compare=[ewc]")
    teachers = {"teacher/miou": 0.5, "teacher/map": 0.2, "teacher/top1": 0.8}
    measured(tmp_path / "a", miou=0.6, map=0.3, top1=0.7, **teachers)
    for method, map_after in (("ewc", 0.1), ("none", 0.15)):  # none was trained before
        folder = tmp_path / "a" / "retention" / method
        measured(folder, miou=0.4, map=0.05, top1=0.9)
        measured(folder / "before" / "seg-det", miou=0.45, map=map_after)
    single, found = outcomes(config, "test")
    assert single == {"seg": 0.5, "det": 0.2, "cls": 0.8}
    assert [one.name for one in found] == ["joint", "none", "ewc"]
    assert found[0].phases == [("", {"seg": 0.6, "det": 0.3, "cls": 0.7})]
    assert found[2].phases == [
        ("seg", {"seg": 0.5}),
        ("det", {"seg": 0.45, "det": 0.1}),
        ("cls", {"seg": 0.4, "det": 0.05, "cls": 0.9}),
    ]


def test_what_could_not_be_measured_is_unknown(tmp_path: Path) -> None:
    config = joint(tmp_path, "retention.order=[seg, det]", "retention.compare=[lwf]")
    measured(tmp_path / "a", miou=0.6)
    measured(tmp_path / "a" / "retention" / "lwf", miou=0.4)
    single, found = outcomes(config, "test")
    assert math.isnan(single["det"])
    assert math.isnan(found[1].end["det"])


def test_a_split_that_was_not_evaluated_is_named(tmp_path: Path) -> None:
    config = joint(tmp_path)
    measured(tmp_path / "a", split="val", miou=0.6)
    with pytest.raises(DataError, match=r"/a was not evaluated on split 'test'.*; name one last"):
        outcomes(config, "test")


def test_a_run_that_is_not_there_has_no_numbers(tmp_path: Path) -> None:
    config = joint(tmp_path)
    assert not RunFolder(config.storage, "a").exists()
    with pytest.raises(DataError, match="was not evaluated"):
        outcomes(config, "test")
