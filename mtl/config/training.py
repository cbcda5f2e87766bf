"""Stages, optimiser, loop and checkpoints: what every family has."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from mtl.config.base import Config, Ratio


class FrozenPart(Config):
    """How a part that does not learn behaves while the others do."""

    eval_mode: bool = True
    """Normalisation uses its stored statistics and dropout is off."""
    stochastic_depth: bool = False
    """Whether blocks are still dropped at random, as in the published frozen backbone."""


class CosineSchedule(Config):
    """Learning rate falls along a half cosine over the stage."""

    kind: Literal["cosine"] = "cosine"
    """Names this schedule."""
    warmup_ratio: Ratio = 0.0
    """Share of the stage's steps over which the rate first rises linearly from zero."""
    final_ratio: Ratio = 0.0
    """Learning rate at the end over learning rate at the start."""
    by_epoch: bool = False
    """The rate changes between epochs only."""

    def factor(self, step: int, num_steps: int, steps_per_epoch: int) -> float:
        """Factor on the learning rate at a stage's `step` of `num_steps`, both counted from 0."""
        if self.by_epoch:
            step -= step % steps_per_epoch
        warmup = self.warmup_ratio * num_steps
        if step < warmup:
            return (step + 1) / warmup if warmup > 1 else 1.0
        progress = (step - warmup) / max(num_steps - warmup, 1)
        return self.final_ratio + (1 - self.final_ratio) * (1 + math.cos(math.pi * progress)) / 2


class StepSchedule(Config):
    """Learning rate drops once."""

    kind: Literal["step"] = "step"
    """Names this schedule."""
    drop_at_ratio: Ratio = 0.8
    """Share of the stage's epochs after which the rate drops."""
    gamma: PositiveFloat = 0.1
    """Factor of the drop."""

    def factor(self, step: int, num_steps: int, steps_per_epoch: int) -> float:
        """Factor on the learning rate at a stage's `step`; changes between epochs only."""
        epoch, epochs = step // steps_per_epoch, num_steps // steps_per_epoch
        return self.gamma if epoch >= self.drop_at_ratio * epochs else 1.0


class StageConfig(Config):
    """One stretch of training with its own learning rate and frozen parts."""

    epochs: NonNegativeInt
    """Epochs of this stage; 0 leaves it out."""
    learning_rate: PositiveFloat = 1e-4
    """Learning rate of the heads (and of everything that has no factor of its own)."""
    backbone_lr_ratio: NonNegativeFloat = 0.1
    """Learning rate of the backbone over learning_rate, where the backbone learns."""
    freeze: dict[str, FrozenPart] = Field(default_factory=dict)
    """Parts that do not learn: HIPTrack has backbone, prompt, box_head, condition_head; SimTrack
    backbone, position, bottleneck, box_head, condition_head; the unified model backbone,
    stem (the backbone up to stride 4), up, necks, attention, head."""
    schedule: Annotated[CosineSchedule | StepSchedule, Field(discriminator="kind")] = StepSchedule()
    """How the learning rate changes over the stage."""


class OptimizerConfig(Config):
    """AdamW, the same for every stage."""

    weight_decay: NonNegativeFloat = 1e-4
    """Decoupled weight decay, on every parameter that learns."""
    betas: tuple[Ratio, Ratio] = (0.9, 0.999)
    """Averaging factors of AdamW."""
    max_grad_norm: PositiveFloat | None = 0.1
    """Global gradient norm above which gradients are scaled down; null: never."""


class TrainingConfig(Config):
    """How much is trained at once, and what is written down."""

    batch_size: PositiveInt = 32
    """Clips per optimiser step, over all workers and micro-batches together."""
    accumulate: PositiveInt = 1
    """Micro-batches per step; they divide a worker's share of the batch."""
    samples_per_epoch: PositiveInt = 60_000
    """Training clips in an epoch."""
    val_samples: NonNegativeInt = 1_000
    """Validation clips after each epoch, the same ones every time; of the unified model the images
    of each set, spread over one that has more; 0 leaves validation out."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Arithmetic of the forward pass; weights and losses stay fp32."""
    log_every: PositiveInt = 10
    """Steps between two points in TensorBoard and two updates of the progress display."""
    num_threads: PositiveInt | None = None
    """CPU threads of a worker's arithmetic; none: the CPUs it reserved."""


