"""The unified model asked about every image of a split, each process about its share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from mtl.config.unified import UnifiedTaskName
from mtl.config.unified_run import UnifiedRunConfig
from mtl.data.clips import collate
from mtl.data.normalize import normalize
from mtl.data.unified.sampler import UnifiedSampler
from mtl.tasks.unified import sides_of
from mtl.tasks.unified_answers import UnifiedAnswers
from mtl.training.numbers import validation_numbers

BATCH = 16
"""Images of a task that are answered at once."""


def answer_split(
    config: UnifiedRunConfig,
    model: nn.Module,
    sampler: UnifiedSampler,
    tasks: Sequence[UnifiedTaskName],
    device: torch.device,
    rank: int = 0,
    size: int = 1,
) -> dict[UnifiedTaskName, np.ndarray]:
    """Statistics of `UnifiedAnswers` of one process's share of a split, by task.

    Args:
        config: of the model.
        model: on the device; its mode becomes eval.
        sampler: of the split, not training.
        tasks: that are asked.
        device: of the model.
        rank: of this process.
        size: number of processes.
    """
    model.eval()
    answers = UnifiedAnswers(config.model, sampler.index, sides_of(config))
    backbone = config.model.backbone
    sums: dict[UnifiedTaskName, np.ndarray] = {}
    for numbers in validation_numbers(sampler.num_samples, BATCH, rank, size):
        arrays = collate([sampler.sample(int(number)) for number in numbers])
        batch = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
        images = {
            task: normalize(batch[f"{task}_image"], mean=backbone.mean, std=backbone.std)
            for task in tasks
        }
        with torch.inference_mode():
            found = answers.statistics(model(images), batch)
        for task in tasks:
            values = found[task].cpu().numpy()
            sums[task] = sums[task] + values if task in sums else values
    return sums
