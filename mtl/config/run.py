"""What every run has, whatever it trains."""

from __future__ import annotations

from typing import Any

from pydantic import Field, NonNegativeInt, model_validator

from mtl.config.base import Config
from mtl.config.training import (
    CheckpointConfig,
    ClusterConfig,
    DiagnosticsConfig,
    OptimizerConfig,
    StageConfig,
    TrainingConfig,
)
from mtl.config.weighting import FixedWeighting, Weighting


class RunConfig(Config):
    """A whole run. What a command resolves from preset, file and overrides."""

    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Name of the run and its folder; none: preset and time, so that none is reused by accident."""
    storage: str = "runs"
    """Folder or URI (s3://, gs://) of the run folders; all nodes must reach it. In jobs below ~."""
    resume: bool = False
    """Go on from the last checkpoint of the run with this name."""
    seed: NonNegativeInt = 42
    """Seed of weights, samples and dropout."""
    model: Any
    """The network; its key `family` says which of the run schemas the other keys follow."""
    weighting: Weighting = FixedWeighting()
    """How the tasks share a step."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """The optimiser."""
    stages: dict[str, StageConfig] = Field(min_length=1)
    """Stages by name, in the order in which they run."""
    training: TrainingConfig = TrainingConfig()
    """The loop."""
    checkpoint: CheckpointConfig = CheckpointConfig()
    """Resumable state."""
    diagnostics: DiagnosticsConfig = DiagnosticsConfig()
    """Measurements on the way."""
    cluster: ClusterConfig = ClusterConfig()
    """Placement."""

    @property
    def trains(self) -> bool:
        """False: the weights of `model.init` are validated and evaluated as they are."""
        return True

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the network's parts, which a stage can freeze."""
        raise NotImplementedError

    @property
    def running_stages(self) -> dict[str, StageConfig]:
        """Stages that run: they have epochs, and something that learns."""
        raise NotImplementedError

    def of_workers(self, count: int) -> RunConfig:
        """The same training by this many workers.

        Steps have the same batches, in micro-batches that are no larger than those of
        `cluster.most` workers, so fewer workers take more of them.
        """
        share = self.training.batch_size // count
        largest = self.training.batch_size // (self.cluster.most * self.training.accumulate)
        size = max(size for size in range(1, largest + 1) if share % size == 0)
        training = self.training.model_copy(update={"accumulate": share // size})
        cluster = self.cluster.model_copy(update={"workers": count})
        return self.model_copy(update={"training": training, "cluster": cluster})

    @model_validator(mode="after")
    def _check_parts(self) -> RunConfig:
        for name, stage in self.stages.items():
            for part in stage.freeze:
                if part not in self.parts:
                    raise ValueError(
                        f"stages.{name}.freeze: '{part}' is no part of {self.model.family}; "
                        f"parts are {', '.join(self.parts)}"
                    )
        return self

    @model_validator(mode="after")
    def _check(self) -> RunConfig:
        size, accumulate = self.training.batch_size, self.training.accumulate
        self.cluster.require_shared("training.batch_size", size, accumulate)
        if self.cluster.most > 1 and 0 < (self.cluster.gpus_per_worker or 0) < 1:
            raise ValueError(
                f"cluster.gpus_per_worker {self.cluster.gpus_per_worker:g} lets workers share a "
                "GPU, on which NCCL exchanges no gradients; give each a whole one, or set "
                "cluster.workers=1"
            )
        if self.training.samples_per_epoch < self.training.batch_size:
            raise ValueError(
                f"training.samples_per_epoch {self.training.samples_per_epoch} must be at least "
                f"training.batch_size {self.training.batch_size}"
            )
        if 0 < self.training.val_samples < self.cluster.most:
            raise ValueError(
                f"training.val_samples {self.training.val_samples} must be 0 or at least "
                f"cluster.workers {self.cluster.most}"
            )
        if self.trains and not self.running_stages:
            raise ValueError(
                "stages must have at least one epoch between them in which something learns"
            )
        return self
