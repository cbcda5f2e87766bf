"""The loop with a small real task: linear regression, which shows every digit."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mtl.config.load import load
from mtl.config.schema import RunConfig, StageConfig
from mtl.errors import CheckpointError, NonFiniteLossError
from mtl.tasks.task import Batch, Metrics, Moment, TaskLosses
from mtl.training.loop import train
from mtl.training.numbers import training_numbers, validation_numbers
from mtl.training.run import Run
from mtl.training.seeding import seed_weights
from mtl.training.state import TrainingState


class Regression:
    def __init__(self, poison_at: int | None = None) -> None:
        self.weights = {"mse": 2.0}
        self.loss_groups = {"fit": ("mse",)}
        self.poison_at = poison_at
        self.modes: list[str] = []

    def build_model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))

    def losses(self, model: nn.Module, batch: Batch, moment: Moment) -> TaskLosses:
        error = (model(batch["x"]) - batch["y"]).square().mean()
        if moment.training and self.poison_at in batch["sample"].tolist():
            error = error * math.nan
        count = torch.tensor(float(len(batch["x"])), dtype=torch.float64)
        return TaskLosses({"mse": error}, {"n": count, "mse": error.detach().double() * count})

    def metrics(self, statistics: dict[str, Tensor]) -> Metrics:
        mse = float(statistics["mse"] / statistics["n"])
        return {"loss/total": 2 * mse, "loss/mse": mse}

    def parameter_groups(self, model: nn.Module, stage: StageConfig) -> list[dict[str, Any]]:
        learning = [p for p in model.parameters() if p.requires_grad]
        return [{"params": learning, "lr": stage.learning_rate}]

    def shared_parameters(self, model: nn.Module) -> list[nn.Parameter]:
        return list(model.parameters())

    def set_mode(self, model: nn.Module, stage: StageConfig) -> None:
        model.train()
        assert isinstance(model, nn.Sequential)
        model[0].requires_grad_("backbone" not in stage.freeze)

    def describe(self, batch: Batch) -> str:
        return f"the samples {batch['sample'].tolist()}"


class NumberedBatches:
    """Each sample is a function of its number, as in a real run."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config.training

    def make(self, numbers: np.ndarray, stream: int) -> Batch:
        xs = [np.random.default_rng([stream, int(i)]).standard_normal(3) for i in numbers]
        x = torch.tensor(np.array(xs), dtype=torch.float32)
        y = x.sum(dim=1, keepdim=True)
        return {"x": x, "y": y, "sample": torch.from_numpy(numbers)}

    def training(self, first_step: int, last_step: int) -> Iterator[Batch]:
        c = self.config
        numbers = training_numbers(first_step, last_step, c.batch_size, c.accumulate, 0, 1)
        return (self.make(n, 0) for n in numbers)

    def validation(self) -> Iterator[Batch]:
        return (self.make(n, 1) for n in validation_numbers(self.config.val_samples, 8, 0, 1))


class KilledError(Exception):
    pass


class DiskReporter:
    """Saves every state; "kills" the run after a number of checkpoints or steps."""

    def __init__(self, folder: Path, die_after: int | None = None) -> None:
        self.folder, self.die_after, self.saved = folder, die_after, 0
        self.news: list[dict[str, Any]] = []

    def progress(self, news: dict[str, Any]) -> None:
        self.news.append(news)

    def checkpoint(self, state: TrainingState, improved: bool) -> None:
        if self.saved == self.die_after:
            raise KilledError
        target = self.folder / f"{self.saved:03}"
        target.mkdir(parents=True)
        state.save(target, {})
        self.saved += 1

    def last(self) -> TrainingState:
        return TrainingState.load(max(self.folder.iterdir()))


def config_of(*words: str) -> RunConfig:
    return load(
        "demo",
        [
            "stages.head.epochs=1", "stages.full.epochs=2", "training.batch_size=8",
            "training.samples_per_epoch=40", "training.val_samples=20", "training.log_every=2",
            "optimizer.max_grad_norm=10", "checkpoint.metric=loss/mse", *words,
        ],
    )  # fmt: skip


def run_of(config: RunConfig, reporter: DiskReporter, task: Regression | None = None) -> Run:
    task = task or Regression()
    seed_weights(config.seed)
    model = task.build_model()
    return Run(config, task, model, torch.device("cpu"), NumberedBatches(config), reporter)


def without_seconds(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in line.items() if k != "seconds"} for line in history]


