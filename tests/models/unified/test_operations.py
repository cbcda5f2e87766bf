"""Counts of the published table, and what the switches add to them."""

from __future__ import annotations

import pytest

from mtl.config.unified import (
    UnifiedAttentionConfig,
    UnifiedBackboneConfig,
    UnifiedConfig,
    UnifiedHeadConfig,
)
from mtl.models.unified.operations import count_operations

SIZE = (512, 512)


@pytest.mark.parametrize(
    ("num_seg_classes", "counts"),
    [
        (20, (7_841_582, 3_409_736_192, 4_483_478_016, 3_564_434_688)),
        (21, (7_841_775, 3_409_932_800, 4_483_674_624, 3_564_631_296)),
    ],
)
def test_counts_are_those_of_the_published_table(
    num_seg_classes: int, counts: tuple[int, ...]
) -> None:
    assert count_operations(UnifiedConfig(num_seg_classes=num_seg_classes), SIZE) == counts


def test_lite0_has_the_parameters_of_the_specification() -> None:
    config = UnifiedConfig(backbone=UnifiedBackboneConfig(name="tf_efficientnet_lite0"))
    assert count_operations(config, SIZE).parameters == 7_205_042


@pytest.mark.parametrize("side", [256, 144])
def test_smaller_images_cost_what_the_specification_says(side: int) -> None:
    wanted = {256: 0.92e9, 144: 0.32e9}[side]
    found = count_operations(UnifiedConfig(), (side, side)).multiply_adds
    assert found == pytest.approx(wanted, abs=0.005e9)


def test_all_switches_together_stay_within_the_published_budget() -> None:
    faithful = count_operations(UnifiedConfig(), SIZE)
    config = UnifiedConfig(
        num_seg_classes=21,
        background="own",
        backbone=UnifiedBackboneConfig(features="laterals"),
        attention=UnifiedAttentionConfig(heads="split", position="sine"),
        head=UnifiedHeadConfig(groups=3, group_width=32),
    )
    found = count_operations(config, SIZE)
    assert found.parameters < 8_000_000
    assert found.multiply_adds <= 1.3 * faithful.multiply_adds


def test_replaced_normalisation_is_counted_as_what_it_replaces() -> None:
    counts = {
        count_operations(UnifiedConfig(normalization=kind), (64, 64))
        for kind in ("shared", "per_task", "frozen", "frozen_backbone")
    }
    assert len(counts) == 1
