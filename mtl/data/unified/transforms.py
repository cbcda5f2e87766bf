"""What happens to an image between disk and batch; boxes and masks follow.

Changes are torchvision's functions on tv_tensors, with every random number drawn beforehand from
the sample's own generator: torchvision's transform classes draw from torch's global one, which
threads that make batches share.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from mtl.config.unified_data import (
    ClassificationAugmentation,
    DetectionAugmentation,
    ImageSizes,
    SegmentationAugmentation,
)
from mtl.data.unified.voc import IGNORED
from mtl.geometry.letterbox import Letterbox

MIN_BOX_SIDE = 1.0
"""Pixels; a box that a random change leaves narrower inside the image is no longer trained."""

CROP_ATTEMPTS = 10
"""Random crops that may not fit before the largest centred one is taken, as in torchvision."""

_NEAREST = InterpolationMode.NEAREST_EXACT  # pixel centres, as the bilinear images have
_BILINEAR = InterpolationMode.BILINEAR


class DetectionView(NamedTuple):
    """A detection image as the network sees it."""

    image: np.ndarray
    """(S, S, 3) uint8 RGB."""
    boxes_xywh: np.ndarray
    """(M, 4) float32, pixels of the square, inside it."""
    kept: np.ndarray
    """(M,) int64, which of the given boxes they are."""


def detection_view(
    image: np.ndarray,
    boxes_xywh: np.ndarray,
    side: int,
    augmentation: DetectionAugmentation | None,
    rng: np.random.Generator,
) -> DetectionView:
    """Letterbox an image, then change it at random (reference specification, section 5).

    Order: scale and pad, mirror, brightness and contrast, then shift, scale and rotation together.
    What comes in from outside is black, like the padding. A rotated box becomes the box round it.

    Args:
        image: (H, W, 3) uint8 RGB.
        boxes_xywh: (M, 4) pixels of the image.
        side: S.
        augmentation: strengths; none: an evaluation.
        rng: of the sample.
    """
    height, width = image.shape[:2]
    at = Letterbox.of(width, height, side)
    picture: Tensor = functional.resize(_image(image), [at.height, at.width], _BILINEAR)
    right, bottom = side - at.width - at.left, side - at.height - at.top
    picture = functional.pad(picture, [at.left, at.top, right, bottom])
    squared = torch.from_numpy(at.to_square(boxes_xywh.reshape(-1, 4)))
    boxes: Tensor = functional.convert_bounding_box_format(
        _boxes(squared, side), new_format=tv_tensors.BoundingBoxFormat.XYXY
    )
    if augmentation is not None:
        picture, boxes = _change_detection(picture, boxes, side, augmentation, rng)
    corners = boxes.as_subclass(Tensor).clamp(0, side)
    sides = corners[:, 2:] - corners[:, :2]
    keep = (sides >= MIN_BOX_SIDE).all(dim=1)
    if augmentation is None:
        keep[:] = True  # truth is not thinned out
    found = torch.cat([corners[:, :2], sides], dim=1)[keep]
    return DetectionView(
        _array(picture), found.numpy().astype(np.float32), torch.nonzero(keep)[:, 0].numpy()
    )


def _change_detection(
    picture: Tensor,
    boxes: Tensor,
    side: int,
    config: DetectionAugmentation,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    draws = rng.random(3)
    factors = rng.uniform(-1, 1, size=6)
    if draws[0] < config.flip_probability:
        picture, boxes = functional.horizontal_flip(picture), functional.horizontal_flip(boxes)
    if draws[1] < config.color_probability:
        picture = functional.adjust_brightness(picture, 1 + config.brightness * factors[0])
        picture = functional.adjust_contrast(picture, 1 + config.contrast * factors[1])
    if draws[2] < config.affine_probability:
        translate = [side * config.shift * float(f) for f in factors[2:4]]
        scale = 1 + config.scale * float(factors[4])
        angle = config.rotate_degrees * float(factors[5])
        picture = functional.affine(
            picture, angle, translate, scale, [0.0, 0.0], interpolation=_BILINEAR
        )
        boxes = functional.affine(boxes, angle, translate, scale, [0.0, 0.0])
    return picture, boxes


def segmentation_view(
    image: np.ndarray,
    mask: np.ndarray,
    side: int,
    augmentation: SegmentationAugmentation | None,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Resize an image and its mask to a square without keeping the aspect ratio, then change both.

    With a scale other than 1, both are resized by it first and cropped, or padded with black and
    ignored pixels, at a random place.

    Args:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) uint8.
        side: S.
        augmentation: strengths; none: an evaluation.
        rng: of the sample.

    Returns:
        (S, S, 3) uint8 and (S, S) uint8.
    """
    scale, place, flip = 1.0, np.zeros(2), False
    if augmentation is not None and not augmentation.still:
        low, high = math.log(augmentation.min_scale), math.log(augmentation.max_scale)
        scale = math.exp(low + (high - low) * rng.random())
        place = rng.random(2)
        flip = bool(rng.random() < augmentation.flip_probability)
    scaled = max(1, round(side * scale))
    picture: Tensor = functional.resize(_image(image), [scaled, scaled], _BILINEAR)
    truth: Tensor = functional.resize(torch.from_numpy(mask)[None], [scaled, scaled], _NEAREST)
    if scaled > side:
        top, left = (int(p * (scaled - side + 1)) for p in place)
        picture = functional.crop(picture, top, left, side, side)
        truth = functional.crop(truth, top, left, side, side)
    elif scaled < side:
        top, left = (int(p * (side - scaled + 1)) for p in place)
        padding = [left, top, side - scaled - left, side - scaled - top]
        picture = functional.pad(picture, padding)
        truth = functional.pad(truth, padding, fill=IGNORED)
    if flip:
        picture, truth = functional.horizontal_flip(picture), functional.horizontal_flip(truth)
    return _array(picture), np.ascontiguousarray(truth[0].numpy())


