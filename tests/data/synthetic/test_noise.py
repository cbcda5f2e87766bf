from __future__ import annotations

import numpy as np

from mtl.data.synthetic.noise import tileable_noise


def test_noise_repeats_without_a_seam_and_is_standardised() -> None:
    field = tileable_noise(np.random.default_rng(0), 64, 96, wavelength=20)
    assert field.shape == (64, 96)
    assert abs(field.mean()) < 1e-5
    assert abs(field.std() - 1) < 1e-4
    inner = np.abs(np.diff(field, axis=1)).mean()
    seam = np.abs(field[:, 0] - field[:, -1]).mean()
    assert seam < 2 * inner


def test_stretched_noise_is_longer_along_x() -> None:
    field = tileable_noise(np.random.default_rng(0), 128, 128, wavelength=16, stretch=3.0)
    along_x, along_y = (np.abs(np.diff(field, axis=a)).mean() for a in (1, 0))
    assert along_x < 0.6 * along_y
