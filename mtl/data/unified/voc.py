"""Segmentation sets in PASCAL VOC layout: images, palette masks, and lists of names.

Either JPEGImages/ and SegmentationClass/ lie at the top, as in VOCdevkit/VOC2012, or each split
has its own below <split>/; the lists are ImageSets/Segmentation/<split>.txt. A file classes.txt at
the top, one name a line in the order of the pixel values from 1, replaces VOC's class names.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from mtl.config.unified_data import UnifiedDataConfig
from mtl.data.bad_items import BadItems
from mtl.data.images import read_image
from mtl.data.storage import is_plain_name, join, stat
from mtl.data.unified.index import SegmentationIndex
from mtl.data.unified.listing import entries, read_listed, split_key, split_parts, subfolders
from mtl.errors import DataError

IGNORED = 255
"""Mask value of pixels that are neither trained nor measured."""

VOC_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair",
    "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
)  # fmt: skip
"""Names by mask value."""

CLASS_FILE = "classes.txt"
IMAGE_ENDINGS = (".jpg", ".jpeg", ".png")


def read_segmentation(root: str, split: str, config: UnifiedDataConfig) -> SegmentationIndex:
    """Read the names of a split and find their images and masks; masks are not opened yet.

    Args:
        root: folder or URI of the set.
        split: name, or several joined by +.
        config: what a bad item does.

    Raises:
        DataError: if a list or folder is missing, no name is left, or, with `on_error=stop`, an
            image or mask is absent or an image listed twice.
    """
    bad = BadItems(config.on_error)
    found: dict[str, tuple[str, str]] = {}  # image -> its name and its mask
    key = split_key(config.seg_splits, split, "data.seg_splits")
    for part in split_parts(split, key):
        file = join(root, "ImageSets", "Segmentation", f"{part}.txt")
        text = read_listed(
            file,
            "list of images",
            f"give the folder above ImageSets/Segmentation/<split>.txt or set {key}",
        )
        below = f"{part}/" if "JPEGImages" in subfolders(join(root, part)) else ""
        pictures = entries(join(root, f"{below}JPEGImages"), "image folder")
        truths = entries(join(root, f"{below}SegmentationClass"), "mask folder")
        for name in text.decode("utf-8", errors="replace").split():
            picture = next((name + end for end in IMAGE_ENDINGS if name + end in pictures), None)
            if not is_plain_name(name):
                bad.add("broken name", f"{file}: a name must be of a file, got {name!r}")
            elif picture is None:
                bad.add(
                    "image listed but absent",
                    f"{name} is listed in {file} but {join(root, f'{below}JPEGImages')} has no "
                    f"{name}.jpg; restore it",
                )
            elif f"{name}.png" not in truths:
                bad.add(
                    "mask absent",
                    f"{name} is listed in {file} but {join(root, f'{below}SegmentationClass')} has "
                    f"no {name}.png; restore it",
                )
            elif f"{below}JPEGImages/{picture}" in found:
                bad.add(
                    "image listed twice",
                    f"{name} in {file} is listed twice in '{split}'; take one out",
                )
            else:
                mask = f"{below}SegmentationClass/{name}.png"
                found[f"{below}JPEGImages/{picture}"] = name, mask
    if not found:
        raise DataError(f"{split} of data.seg_root {root} has no usable image; correct its files.")
    return SegmentationIndex(
        root=root,
        split=split,
        names=tuple(name for name, _ in found.values()),
        images=tuple(found),
        masks=tuple(mask for _, mask in found.values()),
        class_names=_class_names(root),
        skipped=dict(bad.counts),
    )


def read_pair(index: SegmentationIndex, row: int, max_pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Decode an image and its mask, and check that they fit.

    Args:
        index: of the set.
        row: which image.
        max_pixels: largest number of pixels that is decoded.

    Returns:
        (H, W, 3) uint8 RGB and (H, W) uint8, values as in `class_names`, 255 ignored.

    Raises:
        DataError: if either cannot be decoded, the mask has another size or unknown values.
    """
    image = read_image(index.image_uri(row), max_pixels)
    place = index.mask_uri(row)
    mask = _read_mask(place, max_pixels)
    if mask.shape != image.shape[:2]:
        raise DataError(
            f"mask {place} must have the size of its image, {image.shape[1]} x {image.shape[0]}, "
            f"got {mask.shape[1]} x {mask.shape[0]}; correct it."
        )
    unknown = np.flatnonzero(np.bincount(mask.reshape(-1), minlength=256))
    unknown = unknown[(unknown >= len(index.class_names)) & (unknown != IGNORED)]
    if len(unknown):
        raise DataError(
            f"mask {place} must hold values below {len(index.class_names)} or {IGNORED}, got "
            f"{', '.join(map(str, unknown[:5]))}; correct it or list the classes in {CLASS_FILE}."
        )
    return image, mask


def _read_mask(place: str, max_pixels: int) -> np.ndarray:
    data = read_listed(place, "mask", "restore it or take its image out of the list")
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.width * picture.height > max_pixels:
                raise DataError(
                    f"mask {place} has {picture.width} x {picture.height} pixels, more than "
                    f"data.max_pixels = {max_pixels}; shrink it or raise the limit."
                )
            if picture.mode not in ("P", "L"):
                raise DataError(
                    f"mask {place} must have one channel of class numbers, got mode "
                    f"{picture.mode}; convert its colours to numbers."
                )
            return np.array(picture, dtype=np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(
            f"mask {place} cannot be decoded ({' '.join(str(error).split())}); replace it."
        ) from None


def _class_names(root: str) -> tuple[str, ...]:
    file = join(root, CLASS_FILE)
    if stat(file) is None:
        return VOC_CLASSES
    text = read_listed(file, "class list", "check its permissions")
    names = [line.strip() for line in text.decode("utf-8", errors="replace").splitlines()]
    names = [name for name in names if name]
    if len(set(names)) < len(names) or not 0 < len(names) < IGNORED:
        raise DataError(
            f"{file} must hold 1 to {IGNORED - 1} different class names, one a line; correct it."
        )
    return ("background", *names)
