"""What a record says about conditions beyond one class: a distribution, attributes and severity.

Hard labels name one class (`mtl.conditions`). Soft labels weigh all ten. Attributes are nine
probabilities that need not add up to 1, each of which a record may leave open, and severity is how
hard the frame is, 0..1. What is not known is NaN in the columns and masked in a sample: a frame
that nobody judged must not teach that it is calm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from mtl.conditions import (
    ATTRIBUTE_NAMES,
    ATTRIBUTES,
    CONDITION_IDS,
    CONDITIONS,
    KEY_ATTRIBUTES,
    Label,
)

UNLABELLED_ID = -1
"""Stored for a frame without a label; becomes `conditions.IGNORE` when a sequence is read."""


class SoftTargets(NamedTuple):
    """The graded side of a record.

    Attributes:
        scores: condition -> 0..1, absent ones are 0; none if the record judges nothing.
        attributes: attribute -> probability, absent ones are unknown.
        severity: 0..1, none if unknown.
    """

    scores: Mapping[str, float] | None
    attributes: Mapping[str, float]
    severity: float | None


NOTHING = SoftTargets(None, {}, None)
"""Of a frame that nobody judged."""


class FrameConditions(NamedTuple):
    """Labels of L frames as columns.

    Attributes:
        conditions: (L,) int8 canonical number, -1 without a label.
        distributions: (L, 10) float32 in the order of `CONDITIONS`, sums to 1, or all 0.
        attributes: (L, 9) float32 in the order of `ATTRIBUTE_NAMES`, NaN where unknown.
        severities: (L,) float32, NaN where unknown.
    """

    conditions: np.ndarray
    distributions: np.ndarray
    attributes: np.ndarray
    severities: np.ndarray

    @classmethod
    def unlabelled(cls, length: int) -> FrameConditions:
        """Columns that say nothing."""
        return cls(
            np.full(length, UNLABELLED_ID, dtype=np.int8),
            np.zeros((length, len(CONDITIONS)), dtype=np.float32),
            np.full((length, len(ATTRIBUTE_NAMES)), np.nan, dtype=np.float32),
            np.full(length, np.nan, dtype=np.float32),
        )

    def put(self, row: int, label: Label, soft: SoftTargets) -> None:
        """Write down what a frame's record says, in the place of what stood there."""
        name = label.condition
        self.conditions[row] = UNLABELLED_ID if name is None else CONDITION_IDS[name]
        self.distributions[row] = distribution(soft.scores)
        self.attributes[row] = [soft.attributes.get(name, np.nan) for name in ATTRIBUTE_NAMES]
        self.severities[row] = np.nan if soft.severity is None else soft.severity


def distribution(scores: Mapping[str, float] | None) -> np.ndarray:
    """Share of each condition in a frame: normal = max(0, 1 - largest score), then sum 1.

    One score of 1 gives that condition alone, none gives normal alone: the hard label.

    Args:
        scores: condition -> 0..1; none: nothing is known.

    Returns:
        (10,) float64 in the order of `CONDITIONS`; all 0 if nothing is known.
    """
    shares = np.zeros(len(CONDITIONS))
    if scores is None:
        return shares
    for name, score in scores.items():
        shares[CONDITION_IDS[name]] = score
    shares[CONDITION_IDS["normal"]] = max(0.0, 1.0 - max(scores.values(), default=0.0))
    return shares / shares.sum()


def attributes_from_flags(flags: Mapping[str, bool]) -> dict[str, float]:
    """A v1 record's flags read as v2 attributes (annotation formats, section 3).

    The probability is the flag, not the confidence; where two keys become one attribute the larger
    wins. An attribute is unknown where a key of it is missing and no other is set, and so is
    specular_glare, for which v1 has no key (the published converter states 0 for it).

    Args:
        flags: annotation key -> set or not, of the keys the record has.
    """
    found: dict[str, float] = {}
    for attribute in dict.fromkeys(KEY_ATTRIBUTES.values()):
        given = [flags.get(key) for key, name in KEY_ATTRIBUTES.items() if name == attribute]
        if any(given):
            found[attribute] = 1.0
        elif None not in given:
            found[attribute] = 0.0
    return found


def scores_from_attributes(attributes: Mapping[str, float]) -> dict[str, float]:
    """Condition -> largest probability of the attributes that count as it."""
    scores: dict[str, float] = {}
    for attribute, probability in attributes.items():
        name = ATTRIBUTES[attribute]
        scores[name] = max(probability, scores.get(name, 0.0))
    return scores
