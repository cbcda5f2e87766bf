"""The scenes as three data sets on disk, in the layouts of real ones."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from mtl.config.unified_data import SceneConfig
from mtl.data.synthetic.cache import folder_name, rendered_folder
from mtl.data.unified.scenes.scene import (
    KINDS,
    SEGMENTS,
    Backdrop,
    close_scene,
    wide_scene,
)
from mtl.data.unified.voc import CLASS_FILE
from mtl.errors import DataError

RENDERER_VERSION = 1
"""Part of the cache key; goes up whenever the same configuration gives other files."""

SPLITS = ("train", "val", "test")
SCENES_PER_BACKDROP = 8
"""Scenes under one sky, each seen from another place; drawing the sky is half the work."""

_PALETTE = [0, 0, 0, 230, 60, 40, 250, 190, 40, 40, 110, 190]
"""RGB of the mask values, for looking at them."""


def embedded_scenes(config: SceneConfig) -> Path:
    """Root of det/, seg/ and cls/ with splits train, val and test, rendered if need be.

    Raises:
        DataError: if a file cannot be written.
    """
    name = folder_name("scenes", RENDERER_VERSION, config)
    return rendered_folder(name, lambda root: write_scenes(root, config))


def write_scenes(root: Path, config: SceneConfig) -> None:
    """Render three data sets below a folder, a pure function of the configuration.

    The splits share no scene: every picture has its own seed from set, split and number.

    Args:
        root: an existing folder.
        config: how many pictures, how large, which seed.

    Raises:
        DataError: if a file cannot be written.
    """
    try:
        for number, split in enumerate(SPLITS):
            count = config.train_images if split == "train" else config.val_images
            seeds = [config.seed, number]
            _write_detection(root / "det", split, count, config.size, [0, *seeds])
            _write_segmentation(root / "seg", split, count, config.size, [1, *seeds])
            _write_classification(root / "cls", split, count, config.size, [2, *seeds])
        (root / "seg" / CLASS_FILE).write_text("\n".join(SEGMENTS[1:]) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"the embedded scenes cannot be written to {root} ({error.strerror or error}); free "
            "space or set MTL_CACHE."
        ) from None


def _write_detection(root: Path, split: str, count: int, size: int, seeds: list[int]) -> None:
    folder = root / "images" / split
    folder.mkdir(parents=True)
    backdrops = _backdrops(count, size, seeds)
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number in range(count):
        rng = np.random.default_rng([*seeds, number, 0])
        scene = wide_scene(backdrops[number % len(backdrops)], rng)
        name = f"{number:06d}.jpg"
        _write_jpeg(folder / name, scene.image)
        images.append({"id": number, "file_name": name, "width": size, "height": size})
        for box, kind in zip(scene.boxes_xywh, scene.kinds, strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": int(kind) + 1,
                    "bbox": [round(float(value), 2) for value in box],
                    "area": round(float(box[2] * box[3]), 2),
                    "iscrowd": 0,
                }
            )
    categories = [{"id": k + 1, "name": name} for k, name in enumerate(KINDS)]
    file = root / "annotations" / f"instances_{split}.json"
    file.parent.mkdir(exist_ok=True)
    content = {"images": images, "annotations": annotations, "categories": categories}
    file.write_text(json.dumps(content), encoding="utf-8")


def _write_segmentation(root: Path, split: str, count: int, size: int, seeds: list[int]) -> None:
    pictures, masks = (root / split / name for name in ("JPEGImages", "SegmentationClass"))
    pictures.mkdir(parents=True)
    masks.mkdir()
    backdrops = _backdrops(count, size, seeds)
    names = [f"{number:06d}" for number in range(count)]
    for number, name in enumerate(names):
        rng = np.random.default_rng([*seeds, number, 0])
        scene = wide_scene(backdrops[number % len(backdrops)], rng)
        _write_jpeg(pictures / f"{name}.jpg", scene.image)
        mask = Image.fromarray(scene.mask)
        mask.putpalette(_PALETTE)
        mask.save(masks / f"{name}.png")
    file = root / "ImageSets" / "Segmentation" / f"{split}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(names) + "\n", encoding="utf-8")


def _write_classification(root: Path, split: str, count: int, size: int, seeds: list[int]) -> None:
    """Classes take turns."""
    for name in KINDS:
        (root / split / name).mkdir(parents=True)
    backdrops = _backdrops(count, size, seeds)
    for number in range(count):
        kind = number % len(KINDS)
        # neither the class nor the backdrop may tell the other
        backdrop = backdrops[number // len(KINDS) % len(backdrops)]
        scene = close_scene(backdrop, kind, np.random.default_rng([*seeds, number, 0]))
        _write_jpeg(root / split / KINDS[kind] / f"{number:06d}.jpg", scene.image)


def _backdrops(count: int, size: int, seeds: list[int]) -> list[Backdrop]:
    number = -(-count // SCENES_PER_BACKDROP)
    return [Backdrop(size, np.random.default_rng([*seeds, k, 1])) for k in range(number)]


def _write_jpeg(path: Path, image: np.ndarray) -> None:
    ok, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92]
    )
    assert ok
    path.write_bytes(data.tobytes())
