"""Tiny unified models on few embedded scenes, for tests of evaluations."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from mtl.config.load import load
from mtl.models.build import build_model
from mtl.models.model_file import save_model

SMALL = (
    "data.synthetic.train_images=8",
    "data.synthetic.val_images=18",
    "data.sizes={det: 64, seg: 64, cls: 64, cls_short_side: 64}",
)
"""Two blocks of images: one of 16 and one of 2."""
KINDS = ["buoy", "container_ship", "sailing_boat", "speed_boat"]
CLASSES = {"det": KINDS, "seg": ["background", "buoy", "vessel", "water"], "cls": KINDS}


def write_unified(
    folder: Path, seed: int = 0, *words: str, classes: dict[str, list[str]] = CLASSES
) -> Path:
    """A folder with a small untrained model that sees 64 pixels a side."""
    config = load("unified_demo", [*SMALL, *words])
    torch.manual_seed(seed)
    model = build_model(config)
    folder.mkdir(parents=True)
    file = folder / "model.safetensors"
    save_model(file, model.state_dict(), config, {}, classes=classes)
    return folder


def write_classes(root: Path, broken: int = 0) -> None:
    """Three grey images of each class, some of them no images."""
    for place, name in enumerate(CLASSES["cls"]):
        folder = root / "test" / name
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(3):
            picture = np.full((70, 80, 3), 40 * place + 10 * number, np.uint8)
            cv2.imwrite(str(folder / f"{number}.png"), picture)
    for number in range(broken):
        (root / "test" / CLASSES["cls"][0] / f"{number}.png").write_bytes(b"no picture")
