"""From a data set's folders to a `FrameIndex`: reads once, keeps the result on disk."""

from __future__ import annotations

import logging
from typing import Any

from mtl.config.schema import DataConfig
from mtl.data import got10k
from mtl.data.bad_items import BadItems
from mtl.data.condition_files import find_labels
from mtl.data.frame_index import FrameIndex
from mtl.data.index_cache import cache_key, load_index, store_index
from mtl.data.sequences import read_sequences
from mtl.data.splits import Split, folder_sequences, readable, split_sequences
from mtl.data.storage import absolute, each, is_remote, join, stat
from mtl.errors import DataError

_LOG = logging.getLogger(__name__)


def build_index(config: DataConfig, split: Split) -> FrameIndex:
    """Read the frames, boxes and conditions of a split.

    Args:
        config: where the data is and how it is read; without a root, the embedded sequences.
        split: which part; val is held out of train where the root has no val folder.

    Raises:
        DataError: if root, split or labels are missing, nothing usable is left, or, with
            `on_error=stop`, at the first unusable item.
    """
    root = absolute(config.root) if config.root is not None else _embedded(config)
    labels = None if config.labels is None else absolute(config.labels)
    with readable(root, split):
        return _build(root, labels, config, split)


def read_split_folder(config: DataConfig, split: Split) -> FrameIndex:
    """Every sequence in a split's own folder: none held out, no conditions, nothing kept on disk.

    Raises:
        DataError: as `build_index`.
    """
    root = absolute(config.root) if config.root is not None else _embedded(config)
    with readable(root, split):
        bad = BadItems(config.on_error)
        names = folder_sequences(root, split, bad)
        return read_sequences(root, split, names, None, {}, config, split, bad)


def _build(root: str, labels: str | None, config: DataConfig, split: Split) -> FrameIndex:
    bad = BadItems(config.on_error)
    folder, names = split_sequences(root, split, config.val_ratio, bad)
    place = join(root, folder)
    source = find_labels(root, labels, folder)
    files: dict[str, str | None] = {}
    if source is not None:
        files = dict(zip(names, each(source.find, names, is_remote(source.place)), strict=True))
    if labels is not None and split == "train" and not any(files.values()):
        raise DataError(
            f"data.labels {labels} has no condition file for any sequence of {place}; give the "
            "folder that holds <split>_*/<sequence>/*.jsonl or <sequence>/*.jsonl."
        )
    key = _key(root, place, names, files, config, split)
    index = load_index(key) if key is not None else None
    if index is None:
        index = read_sequences(root, folder, names, source, files, config, split, bad)
        if key is not None:
            store_index(key, index)
    for sentence in index.warnings:
        _LOG.warning("%s", sentence)
    return index


def _key(
    root: str,
    place: str,
    names: list[str],
    files: dict[str, str | None],
    config: DataConfig,
    split: Split,
) -> str | None:
    """Hash of all that the index depends on; none where the store does not tell of changes."""
    parts: list[Any] = [root, split, stat(join(place, got10k.LIST_FILE))]
    parts += [config.label_rule, config.min_confidence, config.box_format, config.on_error]
    prints = list(each(got10k.fingerprint, [join(place, name) for name in names], is_remote(place)))
    about = {
        file: stat(file) for file in sorted({file for file in files.values() if file is not None})
    }
    if any(entry is None or entry.modified_ns is None for entry in about.values()):
        return None
    if any(print_ is None for print_ in prints):
        return None
    return cache_key([*parts, names, prints, files, about])


def _embedded(config: DataConfig) -> str:
    from mtl.data.synthetic import embedded_dataset

    return str(embedded_dataset(config.synthetic))
