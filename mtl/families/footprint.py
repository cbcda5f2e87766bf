"""How large what a run leaves on its disk is, measured on its model."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from mtl.config.run import RunConfig
from mtl.families.build import family_of
from mtl.models.build import build_model

BYTES_PER_PARAMETER = 4
STATE_FACTOR = 3
"""A checkpoint over its weights: AdamW keeps two averages of each."""
GIB = 1 << 30


@dataclass(frozen=True)
class DiskNeed:
    """Checkpoints and best weights of runs of one model."""

    parameters: int
    keep: int
    """Checkpoints that a run keeps besides its best."""
    training: int
    """Runs whose checkpoints lie on the disk at a time."""
    runs: int
    """Runs that leave their best weights."""

    @property
    def weight_bytes(self) -> int:
        """Bytes of the model's weights."""
        return self.parameters * BYTES_PER_PARAMETER

    @property
    def checkpoint_bytes(self) -> int:
        """Bytes of a checkpoint."""
        return STATE_FACTOR * self.weight_bytes

    @property
    def needed(self) -> int:
        """Bytes of everything."""
        checkpoints = self.training * (self.keep + 1) * self.checkpoint_bytes
        return checkpoints + self.runs * self.weight_bytes

    @property
    def arithmetic(self) -> str:
        """Where `needed` comes from."""
        return (
            f"{self.training} x {self.keep + 1} checkpoints of {self.checkpoint_bytes / GIB:.3f} "
            f"GiB and {self.runs} x {self.weight_bytes / GIB:.3f} GiB of weights"
        )


def num_parameters(config: RunConfig) -> int:
    """Parameters and buffers of a run's model, which is that of each run that must end before."""
    with torch.device("meta"):  # shapes without memory: ViT-B in 1.8 s instead of 25, 2 busy cores
        model = build_model(config)
    return sum(tensor.numel() for tensor in model.state_dict().values())


def num_runs(config: RunConfig) -> int:
    """The run and all those that must end before it, which lie in its folder.

    Args:
        config: of the run, prepared; nothing that it names needs to be there yet.
    """
    return 1 + sum(map(num_runs, family_of(config).first()))


def disk_need(config: RunConfig) -> DiskNeed:
    """What a run writes, with those that must end before it; nothing is read but given teachers."""
    runs = num_runs(family_of(config).prepared())
    return DiskNeed(num_parameters(config), config.checkpoint.keep, runs, runs)