def test_a_run_learns_and_writes_a_line_per_epoch_and_split(tmp_path: Path) -> None:
    config = config_of("stages.full.epochs=20")
    state = train(run_of(config, DiskReporter(tmp_path)), TrainingState())
    val = [line for line in state.history if line["split"] == "val"]
    assert [line["epoch"] for line in val] == list(range(1, 22))
    assert [line["stage"] for line in val] == ["head"] + ["full"] * 20
    assert val[-1]["loss/mse"] < 0.5 * val[0]["loss/mse"]
    assert val[-1]["samples"] == state.step * 8 == 21 * 40


@pytest.mark.parametrize("every", ["null", "2", "3"])
@pytest.mark.parametrize("die_after", [1, 2, 3])
def test_resume_equals_uninterrupted_run(tmp_path: Path, every: str, die_after: int) -> None:
    config = config_of(f"checkpoint.every_steps={every}", "stages.full.epochs=3")
    whole = train(run_of(config, DiskReporter(tmp_path / "whole")), TrainingState())

    broken = DiskReporter(tmp_path / "broken", die_after)
    with pytest.raises(KilledError):
        train(run_of(config, broken), TrainingState())
    resumed = DiskReporter(tmp_path / "resumed")
    state = train(run_of(config, resumed), broken.last())

    assert without_seconds(state.history) == without_seconds(whole.history)
    for name, tensor in whole.model.items():
        assert torch.equal(state.model[name], tensor), name
    assert resumed.last().optimizer is None


def test_accumulation_sees_the_batch_in_parts(tmp_path: Path) -> None:
    config = config_of("training.accumulate=2", "stages.full.epochs=1")
    state = train(run_of(config, DiskReporter(tmp_path)), TrainingState())
    assert state.step == 10


def test_a_frozen_part_keeps_its_weights_until_its_stage(tmp_path: Path) -> None:
    config = config_of("stages.full.epochs=0")
    run = run_of(config, DiskReporter(tmp_path))
    before = copy.deepcopy(run.model.state_dict())
    train(run, TrainingState())
    after = run.model.state_dict()
    assert torch.equal(after["0.weight"], before["0.weight"])
    assert not torch.equal(after["3.weight"], before["3.weight"])


def test_a_nan_loss_names_loss_and_samples_before_any_weight_moves(tmp_path: Path) -> None:
    config = config_of()
    run = run_of(config, DiskReporter(tmp_path), Regression(poison_at=0))
    before = copy.deepcopy(list(run.model.parameters()))
    with pytest.raises(NonFiniteLossError) as caught:
        train(run, TrainingState())
    assert "loss/mse is nan" in str(caught.value)
    assert "step 0" in str(caught.value)
    assert "the samples [0, 1, 2, 3, 4, 5, 6, 7]" in str(caught.value)
    for old, new in zip(before, run.model.parameters(), strict=True):
        assert torch.equal(old, new)


def test_progress_is_told_at_its_interval(tmp_path: Path) -> None:
    reporter = DiskReporter(tmp_path)
    train(run_of(config_of(), reporter), TrainingState())
    assert [news["step"] for news in reporter.news] == [2, 4, 5, 6, 8, 10, 12, 14, 15]
    assert all(news["losses"]["loss/total"] > 0 for news in reporter.news)


class SlowBatches(NumberedBatches):
    """Every micro-batch takes a while."""

    def training(self, first_step: int, last_step: int) -> Iterator[Batch]:
        for batch in super().training(first_step, last_step):
            time.sleep(0.05)
            yield batch


def test_the_wait_for_samples_is_told_beside_the_time_of_a_step(tmp_path: Path) -> None:
    reporter = DiskReporter(tmp_path)
    run = run_of(config_of("stages.head.epochs=0", "stages.full.epochs=1"), reporter)
    run.batches = SlowBatches(run.config)
    train(run, TrainingState())
    for news in reporter.news:
        assert news["step_seconds"] == pytest.approx(8 / news["samples_per_second"])
        assert 0.05 <= news["data_wait_share"] * news["step_seconds"] <= news["step_seconds"]


@pytest.mark.parametrize("victim", ["state.json", "model.safetensors", "optimizer.pt"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, victim: str) -> None:
    reporter = DiskReporter(tmp_path)
    train(run_of(config_of("stages.full.epochs=0"), reporter), TrainingState())
    folder = max(tmp_path.iterdir())
    file = folder / victim
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(CheckpointError, match=str(folder)):
        TrainingState.load(folder)
