"""What an evaluation of several trackers on the same sequences found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mtl.evaluation.condition_results import PredictedConditions
from mtl.evaluation.one_pass import SequenceScore, Summary, summarize


@dataclass(frozen=True, eq=False)
class TrackerResult:
    """One tracker's side of an evaluation."""

    name: str
    """Of its results folder."""
    source: str
    """Where it came from."""
    digest: str
    """Of its weights, or its version."""
    scores: tuple[SequenceScore, ...]
    """Of the sequences that every tracker could follow, in the order of the data set."""
    predicted: dict[str, PredictedConditions]
    """Sequence -> what the condition head said; empty where it was not asked."""

    @cached_property
    def summary(self) -> Summary:
        """Scores over the sequences."""
        return summarize(self.scores)


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """Scores of all trackers, and what was left out."""

    about: dict[str, str]
    """The data: root, layout, split."""
    trackers: tuple[TrackerResult, ...]
    labels: dict[str, np.ndarray]
    """Sequence -> (L,) int64 condition of each frame, `conditions.IGNORE` where there is none."""
    left_out: dict[str, str]
    """Sequence -> why it enters no score; the same for all trackers."""
    skipped: dict[str, int]
    """Reason -> items that the reader of the data left out."""

    @property
    def num_sequences(self) -> int:
        """Sequences that enter the scores."""
        return sum(score.num_frames > 0 for score in self.trackers[0].scores)

    @property
    def num_frames(self) -> int:
        """Frames that enter the scores."""
        return sum(score.num_frames for score in self.trackers[0].scores)
