from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mtl.config.schema import StageConfig
from mtl.losses.weighting import LossGroups
from mtl.tasks.task import Moment
from mtl.training.gradients import GradientProbe, gradient_figures
from mtl.training.loop import train
from mtl.training.run_folder import curve_name
from mtl.training.state import TrainingState
from mtl.training.task_gradients import TaskGradients
from tests.training.two_tasks import Keeper, Pair, TwoTasks, config_of, run_of, trained


def test_figures_are_lengths_angles_and_the_share_of_conflicts() -> None:
    gradients = np.array([[3.0, 4.0], [-5.0, 0.0], [0.0, 2.0]])
    found = gradient_figures(("a", "b", "c"), gradients @ gradients.T)
    assert found == pytest.approx(
        {
            "gradient_norm/a": 5, "gradient_norm/b": 5, "gradient_norm/c": 2,
            "gradient_cosine/a_b": -0.6, "gradient_cosine/a_c": 0.8, "gradient_cosine/b_c": 0,
            "gradient_conflict": 1 / 3,
        }
    )  # fmt: skip


def test_a_task_without_gradient_has_no_angle() -> None:
    found = gradient_figures(("a", "b"), np.array([[4.0, 0.0], [0.0, 0.0]]))
    assert found == {"gradient_norm/a": 2.0, "gradient_norm/b": 0.0}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_gradients_that_are_not_finite_give_no_figures(bad: float) -> None:
    assert gradient_figures(("a", "b"), np.array([[4.0, bad], [bad, 1.0]])) == {}


def test_task_gradients_add_up_over_micro_batches() -> None:
    used, unused = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1, 2))
    gradients = TaskGradients(("a", "b"), [used, unused])
    gradients.add("a", [torch.tensor([1.0, 2.0]), None])
    gradients.add("a", [torch.tensor([1.0, 0.0]), None])
    gradients.add("b", [torch.tensor([0.0, 3.0]), None])
    np.testing.assert_array_equal(gradients.gram(), [[8, 6], [6, 9]])


@pytest.mark.parametrize("scale", [1.0, 1024.0])
def test_the_probe_measures_what_separate_backward_passes_give(scale: float) -> None:
    task, model = TwoTasks(), Pair()
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    batch = {"x": x, "y": x.sum(dim=1, keepdim=True)}
    groups = LossGroups(task.loss_groups, task.weights)

    def losses() -> dict[str, Tensor]:
        return task.losses(model, batch, Moment(1, training=True)).values

    wanted = []
    for name in groups.names:
        model.zero_grad()
        groups.losses(losses())[name].backward()
        shared = [p.grad for p in task.shared_parameters(model) if p.grad is not None]
        wanted.append(torch.cat([gradient.flatten() for gradient in shared]))
    left, right = wanted
    probe = GradientProbe(groups, task.shared_parameters(model), every=3)
    figures = []
    for step in range(3):
        probe.begin_step(step)
        values = losses()
        probe.add(values, lambda loss: loss * scale)
        groups.total(values, dict.fromkeys(groups.names, 1.0)).backward()  # the graph is left
        figures.append(probe.figures(scale))
    assert figures[:2] == [{}, {}]
    assert figures[2]["gradient_norm/left"] == pytest.approx(float(left.norm()), rel=1e-5)
    assert figures[2]["gradient_norm/right"] == pytest.approx(float(right.norm()), rel=1e-5)
    cosine = float(left @ right / left.norm() / right.norm())
    assert figures[2]["gradient_cosine/left_right"] == pytest.approx(cosine, rel=1e-4)
    assert figures[2]["gradient_conflict"] == (cosine < 0)


def test_where_nothing_shared_learns_nothing_is_measured() -> None:
    groups = LossGroups({"a": ("x",)}, {"x": 1.0})
    probe = GradientProbe(groups, [], every=1)
    probe.begin_step(0)
    assert probe.figures(1.0) == {}


@pytest.mark.parametrize("kind", ["fixed", "learnable", "famo", "pcgrad"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_measuring_changes_no_digit_of_the_training(kind: str, precision: str) -> None:
    word = f"training.precision={precision}"
    measured = trained(config_of(kind, word, "training.accumulate=2"))
    plain = trained(
        config_of(kind, word, "training.accumulate=2", "diagnostics.gradients_every=null")
    )
    for name, value in plain.model.items():
        assert torch.equal(measured.model[name], value), name
    # The first fp16 steps overflow until the scaler has found its scale; they have no figures.
    assert "gradient_conflict" in measured.history[-1]
    assert not any("gradient_conflict" in line for line in plain.history)


class Listener(Keeper):
    def __init__(self) -> None:
        super().__init__()
        self.news: list[dict[str, Any]] = []

    def progress(self, news: dict[str, Any]) -> None:
        self.news.append(news)


def test_weights_and_gradients_are_told_when_they_are_measured() -> None:
    listener = Listener()
    config = config_of("pcgrad", "stages.full.epochs=0", "training.log_every=3")
    state = train(run_of(config, listener), TrainingState())
    assert [news["step"] for news in listener.news] == [2, 3, 4]
    assert ["gradient_norm/left" in news for news in listener.news] == [True, False, True]
    assert all(news["weight/left"] > 0 for news in listener.news)
    told = [n["gradient_norm/left"] for n in listener.news if "gradient_norm/left" in n]
    assert state.history[0]["gradient_norm/left"] == pytest.approx(np.mean(told))


class Frozen(TwoTasks):
    """A stage in which nothing learns that the left task depends on."""

    def __init__(self) -> None:
        super().__init__()
        self.modes = 0

    def set_mode(self, model: nn.Module, stage: StageConfig) -> None:
        assert isinstance(model, Pair)
        self.modes += 1
        model.train()
        model.shared.requires_grad_(False)
        model.left.requires_grad_(False)

    def parameter_groups(self, model: nn.Module, stage: StageConfig) -> list[dict[str, Any]]:
        learning = [p for p in model.parameters() if p.requires_grad]
        return [{"params": learning, "lr": stage.learning_rate}]


@pytest.mark.parametrize("kind", ["pcgrad", "cagrad", "nash_mtl"])
def test_where_nothing_shared_learns_gradient_methods_are_fixed_weights(kind: str) -> None:
    states = []
    for name in (kind, "fixed"):
        run = run_of(config_of(name))
        run.task = Frozen()
        states.append(train(run, TrainingState()))
    torch.testing.assert_close(states[0].model, states[1].model)
    assert all(line["weight/left"] == 1 for line in states[0].history)


def test_parts_get_their_mode_once_per_stage_and_keep_it_through_validation() -> None:
    run = run_of(config_of("fixed"))
    run.task = task = Frozen()
    train(run, TrainingState())
    assert task.modes == 2


def test_figures_have_curves_by_task() -> None:
    assert curve_name("weight/conditions") == "Weight/conditions"
    assert curve_name("gradient_cosine/a_b") == "GradientCosine/a_b"
    assert curve_name("gradient_conflict") == "GradientConflict"
    assert curve_name("loss/total") == "Loss/total"
    assert curve_name("epoch") is None
