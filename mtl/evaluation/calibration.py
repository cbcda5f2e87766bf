"""Whether a condition head is right as often as its probabilities say (Guo et al., ICML 2017)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mtl.errors import ShapeError

NUM_BINS = 15


class Calibration(NamedTuple):
    """Confidence and accuracy of N answers in B bins of confidence."""

    ece: float
    """Expected calibration error: mean over answers of |accuracy - confidence| of their bin."""
    brier: float
    """Mean over answers of the squared distance to the true one-hot vector, in [0, 2]."""
    edges: np.ndarray
    """(B + 1,) bins are (edges[b], edges[b + 1]]; the first has its lower edge too."""
    counts: np.ndarray
    """(B,) answers in a bin."""
    confidence: np.ndarray
    """(B,) mean largest probability; NaN in an empty bin."""
    accuracy: np.ndarray
    """(B,) share of right answers; NaN in an empty bin."""


def calibration(
    probabilities: np.ndarray, labels: np.ndarray, num_bins: int = NUM_BINS
) -> Calibration | None:
    """Calibration of the most probable class.

    Args:
        probabilities: (N, C) each row sums to 1.
        labels: (N,) true class; below 0 without a label, left out.
        num_bins: B bins of equal width in [0, 1].

    Returns:
        None if no label is known.

    Raises:
        ShapeError: if the arrays do not fit, a label is no class, or a row of probabilities does
            not sum to 1.
    """
    values, truth = np.asarray(probabilities, np.float64), np.asarray(labels)
    if values.ndim != 2 or truth.shape != values.shape[:1] or (truth >= values.shape[1]).any():
        raise ShapeError(
            "probabilities and labels must be (N, C) and (N,) with labels below C, "
            f"got {values.shape} and {truth.shape}."
        )
    values, truth = values[truth >= 0], truth[truth >= 0]
    if not len(truth):
        return None
    if not (np.abs(values.sum(axis=1) - 1.0) < 1e-3).all() or (values < 0.0).any():
        raise ShapeError("each row of class probabilities must be at least 0 and sum to 1.")
    confidence = values.max(axis=1)
    right = (values.argmax(axis=1) == truth).astype(np.float64)
    edges = np.linspace(0.0, 1.0, num_bins + 1)
    bins = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, num_bins - 1)
    counts = np.bincount(bins, minlength=num_bins)
    with np.errstate(invalid="ignore"):
        mean_confidence = np.bincount(bins, confidence, num_bins) / counts
        accuracy = np.bincount(bins, right, num_bins) / counts
    gaps = np.abs(accuracy - mean_confidence)[counts > 0]
    hot = np.eye(values.shape[1])[truth]
    return Calibration(
        ece=float((gaps * counts[counts > 0]).sum() / counts.sum()),
        brier=float(((values - hot) ** 2).sum(axis=1).mean()),
        edges=edges,
        counts=counts,
        confidence=mean_confidence,
        accuracy=accuracy,
    )
