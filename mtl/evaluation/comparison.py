"""Does tracker B do better than tracker A on the same sequences, overall and per condition?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from mtl.conditions import CONDITION_IDS
from mtl.errors import ShapeError
from mtl.evaluation.bootstrap import Interval, ratio_intervals
from mtl.evaluation.conditions import Membership, select
from mtl.evaluation.one_pass import SequenceScore

Verdict = Literal["helped", "hurt", "no difference", "too few sequences"]

MIN_SEQUENCES = 6
"""With fewer, not even sequences that all agree reach 5 % in a two-sided sign test (2 / 2^6)."""


class Difference(NamedTuple):
    """What is known about B minus A on some of the frames."""

    frames: int
    sequences: int
    ao_a: float
    ao_b: float
    difference: float
    """AO of B minus AO of A."""
    interval: Interval | None
    """95 % of the difference, sequences drawn in pairs; none from a single sequence."""
    verdict: Verdict
    """Helped or hurt by B rather than A where the interval excludes 0."""


class Comparison(NamedTuple):
    """B against A."""

    overall: Difference | None
    """None where no common sequence has a frame that counts."""
    by_condition: dict[str, Difference]
    """Conditions that occur, in the order of `CONDITIONS`."""
    only_a: tuple[str, ...]
    """Sequences that B was not scored on; left out."""
    only_b: tuple[str, ...]
    """Sequences that A was not scored on; left out."""


def compare(
    a: Sequence[SequenceScore], b: Sequence[SequenceScore], membership: Membership, seed: int = 0
) -> Comparison:
    """Compare two trackers frame by frame on the sequences that both were scored on.

    Args:
        a: scores of the tracker one has.
        b: scores of the one that may be better.
        membership: conditions of the frames, the same for both; empty: overall only.
        seed: of the intervals.

    Raises:
        ShapeError: if a sequence counts other frames for A than for B.
    """
    of_a, of_b = ({s.name: s for s in scores if s.num_frames} for scores in (a, b))
    common = [name for name in of_a if name in of_b]
    for name in common:
        if not np.array_equal(of_a[name].frames, of_b[name].frames):
            raise ShapeError(
                f"{name}: the two trackers were scored on different frames; score both against "
                "the same labels."
            )
    side_a, side_b = [of_a[name] for name in common], [of_b[name] for name in common]
    overall = None
    if common:
        overall = _difference([s.ious for s in side_a], [s.ious for s in side_b], seed)
    by_condition = {}
    for condition, number in CONDITION_IDS.items():
        ious_a = [ious for _, ious in select(side_a, membership, number)]
        ious_b = [ious for _, ious in select(side_b, membership, number)]
        if ious_a:
            by_condition[condition] = _difference(ious_a, ious_b, seed)
    return Comparison(
        overall=overall,
        by_condition=by_condition,
        only_a=tuple(name for name in of_a if name not in of_b),
        only_b=tuple(name for name in of_b if name not in of_a),
    )


def _difference(a: list[np.ndarray], b: list[np.ndarray], seed: int) -> Difference:
    counts = np.array([len(ious) for ious in a])
    sums = np.array([[x.sum(), y.sum(), (y - x).sum()] for x, y in zip(a, b, strict=True)])
    ao_a, ao_b, difference = (sums.sum(axis=0) / counts.sum()).tolist()
    intervals = ratio_intervals(sums[:, 2:], counts, seed)
    interval = intervals[0] if intervals else None
    verdict: Verdict = "no difference"
    if interval is None or len(counts) < MIN_SEQUENCES:
        verdict = "too few sequences"
    elif interval.low > 0.0:
        verdict = "helped"
    elif interval.high < 0.0:
        verdict = "hurt"
    frames = int(counts.sum())
    return Difference(frames, len(counts), ao_a, ao_b, difference, interval, verdict)
