"""HIPTrack as two programs: what a template gives once, and the step that follows the target."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
from mtl.models.export.slot_memory import SlotMemory
from mtl.models.heads import CenterHead
from mtl.models.hiptrack import EARLY_WRITES, LAST_TEMPLATE_INDEX, HIPTrack, TemplateState
from mtl.models.memory import RingMemory
from mtl.models.window import hann_window


class HIPTrackStart(nn.Module):
    """Template crop and box to the tensors of a `TemplateState`."""

    def __init__(self, model: HIPTrack) -> None:
        super().__init__()
        self.model = model

    def forward(self, template: Tensor, template_box_xywh: Tensor) -> tuple[Tensor, Tensor]:
        """See `HIPTrack.start`."""
        state = self.model.start(template, template_box_xywh)
        return state.tokens, state.encoded


class HIPTrackStep(nn.Module):
    """`HIPTrack.track` with a memory of three tensors."""

    window: Tensor | None

    def __init__(self, model: HIPTrack, answer: Answer) -> None:
        super().__init__()
        self.model = model
        self.answer = answer
        self.register_buffer("window", answer.window, persistent=False)

    def forward(
        self,
        tokens: Tensor,
        encoded: Tensor,
        search: Tensor,
        keys: Tensor,
        values: Tensor,
        written: Tensor,
        index: Tensor,
        size_features: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """See `HIPTrack.track`; `index` and `written` are (1,) int64."""
        found = self.model.track(
            TemplateState(tokens, encoded),
            search,
            SlotMemory(keys, values, written),
            index,
            size_features,
            self.answer.conditions,
        )
        answer = self.answer._replace(window=self.window)
        return (*answer.box_and_score(found), *found.memory, *answer.probabilities(found))


class ExportableHIPTrack:
    """See `Exportable`."""

    def __init__(self, model: HIPTrack, conditions: bool) -> None:
        self.model = model
        side = model.backbone.search_side
        window = None
        if isinstance(model.box_head, CenterHead):
            window = hann_window(side, model.key_comp.weight.device).clone()
        head = model.condition_head
        self.answer = Answer(window, head if conditions else None)
        tokens, encoded = self._template_state(model)
        z, s = model.template_size, model.search_size
        self.start = Program("start", HIPTrackStart(model), template_ports(z), (tokens, encoded))
        memory = self._memory(model)
        runs_head = conditions or (head is not None and head.fuses)
        self.step = Program(
            "step",
            HIPTrackStep(model, self.answer),
            (
                tokens,
                encoded,
                search_port(s),
                *memory,
                Port("index", (1,), "number of the frame, 1 after the first", torch.int64),
                *size_feature_ports(head if runs_head else None),
            ),
            (
                *box_ports(s),
                *(port._replace(name=f"next_{port.name}") for port in memory),
                *condition_ports(self.answer),
            ),
        )

    @staticmethod
    def _template_state(model: HIPTrack) -> tuple[Port, Port]:
        z, s = model.template_size, model.search_size
        with torch.no_grad():
            device = model.key_comp.weight.device
            state = model.start(
                torch.zeros(1, 3, z, z, device=device), torch.zeros(1, 4, device=device)
            )
        what = f"of the template, enlarged to {s} pixels, and its box"
        return (
            Port("template_tokens", tuple(state.tokens.shape), "of the template", tolerance=1e-4),
            Port("template_encoded", tuple(state.encoded.shape), what, tolerance=1e-4),
        )

    @staticmethod
    def _memory(model: HIPTrack) -> tuple[Port, Port, Port]:
        slots = (1, model.memory_capacity, model.backbone.search_side**2)
        key_width = model.key_proj.key_proj.out_channels
        value_width = model.key_comp.out_channels
        start = "zeros before the first step, then what the step before returned"
        return (
            Port("memory_keys", (*slots, key_width), start, tolerance=1e-3),
            Port("memory_values", (*slots, value_width), start, tolerance=1e-3),
            Port("written", (1,), f"entries ever remembered: {start}", torch.int64),
        )

    def memory_tensors(self, memory: RingMemory) -> tuple[Tensor, ...]:
        """See `Exportable.memory_tensors`."""
        device = self.model.key_comp.weight.device
        keys, values, written = (port for port in self.step.inputs[3:6])
        count = torch.full(written.shape, memory.written, device=device)
        if not len(memory):
            return (
                torch.zeros(keys.shape, device=device),
                torch.zeros(values.shape, device=device),
                count,
            )
        empty = memory.capacity - len(memory)
        filled = (
            F.pad(rows.unflatten(1, (len(memory), -1)), (0, 0, 0, 0, 0, empty)).clone()
            for rows in memory.rows()
        )
        return (*filled, count)

    def frame_tensors(self, index: int, size_features: Tensor) -> tuple[Tensor, ...]:
        """See `Exportable.frame_tensors`."""
        number = torch.tensor([index], device=size_features.device)
        told = {"index": number, "size_features": size_features}
        return tuple(told[port.name] for port in self.step.inputs[6:])

    def rehearsals(self) -> list[Rehearsal]:
        """The first frames; and frames that come when the memory is full."""
        interval = self.model.update_interval
        late = (LAST_TEMPLATE_INDEX // interval + 1) * interval
        early = (1, *EARLY_WRITES, LAST_TEMPLATE_INDEX + 1, late, late + 1)
        keys, values = (port for port in self.step.inputs[3:5])
        device = self.model.key_comp.weight.device
        full = RingMemory(self.model.memory_capacity)
        generator = torch.Generator().manual_seed(0)
        for _ in range(self.model.memory_capacity):
            entry = (
                torch.randn(1, *port.shape[2:], generator=generator).to(device)
                for port in (keys, values)
            )
            full = full.append(*entry)
        return [
            Rehearsal(self.model.empty_memory(), tuple(sorted(set(early)))),
            Rehearsal(full, (late, late + 1)),
        ]
