"""Which step belongs to which stage and epoch. Everything follows from the number of steps done."""

from __future__ import annotations

from dataclasses import dataclass

from mtl.config.schema import RunConfig, StageConfig


@dataclass(frozen=True)
class StagePlan:
    """A stage with its place in the run; steps and epochs are half-open ranges from 0."""

    name: str
    config: StageConfig
    first_epoch: int
    last_epoch: int
    steps_per_epoch: int

    @property
    def first_step(self) -> int:
        """Step at which the stage begins."""
        return self.first_epoch * self.steps_per_epoch

    @property
    def last_step(self) -> int:
        """Step before which the stage ends."""
        return self.last_epoch * self.steps_per_epoch

    def learning_rate_factor(self, step: int) -> float:
        """Factor on every learning rate at `step` (a step of the whole run)."""
        return self.config.schedule.factor(
            step - self.first_step, self.last_step - self.first_step, self.steps_per_epoch
        )


@dataclass(frozen=True)
class Plan:
    """All stages of a run in order; none where nothing is trained."""

    stages: tuple[StagePlan, ...]
    steps_per_epoch: int

    @property
    def num_epochs(self) -> int:
        """Epochs of the whole run."""
        return self.stages[-1].last_epoch if self.stages else 0

    @property
    def num_steps(self) -> int:
        """Optimiser steps of the whole run."""
        return self.stages[-1].last_step if self.stages else 0


def plan_of(config: RunConfig) -> Plan:
    """The plan of a run; a remainder of samples that fills no batch is left out of each epoch."""
    steps = config.training.samples_per_epoch // config.training.batch_size
    stages, epoch = [], 0
    for name, stage in config.running_stages.items():
        stages.append(StagePlan(name, stage, epoch, epoch + stage.epochs, steps))
        epoch += stage.epochs
    return Plan(tuple(stages), steps)
