"""HIPTrack and SimTrack as a run sees them: sequences, clips, and tracking at the end."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from mtl.benchmark.following import track_share
from mtl.config.schema import RunConfig, TrackerRunConfig
from mtl.data.clips import ClipSampler
from mtl.data.frame_index import FrameIndex
from mtl.data.index import build_index
from mtl.data.splits import require_splits
from mtl.data.synthetic import embedded_dataset
from mtl.errors import ConfigError
from mtl.evaluation.one_pass import SequenceScore, summarize
from mtl.families.family import Indices
from mtl.models.tracker import OnlineModel
from mtl.models.weights import start_from
from mtl.report.contents import TRACKERS, Contents
from mtl.report.frames import Picture
from mtl.report.tracked_pictures import tracked_pictures
from mtl.tasks.build import build_task
from mtl.tasks.reported import require_watched
from mtl.tasks.task import Metrics, Task
from mtl.tracking.tracker import Tracker


class TrackerFamily:
    """See `mtl.families.family.Family`."""

    final_stage = "tracking"
    pictures_need: tuple[str, ...] = ()

    def __init__(self, config: TrackerRunConfig) -> None:
        self.config = config

    @property
    def contents(self) -> Contents:
        """See `Family.contents`."""
        return TRACKERS

    def indices(self) -> Indices:
        """See `Family.indices`."""
        config, data = self.config, self.config.data
        if data.root is not None:
            require_splits(data.root, config.evaluation.splits, "evaluation.splits")
        train = build_index(data, "train")
        if config.training.batch_size > train.num_frames:
            raise ConfigError(
                f"training.batch_size {config.training.batch_size} is larger than the training "
                f"data: {train.num_frames} frames in {train.num_sequences} sequences below "
                f"{train.root}; lower it."
            )
        val = build_index(data, "val") if config.training.val_samples else None
        final: dict[str, Any] = {}
        for split in config.evaluation.splits:
            held = val if split == "val" else None
            final[split] = held or build_index(data, split)
        return Indices(train, val, final)

    def first(self) -> list[RunConfig]:
        """See `Family.first`: none."""
        return []

    def prepared(self) -> TrackerRunConfig:
        """See `Family.prepared`: nothing is decided."""
        require_watched(self.config)
        return self.config

    def task(self, indices: Indices, device: torch.device) -> Task:
        """See `Family.task`."""
        return build_task(self.config, indices.train)

    def start(self, model: nn.Module) -> list[str]:
        """See `Family.start`: `model.init`."""
        init = self.config.model.init
        return start_from(model, Path(init)).told() if init else []

    def sampler(self, index: FrameIndex, training: bool) -> ClipSampler:
        """See `Family.sampler`."""
        config = self.config
        return ClipSampler(
            self._here(index), config.model, config.augmentation, config.data, config.seed, training
        )

    def val_samples(self, index: FrameIndex) -> int:
        """See `Family.val_samples`."""
        return self.config.training.val_samples

    def size(self, index: FrameIndex) -> str:
        """See `Family.size`."""
        return f"{self._count(index)} sequences"

    def evaluate_share(
        self,
        model: nn.Module,
        index: FrameIndex,
        device: torch.device,
        rank: int,
        size: int,
        out: Path,
    ) -> list[SequenceScore]:
        """See `Family.evaluate_share`."""
        config, here = self.config, self._here(index)
        tracker = Tracker(cast(OnlineModel, model), config.model, device)
        share = map(here.sequence, range(rank, self._count(here), size))
        return list(track_share(tracker, share, config.data, out, str(config.name)))

    def summarize(
        self, index: FrameIndex, split: str, found: Sequence[SequenceScore], out: Path
    ) -> Metrics:
        """See `Family.summarize`."""
        return summarize(found).metrics

    def pictures(self, run_folder: Path) -> list[Picture]:
        """See `Family.pictures`."""
        pictures: list[Picture] = []
        data = self.config.data
        for split in self.config.evaluation.splits:
            pictures += tracked_pictures(data, build_index(data, split), run_folder)
        return pictures

    def _count(self, index: FrameIndex) -> int:
        return min(index.num_sequences, self.config.evaluation.max_sequences or sys.maxsize)

    def _here(self, index: FrameIndex) -> FrameIndex:
        """The index on this machine: embedded sequences lie in its own cache."""
        data = self.config.data
        if data.root is not None:
            return index
        return dataclasses.replace(index, root=str(embedded_dataset(data.synthetic)))
