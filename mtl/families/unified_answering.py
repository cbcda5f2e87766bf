"""The unified model asked about images of a split, a block of them at a time.

Blocks are the same wherever and by how many processes they are answered, so the numbers are too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from mtl.config.unified import UnifiedTaskName
from mtl.config.unified_run import UnifiedRunConfig
from mtl.data.collate import collate
from mtl.data.normalize import normalize
from mtl.data.unified.index import UnifiedIndex
from mtl.data.unified.sampler import UnifiedSampler
from mtl.models.unified.output import UnifiedOutput
from mtl.tasks.task import Batch
from mtl.tasks.unified import sides_of
from mtl.tasks.unified_answers import ClassNames, UnifiedAnswers, learned_together

BLOCK = 16
"""Images that are answered at once."""


class Block(NamedTuple):
    """Images of a task that follow each other."""

    task: UnifiedTaskName
    first: int
    """Row of the first in the index."""
    last: int
    """Row after the last."""


class Answers(NamedTuple):
    """What a model answered to a block; images that cannot be read are left out."""

    task: UnifiedTaskName
    rows: np.ndarray
    """(B,) of the images in the index."""
    values: np.ndarray
    """(B, ...) as `UnifiedAnswers.answers` has them."""


class Gathered(NamedTuple):
    """Answers to all images of a task, put together."""

    values: np.ndarray
    """(N, ...); zeros for images that cannot be read."""
    readable: np.ndarray
    """(N,) bool."""


def blocks_of(index: UnifiedIndex, tasks: Sequence[UnifiedTaskName]) -> list[Block]:
    """All blocks of a split's tasks."""
    return [
        Block(task, first, min(first + BLOCK, index.lengths[task]))
        for task in tasks
        for first in range(0, index.lengths[task], BLOCK)
    ]


class Answering:
    """A model ready to be asked.

    Args:
        config: of the model; `data` says how images are read and at which size.
        model: on the device; its mode becomes eval.
        index: of the split, with places that this machine reaches.
        device: of the model.
        class_names: that the model learned, by task; empty where nobody wrote them down.
    """

    def __init__(
        self,
        config: UnifiedRunConfig,
        model: nn.Module,
        index: UnifiedIndex,
        device: torch.device,
        class_names: ClassNames,
    ) -> None:
        self._config, self._index, self._device = config, index, device
        self._model = model.eval()
        together = learned_together(config, class_names)
        self._answers = UnifiedAnswers(config.model, index, sides_of(config), together)

    def answer(self, block: Block) -> Answers:
        """Answers to a block.

        Raises:
            DataError: an image cannot be read and `data.on_error` does not say to skip it.
        """
        task = block.task
        output, batch = self.outputs(task, range(block.first, block.last))
        values = self._answers.answers(task, output, batch).cpu().numpy()
        valid = batch[f"{task}_valid"].cpu().numpy()
        rows = batch[f"{task}_index"].cpu().numpy()[valid]
        values = values[valid]
        if task == "det":  # rows behind the last box of any image hold nothing
            values = values[:, : max(1, int((values[..., 5] > 0).sum(axis=1).max(initial=0)))]
        return Answers(task, rows, values)

    def outputs(self, task: UnifiedTaskName, rows: Iterable[int]) -> tuple[UnifiedOutput, Batch]:
        """Raw output for images of a task, and the batch that the network saw.

        Raises:
            DataError: as `answer`.
        """
        config, backbone = self._config, self._config.model.backbone
        sampler = UnifiedSampler(
            self._index, config.augmentation, config.data, config.seed, False, (task,)
        )
        arrays = collate([sampler.sample(int(row)) for row in rows])
        batch = {name: torch.from_numpy(array).to(self._device) for name, array in arrays.items()}
        images = normalize(batch[f"{task}_image"], mean=backbone.mean, std=backbone.std)
        with torch.inference_mode():
            return self._model({task: images})[task], batch


def gather(
    found: Iterable[Answers], lengths: Mapping[UnifiedTaskName, int]
) -> dict[UnifiedTaskName, Gathered]:
    """Put the answers to all blocks together, by task."""
    by_task: dict[UnifiedTaskName, list[Answers]] = {}
    for one in found:
        by_task.setdefault(one.task, []).append(one)
    return {task: _together(parts, lengths[task]) for task, parts in by_task.items()}


def _together(parts: Sequence[Answers], num_images: int) -> Gathered:
    shape = np.max([one.values.shape[1:] for one in parts], axis=0).astype(int).tolist()
    values = np.zeros((num_images, *shape))
    readable = np.zeros(num_images, dtype=bool)
    for rows, part in ((one.rows, one.values) for one in parts):
        readable[rows] = True
        if part.ndim == 3 and part.shape[1] < shape[0]:
            part = np.pad(part, ((0, 0), (0, shape[0] - part.shape[1]), (0, 0)))
        values[rows] = part
    return Gathered(values, readable)
