"""Boxes and masks follow the image: coloured rectangles are looked for where they should be."""

from __future__ import annotations

import numpy as np
import pytest

from mtl.config.unified_data import (
    ClassificationAugmentation,
    DetectionAugmentation,
    ImageSizes,
    SegmentationAugmentation,
)
from mtl.data.unified.transforms import classification_view, detection_view, segmentation_view

SIDE = 128
COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]])
BOXES = np.array([[10, 20, 40, 30], [70, 50, 60, 24], [134, 8, 22, 60]], dtype=np.float64)
NEVER = DetectionAugmentation(flip_probability=0, color_probability=0, affine_probability=0)


def drawn(width: int = 160, height: int = 100) -> np.ndarray:
    """Grey picture with a rectangle of its own colour in each box."""
    image = np.full((height, width, 3), 128, dtype=np.uint8)
    for (x, y, w, h), colour in zip(BOXES.astype(int), COLOURS, strict=True):
        image[y : y + h, x : x + w] = colour
    return image


def seen_box(image: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """xywh round the pixels that are nearer to a colour than to anything else drawn."""
    others = np.concatenate([COLOURS, [[128, 128, 128], [0, 0, 0]]])
    distances = np.abs(image[:, :, None].astype(int) - others).sum(axis=-1)
    nearest = distances.argmin(axis=-1) == int(np.flatnonzero((colour == COLOURS).all(axis=1))[0])
    rows, columns = np.nonzero(nearest)
    low = np.array([columns.min(), rows.min()])
    return np.concatenate([low, np.array([columns.max(), rows.max()]) + 1 - low])


def view(augmentation: DetectionAugmentation | None, seed: int = 0):
    return detection_view(drawn(), BOXES, SIDE, augmentation, np.random.default_rng(seed))


def assert_boxes_hold_their_rectangles(found, tolerance: float) -> None:
    """Of boxes the border does not cut: a cut one is that of the whole turned rectangle, cut."""
    high = found.boxes_xywh[:, :2] + found.boxes_xywh[:, 2:]
    whole = (found.boxes_xywh[:, :2] > 0.5).all(axis=1) & (high < SIDE - 0.5).all(axis=1)
    assert whole.any()
    for row, box in zip(found.kept[whole], found.boxes_xywh[whole], strict=True):
        seen = seen_box(found.image, COLOURS[row])
        low, high = np.abs(seen[:2] - box[:2]), np.abs(seen[:2] + seen[2:] - box[:2] - box[2:])
        assert max(low.max(), high.max()) <= tolerance, (row, seen, box)


def test_letterbox_scales_pads_and_keeps_every_box() -> None:
    found = view(None)
    assert found.image.shape == (SIDE, SIDE, 3)
    assert found.image.dtype == np.uint8
    assert found.kept.tolist() == [0, 1, 2]
    assert not found.image[:24].any()  # 100 rows become 80
    assert not found.image[104:].any()
    assert found.image[24:104].any(axis=-1).all()
    np.testing.assert_allclose(found.boxes_xywh[0], [8, 16 + 24, 32, 24], rtol=1e-6)
    assert_boxes_hold_their_rectangles(found, 1.0)


def test_small_images_are_enlarged() -> None:
    image = np.zeros((20, 10, 3), dtype=np.uint8)
    found = detection_view(image, np.array([[5, 10, 5, 10]]), 64, None, np.random.default_rng(0))
    np.testing.assert_allclose(found.boxes_xywh, [[16 + 16, 32, 16, 32]])


def test_mirror_takes_boxes_along() -> None:
    found = view(NEVER.model_copy(update={"flip_probability": 1.0}))
    plain = view(None)
    assert np.array_equal(found.image, plain.image[:, ::-1])
    np.testing.assert_allclose(
        found.boxes_xywh[:, 0], SIDE - plain.boxes_xywh[:, 0] - plain.boxes_xywh[:, 2], atol=1e-5
    )
    assert_boxes_hold_their_rectangles(found, 1.0)


@pytest.mark.parametrize("seed", range(12))
def test_shift_scale_and_rotation_take_boxes_along(seed: int) -> None:
    config = DetectionAugmentation(
        flip_probability=0.5,
        color_probability=0,
        affine_probability=1.0,
        shift=0.15,
        scale=0.3,
        rotate_degrees=20.0,
    )
    assert_boxes_hold_their_rectangles(view(config, seed), 2.0)


def test_published_strengths_change_what_they_should_and_no_more() -> None:
    changed = [view(DetectionAugmentation(flip_probability=0.0), seed) for seed in range(200)]
    plain = view(None)
    same = [np.array_equal(found.image, plain.image) for found in changed]
    assert 0.3 < np.mean(same) < 0.5  # 0.8 * 0.5
    centres = np.array(
        [f.boxes_xywh[0, :2] + f.boxes_xywh[0, 2:] / 2 for f in changed if 0 in f.kept]
    )
    moved = np.abs(centres - (plain.boxes_xywh[0, :2] + plain.boxes_xywh[0, 2:] / 2))
    assert 4 < moved.max() < SIDE * (0.05 + 0.05 * 0.5 + np.sin(np.deg2rad(5)) * 0.5) + 1


def test_brightness_and_contrast_leave_boxes_alone() -> None:
    config = NEVER.model_copy(update={"color_probability": 1.0})
    means = [view(config, seed).image.mean() for seed in range(30)]
    plain = view(None)
    assert np.std(means) > 2
    assert all(0.75 < mean / plain.image.mean() < 1.25 for mean in means)
    np.testing.assert_array_equal(view(config, 3).boxes_xywh, plain.boxes_xywh)


def test_a_box_that_leaves_the_square_is_no_longer_trained() -> None:
    config = NEVER.model_copy(update={"affine_probability": 1.0, "shift": 1.0})
    kept = [len(view(config, seed).kept) for seed in range(40)]
    assert min(kept) == 0
    assert max(kept) > 0
    for seed in range(40):
        boxes = view(config, seed).boxes_xywh
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, :2] + boxes[:, 2:] <= SIDE + 1e-4).all()


