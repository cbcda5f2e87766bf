from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mtl.config.schema import SimTrackConfig
from mtl.data.augment import mirror_box, mirror_crop_box
from mtl.data.normalize import MEAN, STD, normalize
from mtl.geometry.boxes import clip_box_xywh_np
from mtl.geometry.crop import box_in_crop, crop, square_around
from mtl.models.simtrack import SimTrack
from tests.parity import Fixture, assert_near, scene

pytestmark = pytest.mark.parity

PUBLISHED = SimTrackConfig()
STEP = 8
"""Every 8th row and column of a crop is in the file."""


@pytest.fixture(scope="module")
def fixture(reference_root: Path) -> Fixture:
    return Fixture(reference_root / "simtrack" / "preprocess.npz")


@pytest.fixture(scope="module")
def picture(fixture: Fixture) -> np.ndarray:
    picture = scene(fixture.meta["H"], fixture.meta["W"])
    np.testing.assert_array_equal(picture[::24, ::32], fixture["scene.slice"])
    np.testing.assert_array_equal(picture.sum(axis=(0, 1)), fixture["scene.sum"])
    return picture


@pytest.mark.parametrize("name", ["template", "search"])
def test_crops_equal_the_published_ones(fixture: Fixture, picture: np.ndarray, name: str) -> None:
    config = getattr(PUBLISHED, name)
    assert (tuple(fixture.meta["mean"]), tuple(fixture.meta["std"])) == (MEAN, STD)
    for number, box in enumerate(fixture.meta["boxes_xywh"]):
        *corner, side = square_around(box, config.factor)
        cut = crop(picture, box, config.factor, config.size)
        assert side == fixture[f"{name}.crop_size"][number]
        np.testing.assert_array_equal(corner, fixture[f"{name}.x1y1"][number])
        assert cut.resize_factor == pytest.approx(fixture[f"{name}.resize_factor"][number])
        np.testing.assert_array_equal(
            cut.image[::STEP, ::STEP], fixture[f"{name}.pixels"][number], f"{name} {number}"
        )
        np.testing.assert_array_equal(
            cut.image.sum(axis=(0, 1)), fixture[f"{name}.channel_sums"][number]
        )
        assert cut.padding.sum() == fixture[f"{name}.padding_pixels"][number]
        pixels = normalize(torch.from_numpy(cut.image)).flatten(1)
        found = torch.stack([pixels.mean(dim=1), pixels.std(dim=1, correction=0)])
        assert_near(found, fixture[f"{name}.norm_mean_std"][number], 1e-4, f"{name}.norm")


def test_template_box_is_the_published_tracker_s(fixture: Fixture) -> None:
    with torch.device("meta"):
        model = SimTrack(PUBLISHED)
    factors = fixture["template.resize_factor"]
    for number, box in enumerate(fixture.meta["boxes_xywh"]):
        found = model.template_box(np.array(box), factors[number])
        np.testing.assert_allclose(found, fixture["test_template_anno"][number], atol=1e-6)


def test_training_boxes_lie_in_their_crops_as_published(fixture: Fixture) -> None:
    true, extract = fixture["train_map.gt"], fixture["train_map.extract"]
    for number, size in enumerate(fixture["train_map.out_size"].tolist()):
        factor = float(fixture["train_map.resize_factor"][number])
        found = box_in_crop(true[number], extract[number], factor, size)
        wanted = fixture["train_map.normalised_xywh"][number]
        np.testing.assert_allclose(found, wanted, atol=1e-6)
        np.testing.assert_allclose(
            mirror_crop_box(found), fixture["flip.normalised"][number], atol=1e-6
        )
        np.testing.assert_allclose(
            mirror_box(true[number], fixture.meta["W"]),
            fixture["flip.joint_pixel"][number],
            atol=1e-3,
        )


def test_boxes_are_kept_in_the_picture_as_published(reference_root: Path) -> None:
    fixture = Fixture(reference_root / "simtrack" / "geometry.npz")
    meta = fixture.meta
    for box, wanted in zip(fixture["clip.in"], fixture["clip.out"], strict=True):
        found = clip_box_xywh_np(box, meta["H"], meta["W"], meta["margin"])
        np.testing.assert_allclose(found, wanted, atol=1e-9)
