"""From a data set's folders to a `FrameIndex`: reads once, keeps the result on disk.

A root holds train/, val/ and test/. Where val/ is missing, whole sequences are held out of train by
the hash of their names, `data.val_ratio` of them and at least one; never frames, because
neighbouring frames of one video are almost the same picture.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

import numpy as np
import pyarrow as pa

from mtl.config.schema import DataConfig
from mtl.data import got10k
from mtl.data.bad_items import BadItems
from mtl.data.condition_files import LabelCounts, LabelSource, find_labels, read_conditions
from mtl.data.condition_targets import FrameConditions
from mtl.data.frame_index import FrameIndex, Sequence
from mtl.data.index_cache import cache_key, load_index, store_index
from mtl.data.storage import absolute, is_remote, join, list_folder, stat
from mtl.errors import DataError
from mtl.hiccups import words_of

__all__ = ["FrameIndex", "Sequence", "Split", "build_index", "held_out", "split_folders"]

Split = Literal["train", "val", "test"]

_LOG = logging.getLogger(__name__)
_Out = TypeVar("_Out")


def build_index(config: DataConfig, split: Split, asked_by: str | None = None) -> FrameIndex:
    """Read the frames, boxes and conditions of a split.

    Args:
        config: where the data is and how it is read; without a root, the embedded sequences.
        split: which part; val is held out of train where the root has no val folder.
        asked_by: the key that names the split, for the message where its folder is missing.

    Raises:
        DataError: if root, split or labels are missing, nothing usable is left, or, with
            `on_error=stop`, at the first unusable item.
    """
    root = absolute(config.root) if config.root is not None else _embedded(config)
    labels = None if config.labels is None else absolute(config.labels)
    with _readable(root, split):
        return _build(root, labels, config, split, asked_by)


def read_split_folder(config: DataConfig, split: Split) -> FrameIndex:
    """Every sequence in a split's own folder: none held out, no conditions, nothing kept on disk.

    Raises:
        DataError: as `build_index`.
    """
    root = absolute(config.root) if config.root is not None else _embedded(config)
    with _readable(root, split):
        if split not in _folders(root):
            raise _no_split(root, split)
        bad = BadItems(config.on_error)
        place = join(root, split)
        names = _names(place, bad)
        return _read(root, split, names, None, {}, config, split, bad)


def split_folders(root: str) -> tuple[Split, ...]:
    """The splits a data set has folders for.

    Raises:
        DataError: if the root does not exist or has none.
    """
    root = absolute(root)
    found = _folders(root)
    splits: tuple[Split, ...] = ("train", "val", "test")
    splits = tuple(split for split in splits if split in found)
    if not splits:
        raise DataError(
            f"data.root {root} has none of train/, val/ and test/; give the folder above them."
        )
    return splits


def held_out(names: Iterable[str], ratio: float) -> set[str]:
    """Sequences that validate where there is no val split: those with the smallest name hashes.

    The choice depends on the names alone. One sequence cannot be shared, so it all trains.
    """
    ordered = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    if len(ordered) < 2:
        return set()
    return set(ordered[: min(max(1, round(ratio * len(ordered))), len(ordered) - 1)])


def _build(
    root: str, labels: str | None, config: DataConfig, split: Split, asked_by: str | None
) -> FrameIndex:
    folder = _folder_of(root, split, asked_by)
    place = join(root, folder)
    bad = BadItems(config.on_error)
    names = _names(place, bad)
    if folder != split or (split == "train" and "val" not in _folders(root)):
        out = held_out(names, config.val_ratio)
        names = [name for name in names if (name in out) == (split == "val")]
        if not names:
            raise DataError(
                f"{root} has no val/ and its train/ has a single sequence, so none can be held out "
                "for validation; add sequences or a val/ folder."
            )
    source = find_labels(root, labels, folder)
    files: dict[str, str | None] = {}
    if source is not None:
        files = dict(zip(names, _each(source.find, names, is_remote(source.place)), strict=True))
    if labels is not None and split == "train" and not any(files.values()):
        raise DataError(
            f"data.labels {labels} has no condition file for any sequence of {place}; give the "
            "folder that holds <split>_*/<sequence>/*.jsonl or <sequence>/*.jsonl."
        )
    key = _key(root, place, names, files, config, split)
    index = load_index(key) if key is not None else None
    if index is None:
        index = _read(root, folder, names, source, files, config, split, bad)
        if key is not None:
            store_index(key, index)
    for sentence in index.warnings:
        _LOG.warning("%s", sentence)
    return index


def _read(
    root: str,
    folder: str,
    names: list[str],
    source: LabelSource | None,
    files: dict[str, str | None],
    config: DataConfig,
    split: Split,
    bad: BadItems,
) -> FrameIndex:
    counts = LabelCounts()
    kept: list[str] = []
    lengths: list[int] = [0]
    columns: dict[str, list[Any]] = {"frame": [], "box": [], "visible": []}
    conditions: list[FrameConditions] = []
    places = [join(root, folder, name) for name in names]
    for name, raw in zip(names, _each(got10k.fetch_sequence, places, is_remote(root)), strict=True):
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
    prints = list(
        _each(got10k.fingerprint, [join(place, name) for name in names], is_remote(place))
    )
    about = {
        file: stat(file) for file in sorted({file for file in files.values() if file is not None})
    }
    if any(entry is None or entry.modified_ns is None for entry in about.values()):
        return None
    if any(print_ is None for print_ in prints):
        return None
    return cache_key([*parts, names, prints, files, about])


def _folder_of(root: str, split: Split, asked_by: str | None) -> str:
    """The folder that holds a split: its own, or train for a held-out val."""
    found = _folders(root)
    folder = "train" if split == "val" and "val" not in found else split
    if folder not in found:
        raise _no_split(root, folder, asked_by)
    return folder


def _no_split(root: str, folder: str, asked_by: str | None = None) -> DataError:
    there = ", ".join(f"{name}/" for name in ("train", "val", "test") if name in _folders(root))
    asked = f", which {asked_by} asks for," if asked_by else ""
    remedy = f", or leave {folder} out of {asked_by}" if asked_by else ""
    return DataError(
        f"data.root {root} has no {folder}/ folder{asked} "
        f"but {there or 'none of train/, val/, test/'}; "
        f"give the folder that holds train/ and, if there are any, val/ and test/{remedy}."
    )


@contextmanager
def _readable(root: str, split: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = words_of(error)
        raise DataError(
            f"{split} of data.root {root} cannot be read ({reason}); check path and permissions."
        ) from None


def _folders(root: str) -> set[str]:
    try:
        return {entry.name for entry in list_folder(root) if entry.is_folder}
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            f"data.root {root} does not exist or is no folder; give the folder or URI that holds "
            "train/, val/ and test/."
        ) from None


def _names(place: str, bad: BadItems) -> list[str]:
    names = got10k.sequence_names(place, list_folder(place), bad)
    if not names:
        raise DataError(f"{place} has no sequences; copy some there or correct its list.txt.")
    return names


def _each(read: Callable[[str], _Out], names: list[str], remote: bool) -> Iterator[_Out]:
    """Apply a reader to many names, in order; over a network several at a time."""
    if not remote:
        yield from map(read, names)
        return
    with ThreadPoolExecutor(max_workers=16) as pool:
        yield from pool.map(read, names)


def _embedded(config: DataConfig) -> str:
    from mtl.data.synthetic import embedded_dataset

    return str(embedded_dataset(config.synthetic))


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
