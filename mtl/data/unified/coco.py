"""Detection sets in COCO layout: instances JSON, and images in images/<split>/ or <split>/."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import numpy as np

from mtl.config.unified_data import UnifiedDataConfig
from mtl.data.bad_items import BadItems
from mtl.data.storage import is_plain_name, join, stat
from mtl.data.unified.index import DetectionIndex
from mtl.data.unified.listing import entries, read_listed, split_key, split_parts, subfolders
from mtl.errors import DataError

OVERSHOOT = 1.0
"""Pixels a box may leave its image by rounding; it is clipped. More is a bad box."""
IDS = range(-(2**63), 2**63)
"""Ids that an index can hold."""
SIDES = range(1, 2**31)
"""Pixels an image's side can have, as in PNG; the product of two is still exact in int64."""


def read_detection(root: str, split: str, config: UnifiedDataConfig) -> DetectionIndex:
    """Read the images and boxes of a split.

    Categories keep the order of their ids. Images without any box stay.

    Args:
        root: folder or URI of the set.
        split: name, or several joined by +; an image whose id or file came before is then one too
            many.
        config: annotation file, categories, and what a bad image or box does.

    Raises:
        DataError: if a file or folder is missing or broken, a category is unknown, no image is
            left, or, with `on_error=stop`, at the first bad image or box.
    """
    bad = BadItems(config.on_error)
    found = _Found()
    categories: dict[int, str] = {}
    key = split_key(config.det_splits, split, "data.det_splits")
    for part in split_parts(split, key):
        file = join(root, config.det_annotations.format(split=part))
        content = _parse(file, key)
        listed = _categories(content, file)
        if categories and listed != categories:
            raise DataError(
                f"{file} lists other categories than the files before it; give every part of "
                f"'{split}' the same list."
            )
        categories = listed
        chosen = _chosen(categories, config.det_categories, file)
        images = _images(content, file, root, part, found, bad)
        _boxes(content, file, images, categories, chosen, found, bad)
    if not found.images:
        raise DataError(f"{split} of data.det_root {root} has no usable image; correct its files.")
    order = sorted(found.boxes, key=lambda row: row[0])
    columns = np.array(order, dtype=np.float64).reshape(-1, 8)
    counts = np.bincount(columns[:, 0].astype(np.int64), minlength=len(found.images))
    return DetectionIndex(
        root=root,
        split=split,
        images=tuple(found.images),
        image_ids=np.array(found.ids, dtype=np.int64),
        sizes_wh=np.array(found.sizes, dtype=np.int64),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        boxes_xywh=columns[:, 1:5].copy(),
        classes=columns[:, 5].astype(np.int64),
        areas=columns[:, 6].copy(),
        crowd=columns[:, 7].astype(bool),
        class_names=tuple(categories[number] for number in chosen),
        category_ids=np.array(chosen, dtype=np.int64),
        skipped=dict(bad.counts),
    )


@dataclass
class _Found:
    """What has been read so far."""

    images: dict[str, None] = field(default_factory=dict)
    """Places below the root, in order."""
    ids: list[int] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    """Ids of all images, also of those that were left out."""
    sizes: list[tuple[int, int]] = field(default_factory=list)
    boxes: list[tuple[float, ...]] = field(default_factory=list)
    """Row of the image, x, y, w, h, class, area, crowd."""


def _parse(file: str, key: str) -> dict[str, list[Any]]:
    data = read_listed(
        file,
        "annotation file",
        f"give the folder above annotations/ or set data.det_annotations or {key}",
    )
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"annotation file {file} is no JSON ({' '.join(str(error).split())}); copy it again."
        ) from None
    keys = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(isinstance(content.get(k), list) for k in keys):
        raise DataError(
            f"annotation file {file} must hold the lists images, annotations and categories of "
            "COCO's instances format; give such a file."
        )
    return content


def _categories(content: dict[str, list[Any]], file: str) -> dict[int, str]:
    listed: dict[int, str] = {}
    for entry in content["categories"]:
        number = entry.get("id") if isinstance(entry, dict) else None
        name = entry.get("name") if isinstance(entry, dict) else None
        if not _is_int(number, IDS) or not isinstance(name, str) or number in listed:
            raise DataError(
                f"{file}: a category must have an id of its own (a whole number of 64 bits) and a "
                f"name, got {entry!r}; correct the list."
            )
        listed[int(number)] = name
    if len(set(listed.values())) < len(listed):
        raise DataError(f"{file}: two categories have the same name; correct the list.")
    return listed


