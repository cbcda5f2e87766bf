"""What a model is timed at: a training step on a batch of noise, and a tracked frame of noise."""

from __future__ import annotations

from typing import Any, Protocol, cast

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from mtl.conditions import ATTRIBUTE_NAMES, CONDITIONS
from mtl.config.schema import TrackerRunConfig
from mtl.data.frame_index import FrameIndex
from mtl.models.build import build_model
from mtl.models.memory import RingMemory
from mtl.models.tracker import OnlineModel
from mtl.models.window import window_of
from mtl.tasks.build import build_task
from mtl.tasks.task import Batch, Moment
from mtl.training.optimizer import build_optimizer, clip_gradients
from mtl.training.step import autocast

NO_DATA = FrameIndex("", "train", pa.table({}), (), np.zeros(1, dtype=np.int64))


class Work(Protocol):
    """Something a model does that can be repeated."""

    def __init__(self, config: TrackerRunConfig, device: torch.device) -> None:
        """Prepare everything."""

    def __call__(self) -> None:
        """Do it once."""


class TrainingStep:
    """Forward, backward and optimiser step of one micro-batch in the last epoch of a run."""

    def __init__(self, config: TrackerRunConfig, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.device = device
        self.task = build_task(config, NO_DATA)
        self.model = self.task.build_model().to(device)
        *_, stage = config.running_stages.values()
        self.task.set_mode(self.model, stage)
        groups = self.task.parameter_groups(self.model, stage)
        self.optimizer = build_optimizer(groups, config.optimizer)
        epochs = sum(stage.epochs for stage in config.running_stages.values())
        self.moment = Moment(epochs, training=True)
        self.batch = noise_batch(config, micro_batch_size(config), device)

    def __call__(self) -> None:
        """See `Work`."""
        with autocast(self.config.training, self.device):
            values = self.task.losses(self.model, self.batch, self.moment).values
            total = torch.stack([self.task.weights[n] * x.float() for n, x in values.items()]).sum()
        total.backward()
        clip_gradients(self.model, self.config.optimizer.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


class TrackedFrame:
    """A frame that is tracked, from crop to box in the crop, with a full memory where there is one.

    The frame's number is one at which nothing is written.
    """

    def __init__(self, config: TrackerRunConfig, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        model: Any = build_model(config).to(device).eval().requires_grad_(False)
        self.model = cast(OnlineModel, model)
        z, s = config.model.template.size, config.model.search.size
        template = torch.randn(1, 3, z, z, device=device)
        self.search = torch.randn(1, 3, s, s, device=device)
        self.sizes = torch.zeros(1, 2, device=device)
        with torch.no_grad():
            self.start = self.model.start(
                template, torch.tensor([[0.25, 0.25, 0.5, 0.5]], device=device)
            )
            self.memory = _filled(model, self.start, self.search, self.sizes)
        self.index = 11
        if isinstance(self.memory, RingMemory):
            while self.index % model.update_interval == 0:
                self.index += 1

    @torch.no_grad()
    def __call__(self) -> None:
        """See `Work`."""
        found = self.model.track(self.start, self.search, self.memory, self.index, self.sizes)
        found.maps.decode(window_of(found.maps))


def _filled(model: Any, start: Any, search: Tensor, sizes: Tensor) -> Any:
    """A memory that can hold no more: one true entry, written again and again."""
    memory = model.empty_memory()
    if not isinstance(memory, RingMemory):
        return memory
    memory = model.track(start, search, memory, 5, sizes).memory
    key, value = (entries[:, 0].clone() for entries in memory.entries())
    while len(memory) < memory.capacity:
        memory = memory.append(key, value)
    return memory


def micro_batch_size(config: TrackerRunConfig) -> int:
    """Clips that go through the model at once."""
    return config.training.batch_size // (config.cluster.most * config.training.accumulate)


def noise_batch(config: TrackerRunConfig, clips: int, device: torch.device) -> Batch:
    """A batch of clips with the keys that training has, of which nothing can be learned."""
    generator = torch.Generator().manual_seed(config.seed)
    model = config.model
    T, z, s = model.search_frames, model.template.size, model.search.size

    def pixels(*shape: int) -> Tensor:
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)

    middle = torch.tensor([0.25, 0.25, 0.5, 0.5])
    batch = {
        "template": pixels(clips, z, z, 3),
        "search": pixels(clips, T, s, s, 3),
        "brightness": torch.ones(clips, 1 + T),
        "template_box_xywh": middle.repeat(clips, 1),
        "search_boxes_xywh": middle.repeat(clips, T, 1),
        "conditions": torch.randint(0, len(CONDITIONS), (clips, T), generator=generator),
        "distribution": torch.full((clips, T, len(CONDITIONS)), 1.0 / len(CONDITIONS)),
        "attributes": torch.full((clips, T, len(ATTRIBUTE_NAMES)), 0.5),
        "attribute_mask": torch.ones(clips, T, len(ATTRIBUTE_NAMES)),
        "severity": torch.full((clips, T), 0.5),
        "severity_mask": torch.ones(clips, T),
        "size_features": torch.zeros(clips, T, 2),
        "skipped": torch.zeros(clips, dtype=torch.int64),
    }
    return {name: tensor.to(device) for name, tensor in batch.items()}


WORKS: dict[str, type[Work]] = {"training step": TrainingStep, "tracked frame": TrackedFrame}
"""By the names that tables use."""
