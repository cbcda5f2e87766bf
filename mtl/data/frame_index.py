"""The frames and labels of a split as columns: cheap to keep, to send to workers and to read."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from mtl.conditions import IGNORE
from mtl.data.storage import join


class Sequence(NamedTuple):
    """One video.

    Attributes:
        name: of its folder.
        frame_uris: L places that `read_image` opens.
        boxes_xywh: (L, 4) float64 pixels; 0, 0, 0, 0 where the box is unknown.
        visible: (L,) bool.
        conditions: (L,) int64 canonical class number, -100 where there is no label.
        distributions: (L, 10) float32 over `CONDITIONS`, sums to 1; all 0 where nothing is known.
        attributes: (L, 9) float32 probabilities of `ATTRIBUTE_NAMES`, NaN where unknown.
        severities: (L,) float32 in 0..1, NaN where unknown.
    """

    name: str
    frame_uris: list[str]
    boxes_xywh: np.ndarray
    visible: np.ndarray
    conditions: np.ndarray
    distributions: np.ndarray
    attributes: np.ndarray
    severities: np.ndarray


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """All frames of a split, sequence after sequence.

    Attributes:
        root: folder or URI of the data set.
        split: train, val or test.
        frames: columns `frame` (place below root), `box_xywh` (4 float64, pixels), `visible`
            (bool), `condition` (int8, canonical number, -1 without a label), `distribution` (10
            float32), `attributes` (9 float32, NaN where unknown) and `severity` (float32, NaN where
            unknown).
        sequence_names: S names.
        offsets: (S + 1,) int64; rows of sequence i are offsets[i] to offsets[i + 1].
        skipped: reason -> number of bad items left out (`data.on_error=skip`).
        label_rule_counts: what decided a frame's label -> frames: vlm, computed, normal (no flag),
            given (one class for the frame), unlabelled.
        warnings: sentences about the data that were logged when the index was built.
    """

    root: str
    split: str
    frames: pa.Table
    sequence_names: tuple[str, ...]
    offsets: np.ndarray
    skipped: dict[str, int] = field(default_factory=dict)
    label_rule_counts: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def num_sequences(self) -> int:
        """Number of videos."""
        return len(self.sequence_names)

    @property
    def num_frames(self) -> int:
        """Number of frames of all videos."""
        return int(self.frames.num_rows)

    @cached_property
    def boxes_xywh(self) -> np.ndarray:
        """(num_frames, 4) float64, a view of the column."""
        return _matrix(self.frames["box_xywh"])

    @cached_property
    def visible(self) -> np.ndarray:
        """(num_frames,) bool."""
        return np.asarray(_only_chunk(self.frames["visible"]))

    @cached_property
    def conditions(self) -> np.ndarray:
        """(num_frames,) int8, -1 without a label; a view of the column."""
        return np.asarray(_only_chunk(self.frames["condition"]))

    @cached_property
    def distributions(self) -> np.ndarray:
        """(num_frames, 10) float32, all 0 where nothing is known; a view of the column."""
        return _matrix(self.frames["distribution"])

    @cached_property
    def attributes(self) -> np.ndarray:
        """(num_frames, 9) float32, NaN where unknown; a view of the column."""
        return _matrix(self.frames["attributes"])

    @cached_property
    def severities(self) -> np.ndarray:
        """(num_frames,) float32, NaN where unknown; a view of the column."""
        return np.asarray(_only_chunk(self.frames["severity"]))

    def rows(self, sequence: int) -> slice:
        """Rows of a video."""
        return slice(int(self.offsets[sequence]), int(self.offsets[sequence + 1]))

    def frame_uri(self, row: int) -> str:
        """Place of a frame."""
        return join(self.root, self.frames["frame"][row].as_py())

    def sequence(self, number: int) -> Sequence:
        """A whole video."""
        rows = self.rows(number)
        names = self.frames["frame"].slice(rows.start, rows.stop - rows.start).to_pylist()
        conditions = self.conditions[rows].astype(np.int64)
        return Sequence(
            name=self.sequence_names[number],
            frame_uris=[join(self.root, name) for name in names],
            boxes_xywh=self.boxes_xywh[rows],
            visible=self.visible[rows],
            conditions=np.where(conditions < 0, IGNORE, conditions),
            distributions=self.distributions[rows],
            attributes=self.attributes[rows],
            severities=self.severities[rows],
        )

    def __reduce__(self) -> tuple[object, ...]:
        return FrameIndex, (
            self.root,
            self.split,
            self.frames,
            self.sequence_names,
            self.offsets,
            self.skipped,
            self.label_rule_counts,
            self.warnings,
        )


def _only_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _matrix(column: pa.ChunkedArray) -> np.ndarray:
    lists = _only_chunk(column)
    return np.asarray(lists.flatten()).reshape(-1, lists.type.list_size)
