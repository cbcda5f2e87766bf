"""Sequences as they lie in a data set's folders, read into a `FrameIndex`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from mtl.config.schema import DataConfig
from mtl.data import got10k
from mtl.data.bad_items import BadItems
from mtl.data.condition_files import LabelCounts, LabelSource, read_conditions
from mtl.data.condition_targets import FrameConditions
from mtl.data.frame_index import FrameIndex
from mtl.data.splits import Split
from mtl.data.storage import each, is_remote, join
from mtl.errors import DataError


def read_sequences(
    root: str,
    folder: str,
    names: list[str],
    source: LabelSource | None,
    files: dict[str, str | None],
    config: DataConfig,
    split: Split,
    bad: BadItems,
) -> FrameIndex:
    """Frames, boxes and conditions of sequences.

    Args:
        root: of the data set.
        folder: below it, that holds the sequences.
        names: of the sequences.
        source: where condition files are; none: there are none.
        files: condition file of each sequence that has one.
        config: how they are read.
        split: that the sequences are of.
        bad: what is done with unusable items.

    Raises:
        DataError: if no sequence is usable, or, with `on_error=stop`, at the first unusable item.
    """
    counts = LabelCounts()
    kept: list[str] = []
    lengths: list[int] = [0]
    columns: dict[str, list[Any]] = {"frame": [], "box": [], "visible": []}
    conditions: list[FrameConditions] = []
    places = [join(root, folder, name) for name in names]
    for name, raw in zip(names, each(got10k.fetch_sequence, places, is_remote(root)), strict=True):
        truth = got10k.parse_sequence(raw, bad, first_box_only=split == "test")
        if truth is None:
            continue
        file = files.get(name)
        if source is None or file is None:
            labels = FrameConditions.unlabelled(len(truth.pictures))
        else:
            labels = read_conditions(
                source,
                file,
                name,
                truth.pictures,
                truth.boxes_xywh,
                truth.visible,
                rule=config.label_rule,
                min_confidence=config.min_confidence,
                box_format=config.box_format,
                bad=bad,
                counts=counts,
            )
        kept.append(name)
        lengths.append(len(truth.pictures))
        columns["frame"].append(pa.array([f"{folder}/{name}/{p}" for p in truth.pictures]))
        columns["box"].append(truth.boxes_xywh.reshape(-1))
        columns["visible"].append(truth.visible)
        conditions.append(labels)
    if not kept:
        raise DataError(
            f"{join(root, folder)} has no usable sequence ({_tally(bad.counts)}); correct the "
            "files or set data.on_error=stop to see the first."
        )
    merged = FrameConditions(*map(np.concatenate, zip(*conditions, strict=True)))
    frames = pa.table(
        {
            "frame": pa.chunked_array(columns["frame"]).combine_chunks(),
            "box_xywh": _lists(np.concatenate(columns["box"]).reshape(-1, 4)),
            "visible": pa.array(np.concatenate(columns["visible"])),
            "condition": pa.array(merged.conditions),
            "distribution": _lists(merged.distributions),
            "attributes": _lists(merged.attributes),
            "severity": pa.array(merged.severities),
        }
    )
    decided = dict(counts.decided_by)
    labelled = sum(number for kind, number in decided.items() if kind != "unlabelled")
    decided["unlabelled"] = frames.num_rows - labelled
    return FrameIndex(
        root=root,
        split=split,
        frames=frames,
        sequence_names=tuple(kept),
        offsets=np.cumsum(lengths, dtype=np.int64),
        skipped=dict(bad.counts),
        label_rule_counts=decided,
        warnings=_box_warnings(counts, config),
    )


def _lists(rows: np.ndarray) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])


def _box_warnings(counts: LabelCounts, config: DataConfig) -> tuple[str, ...]:
    sentences = []
    for other in ("xywh", "xyxy", None):
        files = [file for file, fit in counts.box_contradictions.items() if fit == other]
        if files:
            remedy = (
                f"they fit as {other}, so set data.box_format={other}"
                if other
                else "they fit in neither format, so check that the labels are of these frames"
            )
            sentences.append(
                f"{len(files)} condition file(s), the first {files[0]}, hold boxes that read as "
                f"data.box_format={config.box_format} contradict groundtruth.txt; {remedy} (boxes "
                "are taken from groundtruth.txt in any case)."
            )
    return tuple(sentences)


def _tally(counts: dict[str, int]) -> str:
    return ", ".join(f"{reason}: {number}" for reason, number in counts.items())
