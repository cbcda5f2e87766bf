"""The sequences of an evaluation, checked before the first is tracked."""

from __future__ import annotations

from typing import NamedTuple

from mtl.config.schema import DataConfig
from mtl.data.frame_index import Sequence
from mtl.data.layouts.sequence_set import SequenceSet, detect_layout, open_got10k, open_sequences
from mtl.data.storage import absolute
from mtl.errors import ConfigError


class EvaluationData(NamedTuple):
    """Sequences and what is known about them as a whole."""

    sequences: tuple[Sequence, ...]
    about: dict[str, str]
    """root, layout and split, for people."""
    skipped: dict[str, int]
    """Reason -> items that the reader left out."""


def open_data(
    data: DataConfig, layout: str | None, split: str | None, max_sequences: int | None
) -> EvaluationData:
    """Read frames, boxes and labels of the sequences to track.

    Args:
        data: without a root, the embedded sequences.
        layout: of the data; none: found by looking.
        split: none: the layout's own choice, val of embedded sequences.
        max_sequences: at most this many, in the data's order.

    Raises:
        DataError: if the data cannot be read; names file and line.
        ConfigError: if a layout is given for embedded data, or the number is not above 0.
    """
    if max_sequences is not None and max_sequences < 1:
        raise ConfigError(f"--max-sequences must be at least 1, got {max_sequences}.")
    found = _open(data, layout, split)
    count = min(len(found), max_sequences or len(found))
    about = {"root": "embedded sequences" if data.root is None else found.root}
    about |= {"layout": found.layout} | ({"split": found.split} if found.split else {})
    return EvaluationData(tuple(found[i] for i in range(count)), about, dict(found.skipped))


def _open(data: DataConfig, layout: str | None, split: str | None) -> SequenceSet:
    if data.root is None:
        if layout is not None:
            raise ConfigError("--layout is of the folder in data.root=, which is not given.")
        return open_got10k(data, split)
    layout = layout or detect_layout(absolute(data.root))
    if layout == "got10k":
        return open_got10k(data, split)  # reads labels by the rules of the config
    return open_sequences(data.root, layout, split, data.labels, data.on_error)
