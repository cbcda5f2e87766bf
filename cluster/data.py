"""The data of a run: found and checked on the driver, at hand on every machine."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from mtl.data.index import FrameIndex, build_index

from mtl.config.schema import DataConfig, RunConfig
from mtl.data.synthetic import embedded_dataset
from mtl.errors import ConfigError, DataError


class Indices(NamedTuple):
    """The index of every split a run touches."""

    train: FrameIndex
    val: FrameIndex | None
    tracked: dict[str, FrameIndex]
    """Splits tracked at the end, by name."""


def with_root(data: DataConfig) -> DataConfig:
    """The same config with the embedded sequences' folder where it names no root.

    Renders them first where this machine does not have them yet.
    """
    if data.root is not None:
        return data
    return data.model_copy(update={"root": str(embedded_dataset(data.synthetic))})


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
    data = with_root(config.data)
    train = build_index(data, "train")
    if config.training.batch_size > train.num_frames:
        raise ConfigError(
            f"training.batch_size {config.training.batch_size} is larger than the training data: "
            f"{train.num_frames} frames in {train.num_sequences} sequences below {train.root}; "
            "lower it."
        )
    val = build_index(data, "val") if config.training.val_samples else None
    tracked = {}
    for split in config.evaluation.splits:
        tracked[split] = val if split == "val" and val else build_index(data, split)
        if not tracked[split].num_sequences:
            raise DataError(f"split '{split}' below {data.root} has no sequences to track.")
    return Indices(train, val, tracked)
