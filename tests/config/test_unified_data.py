from __future__ import annotations

import pytest
from pydantic import ValidationError

from mtl.config.unified_data import (
    ClassificationAugmentation,
    ImageSizes,
    SegmentationAugmentation,
    UnifiedAugmentationConfig,
    UnifiedDataConfig,
)


def test_a_task_without_a_root_is_off_unless_all_are() -> None:
    assert UnifiedDataConfig().embedded
    assert UnifiedDataConfig().tasks == ("det", "seg", "cls")
    assert UnifiedDataConfig(seg_root="/x", det_root="/y").tasks == ("det", "seg")
    assert not UnifiedDataConfig(cls_root="s3://bucket/x").embedded


def test_defaults_are_the_published_ones() -> None:
    config = UnifiedAugmentationConfig()
    assert (config.det.still, config.seg.still, config.cls.still) == (False, True, False)
    sizes = ImageSizes()
    assert (sizes.det, sizes.seg, sizes.cls, sizes.cls_short_side) == (512, 512, 144, 160)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ImageSizes(cls=128, cls_short_side=100), "cls_short_side must be at least cls"),
        (lambda: SegmentationAugmentation(min_scale=2.0), "max_scale must be at least min_scale"),
        (lambda: SegmentationAugmentation(max_scale=9.0), "at most 4"),
        (lambda: ClassificationAugmentation(min_area=0.0), "greater than 0"),
        (lambda: UnifiedDataConfig(det_categories=()), "at least one category"),
        (lambda: UnifiedDataConfig(det_annotations="all.json"), "split"),
        (lambda: UnifiedDataConfig(on_error="warn"), "stop"),
    ],
)
def test_what_cannot_be_is_refused(make, message) -> None:
    with pytest.raises(ValidationError, match=message):
        make()


def test_every_key_is_documented() -> None:
    def check(model: type) -> None:
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"
            if hasattr(field.annotation, "model_fields"):
                check(field.annotation)

    check(UnifiedDataConfig)
    check(UnifiedAugmentationConfig)
