from __future__ import annotations

import numpy as np
import pytest

from mtl.conditions import CONDITION_IDS, CONDITIONS, IGNORE, OUTPUT_NAMES
from mtl.errors import DataError, ShapeError
from mtl.evaluation.condition_results import PredictedConditions
from mtl.evaluation.conditions import (
    labelled_membership,
    named_metrics,
    overall_score,
    predicted_membership,
    scores_by_condition,
)
from tests.evaluation.scores import score

BLUR, NORMAL = CONDITION_IDS["motion_blur"], CONDITION_IDS["normal"]


def test_frames_score_for_the_condition_of_their_label() -> None:
    scores = [score("a", [0.6, 0.8, 0.1], absent=[2]), score("b", [0.2])]
    labels = {  # frame 0 of each was given, frame 2 of a shows no target
        "a": np.array([BLUR, BLUR, BLUR, NORMAL, IGNORE]),
        "b": np.array([NORMAL, NORMAL]),
    }
    found = scores_by_condition(scores, labelled_membership(labels))
    assert list(found) == ["motion_blur", "normal"]
    assert (found["motion_blur"].frames, found["motion_blur"].sequences) == (1, 1)
    assert (found["normal"].frames, found["normal"].sequences) == (2, 2)
    assert named_metrics(found) == pytest.approx(
        {
            "ao/motion_blur": 0.6,
            "sr_50/motion_blur": 1.0,
            "sr_75/motion_blur": 0.0,
            "ao/normal": (0.8 + 0.2) / 2,
            "sr_50/normal": 0.5,
            "sr_75/normal": 0.5,
        }
    )
    assert found["motion_blur"].metrics["ao"].interval is None
    low, high = found["normal"].metrics["ao"].interval or (0, 0)
    assert (low, high) == pytest.approx((0.2, 0.8))


def test_overall_weighs_frames_as_ao_does() -> None:
    whole = overall_score([score("a", [1.0, 1.0, 1.0]), score("b", [0.0])])
    assert whole is not None
    assert whole.metrics["ao"].value == pytest.approx(0.75)
    assert (whole.frames, whole.sequences) == (4, 2)
    assert overall_score([score("gone", [], absent=[1, 2])]) is None


def test_the_most_probable_class_is_the_predicted_condition() -> None:
    values = np.full((3, 10), 0.05)
    values[0] = np.nan
    values[1, BLUR], values[2, NORMAL] = 0.3, 0.9
    told = predicted_membership({"a": PredictedConditions(CONDITIONS, values)})["a"]
    assert np.argwhere(told).tolist() == [[1, BLUR], [2, NORMAL]]


def test_attributes_put_a_frame_into_all_their_conditions_or_into_normal() -> None:
    names = OUTPUT_NAMES["attributes"]
    values = np.full((3, 10), 0.49)
    values[0] = np.nan
    values[1, names.index("out_of_frame")] = 0.5
    values[1, names.index("specular_glare")] = 0.9
    values[:, names.index("severity")] = 1.0
    told = predicted_membership({"a": PredictedConditions(names, values)})["a"]
    where = [(row, CONDITIONS[column]) for row, column in np.argwhere(told)]
    assert where == [(1, "illumination_change"), (1, "partial_visibility"), (2, "normal")]


def test_sequences_without_labels_enter_no_condition() -> None:
    assert scores_by_condition([score("a", [0.5])], {}) == {}


def test_labels_of_other_length_are_refused() -> None:
    labels = labelled_membership({"a": np.array([BLUR, BLUR])})
    with pytest.raises(ShapeError, match="a: 2 frames have a condition but 4 were tracked"):
        scores_by_condition([score("a", [0.1, 0.2, 0.3])], labels)


def test_unknown_columns_are_refused() -> None:
    with pytest.raises(DataError, match="a: its condition columns fog,sun are neither"):
        predicted_membership({"a": PredictedConditions(("fog", "sun"), np.zeros((2, 2)))})