def classification_view(
    image: np.ndarray,
    sizes: ImageSizes,
    augmentation: ClassificationAugmentation | None,
    rng: np.random.Generator,
) -> np.ndarray:
    """A random crop, resized, or an evaluation's centre crop after scaling the shorter side.

    Args:
        image: (H, W, 3) uint8 RGB.
        sizes: side of the crop and of the shorter side.
        augmentation: strengths; none: an evaluation.
        rng: of the sample.

    Returns:
        (S, S, 3) uint8.
    """
    picture: Tensor = _image(image)
    if augmentation is not None and augmentation.min_area < 1.0:
        top, left, height, width = _random_crop(image.shape[0], image.shape[1], augmentation, rng)
        picture = functional.resized_crop(
            picture, top, left, height, width, [sizes.cls, sizes.cls], _BILINEAR
        )
    else:
        picture = functional.resize(picture, [sizes.cls_short_side], _BILINEAR)
        picture = functional.center_crop(picture, [sizes.cls, sizes.cls])
    if augmentation is not None and rng.random() < augmentation.flip_probability:
        picture = functional.horizontal_flip(picture)
    return _array(picture)


def _random_crop(
    height: int, width: int, config: ClassificationAugmentation, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Top, left, height and width of a crop of random area and aspect ratio."""
    limit = math.log(config.max_aspect)
    for area, aspect, x, y in rng.random((CROP_ATTEMPTS, 4)):
        pixels = height * width * (config.min_area + (1 - config.min_area) * area)
        ratio = math.exp(limit * (2 * aspect - 1))
        w, h = round(math.sqrt(pixels * ratio)), round(math.sqrt(pixels / ratio))
        if 0 < w <= width and 0 < h <= height:
            return int(y * (height - h + 1)), int(x * (width - w + 1)), h, w
    w = min(width, max(1, round(height * config.max_aspect)))
    h = min(height, max(1, round(width * config.max_aspect)))
    return (height - h) // 2, (width - w) // 2, h, w


def _image(image: np.ndarray) -> tv_tensors.Image:
    return tv_tensors.Image(torch.from_numpy(image).permute(2, 0, 1))


def _boxes(boxes_xywh: Tensor, side: int) -> tv_tensors.BoundingBoxes:
    return tv_tensors.BoundingBoxes(
        boxes_xywh, format=tv_tensors.BoundingBoxFormat.XYWH, canvas_size=(side, side)
    )


def _array(picture: Tensor) -> np.ndarray:
    return np.ascontiguousarray(picture.as_subclass(Tensor).permute(1, 2, 0).numpy())
