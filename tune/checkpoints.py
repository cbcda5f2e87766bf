"""A trial's states on disk, in the layout of a run folder: checkpoints/step-..."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

from mtl.config.run import RunConfig
from mtl.training.state import TrainingState


class Checkpoints:
    """Keeps the last states of a run; each is whole or absent."""

    def __init__(self, run_folder: Path, config: RunConfig) -> None:
        self._folder = run_folder / "checkpoints"
        self._config = config

    def save(self, name: str, state: TrainingState) -> None:
        """Keep a state and drop those that are too old.

        Raises:
            OSError: the disk is full; what was kept before stays.
        """
        temporary = self._folder / f".{uuid.uuid4().hex}"
        temporary.mkdir(parents=True)
        try:
            state.save(temporary, self._config.model_dump(mode="json"))
            shutil.rmtree(self._folder / name, ignore_errors=True)
            os.replace(temporary, self._folder / name)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        for old in self._names()[: -self._config.checkpoint.keep]:
            shutil.rmtree(self._folder / old, ignore_errors=True)

    def last(self) -> TrainingState:
        """The newest state, or a new one.

        Raises:
            CheckpointError: it cannot be read.
        """
        names = self._names()
        return TrainingState.load(self._folder / names[-1]) if names else TrainingState()

    def _names(self) -> list[str]:
        if not self._folder.is_dir():
            return []
        return sorted(p.name for p in self._folder.iterdir() if p.name.startswith("step-"))


def clear_checkpoints(run_folder: Path) -> None:
    """Drop the states of a run that will not go on, those of its teachers included."""
    for folder in run_folder.rglob("checkpoints"):
        shutil.rmtree(folder, ignore_errors=True)
