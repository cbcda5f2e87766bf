from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mtl.data import augment
from mtl.data.normalize import normalize
from mtl.geometry.crop import box_in_crop, crop

boxes = st.tuples(
    st.floats(-50, 300), st.floats(-50, 300), st.floats(0.1, 200), st.floats(0.1, 200)
)


@pytest.mark.parity
def test_chain_equals_the_published_augmentation(reference_root):
    file = np.load(reference_root / "hiptrack" / "augment.npz")
    meta = json.loads(str(file["meta"]))
    width = meta["W"]
    low = np.random.default_rng(meta["image_seed"]).integers(
        0, 256, (meta["H"] // 8, width // 8, 3), dtype=np.uint8
    )
    picture = low.repeat(8, axis=0).repeat(8, axis=1)
    for number in range(len(file["gt"])):
        image, box = picture, file["gt"][number]
        size = int(np.sqrt(file[f"{number}.att_bits"].size * 8))
        if file["gray"][number]:
            image = augment.gray(image)
        if file["joint_flip"][number]:
            image, box = augment.mirror_image(image), augment.mirror_box(box, width)
        np.testing.assert_allclose(box, file[f"{number}.gt_after_joint_flip"], rtol=1e-6)
        extract = augment.jitter_box(box, file["z"][number], file["u"][number], 0.5, 4.5)
        np.testing.assert_allclose(extract, file[f"{number}.jittered"], rtol=2e-6, atol=2e-5)
        taken = crop(image, extract, 5.0, size)
        inside = box_in_crop(box, extract, taken.resize_factor, size)
        pixels, padding = taken.image, taken.padding
        if file["flip"][number]:
            inside = augment.mirror_crop_box(inside)
            pixels, padding = augment.mirror_image(pixels), augment.mirror_image(padding)
        np.testing.assert_allclose(inside, file[f"{number}.box"], atol=1e-6)
        np.testing.assert_array_equal(np.packbits(padding), file[f"{number}.att_bits"])
        assert padding.sum() == file[f"{number}.att_sum"]
        assert augment.shows_nothing(padding, 16) == file[f"{number}.rejected"]
        images = torch.from_numpy(np.ascontiguousarray(pixels))[None]
        factor = torch.tensor([file["brightness"][number]])
        got = normalize(images, factor)[0].numpy()
        np.testing.assert_allclose(got[:, 8::16, 8::16], file[f"{number}.img_ds"], atol=2e-6)


@given(box=boxes)
def test_mirroring_twice_gives_the_box_back(box):
    twice = augment.mirror_box(augment.mirror_box(box, 320), 320)
    np.testing.assert_allclose(twice, box, atol=1e-9)
    twice = augment.mirror_crop_box(augment.mirror_crop_box(box))
    np.testing.assert_allclose(twice, box, atol=1e-9)


@given(box=boxes)
def test_no_jitter_leaves_the_box(box):
    still = augment.jitter_box(box, (1.0, -1.0), (0.2, 0.9), 0.0, 0.0)
    np.testing.assert_allclose(still, box, atol=1e-9)


def test_jitter_moves_by_at_most_half_the_range():
    box = (100.0, 100.0, 16.0, 4.0)
    moved = augment.jitter_box(box, (0.0, 0.0), (0.0, 0.9999999), 0.5, 4.5)
    np.testing.assert_allclose(moved, [100 - 18, 100 + 18, 16, 4], atol=1e-4)


def test_crop_shows_nothing_only_if_every_token_starts_in_the_padding():
    padding = np.ones((32, 32), dtype=bool)
    assert augment.shows_nothing(padding, 16)
    padding[5, 5] = False
    assert augment.shows_nothing(padding, 16)
    padding[16, 16] = False
    assert not augment.shows_nothing(padding, 16)
