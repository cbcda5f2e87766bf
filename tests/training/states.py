"""Small states, and whether two are the same to the last bit."""

from __future__ import annotations

from typing import Any

import torch

from mtl.training.state import TrainingState


def state_at(step: int, **changes: Any) -> TrainingState:
    """A state that has something of everything, another one at each step."""
    draw = torch.Generator().manual_seed(step)
    weight = torch.randn(3, 2, generator=draw)
    moments = {"step": torch.tensor(float(step)), "exp_avg": torch.randn(3, 2, generator=draw)}
    groups = [{"lr": 0.1 / (1 + step), "params": [0]}]
    fields: dict[str, Any] = {
        "step": step,
        "seconds": step / 7,
        "history": [{"epoch": 1, "split": "val", "iou": step / 100}],
        "best": step / 100,
        "totals": {"n": torch.tensor([step, 1.0], dtype=torch.float64)},
        "model": {"weight": weight, "count": torch.tensor(step)},
        "optimizer": {"state": {0: moments}, "param_groups": groups},
        "scaler": {"scale": 1024.0, "growth": step},
        "balancing": {"weights": torch.tensor([0.25, 0.75])},
    }
    return TrainingState(**(fields | changes))


def same(one: Any, other: Any) -> bool:
    """Whether two states, or parts of them, are equal bit for bit."""
    if isinstance(one, TrainingState):
        return isinstance(other, TrainingState) and same(vars(one), vars(other))
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(x, other[key]) for key, x in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)
