from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from mtl.conditions import ATTRIBUTE_NAMES, CONDITIONS, KEYS
from mtl.data.condition_records import BadRecordError, read_classification, read_record
from mtl.data.condition_targets import FrameConditions, attributes_from_flags, distribution
from tests.data.sequence_files import CV_KEYS, VLM_KEYS, flag_record

NO_GLARE = tuple(name for name in ATTRIBUTE_NAMES if name != "specular_glare")


def bare(*flags: str) -> dict[str, Any]:
    """Form B1: every key, bare flags."""
    record = flag_record("boat", 0)
    return {
        **record,
        "cv_response": {key: int(key in flags) for key in CV_KEYS},
        "vlm_response": {key: int(key in flags) for key in VLM_KEYS},
    }


def soft(agreement: float | None = 0.9, **probabilities: float) -> dict[str, Any]:
    """Form C."""
    return {
        "schema_version": 2,
        "frame_id": 1,
        "attributes": {key: {"prob": value} for key, value in probabilities.items()},
        "severity": 0.6,
        "vlm_agreement": agreement,
    }


def read(record: dict[str, Any], min_confidence: float = 0.0):
    return read_record(record, "hiptrack", min_confidence)


def shares(record: dict[str, Any], min_confidence: float = 0.0) -> dict[str, float]:
    """Conditions with a share in the record's distribution."""
    found = distribution(read(record, min_confidence).soft.scores)
    return {name: pytest.approx(x) for name, x in zip(CONDITIONS, found, strict=True) if x}


def test_v2_attributes_are_as_given_and_others_unknown():
    given = {"occlusion": 0.3, "specular_glare": 0.8, "out_of_frame": 0.0}
    targets = read(soft(**given)).soft
    assert targets.attributes == given
    assert targets.severity == 0.6


def test_v2_probabilities_are_limited_to_0_and_1():
    assert read(soft(occlusion=7, motion_blur=-1)).soft.attributes == {
        "occlusion": 1,
        "motion_blur": 0,
    }


def test_v2_frame_nobody_parsed_keeps_only_what_was_computed():
    record = read(soft(0.0, occlusion=0.0, specular_glare=0.0, low_contrast=0.0, motion_blur=1.0))
    assert record.soft.attributes == {"low_contrast": 0.0, "motion_blur": 1.0}
    assert record.soft.severity is None
    assert record.soft.scores is not None
    calm = read(soft(0.0, occlusion=0.0, low_contrast=0.0)).soft
    assert calm.scores is None
    assert calm.attributes == {"low_contrast": 0.0}


@pytest.mark.parametrize("agreement", [None, 0.01, 1.0])
def test_v2_frame_is_parsed_unless_agreement_is_0(agreement):
    record = read(soft(agreement, occlusion=0.0)).soft
    assert record.severity == 0.6
    assert record.attributes == {"occlusion": 0.0}


def test_v2_distribution_merges_attributes_of_a_condition_by_the_larger():
    record = soft(specular_glare=0.6, illumination_appearance_change=0.2, occlusion=0.4)
    total = 0.6 + 0.4 + 0.4
    assert shares(record) == {
        "occlusion": 0.4 / total,
        "illumination_change": 0.6 / total,
        "normal": 0.4 / total,
    }


def test_v1_probability_of_an_attribute_is_the_flag_not_the_confidence():
    record = flag_record("boat", 0, vlm=["occlusion"], cv=["low_res"])
    found = read(record).soft
    wanted = dict.fromkeys(NO_GLARE, 0.0) | {"occlusion": 1.0, "low_resolution": 1.0}
    assert found.attributes == wanted
    assert found.severity is None


@pytest.mark.parametrize(
    ("key", "attribute"),
    [
        ("illu_change", "illumination_appearance_change"),
        ("variance_appear", "illumination_appearance_change"),
        ("partial_visibility", "out_of_frame"),
        ("low_res", "low_resolution"),
        *((name, name) for name in ("scale_variation", "low_contrast", "motion_blur")),
        *((name, name) for name in ("occlusion", "background_clutter")),
    ],
)
def test_v1_keys_become_the_attributes_of_the_published_converter(key, attribute):
    found = read(bare(key)).soft.attributes
    assert found == dict.fromkeys(NO_GLARE, 0.0) | {attribute: 1.0}


def test_v1_keys_that_are_missing_are_unknown():
    record = {"frame_id": 1, "cv_response": {"low_res": 1, "low_contrast": 0}}
    assert read(record).soft.attributes == {"low_resolution": 1.0, "low_contrast": 0.0}


def test_half_of_a_merged_attribute_is_known_only_if_it_is_set():
    assert attributes_from_flags({"illu_change": False}) == {}
    assert attributes_from_flags({"illu_change": True}) == {"illumination_appearance_change": 1.0}
    both = {"illu_change": False, "variance_appear": True}
    assert attributes_from_flags(both) == {"illumination_appearance_change": 1.0}


def test_v1_severity_is_read_where_stated():
    assert read({**bare("occlusion"), "severity": 0.25}).soft.severity == 0.25
    assert read({**bare("occlusion"), "severity": None}).soft.severity is None


