"""SimTrack as two programs; its step remembers nothing."""

from __future__ import annotations

from torch import Tensor, nn

from mtl.models.clip_vit import TemplateTokens
from mtl.models.export.program import (
    Answer,
    Port,
    Program,
    Rehearsal,
    box_ports,
    condition_ports,
    search_port,
    size_feature_ports,
    template_ports,
)
from mtl.models.simtrack import SimTrack


class SimTrackStart(nn.Module):
    """Template crop and box to the tensors of `TemplateTokens`."""

    def __init__(self, model: SimTrack) -> None:
        super().__init__()
        self.model = model

    def forward(self, template: Tensor, template_box_xywh: Tensor) -> tuple[Tensor, ...]:
        """See `SimTrack.start`."""
        return tuple(self.model.start(template, template_box_xywh))


class SimTrackStep(nn.Module):
    """`SimTrack.track`."""

    def __init__(self, model: SimTrack, answer: Answer) -> None:
        super().__init__()
        self.model = model
        self.answer = answer

    def forward(
        self,
        tokens: Tensor,
        fovea: Tensor,
        search: Tensor,
        size_features: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """See `SimTrack.track`."""
        template = TemplateTokens(tokens, fovea)
        found = self.model.track(template, search, None, 1, size_features, self.answer.conditions)
        return (*self.answer.box_and_score(found), *self.answer.probabilities(found))


class ExportableSimTrack:
    """See `Exportable`."""

    def __init__(self, model: SimTrack, conditions: bool) -> None:
        self.model = model
        head = model.condition_head
        self.answer = Answer(None, head if conditions else None)
        layout, width = model.backbone.layout, model.bottleneck.in_features
        state = (
            Port("template_tokens", (1, layout.template, width), "of the template", tolerance=1e-4),
            Port("template_fovea", (1, layout.fovea, width), "of its middle", tolerance=1e-4),
        )
        z, s = model.template_size, model.search_size
        self.start = Program("start", SimTrackStart(model), template_ports(z), state)
        runs_head = conditions or (head is not None and head.fuses)
        self.step = Program(
            "step",
            SimTrackStep(model, self.answer),
            (*state, search_port(s), *size_feature_ports(head if runs_head else None)),
            (*box_ports(s), *condition_ports(self.answer)),
        )

    def memory_tensors(self, memory: None) -> tuple[Tensor, ...]:
        """See `Exportable.memory_tensors`."""
        return ()

    def frame_tensors(self, index: int, size_features: Tensor) -> tuple[Tensor, ...]:
        """See `Exportable.frame_tensors`."""
        return (size_features,) if self.step.inputs[-1].name == "size_features" else ()

    def rehearsals(self) -> list[Rehearsal]:
        """A few frames; none depends on another."""
        return [Rehearsal(None, (1, 2, 3))]
