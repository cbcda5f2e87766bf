"""Everything a run needs to go on as if it had never stopped, as a folder of plain files.

state.json          progress, metric lines so far, best value, config
model.safetensors   weights and buffers
optimizer.pt        optimiser, gradient scaler and task weights; tensors and numbers only
totals.safetensors  sums of the epoch that has begun
manifest.json       sizes and hashes of the others; written last, so that a folder with it is whole
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from mtl.errors import CheckpointError, UnfinishedCheckpointError
from mtl.hiccups import is_away
from mtl.training.manifest import MANIFEST, fault_of, write_manifest

FORMAT = 3
"""2 had no manifest, so nothing tells whether such a checkpoint is whole: it is refused."""
FILES = {"state.json", "model.safetensors", "optimizer.pt", "totals.safetensors"}


@dataclass(eq=False)
class TrainingState:
    """Where a run is. Mutable: the loop moves it forward step by step; so it equals only itself."""

    step: int = 0
    """Optimiser steps done."""
    seconds: float = 0.0
    """Time trained so far, over all interruptions."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """The lines of metrics.jsonl."""
    best: float | None = None
    """Best value of the watched metric so far."""
    finished: bool = False
    """Whether the final tracking has been done too."""
    totals: dict[str, Tensor] = field(default_factory=dict)
    """Statistics summed over the epoch so far and over all ranks, float64 on the CPU."""
    model: dict[str, Tensor] = field(default_factory=dict)
    """Weights and buffers."""
    optimizer: dict[str, Any] | None = None
    """Optimiser state inside a stage, none between stages."""
    scaler: dict[str, Any] | None = None
    """State of the fp16 gradient scaler."""
    balancing: dict[str, Any] = field(default_factory=dict)
    """What the weighting of the tasks has learned; it outlives a stage."""

    def snapshot(self) -> TrainingState:
        """A copy in main memory, which later steps do not change: it can be saved beside them."""
        return TrainingState(**_copied(vars(self)))

    def save(self, folder: Path, config: dict[str, Any]) -> None:
        """Write the state into an existing empty folder; `config` is the resolved run config."""
        save_file(_contiguous(self.model), folder / "model.safetensors")
        save_file(_contiguous(self.totals), folder / "totals.safetensors")
        rest = {"optimizer": self.optimizer, "scaler": self.scaler, "balancing": self.balancing}
        torch.save(rest, folder / "optimizer.pt")
        progress = {
            "format": FORMAT,
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
            "finished": self.finished,
            "history": self.history,
            "config": config,
        }
        (folder / "state.json").write_text(json.dumps(progress), encoding="utf-8")
        write_manifest(folder)

    @classmethod
    def load(cls, folder: Path, place: str | None = None) -> TrainingState:
        """Read a saved state, if it is what was written.

        Args:
            folder: that it was saved to, or a copy of it.
            place: where it was saved, for messages; none: the folder.

        Raises:
            UnfinishedCheckpointError: it has no manifest: it was never whole.
            CheckpointError: a file is missing, damaged or of another format.
            OSError: the storage is away, which says nothing about the state.
        """
        place = place or str(folder)
        fault = fault_of(folder, FILES)
        unfinished = not (folder / MANIFEST).exists()
        written = _format(folder) if unfinished or not fault else FORMAT
        if written not in (None, FORMAT):
            raise CheckpointError(
                f"checkpoint {place} cannot be used: it has format {written}, this version reads "
                f"{FORMAT}; go on with the version that wrote it."
            )
        if fault:
            kind = UnfinishedCheckpointError if unfinished else CheckpointError
            raise kind(f"checkpoint {place} cannot be used: {fault}.")
        try:
            progress = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            rest = torch.load(folder / "optimizer.pt", map_location="cpu", weights_only=True)
            return cls(
                step=progress["step"],
                seconds=progress["seconds"],
                history=progress["history"],
                best=progress["best"],
                finished=progress["finished"],
                totals=load_file(folder / "totals.safetensors"),
                model=load_file(folder / "model.safetensors"),
                optimizer=rest["optimizer"],
                scaler=rest["scaler"],
                balancing=rest["balancing"],
            )
        except Exception as error:  # not by `save`
            if is_away(error):
                raise
            raise CheckpointError(
                f"checkpoint {place} cannot be used: {type(error).__name__}: {error}."
            ) from error


def _format(folder: Path) -> Any:
    """The format that a folder says it has; none where that cannot be read."""
    try:
        return json.loads((folder / "state.json").read_bytes())["format"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _copied(value: Any) -> Any:
    """The same containers and numbers, with a copy of each tensor on the CPU."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {name: _copied(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_copied(part) for part in value)
    return value


def _contiguous(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
