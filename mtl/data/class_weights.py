"""How much each condition weighs, so that rare ones count as much as common ones."""

from __future__ import annotations

import numpy as np

from mtl.conditions import CONDITIONS
from mtl.data.draw import Clip
from mtl.data.frame_index import FrameIndex
from mtl.errors import ConfigError


def class_counts(index: FrameIndex) -> np.ndarray:
    """(10,) int64: visible labelled frames of each condition; only these can be drawn."""
    labels = index.conditions[index.visible & (index.conditions >= 0)]
    return np.bincount(labels, minlength=len(CONDITIONS))


def class_weights(counts: np.ndarray) -> np.ndarray:
    """Inverse frequencies: total / (classes * count), scaled to sum to the number of classes.

    The classes are those that occur. One without a frame weighs 0 and is left out of the scale too
    (CLASSIFICATION.md, section 2): counted as if it had one frame, as published, it would take
    nearly all the weight. So the weights of those that occur have mean 1 whatever is absent.

    Args:
        counts: (C,) frames of each class, at least one above 0.

    Returns:
        (C,) float64.
    """
    occurs = counts > 0
    weights = np.zeros(len(counts))
    weights[occurs] = counts.sum() / (occurs.sum() * counts[occurs])
    return weights * (occurs.sum() / weights.sum())


def training_class_weights(index: FrameIndex, key: str) -> np.ndarray:
    """(10,) float64: class weights of a training split.

    Args:
        index: of the training split.
        key: config key that asks for them.

    Raises:
        ConfigError: if the split has no label.
    """
    counts = class_counts(index)
    if not counts.any():
        raise ConfigError(
            f"{key} needs condition labels, and {index.split} of {index.root} has none; give "
            f"data.labels or set {key}=false."
        )
    return class_weights(counts)


class Acceptance:
    """Chance of a drawn clip to be used, so that the conditions of what is used are in balance.

    accepted with probability (mean weight of the clip's labelled search frames) / largest weight

    Clips without a label are accepted as often as labelled frames are on average, which leaves
    their share as it is.
    """

    def __init__(self, index: FrameIndex) -> None:
        """Weigh the conditions of a training split.

        Raises:
            ConfigError: if the split has no label.
        """
        self._index = index
        weights = training_class_weights(index, "data.weighted_sampling")
        counts = class_counts(index)
        self._chances = weights / weights.max()
        self._otherwise = float(counts @ self._chances / counts.sum())

    def accepts(self, rng: np.random.Generator, clip: Clip) -> bool:
        """Whether to use this clip; one draw."""
        start = int(self._index.offsets[clip.sequence])
        labels = self._index.conditions[[start + frame for frame in clip.search_frames]]
        labels = labels[labels >= 0]
        chance = self._chances[labels].mean() if len(labels) else self._otherwise
        return bool(rng.random() < chance)
