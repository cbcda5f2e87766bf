"""Small sets of the three layouts on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CATEGORIES = [{"id": 7, "name": "ferry"}, {"id": 2, "name": "buoy"}, {"id": 3, "name": "tug"}]


def gradient(width: int = 64, height: int = 48, seed: int = 0) -> np.ndarray:
    """(H, W, 3) uint8, smooth, so that JPEG keeps it."""
    y, x = np.mgrid[:height, :width]
    channels = (x * 200 / width, y * 200 / height, np.full_like(x, 40 + 20 * (seed % 10)))
    return np.stack(channels, axis=-1).astype(np.uint8)


def save(path: Path, image: np.ndarray | Image.Image, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(path, **options)
    return path


def box(image: int, bbox: Sequence[float], category: int = 2, **more: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": list(bbox), "iscrowd": 0, **more}


def write_coco(
    root: Path,
    annotations: Sequence[dict[str, Any]] = (),
    images: int = 4,
    split: str = "train",
    first_id: int = 10,
    **changes: Any,
) -> Path:
    """Images of 64 x 48 with ids from `first_id`; `changes` replace whole lists of the file."""
    listed = []
    for number in range(first_id, first_id + images):
        name = f"{number:012d}.jpg"
        save(root / "images" / split / name, gradient(seed=number))
        listed.append({"id": number, "file_name": name, "width": 64, "height": 48})
    content = {
        "images": listed,
        "categories": CATEGORIES,
        "annotations": [{"id": k, **entry} for k, entry in enumerate(annotations)],
        **changes,
    }
    file = root / "annotations" / f"instances_{split}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))
    return root


def palette_mask(values: np.ndarray) -> Image.Image:
    mask = Image.fromarray(values.astype(np.uint8))
    mask.putpalette([v % 256 for k in range(256) for v in (37 * k, 91 * k, 151 * k)])
    return mask


def write_voc(root: Path, images: int = 3, split: str = "train", official: bool = False) -> Path:
    """Images of 64 x 48; image k has a rectangle of class k + 1 with an ignored border."""
    below = root if official else root / split
    names = [f"2007_{split}_{k}" for k in range(images)]
    for k, name in enumerate(names):
        values = np.zeros((48, 64))
        values[9:31, 9:41] = 255
        values[10:30, 10:40] = k + 1
        save(below / "JPEGImages" / f"{name}.jpg", gradient(seed=k))
        save(below / "SegmentationClass" / f"{name}.png", palette_mask(values))
    file = root / "ImageSets" / "Segmentation" / f"{split}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(names) + "\n")
    return root


def write_folders(
    root: Path, images: int = 2, split: str = "train", classes: Sequence[str] = ("b", "a")
) -> Path:
    for number, name in enumerate(classes):
        for k in range(images):
            save(root / split / name / f"{k}.JPEG", gradient(seed=10 * number + k), format="JPEG")
    return root
