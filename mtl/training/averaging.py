"""The mean of a stage's weights over its last epochs (Izmailov et al., UAI 2018: SWA).

Weights at the ends of epochs lie around a better place than any of them. Training goes on from its
own weights; what is validated, kept as the best and left to the next stage is their mean. Unlike in
the paper the learning rate is the stage's, and statistics of normalisation are averaged like
weights instead of being counted anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from mtl.training.distributed import share_buffers
from mtl.training.state import TrainingState


def add_to_average(state: TrainingState, model: nn.Module) -> None:
    """Take the model's weights into the mean of a state; every rank must call it."""
    share_buffers(model)
    state.averaged += 1
    state.average = {
        name: _mean(state.average.get(name), weight, state.averaged)
        for name, weight in model.state_dict().items()
    }


@contextmanager
def averaged(state: TrainingState, model: nn.Module) -> Iterator[None]:
    """Give the model the mean, where there is one, and its own weights back at the end."""
    if not state.average:
        yield
        return
    own = {name: weight.clone() for name, weight in model.state_dict().items()}
    model.load_state_dict(state.average)
    try:
        yield
    finally:
        model.load_state_dict(own)


def take_average(state: TrainingState, model: nn.Module) -> None:
    """Leave the mean in the model, where there is one, and nothing in the state."""
    if state.average:
        model.load_state_dict(state.average)
    state.average, state.averaged = {}, 0


def _mean(before: Tensor | None, weight: Tensor, count: int) -> Tensor:
    """Mean of `count` weights of which the last is new; counters are that of the newest."""
    if before is None or not weight.is_floating_point():
        return weight.clone()
    return before.to(weight.device).lerp(weight, 1 / count)
