"""Classification sets: <split>/<class>/*, the folder's name is the class."""

from __future__ import annotations

import os

import numpy as np

from mtl.config.unified_data import UnifiedDataConfig
from mtl.data.bad_items import BadItems
from mtl.data.images import SUFFIXES
from mtl.data.storage import join
from mtl.data.unified.index import ClassificationIndex
from mtl.data.unified.listing import entries, split_key, split_parts, subfolders
from mtl.errors import DataError


def read_classification(root: str, split: str, config: UnifiedDataConfig) -> ClassificationIndex:
    """List the images of a split.

    The classes are the folders of the training split, sorted by name, so that a number means the
    same in every split; without that split, those of this one. Hidden folders and files (.name) are
    no data. A class never gives its number away for lack of pictures: training refuses it.

    Args:
        root: folder or URI of the set.
        split: name, or several joined by +.
        config: name of the training split, and what an empty or unknown class folder or a
            repeated image does.

    Raises:
        DataError: if a folder is missing, no image is left, a class has no image to be trained
            with, or, with `on_error=stop`, a class folder is empty or unknown to the training
            split, or an image is listed twice.
    """
    bad = BadItems(config.on_error)
    key = split_key(config.cls_splits, split, "data.cls_splits")
    parts = split_parts(split, key)
    classes: set[str] = set()
    for part in split_parts(config.cls_splits.train, "data.cls_splits.train"):
        classes |= {name for name in subfolders(join(root, part)) if not _is_hidden(name)}
    if not classes:
        classes = {name for part in parts for name in _classes(root, part, key)}
    class_names = tuple(sorted(classes))
    labels: dict[str, int] = {}
    empty: list[tuple[int, str]] = []
    for part in parts:
        for name in _classes(root, part, key):
            place = join(root, part, name)
            if name not in classes:
                bad.add(
                    "class folder not in train",
                    f"class folder {place} has no counterpart in {config.cls_splits.train}; "
                    "rename or remove it",
                )
                continue
            number = class_names.index(name)
            pictures = _pictures(place)
            if not pictures:
                empty.append((number, place))
            for picture in pictures:
                image = f"{part}/{name}/{picture}"
                if image in labels:
                    bad.add(
                        "image listed twice",
                        f"{join(root, image)} is listed twice in '{split}'; name each part once",
                    )
                labels[image] = number
    trained = set(labels.values())
    for number, place in empty:
        if split == config.cls_splits.train and number not in trained:
            raise DataError(
                f"class folder {place} has no picture but takes class number {number}; fill it or "
                "remove it."
            )
        bad.add(
            "empty class folder",
            f"class folder {place} has no picture (its class keeps its number); fill it",
        )
    if not labels:
        raise DataError(f"{split} of data.cls_root {root} has no picture; correct its folders.")
    return ClassificationIndex(
        root=root,
        split=split,
        images=tuple(labels),
        labels=np.array(list(labels.values()), dtype=np.int64),
        class_names=class_names,
        skipped=dict(bad.counts),
    )


def _classes(root: str, part: str, key: str) -> list[str]:
    found = entries(join(root, part), "split folder", f"check path and permissions or set {key}")
    return [name for name, entry in found.items() if entry.is_folder and not _is_hidden(name)]


def _pictures(place: str) -> list[str]:
    return [
        name
        for name in entries(place, "class folder")
        if os.path.splitext(name)[1].lower() in SUFFIXES and not _is_hidden(name)
    ]


def _is_hidden(name: str) -> bool:
    return name.startswith(".")
