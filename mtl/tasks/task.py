"""What the loop knows of a model family.

A family is one object with this shape. The loop calls `losses` on a (possibly DDP-wrapped) model,
adds the values up with `weights`, and sums `statistics` over batches and workers; `metrics` turns
those sums into the numbers people read. Because statistics only ever get added, an epoch's numbers
do not depend on where it was interrupted or how many workers shared it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn

from mtl.config.schema import StageConfig

Batch = dict[str, Tensor]
Metrics = dict[str, Any]


@dataclass(frozen=True)
class Moment:
    """When in a run a batch is seen."""

    epoch: int
    """Epoch, counted from 1 over all stages."""
    training: bool
    """False in validation."""


class TaskLosses(NamedTuple):
    """What one batch gave."""

    values: dict[str, Tensor]
    """Unweighted scalar losses by name, connected to the graph."""
    statistics: dict[str, Tensor]
    """Detached float64 sums by name, any shape; they are added over batches and workers."""


class Task(Protocol):
    """One model family: model, losses, metrics and what learns in a stage."""

    class_names: Any
    """What the outputs are called, as plain lists and maps; kept with the weights."""

    weights: dict[str, float]
    """Weight of each loss in the total, by the names of `TaskLosses.values`."""

    loss_groups: dict[str, tuple[str, ...]]
    """What `config.weighting` balances: names of losses whose weighted sum is one task."""

    def build_model(self) -> nn.Module:
        """The freshly initialised model, on the CPU."""

    def losses(self, model: nn.Module, batch: Batch, moment: Moment) -> TaskLosses:
        """Losses of one batch that lies on the model's device."""

    def metrics(self, statistics: dict[str, Tensor]) -> Metrics:
        """Metrics by their public names from summed statistics."""

    def parameter_groups(self, model: nn.Module, stage: StageConfig) -> list[dict[str, Any]]:
        """Optimiser groups of what learns in `stage`, each with its own `lr`."""

    def shared_parameters(self, model: nn.Module) -> list[nn.Parameter]:
        """What every group of losses learns from, whether it learns in this stage or not."""

    def set_mode(self, model: nn.Module, stage: StageConfig) -> None:
        """Train mode for what learns, and what `stage.freeze` says for what does not."""

    def describe(self, batch: Batch) -> str:
        """The batch's samples as a person would look them up."""
