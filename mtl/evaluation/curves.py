"""Success and precision curves of one tracker: the plots that papers compare trackers by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from mtl.evaluation.one_pass import NORM_PRECISION_THRESHOLDS, SUCCESS_THRESHOLDS, SequenceScore

PRECISION_THRESHOLDS = np.arange(51.0)
"""Centre errors in pixels."""


class Curve(NamedTuple):
    """Share of frames that pass each threshold, a mean over sequences."""

    thresholds: np.ndarray
    """(K,)."""
    shares: np.ndarray
    """(K,) in [0, 1]; NaN without a sequence that has frames."""


def success_curve(scores: Sequence[SequenceScore]) -> Curve:
    """Share of frames with an IoU above each threshold; its mean is `success_auc`."""
    return _curve(
        scores, SUCCESS_THRESHOLDS, lambda score: score.ious[:, None] > SUCCESS_THRESHOLDS
    )


def precision_curve(scores: Sequence[SequenceScore]) -> Curve:
    """Share of frames within each centre error in pixels; at 20 it is `precision_20`."""
    return _curve(
        scores,
        PRECISION_THRESHOLDS,
        lambda score: score.center_errors[:, None] <= PRECISION_THRESHOLDS,
    )


def norm_precision_curve(scores: Sequence[SequenceScore]) -> Curve:
    """Share of frames within each normalised centre error; its mean is `norm_precision`."""
    return _curve(
        scores,
        NORM_PRECISION_THRESHOLDS,
        lambda score: score.normalized_errors[:, None] <= NORM_PRECISION_THRESHOLDS,
    )


def _curve(
    scores: Sequence[SequenceScore],
    thresholds: np.ndarray,
    passed: Callable[[SequenceScore], np.ndarray],
) -> Curve:
    each = [passed(score).mean(axis=0) for score in scores if score.num_frames]
    shares = np.mean(each, axis=0) if each else np.full(len(thresholds), np.nan)
    return Curve(thresholds, shares)
