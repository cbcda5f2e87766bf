"""What a command knows of a model family.

The loop knows a task; around the loop a run also has data to find, samples to make, and a final
evaluation. A family is one object with all of that, so that nothing that places or starts a run
branches on what it trains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import nn

from mtl.config.run import RunConfig
from mtl.report.contents import Contents
from mtl.report.frames import Picture
from mtl.tasks.task import Metrics, Task


class Index(Protocol):
    """What is in a split; it pickles, and is read on the driver only."""

    @property
    def skipped(self) -> Mapping[str, int]:
        """Reason -> items left out."""


class Indices(NamedTuple):
    """The index of every split a run touches."""

    train: Any
    val: Any | None
    final: dict[str, Any]
    """Splits of the final evaluation, by name."""

    def named(self) -> dict[str, Index]:
        """Every split once, by name."""
        val = {} if self.val is None else {"val": self.val}
        return {"train": self.train, **val, **self.final}


class Sampler(Protocol):
    """Makes the samples of a split: pure functions of their numbers."""

    def sample(self, number: int) -> dict[str, np.ndarray]:
        """Arrays of one sample, of the same shapes for every number."""


class Family(Protocol):
    """One model family with the config of a run."""

    final_stage: str
    """What the lines of the final evaluation call their stage."""
    pictures_need: tuple[str, ...]
    """Files of the run folder that `pictures` reads besides the results."""

    @property
    def contents(self) -> Contents:
        """What the report of a run shows."""

    def indices(self) -> Indices:
        """Read and check the data of the run.

        Raises:
            DataError: a split is missing, empty or unusable.
            ConfigError: the batch is larger than the data.
        """

    def first(self) -> list[RunConfig]:
        """Runs that must have ended before this one begins; they do not depend on each other."""

    def prepared(self) -> RunConfig:
        """The config with everything decided that the family decides.

        Raises:
            ConfigError: if that cannot be.
        """

    def task(self, indices: Indices, device: torch.device) -> Task:
        """The task over the splits of the run.

        Args:
            indices: of the run.
            device: on which it is going to be trained.

        Raises:
            CheckpointError: a model that it needs cannot be read.
        """

    def start(self, model: nn.Module) -> list[str]:
        """Give the model of a new run the weights it starts from, if it has any.

        Args:
            model: as its task made it, on the CPU.

        Returns:
            Lines that say what was taken from where.

        Raises:
            CheckpointError: the weights cannot be read or do not fit.
        """

    def sampler(self, index: Any, training: bool) -> Sampler:
        """Samples of a split, on this machine."""

    def val_samples(self, index: Any) -> int:
        """Samples of the validation split that are looked at after each epoch."""

    def size(self, index: Any) -> str:
        """How much of a split the final evaluation takes, as in `20 sequences`."""

    def evaluate_share(
        self, model: nn.Module, index: Any, device: torch.device, rank: int, size: int, out: Path
    ) -> list[Any]:
        """One process's share of the final evaluation of a split.

        Args:
            model: with its best weights, on the device, in eval mode.
            index: of the split, as the driver read it.
            device: of the model.
            rank: of this process.
            size: number of processes.
            out: folder for result files, which go into the run folder under their names.

        Returns:
            What `summarize` needs of every process; it pickles.

        Raises:
            DataError: an item cannot be evaluated and `data.on_error` does not say to skip it.
        """

    def summarize(self, index: Any, split: str, found: Sequence[Any], out: Path) -> Metrics:
        """Metrics of a split from what all its processes found, in the order of their ranks.

        One process calls it.

        Args:
            index: of the split.
            split: its name.
            found: of all processes.
            out: folder for result files that need all of it.
        """

    def pictures(self, run_folder: Path) -> list[Picture]:
        """Results beside the truth, for the report of a local run folder."""
