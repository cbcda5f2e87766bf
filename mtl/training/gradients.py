"""How the tasks' gradients at what they share compare: length, angle, conflict."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from mtl.losses.weighting import LossGroups
from mtl.training.task_gradients import TaskGradients


def gradient_figures(tasks: Sequence[str], gram: np.ndarray) -> dict[str, float]:
    """Figures of K gradients by their names in metric lines.

    Args:
        tasks: names of the K tasks.
        gram: (K, K) inner products of their gradients.

    Returns:
        `gradient_norm/<task>` for each task; `gradient_cosine/<a>_<b>` for each pair in which
        neither gradient is 0, and `gradient_conflict`, the share of those pairs whose cosine is
        negative. Empty if anything is not finite.
    """
    if not np.isfinite(gram).all():
        return {}
    norms = np.sqrt(np.diag(gram)).tolist()
    figures = {f"gradient_norm/{task}": norm for task, norm in zip(tasks, norms, strict=True)}
    cosines = {
        f"gradient_cosine/{tasks[a]}_{tasks[b]}": float(gram[a, b]) / (norms[a] * norms[b])
        for a, b in itertools.combinations(range(len(tasks)), 2)
        if norms[a] and norms[b]
    }
    if cosines:
        conflicts = sum(cosine < 0 for cosine in cosines.values())
        cosines["gradient_conflict"] = conflicts / len(cosines)
    return figures | cosines


def add_gradients(into: TaskGradients, losses: dict[str, Tensor]) -> None:
    """Add the gradients of tasks' losses; the graph is kept for the backward pass."""
    for task, loss in losses.items():
        if loss.requires_grad:
            found = torch.autograd.grad(loss, into.parameters, retain_graph=True, allow_unused=True)
            into.add(task, found)


class GradientProbe:
    """Measures the tasks' gradients in some steps, beside the training, which does not notice.

    What is measured are the tasks as the loss weights have them, before any balancing.

    Args:
        groups: the tasks.
        shared: learning parameters that all tasks share.
        every: steps between two measurements; None: never.
    """

    def __init__(
        self, groups: LossGroups, shared: Sequence[nn.Parameter], every: int | None
    ) -> None:
        self._groups = groups
        self._shared = shared
        self._every = every if shared else None
        self._gradients: TaskGradients | None = None

    def begin_step(self, step: int) -> None:
        """Measure in this step (counted from 0) if it is due."""
        due = self._every is not None and (step + 1) % self._every == 0
        self._gradients = TaskGradients(self._groups.names, self._shared) if due else None

    def add(self, values: dict[str, Tensor], scale: Callable[[Tensor], Tensor]) -> None:
        """Look at a micro-batch's losses, scaled, before their graph is used up."""
        if self._gradients is not None:
            losses = self._groups.losses(values)
            add_gradients(self._gradients, {name: scale(loss) for name, loss in losses.items()})

    def figures(self, scale: float) -> dict[str, float]:
        """Figures of the whole batch's gradients over `scale`; empty if none were due or finite.

        Every rank must call it.
        """
        if self._gradients is None:
            return {}
        self._gradients.average_over_ranks()
        gram = self._gradients.gram() / scale**2
        self._gradients = None
        return gradient_figures(self._groups.names, gram)
