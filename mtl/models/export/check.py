"""Holding the programs that were read from files against the model they were made of."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from mtl.errors import ExportError
from mtl.models.export.program import Exportable, Port, Rehearsal, Run

ATTEMPTS = 3
"""Two tokens or cells that score alike to the last bits may be ordered either way by two libraries,
and either is right; random crops on which that happens are replaced."""


def compare(
    exportable: Exportable, start: Run, step: Run, device: torch.device
) -> dict[str, float]:
    """Largest differences between programs and model over random sequences.

    Args:
        exportable: the model and what its programs mean.
        start: the start program.
        step: the step program; it gets the memory that it returned.
        device: where the model is.

    Returns:
        Per output the largest difference, over the largest value of the model's if that is above 1.

    Raises:
        ExportError: a difference is larger than the output allows.
    """
    ports = {port.name: port for port in (*exportable.start.outputs, *exportable.step.outputs)}
    worst: dict[str, float] = {}
    for seed in range(ATTEMPTS):
        worst = _largest(exportable, start, step, seed, device)
        if not _too_large(worst, ports):
            return worst
    name = _too_large(worst, ports)[0]
    raise ExportError(
        f"output '{name}' differs from the model's by {worst[name]:.1e}, "
        f"more than the {ports[name].tolerance:.1e} allowed."
    )


def _too_large(worst: dict[str, float], ports: dict[str, Port]) -> list[str]:
    # Not (difference > tolerance): a nan is too large.
    return [name for name in worst if not worst[name] <= ports[name].tolerance]


def _largest(
    exportable: Exportable, start: Run, step: Run, seed: int, device: torch.device
) -> dict[str, float]:
    differences: dict[str, list[float]] = {}
    for rehearsal in exportable.rehearsals():
        for port, wanted, found in _run(exportable, rehearsal, start, step, seed, device):
            if found.shape != wanted.shape or found.dtype != wanted.dtype:
                raise ExportError(
                    f"output '{port.name}' is {found.dtype} {tuple(found.shape)} "
                    f"where the model gives {wanted.dtype} {tuple(wanted.shape)}."
                )
            differences.setdefault(port.name, []).append(_difference(found, wanted))
    # numpy's maximum, unlike Python's, is nan where one of them is.
    return {name: float(np.max(values)) for name, values in differences.items()}


@torch.no_grad()
def _run(
    exportable: Exportable,
    rehearsal: Rehearsal,
    start: Run,
    step: Run,
    seed: int,
    device: torch.device,
) -> Iterator[tuple[Port, Tensor, Tensor]]:
    """Each output of each frame, as the model gives it and as the program does."""
    model, answer = exportable.model, exportable.answer
    generator = torch.Generator().manual_seed(seed)
    template = torch.randn(exportable.start.inputs[0].shape, generator=generator).to(device)
    box = torch.tensor([[0.25, 0.3, 0.5, 0.4]], device=device)
    wanted_state = model.start(template, box)
    state = start((template, box))
    yield from zip(
        exportable.start.outputs, exportable.start.module(template, box), state, strict=True
    )
    memory = copy.deepcopy(rehearsal.memory)
    carried = exportable.memory_tensors(memory)
    search_port = exportable.step.inputs[len(state)]
    for index in rehearsal.indices:
        search = torch.randn(search_port.shape, generator=generator).to(device)
        sizes = torch.randn(1, 2, generator=generator).to(device)
        found = model.track(wanted_state, search, memory, index, sizes, answer.conditions)
        memory = found.memory
        wanted = (
            *answer.box_and_score(found),
            *exportable.memory_tensors(memory),
            *answer.probabilities(found),
        )
        inputs = (*state, search, *carried, *exportable.frame_tensors(index, sizes))
        outputs = [tensor.to(device) for tensor in step(inputs)]
        carried = tuple(outputs[2 : 2 + len(carried)])
        yield from zip(exportable.step.outputs, wanted, outputs, strict=True)


def _difference(found: Tensor, wanted: Tensor) -> float:
    """The largest, over the largest wanted value if that is above 1; nan if one is."""
    scale = wanted.abs().max().float().clamp(min=1.0)
    return float((found.to(wanted.device) - wanted).abs().max() / scale)