def test_an_image_without_boxes_goes_the_same_way() -> None:
    for augmentation in (None, DetectionAugmentation(affine_probability=1.0)):
        found = detection_view(
            drawn(), np.zeros((0, 4)), SIDE, augmentation, np.random.default_rng(1)
        )
        assert found.boxes_xywh.shape == (0, 4)


def drawn_mask() -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros((100, 160), dtype=np.uint8)
    for number, (x, y, w, h) in enumerate(BOXES.astype(int)):
        mask[y : y + h, x : x + w] = number + 1
    return drawn(), mask


def wrong_share(image: np.ndarray, mask: np.ndarray) -> float:
    """Share of the pixels that are not ignored whose colour is not that of their class."""
    wanted = np.concatenate([[[128, 128, 128]], COLOURS])[np.minimum(mask, 3)]
    off = np.abs(image.astype(int) - wanted).max(axis=-1) > 90
    return float(off[mask != 255].mean())


def test_without_augmentation_a_mask_is_squeezed_with_its_image() -> None:
    image, mask = segmentation_view(
        *drawn_mask(), SIDE, SegmentationAugmentation(), np.random.default_rng(0)
    )
    assert (image.shape, mask.shape) == ((SIDE, SIDE, 3), (SIDE, SIDE))
    assert mask.dtype == np.uint8
    assert wrong_share(image, mask) < 0.015
    assert 255 not in mask
    plain = segmentation_view(*drawn_mask(), SIDE, None, np.random.default_rng(5))
    assert np.array_equal(plain[0], image)
    assert np.array_equal(plain[1], mask)


@pytest.mark.parametrize("seed", range(12))
def test_masks_follow_mirror_scale_and_crop(seed: int) -> None:
    config = SegmentationAugmentation(flip_probability=0.5, min_scale=0.5, max_scale=2.0)
    image, mask = segmentation_view(*drawn_mask(), SIDE, config, np.random.default_rng(seed))
    assert (image.shape, mask.shape) == ((SIDE, SIDE, 3), (SIDE, SIDE))
    assert wrong_share(image, mask) < 0.03
    assert not image[mask == 255].any()  # what comes in is black and ignored


def test_scales_both_crop_and_pad() -> None:
    config = SegmentationAugmentation(min_scale=0.5, max_scale=2.0)
    views = [
        segmentation_view(*drawn_mask(), SIDE, config, np.random.default_rng(seed))
        for seed in range(20)
    ]
    padded = [bool((mask == 255).any()) for _, mask in views]
    assert 4 < sum(padded) < 16


SIZES = ImageSizes(cls=48, cls_short_side=60)


def test_evaluation_shows_the_middle_at_the_short_side() -> None:
    image = np.zeros((120, 200, 3), dtype=np.uint8)
    image[:, 100 - 48 : 100 + 48] = 200  # 96 columns of 2:1 are the 48 that are shown
    shown = classification_view(image, SIZES, None, np.random.default_rng(0))
    assert shown.shape == (48, 48, 3)
    assert (shown[:, 1:-1] == 200).all()
    flat = classification_view(
        image,
        SIZES,
        ClassificationAugmentation(flip_probability=0.0, min_area=1.0),
        np.random.default_rng(0),
    )
    assert np.array_equal(flat, shown)


def test_random_crops_vary_in_area_and_side() -> None:
    ramp = np.tile(np.arange(200, dtype=np.uint8)[None, :, None], (120, 1, 3))
    config = ClassificationAugmentation()
    shown = [
        classification_view(ramp, SIZES, config, np.random.default_rng(seed)) for seed in range(200)
    ]
    spans = np.array([abs(int(x[0, -1, 0]) - int(x[0, 0, 0])) for x in shown])
    mirrored = np.mean([x[0, -1, 0] < x[0, 0, 0] for x in shown])
    assert 0.4 < mirrored < 0.6
    assert spans.min() < 60  # 8 % of 24,000 pixels are 44 wide when square
    assert spans.max() > 130


def test_very_flat_images_still_give_a_crop() -> None:
    flat = np.full((4, 400, 3), 7, dtype=np.uint8)
    config = ClassificationAugmentation(min_area=0.9)
    shown = classification_view(flat, SIZES, config, np.random.default_rng(0))
    assert shown.shape == (48, 48, 3)
    assert (shown == 7).all()
