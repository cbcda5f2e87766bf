"""Condition files made by the computed rules, for data sets nobody has annotated."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mtl.config.schema import DataConfig
from mtl.data import computed_conditions as rules
from mtl.data.bad_items import BadItems
from mtl.data.frame_index import Sequence
from mtl.data.images import read_image
from mtl.data.index import read_split_folder
from mtl.data.splits import Split, split_folders
from mtl.errors import DataError
from mtl.files import write_atomically


def write_computed_labels(
    root: str,
    out: str,
    splits: tuple[Split, ...] | None = None,
    max_pixels: int = 64_000_000,
    on_error: Literal["stop", "skip"] = "stop",
    on_sequence: Callable[[str, str, dict[str, int]], None] | None = None,
) -> dict[str, int]:
    """Label each visible frame of a data set by the computed rules (annotation formats, section 5).

    Writes `<out>/<split>_computed/<sequence>/<sequence>.jsonl` in form B2, which the reader takes
    as `data.labels=<out>`. The template is the first visible frame. A target that is cut off by
    the border is written as partial_visibility, a flag that otherwise only a vision language model
    sets, and one that goes before the computed flags. Frames without a visible target get no
    record. A file appears whole or not at all.

    Args:
        root: folder or URI of the data set.
        out: local folder; made if absent.
        splits: which parts; none: those the root has.
        max_pixels: limit of a picture, as `data.max_pixels`.
        on_error: what a bad item does, as `data.on_error`.
        on_sequence: told split, name and flag counts when a sequence is done.

    Returns:
        Frames with each flag, `frames` that have a record, and `skipped` bad items, in all.

    Raises:
        DataError: at unusable data, or if a file cannot be written.
    """
    total = {"frames": 0, "scale_variation": 0, "low_res": 0, "low_contrast": 0}
    total |= {"partial_visibility": 0, "skipped": 0}
    for split in splits if splits is not None else split_folders(root):
        index = read_split_folder(DataConfig(root=root, on_error=on_error), split)
        bad = BadItems(on_error)
        for number in range(index.num_sequences):
            sequence = index.sequence(number)
            records = computed_records(sequence, max_pixels, bad)
            file = Path(out) / f"{split}_computed" / sequence.name / f"{sequence.name}.jsonl"
            _write(file, records)
            counts = {"frames": len(records)}
            for key in total.keys() - {"frames", "skipped"}:
                part = "vlm_response" if key == "partial_visibility" else "cv_response"
                counts[key] = sum(_flag(record[part][key]) for record in records)
            for key, count in counts.items():
                total[key] += count
            if on_sequence is not None:
                on_sequence(split, sequence.name, counts)
        total["skipped"] += sum(bad.counts.values()) + sum(index.skipped.values())
    return total


def computed_records(sequence: Sequence, max_pixels: int, bad: BadItems) -> list[dict[str, Any]]:
    """The records (form B2) of a sequence's visible frames, in order; bad pictures have none."""
    rows = np.flatnonzero(sequence.visible)
    records = []
    for row in rows:
        try:
            image = read_image(sequence.frame_uris[row], max_pixels)
        except DataError as error:
            bad.add("bad picture", str(error).rstrip("."))
            continue
        box, template = sequence.boxes_xywh[row], sequence.boxes_xywh[rows[0]]
        cut = rules.cut_by_image(box, *image.shape[:2])
        records.append(
            {
                "model_name": "computed rules",
                "sequence_name": sequence.name,
                "total_frames": len(sequence.frame_uris),
                "template_bbox": template.tolist(),
                "frame_id": int(row) + 1,
                "frame_file": sequence.frame_uris[row].rsplit("/", 1)[-1].partition("?")[0],
                "cv_response": {
                    "scale_variation": int(rules.scale_variation(box, template)),
                    "low_res": int(rules.low_resolution(box)),
                    "low_contrast": int(rules.low_contrast(image, box)),
                },
                "vlm_response": {"partial_visibility": {"flag": int(cut), "conf": float(cut)}},
                "ground_truth_bbox": box.tolist(),
            }
        )
    return records


def _flag(value: Any) -> int:
    return int(value["flag"]) if isinstance(value, dict) else int(value)


def _write(file: Path, records: list[dict[str, Any]]) -> None:
    text = "".join(json.dumps(record) + "\n" for record in records)
    try:
        write_atomically(file, text.encode("utf-8"))
    except OSError as error:
        raise DataError(
            f"{file} cannot be written ({error.strerror}); give another folder."
        ) from None