def _chosen(
    categories: dict[int, str], wanted: Sequence[str | int] | None, file: str
) -> tuple[int, ...]:
    """Ids of the classes, ascending."""
    if wanted is None:
        return tuple(sorted(categories))
    by_name = {name: number for number, name in categories.items()}
    chosen = set()
    for item in wanted:
        number = by_name.get(item) if isinstance(item, str) else item
        if number not in categories:
            near = difflib.get_close_matches(str(item), by_name, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"it has {', '.join(by_name)}."
            raise DataError(f"data.det_categories: {file} has no category {item!r}; {hint}")
        chosen.add(number)
    return tuple(sorted(chosen))


def _images(
    content: dict[str, list[Any]], file: str, root: str, part: str, found: _Found, bad: BadItems
) -> dict[int, int | None]:
    """Image id -> its row, none for one that was left out."""
    folder = f"images/{part}" if part in subfolders(join(root, "images")) else part
    there = entries(join(root, folder), "image folder")
    rows: dict[int, int | None] = {}
    for entry in content["images"]:
        number = entry.get("id") if isinstance(entry, dict) else None
        if not _is_int(number, IDS):
            bad.add(
                "broken image entry",
                f"{file}: an image must have an id (a whole number of 64 bits), got {entry!r}",
            )
            continue
        if number in found.seen:
            bad.add(
                "image listed twice", f"{file}: image id {number} is listed twice; take one out"
            )
            rows.setdefault(number, None)
            continue
        found.seen.add(number)
        rows[number] = None
        name, width, height = (entry.get(key) for key in ("file_name", "width", "height"))
        if not isinstance(name, str) or not all(is_plain_name(step) for step in name.split("/")):
            bad.add(
                "broken image entry",
                f"{file}, image {number}: file_name must be a place below {folder}, got {name!r}",
            )
        elif not (_is_int(width, SIDES) and _is_int(height, SIDES)):
            bad.add(
                "broken image entry",
                f"{file}, image {number}: width and height must be whole numbers above 0, up "
                f"to {SIDES[-1]}, got {width!r} and {height!r}",
            )
        elif name not in there and ("/" not in name or stat(join(root, folder, name)) is None):
            bad.add(
                "image listed but absent",
                f"{join(root, folder, name)} is listed in {file} but absent; restore it",
            )
        elif f"{folder}/{name}" in found.images:
            bad.add(
                "image listed twice",
                f"{file}, image {number}: {join(root, folder, name)} is listed twice; take one out",
            )
        else:
            rows[number] = len(found.images)
            found.images[f"{folder}/{name}"] = None
            found.ids.append(number)
            found.sizes.append((width, height))
    return rows


def _boxes(
    content: dict[str, list[Any]],
    file: str,
    images: dict[int, int | None],
    categories: dict[int, str],
    chosen: tuple[int, ...],
    found: _Found,
    bad: BadItems,
) -> None:
    classes = {number: place for place, number in enumerate(chosen)}
    for entry in content["annotations"]:
        if not isinstance(entry, dict):
            bad.add("broken annotation", f"{file}: an annotation must be a map, got {entry!r}")
            continue
        where = f"{file}, annotation {entry.get('id')!r}"
        image, category, box = (entry.get(key) for key in ("image_id", "category_id", "bbox"))
        if not _is_int(image, IDS) or image not in images:
            bad.add("box of an unlisted image", f"{where}: image {image!r} is not in the list")
            continue
        if not _is_int(category, IDS) or category not in categories:
            bad.add(
                "category not in the list",
                f"{where}: category {category!r} is not among {sorted(categories)}; correct it",
            )
            continue
        row = images[image]
        if row is None or category not in classes:
            continue  # its image was left out and counted, or the class is not wanted
        width, height = found.sizes[row]
        clipped = _clipped(box, width, height, where, bad)
        if clipped is None:
            continue
        area = entry.get("area")
        if not isinstance(area, int | float) or not area > 0:
            area = clipped[2] * clipped[3]
        size = _finite(area)
        if size is None:
            sentence = f"{where}: area must be a finite number, got {area}; correct it"
            bad.add("broken annotation", sentence)
            continue
        crowd = entry.get("iscrowd", 0)
        if crowd not in (0, 1):
            bad.add(
                "broken annotation", f"{where}: iscrowd must be 0 or 1, got {crowd!r}; correct it"
            )
            continue
        found.boxes.append((row, *clipped, classes[category], size, crowd))


def _clipped(
    box: Any, width: int, height: int, where: str, bad: BadItems
) -> tuple[float, float, float, float] | None:
    """The box inside its image; none if it is bad."""
    numbers = [_finite(value) for value in box] if isinstance(box, list) else []
    known = [number for number in numbers if number is not None]
    if not len(known) == len(numbers) == 4:
        bad.add("broken annotation", f"{where}: bbox must be [x, y, w, h], got {box!r}")
        return None
    x, y, w, h = known
    if w <= 0 or h <= 0:
        bad.add("zero-area box", f"{where}: bbox must have width and height above 0, got {box}")
        return None
    over = max(-x, -y, x + w - width, y + h - height)
    x0, y0, x1, y1 = max(x, 0.0), max(y, 0.0), min(x + w, width), min(y + h, height)
    if over > OVERSHOOT or x1 <= x0 or y1 <= y0:
        bad.add(
            "box outside the image",
            f"{where}: bbox must lie inside the {width} x {height} image, got {box}; correct it",
        )
        return None
    return x0, y0, x1 - x0, y1 - y0


def _is_int(value: Any, allowed: range) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value in allowed


def _finite(value: Any) -> float | None:
    """A number as a float; none for what is no number, or more than a float holds."""
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:  # whole numbers in JSON have no limit
        return None
    return number if math.isfinite(number) else None
