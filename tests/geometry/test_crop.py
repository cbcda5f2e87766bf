from __future__ import annotations

import json
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl.errors import DataError
from mtl.geometry.crop import box_in_crop, box_to_image, crop, cut, square_around

CROP_FIELDS = (
    "resize_factor",
    "raw_hw",
    "raw_crc32",
    "crop_crc32",
    "crop_ds",
    "crop_mean",
    "att_sum",
    "att_bits",
    "own_box_norm",
)

coordinates = st.floats(-400.0, 400.0)
sizes = st.floats(0.5, 300.0)
boxes = st.tuples(coordinates, coordinates, sizes, sizes)


def synthetic_picture(seed: list[int], height: int, width: int) -> np.ndarray:
    """The reference's rule: random 8 x 8 blocks."""
    low = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return low.repeat(8, axis=0).repeat(8, axis=1)


def crc(array: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(array).tobytes())


@pytest.mark.parity
def test_crops_equal_the_published_preprocessing(reference_root):
    file = np.load(reference_root / "hiptrack" / "preprocess.npz")
    meta = json.loads(str(file["meta"]))
    picture = synthetic_picture(meta["image_seed"], meta["H"], meta["W"])
    for number, box in enumerate(file["boxes"]):
        for kind, factor, size in (("z", 2.0, 192), ("x", 5.0, 384)):
            want = {key: file[f"b{number}.{kind}.{key}"] for key in CROP_FIELDS}
            raw = cut(picture, *square_around(box, factor))
            assert raw.shape[:2] == tuple(want["raw_hw"])
            assert crc(raw) == want["raw_crc32"]
            got = crop(picture, box, factor, size)
            assert got.resize_factor == want["resize_factor"]
            assert crc(got.image) == want["crop_crc32"]
            step = size // 24
            np.testing.assert_array_equal(
                got.image[step // 2 :: step, step // 2 :: step], want["crop_ds"]
            )
            np.testing.assert_allclose(got.image.mean((0, 1)), want["crop_mean"], rtol=1e-9)
            np.testing.assert_array_equal(np.packbits(got.padding), want["att_bits"])
            assert got.padding.sum() == want["att_sum"]
            own = box_in_crop(box, box, got.resize_factor, size)
            np.testing.assert_allclose(own, want["own_box_norm"], atol=2e-7)


@pytest.mark.parity
def test_boxes_map_as_the_published_tracker_maps_them(reference_root):
    file = np.load(reference_root / "hiptrack" / "preprocess.npz")
    extract, box = file["gt_in_crop.extract"], file["gt_in_crop.gt"]
    _, _, side = square_around(extract, 5.0)
    np.testing.assert_allclose(
        box_in_crop(box, extract, 384 / side, 384), file["gt_in_crop.out"], atol=2e-7
    )
    for state, factor, prediction, want in zip(
        file["mapback.state"],
        file["mapback.resize_factor"],
        file["mapback.pred_norm"],
        file["mapback.mapped"],
        strict=True,
    ):
        np.testing.assert_allclose(
            box_to_image(prediction, state, factor, 384), want, atol=1e-6 * 384
        )


@given(box=boxes, factor=st.sampled_from([2.0, 4.0, 5.0]), size=st.sampled_from([64, 128]))
@settings(max_examples=60, deadline=None)
def test_padding_mask_equals_the_resized_mask_of_the_whole_square(box, factor, size):
    picture = np.full((120, 160, 3), 200, dtype=np.uint8)
    left, top, side = square_around(box, factor)
    xs, ys = left + np.arange(side), top + np.arange(side)
    # The picture's last line counts as padding where the square reaches beyond it.
    inside_x = (xs >= 0) & (xs < (159 if left + side >= 160 else 160))
    inside_y = (ys >= 0) & (ys < (119 if top + side >= 120 else 120))
    mask = 1.0 - (inside_y[:, None] & inside_x[None, :]).astype(np.float32)
    want = cv2.resize(mask, (size, size), interpolation=cv2.INTER_LINEAR) != 0
    np.testing.assert_array_equal(crop(picture, box, factor, size).padding, want)


@given(box=boxes, extract=boxes)
@settings(max_examples=100, deadline=None)
def test_box_comes_back_from_the_crop_half_a_crop_pixel_off(box, extract):
    size = 128
    _, _, side = square_around(extract, 4.0)
    factor = size / side
    inside = box_in_crop(box, extract, factor, size)
    centred = np.concatenate([inside[:2] + inside[2:] / 2, inside[2:]])
    back = box_to_image(centred, extract, factor, size)
    np.testing.assert_allclose(back[2:], box[2:], atol=1e-6)
    np.testing.assert_allclose(back[:2] + 0.5 / factor, box[:2], atol=1e-6)


def test_crop_inside_the_picture_has_no_padding():
    picture = synthetic_picture([1], 96, 96)
    result = crop(picture, (40, 40, 10, 10), 2.0, 20)
    assert not result.padding.any()
    np.testing.assert_array_equal(result.image, picture[35:55, 35:55])


def test_crop_wholly_outside_the_picture_is_all_padding():
    result = crop(np.full((64, 64, 3), 9, np.uint8), (-500, -500, 10, 10), 2.0, 32)
    assert result.padding.all()
    assert not result.image.any()


@pytest.mark.parametrize(
    "box", [(0, 0, 0, 5), (0, 0, -3, 5), (0, np.nan, 4, 4), (0, 0, np.inf, 4), (0, 0, 1e6, 1e6)]
)
def test_box_that_cannot_be_cut_is_refused(box):
    with pytest.raises(DataError, match="box"):
        crop(np.zeros((10, 10, 3), np.uint8), box, 2.0, 16)
