"""The sequences of a tracking benchmark in any of the layouts, read the same way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Literal, cast

from mtl.config.schema import DataConfig
from mtl.data.bad_items import BadItems
from mtl.data.frame_index import Sequence
from mtl.data.index import build_index
from mtl.data.layouts import lasot, otb, plain, trackingnet, uav123
from mtl.data.layouts.folders import folders_in
from mtl.data.layouts.source import read_truth
from mtl.data.splits import Split, split_folders
from mtl.data.storage import absolute, join
from mtl.errors import DataError
from mtl.hiccups import words_of

_LAYOUTS: dict[str, ModuleType] = {
    "lasot": lasot,
    "trackingnet": trackingnet,
    "otb": otb,
    "uav123": uav123,
    "plain": plain,
}
LAYOUTS = ("got10k", *_LAYOUTS)
"""Names of the layouts; got10k is MVTD's too."""

_SPLITS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class SequenceSet:
    """Sequences whose truth was read and checked; pictures are opened by whoever tracks them."""

    root: str
    layout: str
    split: str | None
    """None where the layout has no splits."""
    names: tuple[str, ...]
    skipped: dict[str, int]
    """Reason -> bad items that were left out."""
    _open: tuple[Callable[[], Sequence], ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, number: int) -> Sequence:
        return self._open[number]()


def open_sequences(
    root: str,
    layout: str | None = None,
    split: str | None = None,
    labels: str | None = None,
    on_error: Literal["stop", "skip"] = "stop",
) -> SequenceSet:
    """Read the truth of a benchmark's sequences.

    Args:
        root: folder or URI.
        layout: one of `LAYOUTS`; none: found by looking.
        split: of layouts that have some; none: the test part, or the last that is there.
        labels: folder of condition files (got10k only).
        on_error: whether a bad item stops with a sentence or is left out and counted.

    Raises:
        DataError: if the layout cannot be told, nothing is left, or at the first bad item.
    """
    if layout is not None and layout not in LAYOUTS:
        raise DataError(f"the layout must be one of {', '.join(LAYOUTS)}, got '{layout}'.")
    root = absolute(root)
    layout = layout or detect_layout(root)
    if layout == "got10k":
        return open_got10k(
            DataConfig.model_validate({"root": root, "labels": labels, "on_error": on_error}), split
        )
    if labels is not None:
        raise DataError(
            f"{root} is in {layout} layout, for which condition labels cannot be read; leave the "
            "labels out or arrange the sequences as GOT-10k does."
        )
    bad = BadItems(on_error)
    try:
        found = [read_truth(source, bad) for source in _LAYOUTS[layout].find(root, split, bad)]
    except OSError as error:
        reason = words_of(error)
        raise DataError(f"{root} cannot be read ({reason}); check path and permissions.") from None
    truths = [truth for truth in found if truth is not None]
    if not truths:
        tally = ", ".join(f"{reason}: {count}" for reason, count in bad.counts.items())
        raise DataError(
            f"{root} has no usable sequence in {layout} layout ({tally or 'none found'}); correct "
            "the files or name another layout."
        )
    return SequenceSet(
        root=root,
        layout=layout,
        split=split,
        names=tuple(truth.source.name for truth in truths),
        skipped=dict(bad.counts),
        _open=tuple(truth.sequence for truth in truths),
    )


def open_got10k(config: DataConfig, split: str | None) -> SequenceSet:
    """Sequences of a split in GOT-10k or MVTD layout, with their condition labels.

    Raises:
        DataError: as `build_index`; if the split is none of train, val and test.
    """
    if split not in (None, *_SPLITS):
        raise DataError(f"the split must be one of {', '.join(_SPLITS)}, got '{split}'.")
    chosen = split or ("val" if config.root is None else split_folders(config.root)[-1])
    index = build_index(config, cast(Split, chosen))
    return SequenceSet(
        root=index.root,
        layout="got10k",
        split=chosen,
        names=index.sequence_names,
        skipped=dict(index.skipped),
        _open=tuple(_Opener(index.sequence, i) for i in range(index.num_sequences)),
    )


def detect_layout(root: str) -> str:
    """The layout of a folder.

    Raises:
        DataError: if it is none, or could be several.
    """
    found = [name for name, module in _LAYOUTS.items() if module.looks_like(root)]
    inner = [name for name in folders_in(root) if name in _SPLITS]
    if any(plain.looks_like(join(root, name)) for name in inner):
        found.insert(0, "got10k")
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(
            f"{root} could be in {' or '.join(found)} layout; name the one it is in (--layout)."
        )
    raise DataError(
        f"{root} is in none of the layouts {', '.join(LAYOUTS)}; give the folder that holds the "
        "splits or sequences, or name the layout (--layout)."
    )


@dataclass(frozen=True)
class _Opener:
    read: Callable[[int], Sequence]
    number: int

    def __call__(self) -> Sequence:
        return self.read(self.number)
