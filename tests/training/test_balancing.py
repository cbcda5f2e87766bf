"""Every weighting under the loop: alone, with two real workers, accumulated and interrupted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from mtl.training.loop import train
from mtl.training.state import TrainingState
from tests.training.two_tasks import Keeper, config_of, run_of, trained

ROOT = Path(__file__).resolve().parents[2]
KINDS = [
    "fixed", "learnable", "uncertainty", "dwa", "rlw", "famo", "pcgrad", "cagrad", "nash_mtl",
]  # fmt: skip
CASES = [f"{kind}:{accumulate}" for kind in KINDS for accumulate in (1, 2)]


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All cases trained by two processes under DDP."""
    folder = tmp_path_factory.mktemp("two")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "tests.training.two_tasks", str(folder)]
    processes = [
        subprocess.Popen([*words, str(rank), "2", *CASES], cwd=ROOT, env=environment)
        for rank in range(2)
    ]
    assert [process.wait(timeout=200) for process in processes] == [0, 0]
    return folder


def weights_of(state: TrainingState, name: str) -> list[float]:
    return [line[f"weight/{name}"] for line in state.history]


def assert_same(one: dict[str, Any], two: dict[str, Any]) -> None:
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=2e-4, atol=2e-6, msg=name)


@pytest.mark.parametrize("case", CASES)
def test_two_workers_take_the_step_of_one(case: str, two_workers: Path) -> None:
    kind, accumulate = case.split(":")
    one = trained(config_of(kind, f"training.accumulate={accumulate}"))
    two = torch.load(two_workers / f"{case}.pt", weights_only=True)
    assert_same(one.model, two["model"])
    for a, b in zip(one.history, two["history"], strict=True):
        for name in (
            "loss/total", "weight/left", "weight/right", "gradient_norm/left",
            "gradient_norm/right", "gradient_cosine/left_right", "gradient_conflict",
        ):  # fmt: skip
            assert b[name] == pytest.approx(a[name], rel=1e-4), name


@pytest.mark.parametrize("kind", KINDS)
def test_micro_batches_add_up_to_the_step_of_the_whole_batch(kind: str) -> None:
    whole = trained(config_of(kind))
    parts = trained(config_of(kind, "training.accumulate=4"))
    assert_same(whole.model, parts.model)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", [0, 2, 3])
def test_an_interrupted_run_goes_on_to_the_same_digits(kind: str, at: int, tmp_path: Path) -> None:
    config = config_of(kind, "checkpoint.every_steps=3")
    whole = train(run_of(config, Keeper(tmp_path)), TrainingState())
    resumed = train(run_of(config), TrainingState.load(tmp_path / f"{at:03}"))
    for name, value in whole.model.items():
        assert torch.equal(resumed.model[name], value), name
    assert [{**x, "seconds": 0} for x in resumed.history] == [
        {**x, "seconds": 0} for x in whole.history
    ]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "fixed"])
def test_every_weighting_trains_otherwise_than_fixed_weights(kind: str) -> None:
    fixed, other = trained(config_of("fixed")), trained(config_of(kind))
    assert weights_of(fixed, "left") == [1.0] * 5
    assert not torch.equal(fixed.model["shared.weight"], other.model["shared.weight"])
    assert all(weight > 0 for weight in weights_of(other, "left"))
    losses = [line["loss/total"] for line in other.history]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("kind", ["fixed", "uncertainty", "famo", "pcgrad", "nash_mtl"])
def test_mixed_precision_leaves_the_direction_alone(kind: str) -> None:
    full = trained(config_of(kind))
    half = trained(config_of(kind, "training.precision=bf16"))
    for name, value in full.model.items():
        torch.testing.assert_close(half.model[name], value, rtol=0.1, atol=0.02, msg=name)


def test_a_group_that_is_absent_from_a_batch_changes_nothing_for_the_others() -> None:
    config = config_of("nash_mtl")
    run = run_of(config)
    run.task.loss_groups = {"left": ("left",), "right": ("right", "right_size"), "none": ("gone",)}
    state = train(run, TrainingState())
    assert_same(trained(config).model, state.model)
