"""Random textures that repeat without a seam."""

from __future__ import annotations

import numpy as np


def tileable_noise(
    rng: np.random.Generator,
    height: int,
    width: int,
    wavelength: float,
    slope: float = 2.0,
    stretch: float = 1.0,
) -> np.ndarray:
    """Filtered white noise, periodic in both directions.

    The amplitude spectrum rises to the wavelength and falls as frequency^-slope beyond it.

    Args:
        rng: Source of the randomness.
        height: Rows.
        width: Columns.
        wavelength: Longest wavelength that is present in strength, pixels.
        slope: Exponent of the fall towards short waves; larger is smoother.
        stretch: How many times longer features are in x than in y.

    Returns:
        (height, width) float32 of mean 0 and standard deviation 1.
    """
    spectrum = np.fft.rfft2(rng.standard_normal((height, width)))
    fy = np.fft.fftfreq(height)[:, None]
    fx = np.fft.rfftfreq(width)[None, :] * stretch
    relative = np.sqrt(fx * fx + fy * fy) * wavelength
    gain = np.minimum(relative**2, 1.0) / np.maximum(relative, 1.0) ** slope
    field = np.fft.irfft2(spectrum * gain, s=(height, width))
    field -= field.mean()
    return np.asarray(field / max(float(field.std()), 1e-9), dtype=np.float32)
