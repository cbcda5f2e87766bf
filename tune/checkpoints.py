"""What becomes of a trial's checkpoints when it will not go on."""

from __future__ import annotations

import shutil
from pathlib import Path

from mtl.training.checkpoints import CHECKPOINTS


def clear_checkpoints(run_folder: Path) -> None:
    """Drop the states of a run that will not go on, those of its teachers included."""
    for folder in run_folder.rglob(CHECKPOINTS):
        shutil.rmtree(folder, ignore_errors=True)
