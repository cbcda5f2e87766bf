"""Small data sets for tests: pictures made here, in GOT-10k layout."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

VLM_KEYS = (
    "motion_blur",
    "illu_change",
    "variance_appear",
    "partial_visibility",
    "background_clutter",
    "occlusion",
)
CV_KEYS = ("scale_variation", "low_res", "low_contrast")


def picture(seed: int, height: int = 48, width: int = 64) -> np.ndarray:
    """(H, W, 3) uint8 RGB of random 8 x 8 blocks."""
    low = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return low.repeat(8, axis=0).repeat(8, axis=1)


def jpeg(image: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


def write_sequence(
    folder: Path,
    length: int = 24,
    boxes: str | None = None,
    separator: str = ",",
    picture_seed: int = 0,
) -> Path:
    """A sequence of equal frames whose box moves one pixel a frame."""
    folder.mkdir(parents=True)
    data = jpeg(picture(picture_seed))
    for number in range(1, length + 1):
        (folder / f"{number:08d}.jpg").write_bytes(data)
    lines = [separator.join(map(str, box(row))) for row in range(length)]
    (folder / "groundtruth.txt").write_text(boxes if boxes is not None else "\n".join(lines) + "\n")
    return folder


def box(row: int) -> tuple[float, float, float, float]:
    return (10.0 + row, 12.5, 16.0, 12.0)


def write_root(root: Path, train: int = 3, val: int = 1, length: int = 24) -> Path:
    for split, count in (("train", train), ("val", val)):
        for number in range(count):
            write_sequence(root / split / f"{split}-{number}", length, picture_seed=number)
    return root


def flag_record(
    sequence: str, row: int, vlm: Sequence[str] = (), cv: Sequence[str] = ()
) -> dict[str, object]:
    """A record of form B2 as the generator writes it."""
    return {
        "dataset_path": "data/train",
        "sequence_name": sequence,
        "frame_id": row + 1,
        "frame_file": f"{row + 1:08d}.jpg",
        "cv_response": {key: int(key in cv) for key in CV_KEYS},
        "vlm_response": {
            **{
                key: {"flag": int(key in vlm), "conf": 0.7 if key in vlm else 0.05}
                for key in VLM_KEYS
            },
            "raw_confidence": 0.7,
        },
        "ground_truth_bbox": list(box(row)),
    }


def write_records(file: Path, records: Sequence[object]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return file
