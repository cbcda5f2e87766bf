"""The data of a run: found and checked on the driver, at hand on every machine."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from mtl.config.schema import DataConfig, RunConfig
from mtl.data.index import FrameIndex, build_index
from mtl.data.synthetic import embedded_dataset
from mtl.errors import ConfigError


class Indices(NamedTuple):
    """The index of every split a run touches."""

    train: FrameIndex
    val: FrameIndex | None
    tracked: dict[str, FrameIndex]
    """Splits tracked at the end, by name."""

    def named(self) -> dict[str, FrameIndex]:
        """Every split once, by name."""
        val = {} if self.val is None else {"val": self.val}
        return {"train": self.train, **val, **self.tracked}


def local_index(data: DataConfig, index: FrameIndex) -> FrameIndex:
    """An index made on another machine, for this one: embedded sequences lie in its own cache."""
    if data.root is not None:
        return index
    return dataclasses.replace(index, root=str(embedded_dataset(data.synthetic)))


def build_indices(config: RunConfig) -> Indices:
    """Read and check the splits of a run.

    Raises:
        DataError: a split is missing, empty or unusable.
        ConfigError: the batch is larger than the data.
    """
    data = config.data
    train = build_index(data, "train")
    if config.training.batch_size > train.num_frames:
        raise ConfigError(
            f"training.batch_size {config.training.batch_size} is larger than the training data: "
            f"{train.num_frames} frames in {train.num_sequences} sequences below {train.root}; "
            "lower it."
        )
    val = build_index(data, "val") if config.training.val_samples else None
    tracked: dict[str, FrameIndex] = {}
    for split in config.evaluation.splits:
        tracked[split] = val if split == "val" and val else build_index(data, split)
    return Indices(train, val, tracked)
