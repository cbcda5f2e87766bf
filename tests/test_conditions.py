from __future__ import annotations

import pytest

from mtl.conditions import (
    CLASS_ORDERS,
    CONDITIONS,
    Label,
    canonical_name,
    label_from_flags,
    label_from_probabilities,
)

VLM_RECORD_ORDER = (
    "motion_blur",
    "illu_change",
    "variance_appear",
    "partial_visibility",
    "background_clutter",
    "occlusion",
)


def flags(*names: str) -> dict[str, bool]:
    return {key: key in names for key in VLM_RECORD_ORDER}


def computed(*names: str) -> dict[str, bool]:
    return {key: key in names for key in ("scale_variation", "low_res", "low_contrast")}


@pytest.mark.parametrize("order", CLASS_ORDERS.values())
def test_every_class_order_has_the_ten_canonical_names(order):
    assert sorted(order) == sorted(CONDITIONS)
    assert order[9] == "normal"


def test_rules_differ_where_the_published_ones_do():
    both = flags("motion_blur", "occlusion")
    assert label_from_flags(both, computed(), "hiptrack").condition == "occlusion"
    assert label_from_flags(both, computed(), "simtrack").condition == "motion_blur"


def test_vlm_flag_goes_before_a_computed_one():
    label = label_from_flags(flags("illu_change"), computed("low_res"), "hiptrack")
    assert label == Label("illumination_change", "vlm")


@pytest.mark.parametrize("rule", ["hiptrack", "simtrack"])
def test_several_computed_flags_always_give_the_first(rule):
    picks = {
        label_from_flags(flags(), computed("low_contrast", "low_res"), rule) for _ in range(20)
    }
    assert picks == {Label("low_resolution", "computed")}


def test_simtrack_follows_the_record_order_of_computed_flags():
    record = {"low_contrast": True, "scale_variation": True}
    assert label_from_flags({}, record, "simtrack").condition == "low_contrast"
    assert label_from_flags({}, record, "hiptrack").condition == "scale_variation"


def test_no_flag_is_normal():
    assert label_from_flags({}, {}, "hiptrack") == Label("normal", "normal")


def test_largest_probability_wins_and_ties_go_to_the_lower_number():
    assert label_from_probabilities({"occlusion": 0.9, "specular_glare": 0.8}, True) == Label(
        "occlusion", "vlm"
    )
    tie = {"low_contrast": 1.0, "low_resolution": 1.0}
    assert label_from_probabilities(tie, True) == Label("low_resolution", "computed")
    assert label_from_probabilities({"occlusion": 0.49}, True) == Label("normal", "normal")


def test_unparsed_answers_are_unlabelled_unless_something_computed_fires():
    assert label_from_probabilities({}, False) == Label(None, "unlabelled")
    assert label_from_probabilities({"out_of_frame": 1.0}, False) == Label(
        "partial_visibility", "computed"
    )


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Low Contrast Object", "low_contrast"),
        ("Variance in Appearance", "variance_in_appearance"),
        ("illu_change", "illumination_change"),
        ("NORMAL", "normal"),
        ("specular_glare", "illumination_change"),
        ("sharknado", None),
    ],
)
def test_spellings_find_the_canonical_name(text, name):
    assert canonical_name(text) == name
