"""From samples to a batch, alike for every family."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def collate(samples: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Stack samples into a batch: every array gets a leading axis."""
    return {key: np.stack([sample[key] for sample in samples]) for key in samples[0]}
