"""The sequences of an evaluation, checked before the first is tracked."""

from __future__ import annotations

from typing import NamedTuple, cast

from mtl.config.schema import DataConfig
from mtl.data.frame_index import Sequence
from mtl.data.index import Split, build_index, split_folders
from mtl.errors import ConfigError

EMBEDDED_SPLIT: Split = "val"


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
        split: none: val of embedded sequences, else the layout's own choice.
        max_sequences: at most this many, in the data's order.

    Raises:
        DataError: if the data cannot be read; names file and line.
        ConfigError: if a layout is given for embedded data, or the number is not above 0.
    """
    if max_sequences is not None and max_sequences < 1:
        raise ConfigError(f"--max-sequences must be at least 1, got {max_sequences}.")
    if split is None:
        split = EMBEDDED_SPLIT if data.root is None else split_folders(data.root)[-1]
    index = build_index(data, cast(Split, split))
    count = min(index.num_sequences, max_sequences or index.num_sequences)
    about = {"root": "embedded sequences" if data.root is None else index.root}
    about |= {"layout": "got10k", "split": split}
    return EvaluationData(tuple(map(index.sequence, range(count))), about, dict(index.skipped))