class CheckpointConfig(Config):
    """What is kept to go on from."""

    every_steps: PositiveInt | None = None
    """Steps between two checkpoints inside an epoch; none: at the end of each epoch only."""
    keep: PositiveInt = 2
    """Checkpoints kept besides the best one."""
    metric: str = "iou"
    """Validation metric that chooses the best weights; larger is better, loss/* and severity_mae:
    smaller."""


class DiagnosticsConfig(Config):
    """What is measured on the way besides the losses."""

    gradients_every: PositiveInt | None = None
    """Steps between two measurements of the tasks' gradients at the backbone; none: never."""
    record_samples: bool = False
    """Write the sample numbers of every step into samples/rank-N.csv of the run folder, steps that
    are trained again after an interruption included; wants storage on a disk."""


class ClusterConfig(Config):
    """What a run asks of the cluster."""

    workers: PositiveInt | tuple[PositiveInt, PositiveInt] = 1
    """Training processes; the batch is shared between them. [fewest, most]: as many as there is
    room for, more or fewer as nodes come and go; batch, schedule and samples stay the same. The
    batch must be a multiple of every number from fewest to most, any of which Ray may choose."""
    gpus_per_worker: NonNegativeFloat | None = None
    """GPUs of each training process, a share of one for a process alone; none: one if the cluster
    has any, else zero."""
    cpus_per_worker: PositiveInt = 1
    """CPUs of each training process."""
    wait_minutes: NonNegativeFloat = 0.0
    """Minutes that a run waits for room, having asked the cluster's autoscaler for nodes; 0: what
    the cluster does not have at that moment is refused."""
    decode_in_tasks: bool = False
    """Make clips in Ray tasks on any node, not in prefetch threads; pays when decoding is slow."""
    prefetch_batches: PositiveInt = 4
    """Micro-batches prepared ahead of the one being trained."""
    max_failures: NonNegativeInt = 3
    """Faults of machines or of the storage after which a run gives up, counted anew whenever it has
    got to another checkpoint."""

    @property
    def fewest(self) -> int:
        """Workers without which nothing is trained."""
        return self.workers if isinstance(self.workers, int) else self.workers[0]

    @property
    def most(self) -> int:
        """Workers that are made use of."""
        return self.workers if isinstance(self.workers, int) else self.workers[1]

    def require_shared(self, key: str, size: int, accumulate: int = 1) -> None:
        """Refuse a batch that some number of these workers cannot share evenly.

        Args:
            key: of the batch size, for the message.
            size: samples of a step.
            accumulate: micro-batches that the most workers take in a step.

        Raises:
            ValueError: with the nearest size that they all can share.
        """
        shared = math.lcm(*range(self.fewest, self.most + 1), self.most * accumulate)
        if size % shared == 0:
            return
        shares = f"cluster.workers {self.most}"
        if self.fewest < self.most:
            shares = f"every number of workers from {self.fewest} to {self.most} (cluster.workers)"
        if accumulate > 1:
            shares += f" and of {self.most} * training.accumulate = {self.most * accumulate}"
        raise ValueError(
            f"{key} {size} must be a multiple of {shares}; "
            f"{key}={shared * max(1, round(size / shared))} would do"
        )

    @field_validator("workers", mode="before")
    @classmethod
    def _number_or_two(cls, value: object) -> object:
        numbers = value if isinstance(value, (list, tuple)) and len(value) == 2 else [value]
        if not all(type(number) is int and number > 0 for number in numbers):
            raise ValueError(f"must be a positive number or [fewest, most], got {value!r}")
        return tuple(numbers) if len(numbers) > 1 else value

    @model_validator(mode="after")
    def _check(self) -> ClusterConfig:
        gpus = self.gpus_per_worker or 0.0
        if gpus > 1 and gpus != int(gpus):
            raise ValueError(
                f"gpus_per_worker must be a share of one GPU or a whole number, got {gpus:g}"
            )
        if self.fewest > self.most:
            raise ValueError(
                f"workers must be [fewest, most], got [{self.fewest}, {self.most}]; swap them"
            )
        return self
