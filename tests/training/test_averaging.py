"""The mean of a stage's last weights: what it is of, and what sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from mtl.errors import ConfigError
from mtl.training.averaging import averaged
from mtl.training.loop import train
from mtl.training.manifest import write_manifest
from mtl.training.plan import plan_of
from mtl.training.state import TrainingState
from mtl.training.validation import validate
from tests.training.test_loop import DiskReporter, KilledError, config_of, run_of, without_seconds

FOUR = "stages.full.epochs=4"
MEAN = "stages.full.average_from_ratio=0.5"


class Best(DiskReporter):
    """Keeps what would be written as the best weights."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.best: list[dict[str, torch.Tensor]] = []

    def checkpoint(self, state: TrainingState, improved: bool) -> None:
        super().checkpoint(state, improved)
        self.best.append({name: weight.clone() for name, weight in state.measured.items()})


def trained(folder: Path, *words: str) -> tuple[TrainingState, Best]:
    reporter = Best(folder)
    return train(run_of(config_of(*words), reporter), TrainingState()), reporter


def train_lines(state: TrainingState) -> list[dict[str, Any]]:
    return [x for x in without_seconds(state.history) if x["split"] == "train"]


def test_a_stage_leaves_the_mean_of_the_weights_at_the_ends_of_its_last_epochs(
    tmp_path: Path,
) -> None:
    plain, ends = trained(tmp_path / "plain", FOUR)
    mean, _ = trained(tmp_path / "mean", FOUR, MEAN)
    assert train_lines(mean) == train_lines(plain)  # training itself does not notice
    for name, weight in mean.model.items():
        if weight.is_floating_point():
            expected = (ends.best[-2][name] + ends.best[-1][name]) / 2
            torch.testing.assert_close(weight, expected)
        else:
            assert torch.equal(weight, ends.best[-1][name])
    assert (mean.average, mean.averaged) == ({}, 0)


def test_what_is_validated_is_the_mean_and_is_kept_as_the_best(tmp_path: Path) -> None:
    config = config_of(FOUR, "stages.full.average_from_ratio=0.25")
    state, reporter = trained(tmp_path, FOUR, "stages.full.average_from_ratio=0.25")
    lines = [x for x in without_seconds(state.history) if x["split"] == "val"]
    run = run_of(config, DiskReporter(tmp_path / "again"))
    for line, weights in zip(lines, reporter.best, strict=True):
        run.model.load_state_dict(weights)
        assert validate(run, line["epoch"])["loss/mse"] == line["loss/mse"]


def test_the_next_stage_goes_on_from_the_mean(tmp_path: Path) -> None:
    words = ("stages.head.epochs=2", "stages.full.learning_rate=1e-12")
    state, reporter = trained(tmp_path, *words, "stages.head.average_from_ratio=0")
    head = reporter.best[1]
    assert torch.allclose(state.model["3.weight"], head["3.weight"], atol=1e-7)
    assert not torch.allclose(reporter.best[0]["3.weight"], head["3.weight"], atol=1e-7)


def test_the_model_has_its_own_weights_again_whatever_happens() -> None:
    model = torch.nn.Linear(2, 2)
    own = model.weight.detach().clone()
    state = TrainingState(average={n: w * 0 for n, w in model.state_dict().items()}, averaged=1)

    def fail() -> None:
        with averaged(state, model):
            assert not model.weight.any()
            raise KilledError

    with pytest.raises(KilledError):
        fail()
    assert torch.equal(model.weight, own)


def test_a_checkpoint_that_knows_no_mean_has_none(tmp_path: Path) -> None:
    state = TrainingState(step=3)
    state.save(tmp_path, {})
    rest = torch.load(tmp_path / "optimizer.pt", weights_only=True)
    torch.save({k: v for k, v in rest.items() if not k.startswith("average")}, tmp_path / "x")
    (tmp_path / "x").replace(tmp_path / "optimizer.pt")
    write_manifest(tmp_path)
    assert TrainingState.load(tmp_path).average == {}


def test_the_share_is_of_the_epochs_of_its_stage() -> None:
    stage = plan_of(config_of(FOUR, MEAN)).stages[1]
    assert [stage.averages(epoch) for epoch in range(1, 5)] == [False, False, True, True]
    stage = plan_of(config_of("stages.full.epochs=1", "stages.full.average_from_ratio=0.9")).stages[
        1
    ]
    assert not stage.averages(1)


@pytest.mark.parametrize("ratio", ["1", "-0.1", "late"])
def test_a_share_that_leaves_no_epoch_is_refused(ratio: str) -> None:
    with pytest.raises(ConfigError, match=r"'stages\.full\.average_from_ratio' in the command"):
        config_of(f"stages.full.average_from_ratio={ratio}")
