"""The config of the unified model."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from mtl.config import unified
from mtl.config.unified import (
    BoxDecodingConfig,
    DetectionLossConfig,
    UnifiedBackboneConfig,
    UnifiedConfig,
    UnifiedLossConfig,
    check_unified,
)


def models() -> list[type[BaseModel]]:
    found = [value for value in vars(unified).values() if isinstance(value, type)]
    return [m for m in found if issubclass(m, BaseModel) and m.__module__ == unified.__name__]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_every_key_has_a_sentence_and_a_default(model: type[BaseModel]) -> None:
    assert model.model_fields
    for name, field in model.model_fields.items():
        assert field.description, name
        assert not field.is_required(), name


def test_lite0_wants_its_inputs_between_minus_one_and_one() -> None:
    assert UnifiedBackboneConfig(name="tf_efficientnet_lite0").mean == (0.5, 0.5, 0.5)
    assert UnifiedBackboneConfig().mean == (0.485, 0.456, 0.406)


def test_channels_follow_from_the_class_counts() -> None:
    config = UnifiedConfig(num_det_classes=3, num_seg_classes=21, num_cls_classes=5, num_boxes=1)
    assert (config.det_channels, config.block_channels) == (8, 21)


def test_choosing_among_slots_needs_more_than_the_first() -> None:
    with pytest.raises(ValidationError, match="assignment=responsible chooses among slots; set"):
        DetectionLossConfig(assignment="responsible")


def test_neighbours_can_only_learn_what_they_can_reach() -> None:
    loss = UnifiedLossConfig(
        detection=DetectionLossConfig(assignment="center_sampling", slots="all")
    )
    with pytest.raises(ValueError, match=r"needs model\.boxes\.center_span above 1, got 1"):
        check_unified(UnifiedConfig(), loss)
    check_unified(UnifiedConfig(boxes=BoxDecodingConfig(center_span=2.0)), loss)


def test_slots_that_learn_must_be_decoded() -> None:
    loss = UnifiedLossConfig(detection=DetectionLossConfig(slots="all"))
    with pytest.raises(ValueError, match=r"model\.boxes\.slots=first never decodes"):
        check_unified(UnifiedConfig(boxes=BoxDecodingConfig(slots="first")), loss)


def test_regions_need_a_background_that_is_no_object() -> None:
    boxes = BoxDecodingConfig(least_region=0.01)
    with pytest.raises(
        ValidationError, match=r"least_region needs .*; set model\.background=own or"
    ):
        UnifiedConfig(boxes=boxes)
    assert UnifiedConfig(boxes=boxes, background="own").boxes.least_region == 0.01


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5])
def test_a_region_has_a_share_of_the_image(share: float) -> None:
    with pytest.raises(ValidationError, match="least_region"):
        BoxDecodingConfig(least_region=share)
