"""Exported programs in the place of a model, so that the real `Tracker` crops around them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mtl.config.schema import (
    ConditionHeadConfig,
    HIPTrackConfig,
    SimTrackConfig,
    SyntheticConfig,
    TrackerConfig,
)
from mtl.data.synthetic import RenderedSequence, render_sequence
from mtl.models.batch_memory import BatchMemory
from mtl.models.export.program import Exportable, Run
from mtl.models.hiptrack import HIPTrack
from mtl.models.simtrack import SimTrack
from mtl.models.tracker import TrackOutput
from mtl.models.window import window_of
from tests.models.small import SMALL

FRAMES = 30
HIPTRACK = HIPTrackConfig(**{**SMALL, "memory": {"capacity": 3, "update_interval": 4}})
"""Writes at frames 5, 10, 12, 16, 20, 24, 28: its three slots wrap."""
SIMTRACK = SimTrackConfig.model_validate(
    {
        "template": {"size": 48, "factor": 2.0},
        "search": {"size": 64, "factor": 4.0},
        "backbone": {"width": 32, "depth": 2, "num_heads": 2, "patch_size": 16, "fovea": 32},
        "bottleneck_width": 16,
        "box_head_channels": 16,
    }
)


def sequence() -> RenderedSequence:
    """Thirty frames after the first."""
    config = SyntheticConfig(frames=FRAMES + 1, width=128, height=96)
    return render_sequence(config, "val", 4)


def small_tracker(family: str, fusion: Any, **head: Any) -> Any:
    """A model whose boxes move and whose fusion does something, which no untrained one's does."""
    torch.manual_seed(3 if family == "hiptrack" else 2)
    head_config = ConditionHeadConfig(hidden_width=8, fusion=fusion, **head)
    model: Any
    if family == "hiptrack":
        model = HIPTrack(HIPTRACK, head_config)
    else:
        model = SimTrack(SIMTRACK, head_config)
    for name, parameter in model.named_parameters():
        if "film" in name or "residual" in name:
            torch.nn.init.normal_(parameter, std=0.3)
        elif family == "simtrack" and name.startswith("box_head") and parameter.dim() > 1:
            torch.nn.init.xavier_uniform_(parameter, gain=2.5)
    return model.eval().requires_grad_(False)


def config_of(family: str) -> TrackerConfig:
    """Of `small_tracker`."""
    return HIPTRACK if family == "hiptrack" else SIMTRACK


class Recorder:
    """An `OnlineModel` that keeps the boxes which the tracker reads, before it clips them."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.boxes: list[Tensor] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def track(self, *args: Any, **named: Any) -> TrackOutput:
        """One frame."""
        found = self.model.track(*args, **named)
        self.boxes.append(found.maps.decode(window_of(found.maps))[0][0])
        return found


class Decoded(NamedTuple):
    """What a step found, in the place of maps."""

    box: Tensor
    score: Tensor

    def decode(self, window: Any = None) -> tuple[Tensor, Tensor]:
        """The step has weighed its scores already."""
        return self.box, self.score


class ExportedModel:
    """An `OnlineModel` that only runs the two programs."""

    def __init__(self, exportable: Exportable, start: Run, step: Run) -> None:
        self.exportable = exportable
        self.run_start = start
        self.run_step = step

    def eval(self) -> None:
        """There is no other mode."""

    def template_box(self, box_xywh: np.ndarray, resize_factor: float) -> np.ndarray:
        """Preprocessing is not part of the programs."""
        return self.exportable.model.template_box(box_xywh, resize_factor)

    def start(self, template: Tensor, template_boxes_xywh: Tensor) -> list[Tensor]:
        """The tensors the step wants first."""
        return self.run_start((template, template_boxes_xywh))

    def empty_memory(self) -> list[Tensor]:
        """Zeros, as export.json says."""
        ports = [p for p in self.exportable.step.inputs if f"next_{p.name}" in self._outputs()]
        return [torch.zeros(port.shape, dtype=port.dtype) for port in ports]

    def track(
        self,
        template: list[Tensor],
        search: Tensor,
        memory: BatchMemory,
        index: Tensor,
        size_features: Tensor | None = None,
        conditions: bool = False,
    ) -> TrackOutput:
        """One step of one sequence."""
        given = {"index": index, "size_features": size_features}
        (carried,) = memory.sequences
        first = len(template) + 1 + len(carried)
        rest = [given[port.name] for port in self.exportable.step.inputs[first:]]
        outputs = self.run_step([*template, search, *carried, *rest])
        named = dict(zip(self._outputs(), outputs, strict=True))
        box, score = named.pop("box_cxcywh"), named.pop("score")
        probabilities = named.pop("conditions", None)
        after = BatchMemory((list(named.values()),))
        return TrackOutput(Decoded(box, score), box, after, probabilities)  # type: ignore[arg-type]

    def _outputs(self) -> list[str]:
        return [port.name for port in self.exportable.step.outputs]
