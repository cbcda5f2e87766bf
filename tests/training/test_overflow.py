"""Gradients that are not finite though the losses are: fp32 refuses them, fp16 skips the step."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from mtl.errors import NonFiniteLossError
from mtl.tasks.task import Batch, Moment, TaskLosses
from mtl.training.loop import train
from mtl.training.state import TrainingState
from tests.training.two_tasks import Pair, TwoTasks, config_of, run_of, trained

KINDS = ["fixed", "learnable", "famo", "pcgrad", "cagrad", "nash_mtl"]
WORDS = ("stages.head.epochs=0", "stages.full.epochs=1")


class Cliff(TwoTasks):
    """The root of 0 has an infinite slope."""

    def losses(self, model: nn.Module, batch: Batch, moment: Moment) -> TaskLosses:
        values, statistics = super().losses(model, batch, moment)
        cliff = (0 * next(model.parameters()).sum()).sqrt()
        return TaskLosses({**values, "left": values["left"] + cliff}, statistics)


@pytest.mark.parametrize("kind", KINDS)
def test_fp32_stops_before_any_weight_moves(kind: str) -> None:
    run = run_of(config_of(kind, *WORDS))
    run.task = Cliff()
    before = copy.deepcopy(run.model.state_dict())
    with pytest.raises(NonFiniteLossError, match="gradient norm is nan at step 0"):
        train(run, TrainingState())
    assert all(torch.equal(x, before[name]) for name, x in run.model.state_dict().items())


@pytest.mark.parametrize("kind", KINDS)
def test_fp16_skips_the_step_and_lowers_its_scale(kind: str) -> None:
    run = run_of(config_of(kind, *WORDS, "training.precision=fp16"))
    run.task = Cliff()
    assert isinstance(run.model, Pair)
    before = copy.deepcopy(run.model.state_dict())
    state = train(run, TrainingState())
    assert state.step == 4
    assert all(torch.equal(x, before[name]) for name, x in run.model.state_dict().items())
    assert "gradient_conflict" not in state.history[0]


def test_nash_weights_are_those_of_gradients_without_the_scalers_scale() -> None:
    full, half = (
        trained(config_of("nash_mtl", f"training.precision={p}")) for p in ("fp32", "fp16")
    )
    for name in ("weight/left", "weight/right", "gradient_norm/left"):
        assert half.history[-1][name] == pytest.approx(full.history[-1][name], rel=0.5), name