@pytest.mark.parametrize(("stated", "severity"), [(3, 1.0), (-0.5, 0.0), (1, 1.0)])
@pytest.mark.parametrize("record", [bare(), soft(occlusion=1.0)], ids=["v1", "v2"])
def test_severity_is_limited_to_0_and_1(record, stated, severity):
    assert read({**record, "severity": stated}).soft.severity == severity


@pytest.mark.parametrize("stated", ["high", True, math.nan, math.inf, [0.5], {}])
@pytest.mark.parametrize("record", [bare(), soft(), soft(0.0)], ids=["v1", "v2", "unparsed"])
def test_severity_that_is_no_number_is_refused(record, stated):
    with pytest.raises(BadRecordError) as caught:
        read({**record, "severity": stated})
    assert caught.value.args[0] == "severity is no number"
    assert "severity must have a finite number" in caught.value.args[1]


def test_agreement_that_is_no_number_is_refused():
    with pytest.raises(BadRecordError, match="vlm_agreement must have a finite number"):
        read(soft(agreement="high", occlusion=1.0))


@pytest.mark.parametrize("key", KEYS)
def test_one_sure_flag_gives_the_hard_label_alone(key):
    record = read(bare(key))
    assert shares(bare(key)) == {record.label.condition: 1.0}


def test_one_sure_probability_gives_the_hard_label_alone():
    for name in ATTRIBUTE_NAMES:
        assert shares(soft(**{name: 1.0})) == {read(soft(**{name: 1.0})).label.condition: 1.0}


@pytest.mark.parametrize("record", [bare(), soft(), soft(occlusion=0.0)])
def test_no_flag_gives_normal_alone(record):
    assert shares(record) == {"normal": 1.0}


def test_v1_scores_are_the_stated_confidences_and_else_the_flags():
    record = bare("low_contrast")
    record["vlm_response"] = {
        "occlusion": {"flag": 1, "conf": 0.5},
        "motion_blur": {"flag": 0, "confidence": 0.25},
        "illu_change": {"flag": 0},
        "raw_confidence": 0.5,
    }
    assert shares(record) == {
        "occlusion": 0.5 / 1.75,
        "motion_blur": 0.25 / 1.75,
        "low_contrast": 1 / 1.75,
    }


def test_a_confidence_above_1_counts_as_1():
    record = {"frame_id": 1, "vlm_response": {"occlusion": {"flag": 1, "conf": 40}}}
    assert shares(record) == {"occlusion": 1.0}


def test_weak_confidences_count_for_no_target():
    record = {
        "frame_id": 1,
        "vlm_response": {
            "occlusion": {"flag": 1, "conf": 0.4},
            "motion_blur": {"flag": 0, "conf": 0.6},
        },
    }
    assert shares(record, 0.5) == {"motion_blur": 0.6, "normal": 0.4}
    assert read(record, 0.5).soft.attributes == {"occlusion": 0.0, "motion_blur": 0.0}
    assert read(soft(occlusion=0.4), 0.5).soft.attributes == {"occlusion": 0.0}


def test_a_flag_without_any_confidence_is_the_generators_default_and_says_nothing():
    record = flag_record("boat", 0, vlm=["occlusion"])
    for value in record["vlm_response"].values():
        if isinstance(value, dict):
            value["conf"] = 0.0
    found = read({**record, "severity": 0.5})
    assert found.label.condition == "occlusion"
    assert found.soft.scores is None
    assert found.soft.attributes == {
        "scale_variation": 0.0,
        "low_resolution": 0.0,
        "low_contrast": 0.0,
    }
    assert found.soft.severity is None
    record["cv_response"]["low_res"] = 1
    assert shares(record) == {"low_resolution": 1.0}


@pytest.mark.parametrize(
    ("title", "attribute"),
    [
        ("Normal", None),
        ("Occlusion", "occlusion"),
        ("Illumination Change", "illumination_appearance_change"),
        ("Variance in Appearance", "illumination_appearance_change"),
        ("Partial Visibility", "out_of_frame"),
        ("Low Resolution", "low_resolution"),
    ],
)
def test_oldest_form_gives_one_attribute_and_knows_all_but_glare(title, attribute):
    record = read_classification("1", {"class_name": title})
    wanted = dict.fromkeys(NO_GLARE, 0.0) | ({attribute: 1.0} if attribute else {})
    assert record.soft.attributes == wanted
    assert record.soft.severity is None
    found = distribution(record.soft.scores)
    assert CONDITIONS[found.argmax()] == record.label.condition
    assert found.max() == found.sum() == 1


def test_failed_frame_of_the_oldest_form_says_nothing():
    record = read_classification("1", {"class_name": "Normal", "error": "out of memory"})
    assert record.soft == (None, {}, None)


def test_columns_hold_what_was_put_last():
    columns = FrameConditions.unlabelled(2)
    for record in (soft(occlusion=0.5), bare("low_res")):
        found = read(record)
        columns.put(1, found.label, found.soft)
    assert columns.conditions.tolist() == [-1, CONDITIONS.index("low_resolution")]
    assert columns.distributions.sum(axis=1).tolist() == [0, 1]
    known = ~np.isnan(columns.attributes)
    assert known.sum(axis=1).tolist() == [0, 8]
    assert not known[:, ATTRIBUTE_NAMES.index("specular_glare")].any()
    assert np.isnan(columns.severities).all()
    assert [column.dtype.name for column in columns] == ["int8", "float32", "float32", "float32"]
