"""Tracking scores by maritime condition, with intervals: where a tracker holds and where it fails.

A frame counts for a condition if it counts at all (GOT-10k's rule, `one_pass`) and belongs to it:
by its label, or by what the condition head said. Frames of all sequences are pooled, as for AO.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mtl.conditions import ATTRIBUTES, CONDITION_IDS, CONDITIONS, OUTPUT_NAMES
from mtl.errors import DataError, ShapeError
from mtl.evaluation.bootstrap import Interval, ratio_intervals
from mtl.evaluation.condition_results import PredictedConditions
from mtl.evaluation.one_pass import SequenceScore

Membership = Mapping[str, np.ndarray]
"""Sequence -> (L, 10) bool, whether a frame belongs to each of `CONDITIONS`."""


class Estimate(NamedTuple):
    """A number and how far it may be off on other sequences of the same kind."""

    value: float
    interval: Interval | None
    """95 %; none from a single sequence."""


class SubsetScore(NamedTuple):
    """Scores on some of the frames."""

    frames: int
    """Frames that count and belong."""
    sequences: int
    """Sequences with such a frame."""
    metrics: dict[str, Estimate]
    """ao, sr_50 and sr_75."""


def labelled_membership(labels: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Frames belong to the condition of their label; those without a label to none.

    Args:
        labels: sequence -> (L,) numbers in the order of `CONDITIONS`; below 0 without a label.
    """
    numbers = np.arange(len(CONDITIONS))
    return {name: np.asarray(of)[:, None] == numbers for name, of in labels.items()}


def predicted_membership(
    predicted: Mapping[str, PredictedConditions],
) -> dict[str, np.ndarray]:
    """Frames belong to what the condition head said of them.

    A head that answers classes puts a frame into the most probable one. A head that answers
    attributes puts it into the condition of every attribute with a probability of at least 0.5
    (`ATTRIBUTES`), and into `normal` if there is none. The first frame belongs to nothing.

    Raises:
        DataError: if the answers are neither the ten classes nor the attributes.
    """
    return {name: _membership(name, one) for name, one in predicted.items()}


def scores_by_condition(
    scores: Sequence[SequenceScore], membership: Membership, seed: int = 0
) -> dict[str, SubsetScore]:
    """Scores on the frames of each condition, in the order of `CONDITIONS`.

    Args:
        scores: of one tracker.
        membership: a sequence that is not there has no frame of any condition.
        seed: of the intervals.

    Returns:
        Condition -> scores; one without a frame that counts is left out.

    Raises:
        ShapeError: if a sequence has fewer frames in `membership` than were tracked.
    """
    found = {}
    for condition, number in CONDITION_IDS.items():
        ious = [one[1] for one in select(scores, membership, number)]
        if ious:
            found[condition] = _subset(ious, seed)
    return found


def overall_score(scores: Sequence[SequenceScore], seed: int = 0) -> SubsetScore | None:
    """Scores on all frames that count; none if there is none."""
    ious = [score.ious for score in scores if score.num_frames]
    return _subset(ious, seed) if ious else None


def named_metrics(by_condition: Mapping[str, SubsetScore]) -> dict[str, float]:
    """The values as `ao/<condition>`, `sr_50/<condition>`, `sr_75/<condition>`."""
    return {
        f"{metric}/{condition}": estimate.value
        for condition, score in by_condition.items()
        for metric, estimate in score.metrics.items()
    }


def select(
    scores: Sequence[SequenceScore], membership: Membership, number: int
) -> list[tuple[str, np.ndarray]]:
    """Sequence and overlaps of its frames of one condition; sequences without any are left out.

    Raises:
        ShapeError: as `scores_by_condition`.
    """
    found = []
    for score in scores:
        belongs = membership.get(score.name)
        if belongs is None or not score.num_frames:
            continue
        if len(belongs) != len(score.seconds) + 1:
            raise ShapeError(
                f"{score.name}: {len(belongs)} frames have a condition but "
                f"{len(score.seconds) + 1} were tracked; read the labels of these sequences."
            )
        ious = score.ious[belongs[score.frames, number]]
        if len(ious):
            found.append((score.name, ious))
    return found


def _subset(ious: list[np.ndarray], seed: int) -> SubsetScore:
    counts = np.array([len(one) for one in ious])
    sums = np.array([[one.sum(), (one > 0.5).sum(), (one > 0.75).sum()] for one in ious])
    intervals: Sequence[Interval | None] = ratio_intervals(sums, counts, seed) or [None] * 3
    values = sums.sum(axis=0) / counts.sum()
    estimates = map(Estimate, values.tolist(), intervals)
    metrics = dict(zip(("ao", "sr_50", "sr_75"), estimates, strict=True))
    return SubsetScore(int(counts.sum()), len(ious), metrics)


def _membership(name: str, predicted: PredictedConditions) -> np.ndarray:
    values = np.asarray(predicted.values)
    belongs = np.zeros((len(values), len(CONDITIONS)), bool)
    told = np.isfinite(values).all(axis=1)
    if predicted.names == OUTPUT_NAMES["classes"]:
        belongs[np.flatnonzero(told), values[told].argmax(axis=1)] = True
    elif predicted.names == OUTPUT_NAMES["attributes"]:
        for column, condition in enumerate(ATTRIBUTES.values()):
            belongs[:, CONDITION_IDS[condition]] |= told & (values[:, column] >= 0.5)
        belongs[:, CONDITION_IDS["normal"]] = told & ~belongs.any(axis=1)
    else:
        raise DataError(
            f"{name}: its condition columns {','.join(predicted.names)} are neither the ten "
            "classes nor the attributes; track the sequence again."
        )
    return belongs
