"""What a task of the unified model needs of its weights: measured, and kept in a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mtl.config.unified import UnifiedTaskName
from mtl.config.unified_run import UnifiedRunConfig
from mtl.data.collate import collate
from mtl.data.unified.index import UnifiedIndex
from mtl.data.unified.sampler import UnifiedSampler
from mtl.errors import CheckpointError
from mtl.losses.consolidation import Importance, fisher_diagonal
from mtl.tasks.task import Moment
from mtl.tasks.unified import LOSS_OF, UnifiedTask

KINDS = ("weights", "fisher")
"""What the names in a file begin with."""


def measure_importance(
    model: nn.Module,
    config: UnifiedRunConfig,
    task: UnifiedTaskName,
    train: UnifiedIndex,
    rows: Sequence[int],
    device: torch.device,
) -> Importance:
    """Importance of a model's weights to a task, on training images as an evaluation shows them.

    Normalisation has its stored statistics and nothing is dropped.

    Args:
        model: that has just learned the task, on the device; its mode becomes eval.
        config: of the run.
        task: that was learned.
        train: the training split on this machine.
        rows: of the task's images; one that cannot be used is left out where that is allowed.
        device: of the model.

    Raises:
        DataError: an image cannot be used and `data.on_error` does not say to skip it.
    """
    alone = UnifiedTask(config.model_copy(update={"train_type": task}), train, None)
    sampler = UnifiedSampler(
        train, config.augmentation, config.data, config.seed, training=False, tasks=(task,)
    )

    def losses() -> Iterator[Tensor]:
        for row in rows:
            arrays = collate([sampler.sample(row)])
            batch = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
            values = alone.losses(model, batch, Moment(epoch=0, training=False)).values
            if LOSS_OF[task] in values:
                yield values[LOSS_OF[task]]

    parameters = dict(model.eval().named_parameters())
    weights = {name: x.detach().clone() for name, x in parameters.items()}
    return Importance(weights, fisher_diagonal(parameters, losses()))


def save_importance(importance: Importance, path: Path, measured: Mapping[str, str]) -> None:
    """Write weights and Fisher information side by side into a safetensors file.

    Args:
        importance: what is written.
        path: of the file.
        measured: on what, and how; `is_importance_of` looks for it.
    """
    tensors = {
        f"{kind}.{name}": x.cpu().contiguous()
        for kind, of in zip(KINDS, importance, strict=True)
        for name, x in of.items()
    }
    save_file(tensors, path, dict(measured))


def is_importance_of(path: Path, measured: Mapping[str, str]) -> bool:
    """Whether a file, which may be damaged, says that this is what was measured."""
    try:
        with safe_open(path, "pt") as file:
            return bool(file.metadata() == dict(measured))
    except (OSError, SafetensorError):
        return True  # `load_importance` says what is wrong


def load_importance(path: Path, source: str) -> Importance:
    """What `save_importance` wrote.

    Args:
        path: of the file.
        source: where it came from, for messages.

    Raises:
        CheckpointError: it is damaged.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"{source} cannot be read ({reason}); delete it to have it measured again."
        ) from None
    return Importance(
        *(
            {n.removeprefix(f"{kind}."): x for n, x in tensors.items() if n.startswith(f"{kind}.")}
            for kind in KINDS
        )
    )
