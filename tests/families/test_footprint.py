from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mtl.config.load import load
from mtl.config.retention import RETENTION_METHODS
from mtl.families.footprint import DiskNeed, disk_need
from mtl.models.build import build_model
from mtl.training.state import TrainingState


def test_a_tracker_is_one_run_of_as_many_parameters_as_its_model_has() -> None:
    config = load("demo", ["name=x"])
    need = disk_need(config)
    size = sum(tensor.numel() for tensor in build_model(config).state_dict().values())
    assert need == DiskNeed(size, config.checkpoint.keep, 1, 1)


@pytest.mark.parametrize(("train_type", "runs"), [("all", 4), ("det", 1), ("sequential", 3)])
def test_runs_that_come_first_take_disk_too(tmp_path: Path, train_type: str, runs: int) -> None:
    words = ["name=x", f"storage={tmp_path}", f"train_type={train_type}"]
    config = load("unified_demo", words)
    need = disk_need(config)
    assert (need.training, need.runs) == (runs, runs)


@pytest.mark.parametrize("method", RETENTION_METHODS)
def test_what_nobody_has_trained_yet_is_not_asked_for(tmp_path: Path, method: str) -> None:
    words = ["name=x", f"storage={tmp_path}", "train_type=sequential", f"retention.method={method}"]
    assert disk_need(load("unified_demo", words)).runs == 3
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_is_no_larger_than_is_said(tmp_path: Path) -> None:
    config = load("demo", ["name=x"])
    need = disk_need(config)
    model = build_model(config)
    optimizer = torch.optim.AdamW(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    state = TrainingState(model=model.state_dict(), optimizer=optimizer.state_dict())
    state.save(tmp_path, config.model_dump(mode="json"))
    written = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert 0.95 < written / need.checkpoint_bytes < 1.05
