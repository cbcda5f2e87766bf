from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from mtl.data.normalize import MEAN, STD, normalize
from mtl.errors import ShapeError
from mtl.geometry.crop import crop


@pytest.mark.parity
def test_normalised_crops_equal_the_published_ones(reference_root):
    file = np.load(reference_root / "hiptrack" / "preprocess.npz")
    meta = json.loads(str(file["meta"]))
    low = np.random.default_rng(meta["image_seed"]).integers(
        0, 256, (meta["H"] // 8, meta["W"] // 8, 3), dtype=np.uint8
    )
    picture = low.repeat(8, axis=0).repeat(8, axis=1)
    for number, box in enumerate(file["boxes"]):
        for kind, factor, size in (("z", 2.0, 192), ("x", 5.0, 384)):
            pixels = normalize(torch.from_numpy(crop(picture, box, factor, size).image)).numpy()
            step = size // 24
            np.testing.assert_allclose(
                pixels[:, step // 2 :: step, step // 2 :: step],
                file[f"b{number}.{kind}.norm_ds"],
                atol=2e-6,
            )


def test_brightness_scales_then_clamps_each_image():
    images = torch.full((2, 3, 4, 5, 3), 200, dtype=torch.uint8)
    factors = torch.tensor([[0.5, 1.0, 1.2], [1.5, 0.0, 1.0]])
    result = normalize(images, factors)
    assert result.shape == (2, 3, 3, 4, 5)
    level = (factors * 200 / 255).clamp(0, 1)
    for channel in range(3):
        want = (level - MEAN[channel]) / STD[channel]
        torch.testing.assert_close(result[:, :, channel, 0, 0], want)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match="H, W, 3"):
        normalize(torch.zeros(4, 4, 1, dtype=torch.uint8))
    with pytest.raises(ShapeError, match="brightness"):
        normalize(torch.zeros(2, 4, 4, 3, dtype=torch.uint8), torch.ones(3))
