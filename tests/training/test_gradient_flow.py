"""Gradients that are known in advance, found again; and what measuring leaves alone."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from mtl.errors import GradientError
from mtl.losses.weighting import LossGroups
from mtl.training.gradient_flow import (
    GradientFlow,
    LayerFlow,
    Summary,
    layer_groups,
    measure,
    require_identity,
)
from tests.models.small import small_model, small_simtrack

PAIR = ("left", "right")
GROUPS = LossGroups(
    {"left": ("left",), "right": ("right", "extra")}, {"left": 2.0, "right": 1.0, "extra": 0.5}
)


class Line(nn.Module):
    """Losses that are linear in two layers of two numbers each: their gradients are constants."""

    def __init__(self) -> None:
        super().__init__()
        self.near = nn.Parameter(torch.tensor([1.0, -2.0]))
        self.far = nn.Parameter(torch.tensor([0.5, 0.25]))

    @property
    def layers(self) -> dict[str, list[nn.Parameter]]:
        return {"near": [self.near], "far": [self.far]}

    def losses(
        self, left: list[float], right: list[float], extra: list[float]
    ) -> dict[str, Tensor]:
        """Each slope: two numbers for `near`, two for `far`; the weights come on top."""
        x = torch.cat([self.near, self.far])
        slopes = {"left": left, "right": right, "extra": extra}
        return {
            name: torch.tensor(slope, dtype=torch.float32) @ x for name, slope in slopes.items()
        }


def test_norms_and_cosines_are_those_of_the_weighted_losses_at_each_layer() -> None:
    model = Line()
    values = model.losses([3, 4, 1, 0], [0, 5, 0, 2], [0, 0, 2, 0])
    flow = measure(values, GROUPS, model.layers)
    # left: (6, 8 | 2, 0); right: (0, 5 | 1, 2)
    assert flow.layers["near"].norms == pytest.approx({"left": 10.0, "right": 5.0})
    assert flow.layers["near"].cosines == pytest.approx({PAIR: 40 / 50})
    assert flow.layers["far"].norms == pytest.approx({"left": 2.0, "right": math.sqrt(5)})
    assert flow.layers["far"].cosines == pytest.approx({PAIR: 2 / (2 * math.sqrt(5))})
    assert flow.overall.norms == pytest.approx({"left": math.sqrt(104), "right": math.sqrt(30)})
    assert flow.overall.cosines == pytest.approx({PAIR: 42 / math.sqrt(104 * 30)})
    assert flow.identity_error < 1e-6


def test_opposed_tasks_conflict_fully_and_their_vanishing_sum_is_no_error() -> None:
    model = Line()
    values = model.losses([1, 2, 3, 4], [-2, -4, -6, -8], [0, 0, 0, 0])
    flow = measure(values, GROUPS, model.layers)
    assert [x.cosines[PAIR] for x in flow.layers.values()] == pytest.approx([-1, -1])
    assert flow.identity_error == 0
    assert flow.overall.cosines == pytest.approx({PAIR: -1.0})
    assert flow.overall.norms == pytest.approx({"left": math.sqrt(120), "right": math.sqrt(120)})


def test_a_task_that_does_not_reach_a_layer_has_norm_0_there_and_no_angle() -> None:
    model = Line()
    values = {"left": 3 * model.near.sum(), "right": model.far.square().sum()}
    flow = measure(values, GROUPS, model.layers)
    assert flow.layers["far"].norms["left"] == 0
    assert flow.layers["far"].cosines == {}
    assert flow.overall.cosines == {PAIR: 0.0}


def test_a_missing_task_is_absent() -> None:
    model = Line()
    flow = measure({"left": model.near.sum()}, GROUPS, model.layers)
    assert flow.overall == LayerFlow({"left": pytest.approx(2 * math.sqrt(2))}, {})


def test_a_task_that_no_longer_learns_counts_as_gradient_0() -> None:
    model = Line()
    flow = measure({"left": model.near.sum(), "right": torch.tensor(1.0)}, GROUPS, model.layers)
    assert flow.overall.norms["right"] == 0
    assert flow.overall.cosines == {}


def test_measuring_leaves_graph_gradients_and_random_numbers_alone() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 2))
    hidden = net(torch.randn(5, 3))
    values = {"left": hidden[:, 0].square().mean(), "right": (hidden[:, 1] - 1).square().mean()}
    before = torch.get_rng_state()
    flow = measure(values, GROUPS, {"first": list(net[0].parameters())})
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.grad is None for parameter in net.parameters())
    GROUPS.total(values, {"left": 1.0, "right": 1.0}).backward()
    gradient = torch.cat([cast(Tensor, x.grad).flatten() for x in net[0].parameters()])
    left, right = flow.overall.norms["left"], flow.overall.norms["right"]
    cosine = flow.overall.cosines[PAIR]
    squared = left**2 + right**2 + 2 * left * right * cosine
    assert float(gradient.norm()) == pytest.approx(math.sqrt(squared), rel=1e-5)


@pytest.mark.parametrize("error", [2e-4, math.inf, math.nan])
def test_gradients_that_do_not_add_up_are_refused(error: float) -> None:
    flow = GradientFlow({}, LayerFlow({"left": 1.0, "right": 1.0}, {}), error)
    with pytest.raises(GradientError, match=r"its tasks \(left, right\) by .* more than 0.0001"):
        require_identity(flow)


def test_a_total_that_forgets_a_task_is_caught() -> None:
    class Forgetful(LossGroups):
        def total(self, values: Any, factors: Any) -> Tensor:
            return super().total({"left": values["left"]}, factors)

    groups = Forgetful({"left": ("left",), "right": ("right",)}, {"left": 1.0, "right": 1.0})
    model = Line()
    flow = measure({"left": model.near.sum(), "right": model.far.sum()}, groups, model.layers)
    assert flow.identity_error == pytest.approx(1.0)
    with pytest.raises(GradientError):
        require_identity(flow)


def flow_of(cosine: float, norm: float) -> GradientFlow:
    layer = LayerFlow({"left": norm, "right": 1.0}, {PAIR: cosine})
    return GradientFlow({"near": layer}, dataclasses.replace(layer, cosines={}), abs(cosine) / 1e6)


def test_a_summary_has_means_ranges_and_the_share_of_conflicts() -> None:
    summary = Summary.of([flow_of(-0.5, 1), flow_of(0.0, 2), flow_of(0.25, 3), flow_of(-0.75, 2)])
    near = summary.layers["near"]
    assert near.norms == {"left": 2.0, "right": 1.0}
    assert near.pairs[PAIR] == (-0.25, -0.75, 0.25, 0.5)
    assert summary.overall.pairs == {}
    assert summary.identity_error == pytest.approx(7.5e-7)
    assert summary.batches == 4


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (
            small_model(),
            ["embedding", "position", "block 0", "block 1", "block 2", "last norm"],
        ),
        (
            small_simtrack(),
            [
                "embedding",
                "position",
                "first norm",
                "block 0",
                "block 1",
                "last norm",
                "bottleneck",
            ],
        ),
    ],
    ids=["hiptrack", "simtrack"],
)
def test_every_learning_shared_parameter_has_one_group_in_network_order(
    model: Any, names: list[str]
) -> None:
    shared = model.shared_parameters()
    groups = layer_groups(model, shared)
    assert list(groups) == names
    grouped = [id(parameter) for group in groups.values() for parameter in group]
    assert sorted(grouped) == sorted(id(x) for x in shared if x.requires_grad)


def test_a_model_without_familiar_names_is_grouped_by_modules() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].requires_grad_(False)
    groups = layer_groups(net, list(net.parameters()))
    assert {name: len(group) for name, group in groups.items()} == {"0": 2, "2": 2}
