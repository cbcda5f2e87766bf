"""The unified family in the real loop: interrupted, shared by two workers, with bad images."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pytest
import torch

from mtl.config.unified_run import UnifiedRunConfig
from mtl.errors import DataError
from mtl.families.unified import UnifiedFamily
from mtl.training.loop import train
from mtl.training.state import TrainingState
from tests.data.unified.set_files import palette_mask, save, write_folders, write_voc
from tests.training.test_loop import DiskReporter, without_seconds
from tests.training.two_tasks import Keeper
from tests.training.unified_runs import (
    CASES,
    config_of,
    run_of,
    save_teachers,
    shared_run,
    trained,
)

ROOT = Path(__file__).resolve().parents[2]
FAITHFUL = (
    "weighting={kind: learnable, learning_rate: null, weight_decay: 1e-4, start: 1.0}",
    "loss.distillation.teachers=other_tasks", "loss.distillation.scores=squared",
    "model.backbone.drop_path=0.2", "checkpoint.every_steps=1", "training.accumulate=2",
)  # fmt: skip


class Whole(NamedTuple):
    """A run that learns from teachers, from its first step to its last."""

    words: list[str]
    kept: Path
    """A folder for the state after each step, in their order."""
    end: TrainingState


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("whole")
    words = [*FAITHFUL, *save_teachers(folder / "teachers", "model.backbone.drop_path=0.2")]
    run = run_of(config_of(*words), DiskReporter(folder / "kept"))
    return Whole(words, folder / "kept", train(run, TrainingState()))


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_joint_run_goes_on_from_any_step_to_the_same_digits(
    steps: int, whole: Whole, tmp_path: Path
) -> None:
    state = TrainingState.load(sorted(whole.kept.iterdir())[steps - 1])
    assert state.step == steps  # inside an epoch, and between two
    found = train(run_of(config_of(*whole.words), DiskReporter(tmp_path / "resumed")), state)
    assert without_seconds(found.history) == without_seconds(whole.end.history)
    for name, tensor in whole.end.model.items():
        assert torch.equal(found.model[name], tensor), name
    assert torch.equal(found.balancing["values"], whole.end.balancing["values"])
    assert not torch.equal(found.balancing["values"], torch.ones(3, dtype=torch.float64))


def test_a_teacher_keeps_its_best_weights_where_the_student_watches_another_task(
    tmp_path: Path,
) -> None:
    words = ("checkpoint.metric=map", "stages.teachers.epochs=3", f"storage={tmp_path}", "name=a")
    teacher = UnifiedFamily(UnifiedFamily(config_of(*words)).prepared()).first()[1]
    state = trained(cast(UnifiedRunConfig, teacher))
    scores = [line["miou"] for line in state.history if line["split"] == "val"]
    assert len(scores) == 3
    assert state.best == max(scores)


@pytest.mark.parametrize("metric", ["map", "score"])
def test_without_validation_the_latest_weights_are_the_best(metric: str) -> None:
    words = ("training.val_samples=0", f"checkpoint.metric={metric}")
    keeper = Keeper()
    state = trained(config_of("loss.distillation.weight=0", *words), keeper)
    assert state.best is None
    assert keeper.improved == [True, True]


def test_task_weights_start_equal_and_are_written_down(whole: Whole) -> None:
    lines = [line for line in whole.end.history if line["split"] == "train"]
    assert len(lines) == 2
    for line in lines:
        weights = [line[f"weight/{task}"] for task in ("det", "seg", "cls")]
        assert sum(weights) == pytest.approx(1)
        assert {f"loss/distillation_{task}" for task in ("det", "seg", "cls")} < set(line)
    assert weights != [1 / 3] * 3


@pytest.fixture(scope="module")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return save_teachers(tmp_path_factory.mktemp("teachers"), "model.normalization=frozen")


@pytest.fixture(scope="module")
def two_workers(teachers: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All cases trained by two processes under DDP."""
    folder = tmp_path_factory.mktemp("two")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "tests.training.unified_runs", str(folder)]
    processes = [
        subprocess.Popen([*words, str(rank), "2", *teachers], cwd=ROOT, env=environment)
        for rank in range(2)
    ]
    assert [process.wait(timeout=500) for process in processes] == [0, 0]
    return folder


@pytest.mark.parametrize("case", CASES)
def test_two_workers_take_the_steps_of_one(
    case: str, teachers: list[str], two_workers: Path
) -> None:
    """With ignored pixels in one worker's half of a batch only, and other numbers of boxes."""
    one = shared_run(case, 1, teachers)
    two: dict[str, Any] = torch.load(two_workers / f"{case}.pt", weights_only=True)
    for a, b in zip(one.history, two["history"], strict=True):
        assert a.keys() == b.keys()
        for name in a.keys() - {"seconds"}:
            # Validation loss is a mean over batches, and two workers have other batches.
            loose = a["split"] == "val" and name.startswith("loss/")
            if isinstance(a[name], str):
                assert b[name] == a[name]
            else:
                assert b[name] == pytest.approx(a[name], rel=0.2 if loose else 1e-4), name
    for name, value in one.model.items():
        limit = 2e-5 + 1e-3 * value.abs()
        excess = (two["model"][name] - value).abs() / limit
        # Of a gradient that is nearly zero Adam makes a share of a whole step out of a rounding,
        # which one kind of processor does otherwise than another.
        assert (excess > 1).double().mean() < 1e-3, name
        assert excess.max() < 1.5, name
    if "values" in one.balancing:
        torch.testing.assert_close(
            two["balancing"]["values"], one.balancing["values"], rtol=1e-4, atol=1e-6
        )


def test_a_task_alone_trains_and_is_judged_by_its_own_metric(tmp_path: Path) -> None:
    state = trained(config_of("train_type=cls"))
    train_line, val = state.history
    assert train_line["stage"] == "teachers"
    assert val["score"] == val["top1"] == state.best
    assert not [name for name in val if "det" in name or "seg" in name or name == "map"]


def test_masks_with_nothing_to_learn_from_are_counted(tmp_path: Path) -> None:
    root = tmp_path / "seg"
    for split in ("train", "val"):
        write_voc(root, images=4, split=split)
        for file in (root / split / "SegmentationClass").iterdir():
            save(file, palette_mask(np.full((48, 64), 255)))
    config = config_of(
        f"data.seg_root={root}", "train_type=seg", "model.num_seg_classes=21",
        "optimizer.weight_decay=0",
    )  # fmt: skip
    line, val = trained(config).history
    assert line["empty_masks"] == 8
    assert line["loss/segmentation"] == 0.0
    assert val["empty_masks"] == 4
    assert "miou" not in val


def test_a_corrupt_image_is_counted_or_named(tmp_path: Path) -> None:
    root = tmp_path / "cls"
    for split in ("train", "val"):
        write_folders(root, images=4, split=split)
        (root / split / "a" / "1.JPEG").write_bytes(b"\xff\xd8 no picture")
    words = [f"data.cls_root={root}", "train_type=cls", "model.num_cls_classes=2"]
    line, val = trained(config_of(*words, "data.on_error=skip", "training.val_samples=8")).history
    assert line["skipped"] == 1  # of eight images, each of which is shown once
    assert val["skipped"] == 1
    with pytest.raises(DataError, match=r"a/1\.JPEG.*data\.on_error=skip"):
        trained(config_of(*words))
