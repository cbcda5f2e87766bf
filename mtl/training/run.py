"""One process's share of a run, and all that it knows of the world around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from mtl.config.schema import RunConfig
from mtl.tasks.task import Batch, Task
from mtl.training.state import TrainingState


class Batches(Protocol):
    """Where micro-batches come from; they lie on the model's device."""

    def training(self, first_step: int, last_step: int) -> Iterator[Batch]:
        """This rank's micro-batches of the steps, `accumulate` of them per step, in order."""

    def validation(self) -> Iterator[Batch]:
        """This rank's share of the validation samples."""


class Reporter(Protocol):
    """Where a run's news go. Every rank calls `checkpoint` equally often; it may be a barrier."""

    def progress(self, news: dict[str, Any]) -> None:
        """Numbers of the last steps, for eyes only; rank 0 calls it."""

    def checkpoint(self, state: TrainingState, improved: bool) -> None:
        """Keep this state; `improved` says that its weights are the best so far."""


def never() -> bool:
    """Nobody asks the run to stop."""
    return False


@dataclass(frozen=True)
class Signals:
    """What reaches a run from outside; looked at after each step, on every rank."""

    stop_asked: Callable[[], bool] = never
    """Whether this process was asked to keep the state and end."""
    look_due: Callable[[], bool] = never
    """Whether this process finds it time to ask `leaving`."""
    leaving: Callable[[], bool] = never
    """Whether a machine is about to go, which was not said before; every rank asks at once."""


NO_SIGNALS = Signals()


@dataclass
class Run:
    """One process's share of a run."""

    config: RunConfig
    task: Task
    model: nn.Module
    device: torch.device
    batches: Batches
    reporter: Reporter
    signals: Signals = NO_SIGNALS
