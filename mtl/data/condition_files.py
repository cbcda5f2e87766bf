"""Condition files of a data set: where they lie, and the labels they give a sequence.

    <labels>/<split>_*/<sequence>/<sequence>.jsonl   as the generators write them
    <labels>/<split>/<sequence>/<sequence>.jsonl
    <labels>/<sequence>/<sequence>.jsonl             also annotations.jsonl, else the first *.jsonl
    <labels>.json or <labels>/<split>*.json          one file for a whole data set (form A)

Without `data.labels` the first two are looked for in `data.root`. Records are matched by frame
number or file name, never by their place in the file. Where a frame has several records (an
interrupted generator) the last one counts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from mtl.conditions import LabelRule
from mtl.data.bad_items import BadItems
from mtl.data.condition_records import BadRecordError, Record, read_classification, read_record
from mtl.data.condition_targets import FrameConditions
from mtl.data.storage import Entry, is_plain_name, join, list_folder, list_names, read_bytes, stat
from mtl.errors import DataError


@dataclass(frozen=True)
class LabelSource:
    """The place that labels one split.

    Attributes:
        place: folder with one folder a sequence, or a whole-data-set JSON file.
        whole: the parsed sequences of such a file, else none.
    """

    place: str
    whole: dict[str, Any] | None = None

    def find(self, sequence: str) -> str | None:
        """The condition file of a sequence, none if it has none."""
        if self.whole is not None:
            return self.place if sequence in self.whole else None
        folder = join(self.place, sequence)
        try:
            names = [name for name in list_names(folder) if name.endswith(".jsonl")]
        except (FileNotFoundError, NotADirectoryError):
            return None
        for name in (f"{sequence}.jsonl", "annotations.jsonl", *sorted(names)):
            if name in names:
                return join(folder, name)
        return None


@dataclass
class LabelCounts:
    """What a split's labels rest on, gathered while they are read.

    Attributes:
        decided_by: kind of evidence -> frames.
        box_contradictions: condition files whose boxes are not those of groundtruth.txt, with the
            format that would fit (none: neither fits).
    """

    decided_by: dict[str, int] = field(default_factory=dict)
    box_contradictions: dict[str, str | None] = field(default_factory=dict)


def find_labels(root: str, labels: str | None, split: str) -> LabelSource | None:
    """Where the conditions of a split are, none if the data set has none.

    Raises:
        DataError: if `labels` was given and does not exist, or if two folders claim the split.
    """
    place = labels or root
    about = stat(place)
    if about is None:
        raise DataError(
            f"data.labels {place} does not exist; give the folder with the JSONL files."
        )
    if not about.is_folder:
        return _whole_file(place)
    entries = list_folder(place)
    marked = [e for e in entries if e.name.startswith(f"{split}_") and not e.name.endswith(".tmp")]
    folders = [e.name for e in marked if e.is_folder]
    if len(folders) > 1:
        raise DataError(
            f"{place} has several label folders for {split} ({', '.join(folders)}); set "
            "data.labels to a folder that has one."
        )
    if folders:
        return LabelSource(join(place, folders[0]))
    whole = [e.name for e in entries if _is_whole(e, split)]
    if whole and labels is not None:
        return _whole_file(join(place, whole[0]))
    if any(e.name == split and e.is_folder for e in entries):
        return LabelSource(join(place, split))
    return LabelSource(place) if labels is not None else None


def read_conditions(
    source: LabelSource,
    file: str,
    sequence: str,
    pictures: Sequence[str],
    boxes_xywh: np.ndarray,
    visible: np.ndarray,
    *,
    rule: LabelRule,
    min_confidence: float,
    box_format: Literal["xywh", "xyxy"],
    bad: BadItems,
    counts: LabelCounts,
) -> FrameConditions:
    """Labels of a sequence.

    Args:
        source: where the split's labels are.
        file: condition file of this sequence.
        sequence: its name.
        pictures: file names of its frames, in order.
        boxes_xywh: (L, 4) pixels, with which the records' boxes are compared.
        visible: (L,) bool; boxes of other frames are not compared.
        rule: which flag wins where a record has several.
        min_confidence: VLM flags below it are read as not set.
        box_format: format of the records' boxes.
        bad: where unusable lines are noted.
        counts: what decided each frame is added to it.
    """
    labels = FrameConditions.unlabelled(len(pictures))
    decided: dict[int, str] = {}
    rows = {name: row for row, name in enumerate(pictures)}
    found: list[tuple[int, tuple[float, float, float, float]]] = []
    for where, read in _records(source, file, sequence, rule, min_confidence):
        try:
            record = read()
            row = _row(record, sequence, rows)
        except BadRecordError as error:
            reason, sentence = error.args
            bad.add(f"condition record: {reason}", f"{where}: {sentence}")
            continue
        labels.put(row, record.label, record.soft)
        decided[row] = record.label.decided_by
        if record.box is not None and visible[row]:
            found.append((row, record.box))
    for kind in decided.values():
        counts.decided_by[kind] = counts.decided_by.get(kind, 0) + 1
    if found:
        _compare_boxes(file, found, boxes_xywh, box_format, counts)
    return labels


def _records(
    source: LabelSource, file: str, sequence: str, rule: LabelRule, min_confidence: float
) -> Any:
    """Yield (where, function that reads the record or raises BadRecordError)."""
    if source.whole is not None:
        content = source.whole[sequence]
        frames = content.get("frame_classifications") if isinstance(content, dict) else None
        if not isinstance(frames, dict):
            raise DataError(
                f"{file}: sequence '{sequence}' has no frame_classifications; annotate it again."
            )
        for key, value in frames.items():
            yield (
                f"{file}, sequence '{sequence}', frame {key}",
                lambda key=key, value=value: read_classification(key, value),
            )
        return
    lines = read_bytes(file).split(b"\n")
    if lines and not lines[-1].strip():
        lines.pop()
    for number, line in enumerate(lines, start=1):
        yield (
            f"{file}, line {number}",
            lambda line=line: read_record(_parse(line), rule, min_confidence),
        )


def _parse(line: bytes) -> Any:
    if not line.strip():
        raise BadRecordError("blank line", "the line is blank; take it out")
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise BadRecordError(
            "line is not JSON", "the line is not valid JSON (cut off?); annotate the frame again"
        ) from None


def _row(record: Record, sequence: str, rows: dict[str, int]) -> int:
    if record.sequence is not None and record.sequence != sequence:
        raise BadRecordError(
            "record of another sequence",
            f"the record belongs to sequence '{record.sequence}', not '{sequence}'; move it",
        )
    by_name = rows.get(record.frame_file) if record.frame_file is not None else None
    if record.frame_id is None:
        if by_name is None:
            raise BadRecordError(
                "frame absent", f"the sequence has no frame '{record.frame_file}'; correct it"
            )
        return by_name
    row = record.frame_id - 1
    if not 0 <= row < len(rows):
        raise BadRecordError(
            "frame absent",
            f"frame_id {record.frame_id} is not in 1..{len(rows)}, the frames of the sequence; "
            "correct it",
        )
    if by_name is not None and by_name != row:
        raise BadRecordError(
            "frame_id and frame_file differ",
            f"frame_id {record.frame_id} is not the number of '{record.frame_file}' "
            f"({by_name + 1}); correct one",
        )
    return row


def _compare_boxes(
    file: str,
    found: list[tuple[int, tuple[float, float, float, float]]],
    boxes_xywh: np.ndarray,
    box_format: Literal["xywh", "xyxy"],
    counts: LabelCounts,
) -> None:
    truth = boxes_xywh[[row for row, _ in found]]
    stated = np.array([box for _, box in found])
    corners = np.concatenate([stated[:, :2], stated[:, 2:] - stated[:, :2]], axis=1)
    fits = {
        name: float(np.mean(np.abs(boxes - truth).max(axis=1) <= 1.5))
        for name, boxes in (("xywh", stated), ("xyxy", corners))
    }
    if fits[box_format] < 0.5:
        other = "xyxy" if box_format == "xywh" else "xywh"
        counts.box_contradictions[file] = other if fits[other] >= 0.5 else None


def _is_whole(entry: Entry, split: str) -> bool:
    return not entry.is_folder and entry.name.endswith(".json") and split in entry.name


def _whole_file(place: str) -> LabelSource:
    try:
        content = json.loads(read_bytes(place))
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{place} is not valid JSON ({' '.join(str(error).split())}); annotate again or give a "
            "folder with JSONL files."
        ) from None
    sequences = content.get("sequences") if isinstance(content, dict) else None
    if not isinstance(sequences, dict) or not all(is_plain_name(name) for name in sequences):
        raise DataError(
            f"{place} has no map of sequences; give a condition file of a whole data set or a "
            "folder with JSONL files."
        )
    return LabelSource(place, sequences)
