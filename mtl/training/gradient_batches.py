"""Gradient flow over batches of a split, drawn as training draws them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from mtl.config.schema import TrackerRunConfig
from mtl.data.clips import ClipSampler
from mtl.data.collate import collate
from mtl.data.frame_index import FrameIndex
from mtl.losses.weighting import LossGroups
from mtl.tasks.task import Moment, Task
from mtl.training.gradient_flow import GradientFlow, Layers, layer_groups, measure
from mtl.training.seeding import seed_step


class GradientStudy:
    """A model whose every part learns, in train mode, and the batches a run of it begins with.

    A batch has the clips that one process passes through the model at once; all is fp32.

    Args:
        config: of the run.
        task: of its family.
        model: on its device; nothing of it stays frozen.
        index: of the training split.
        epoch: from 1, of whose schedules the model is.
    """

    def __init__(
        self, config: TrackerRunConfig, task: Task, model: nn.Module, index: FrameIndex, epoch: int
    ) -> None:
        *_, stage = config.running_stages.values()
        task.set_mode(model, stage.model_copy(update={"freeze": {}}))
        self.layers: Layers = layer_groups(model, task.shared_parameters(model))
        """What the tasks share, by layer group."""
        workers, accumulate = config.cluster.most, config.training.accumulate
        self.batch_size = config.training.batch_size // (workers * accumulate)
        """Clips of a batch."""
        self._seed = config.seed
        self._task = task
        self._model = model
        self._groups = LossGroups(task.loss_groups, task.weights)
        self._moment = Moment(epoch, training=True)
        self._sampler = ClipSampler(
            index, config.model, config.augmentation, config.data, config.seed, training=True
        )

    def flows(self, count: int, device: torch.device) -> Iterator[GradientFlow]:
        """The flow of the first `count` batches; the model's weights stay as they are.

        Raises:
            DataError: a batch cannot be drawn.
        """
        for number in range(count):
            numbers = range(number * self.batch_size, (number + 1) * self.batch_size)
            arrays = collate([self._sampler.sample(n) for n in numbers])
            batch = {key: torch.from_numpy(array).to(device) for key, array in arrays.items()}
            seed_step(self._seed, number, rank=0)
            values = self._task.losses(self._model, batch, self._moment).values
            yield measure(values, self._groups, self.layers)
