"""Rendered sequences on disk, in MVTD layout with condition JSONL beside them.

    <root>/<split>/list.txt
    <root>/<split>/<sequence>/00000001.jpg ..., groundtruth.txt, absence.label, cover.label,
        cut_by_image.label
    <root>/<split>_maritime_env_clf_annts/<sequence>/<sequence>.jsonl

The records are of format B2 (flag and conf); exactly one flag is set, none in a normal frame. They
also state the `severity` that v2 records have: how strong the effect is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from mtl.conditions import CONDITIONS
from mtl.config.schema import SyntheticConfig
from mtl.data.synthetic.script import check_config
from mtl.data.synthetic.sequence import RENDERER_VERSION, RenderedSequence, render_sequence
from mtl.errors import ConfigError, DataError

JPEG_QUALITY = 90

VLM_KEYS = {
    "motion_blur": "motion_blur",
    "illu_change": "illumination_change",
    "variance_appear": "variance_in_appearance",
    "partial_visibility": "partial_visibility",
    "background_clutter": "background_clutter",
    "occlusion": "occlusion",
}
CV_KEYS = {
    "scale_variation": "scale_variation",
    "low_res": "low_resolution",
    "low_contrast": "low_contrast",
}
CLASS_TITLES = {name: name.replace("_", " ").title().replace(" In ", " in ") for name in CONDITIONS}
CLASS_TITLES["low_contrast"] = "Low Contrast Object"


def render_dataset(
    folder: Path | str,
    config: SyntheticConfig,
    splits: Sequence[str] = ("train", "val"),
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Render whole splits into a folder.

    Args:
        folder: Root of the data set; made if absent, and must hold none of the splits yet.
        config: Numbers and sizes; "test" has as many sequences as "val".
        splits: Any of "train", "val", "test".
        progress: Called with (sequences done, sequences in all) after each.

    Returns:
        The folder.

    Raises:
        ConfigError: if a split is unknown or the pictures are too small.
        DataError: if a split is there already or a file cannot be written.
    """
    check_config(config)
    counts = {
        "train": config.train_sequences,
        "val": config.val_sequences,
        "test": config.val_sequences,
    }
    for split in splits:
        if split not in counts:
            raise ConfigError(f"split must be one of {', '.join(counts)}, got '{split}'")
    root = Path(folder)
    for split in splits:
        if (root / split).exists():
            raise DataError(f"{root / split} exists already; choose an empty folder")
    done, total = 0, sum(counts[split] for split in splits)
    for split in splits:
        names = []
        for number in range(counts[split]):
            sequence = render_sequence(config, split, number)
            write_sequence(root, split, sequence)
            names.append(sequence.name)
            done += 1
            if progress is not None:
                progress(done, total)
        (root / split / "list.txt").write_text("".join(f"{name}\n" for name in names))
    return root


def write_sequence(root: Path, split: str, sequence: RenderedSequence) -> None:
    """Write one sequence with its labels.

    Raises:
        DataError: if a picture cannot be written.
    """
    folder = root / split / sequence.name
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(sequence.frames, start=1):
        path = folder / frame_file(number)
        options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        if not cv2.imwrite(str(path), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), options):
            raise DataError(f"{path} cannot be written; check the folder and the free space")
    lines = [",".join(f"{value:.4f}" for value in box) for box in sequence.boxes]
    _write_lines(folder / "groundtruth.txt", lines)
    _write_lines(folder / "absence.label", [str(int(not seen)) for seen in sequence.visible])
    cover = np.clip(np.round(8 * sequence.visible_share), 0, 8).astype(int)
    _write_lines(folder / "cover.label", [str(level) for level in cover])
    _write_lines(folder / "cut_by_image.label", [str(int(cut)) for cut in sequence.cut])
    annotations = root / f"{split}_maritime_env_clf_annts" / sequence.name
    annotations.mkdir(parents=True, exist_ok=True)
    records = condition_records(split, sequence)
    _write_lines(annotations / f"{sequence.name}.jsonl", [json.dumps(r) for r in records])


def frame_file(number: int) -> str:
    """Name of a frame's file; frames are counted from 1."""
    return f"{number:08d}.jpg"


def condition_records(split: str, sequence: RenderedSequence) -> list[dict[str, object]]:
    """One B2 record per frame; the time is a constant, so that equal data are equal bytes."""
    boxes = [[round(float(value), 4) for value in box] for box in sequence.boxes]
    records: list[dict[str, object]] = []
    for number, condition in enumerate(sequence.conditions, start=1):
        vlm: dict[str, object] = {}
        for key, name in VLM_KEYS.items():
            hit = int(name == condition)
            vlm[key] = {"flag": hit, "conf": float(hit)}
        vlm["raw_confidence"] = float(condition in VLM_KEYS.values())
        records.append(
            {
                "dataset_path": split,
                "processing_time": "2026-01-01T00:00:00",
                "model_name": f"mtl-synth-{RENDERER_VERSION}",
                "classes": list(CLASS_TITLES.values()),
                "sequence_name": sequence.name,
                "total_frames": len(sequence.conditions),
                "template_bbox": boxes[0],
                "frame_id": number,
                "frame_file": frame_file(number),
                "cv_response": {key: int(name == condition) for key, name in CV_KEYS.items()},
                "vlm_response": vlm,
                "ground_truth_bbox": boxes[number - 1],
                "severity": float(sequence.severity[number - 1]),
            }
        )
    return records


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))
