"""What an evaluation's scores say by condition, about the condition head, and about each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from mtl.conditions import OUTPUT_NAMES
from mtl.evaluation.comparison import Comparison, compare
from mtl.evaluation.condition_head import ConditionHeadScore, score_condition_head
from mtl.evaluation.conditions import (
    Membership,
    SubsetScore,
    labelled_membership,
    overall_score,
    predicted_membership,
    scores_by_condition,
)
from mtl.evaluation.result import EvaluationResult, TrackerResult


class TrackerAnalysis(NamedTuple):
    """One tracker beyond its averages."""

    overall: SubsetScore | None
    """All frames that count; none if there is none."""
    by_label: dict[str, SubsetScore]
    """Condition -> scores on the frames so labelled."""
    by_prediction: dict[str, SubsetScore]
    """Condition -> scores on the frames of which its own head says so."""
    head: ConditionHeadScore | None
    """None without a head of classes, or without labels."""


class Analysis(NamedTuple):
    """An evaluation beyond its averages."""

    trackers: dict[str, TrackerAnalysis]
    comparisons: dict[tuple[str, str], Comparison]
    """(first tracker, other) -> what the other changes; each other is compared with the first."""
    judged_by: str
    """Whose conditions the comparisons use: labels, or the first tracker's head; empty: none."""


def analyse(result: EvaluationResult, use_labels: bool, use_predictions: bool) -> Analysis:
    """Look at an evaluation by condition.

    Args:
        result: scores and conditions of all trackers.
        use_labels: whether the data's labels count.
        use_predictions: whether what condition heads said counts.
    """
    has_labels = any((labels >= 0).any() for labels in result.labels.values())
    labelled = labelled_membership(result.labels) if use_labels and has_labels else {}
    predicted = {
        tracker.name: predicted_membership(tracker.predicted) if use_predictions else {}
        for tracker in result.trackers
    }
    first, *others = result.trackers
    membership: Membership = labelled or predicted[first.name]
    judged_by = "labels" if labelled else (first.name if membership else "")
    return Analysis(
        trackers={
            tracker.name: TrackerAnalysis(
                overall=overall_score(tracker.scores),
                by_label=scores_by_condition(tracker.scores, labelled),
                by_prediction=scores_by_condition(tracker.scores, predicted[tracker.name]),
                head=_head(tracker, result.labels) if use_predictions else None,
            )
            for tracker in result.trackers
        },
        comparisons={
            (first.name, other.name): compare(first.scores, other.scores, membership)
            for other in others
        },
        judged_by=judged_by,
    )


def _head(tracker: TrackerResult, labels: Mapping[str, np.ndarray]) -> ConditionHeadScore | None:
    classes = OUTPUT_NAMES["classes"]
    answers = {name: one for name, one in tracker.predicted.items() if one.names == classes}
    return score_condition_head(answers, labels)
