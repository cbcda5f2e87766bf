"""Boxes of connected regions of pixels, and how they join those of a grid."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mtl.config.unified import BoxDecodingConfig
from mtl.models.unified.boxes import Boxes
from mtl.models.unified.regions import join_regions, region_boxes

CLASSES = {2: 0, 3: 5}
"""Of four classes of pixels, of which 0 is the background and 1 no class of boxes."""
CONFIG = BoxDecodingConfig(nms_iou=0.4)


def scores_of(picture: list[str], probability: float = 0.7) -> Tensor:
    """(4, H, W) scores that give each pixel's digit this probability, the others the same."""
    said = torch.tensor([[int(digit) for digit in row] for row in picture])
    known = torch.nn.functional.one_hot(said, 4).movedim(-1, 0).bool()
    return torch.where(known, math.log(probability), math.log((1 - probability) / 3))


def found(rows: list[tuple[float, ...]]) -> Boxes:
    """Boxes of (x0, y0, x1, y1, score, label)."""
    table = torch.tensor(rows, dtype=torch.float64).reshape(-1, 6)
    return Boxes(table[:, :4], table[:, 4], table[:, 5].long())


def rows_of(boxes: Boxes) -> list[list[float]]:
    columns = [boxes.boxes_xyxy, boxes.scores[:, None], boxes.labels[:, None]]
    return sorted(torch.cat(columns, dim=1).tolist())


def test_a_region_is_what_hangs_together_by_sides_or_corners() -> None:
    picture = [
        "220001110",
        "220001110",
        "002000000",
        "000000022",
        "330000022",
    ]
    regions = rows_of(region_boxes(scores_of(picture), CLASSES, 1e-6))
    assert regions == [
        [0, 0, 3, 3, pytest.approx(0.7), 0],
        [0, 4, 2, 5, pytest.approx(0.7), 5],
        [7, 3, 9, 5, pytest.approx(0.7), 0],
    ]


def test_a_region_is_as_sure_as_its_pixels_are_on_average() -> None:
    scores = scores_of(["220", "000"], 0.9)
    scores[:, 0, 1] = scores_of(["2"], 0.5)[:, 0, 0]
    ((*_, score, _),) = rows_of(region_boxes(scores, CLASSES, 1e-6))
    assert score == pytest.approx(0.7)


def test_a_region_below_the_least_area_is_no_object() -> None:
    scores = scores_of(["2203", "2200", "0000", "0000"])
    assert len(region_boxes(scores, CLASSES, 4 / 16).scores) == 1
    assert len(region_boxes(scores, CLASSES, 4.1 / 16).scores) == 0
    assert len(region_boxes(scores, CLASSES, 1 / 16).scores) == 2


def test_small_regions_are_not_added_up() -> None:
    assert len(region_boxes(scores_of(["2020", "0000", "2020"]), CLASSES, 2 / 12).scores) == 0


def test_a_box_that_overlaps_a_region_of_its_class_seconds_it() -> None:
    grid = found([(0, 0, 10, 9, 0.5, 1), (0, 0, 9, 10, 0.4, 1), (40, 40, 50, 50, 0.3, 1)])
    regions = found([(0, 0, 10, 10, 0.6, 1)])
    joined = join_regions(grid, regions, CONFIG)
    assert joined.boxes_xyxy.tolist() == [[0, 0, 10, 10], [40, 40, 50, 50]]
    assert joined.scores.tolist() == pytest.approx([1 - 0.4 * 0.5, 0.3])
    assert joined.labels.tolist() == [1, 1]


def test_a_box_of_another_class_or_place_stays() -> None:
    grid = found([(0, 0, 10, 10, 0.9, 2), (8, 0, 18, 10, 0.8, 1)])
    joined = join_regions(grid, found([(0, 0, 10, 10, 0.6, 1)]), CONFIG)
    assert joined.scores.tolist() == pytest.approx([0.9, 0.8, 0.6])
    assert joined.labels.tolist() == [2, 1, 1]


def test_only_the_best_boxes_are_kept() -> None:
    grid = found([(0, 0, 10, 10, 0.9, 1), (20, 0, 30, 10, 0.2, 1)])
    joined = join_regions(
        grid, found([(40, 0, 50, 10, 0.6, 1)]), CONFIG.model_copy(update={"max_boxes": 2})
    )
    assert joined.scores.tolist() == pytest.approx([0.9, 0.6])


def test_a_region_below_the_threshold_is_dropped_unless_a_box_seconds_it() -> None:
    config = CONFIG.model_copy(update={"threshold": 0.5})
    regions = found([(0, 0, 10, 10, 0.4, 1), (20, 0, 30, 10, 0.4, 1)])
    joined = join_regions(found([(0, 0, 10, 10, 0.6, 1)]), regions, config)
    assert joined.boxes_xyxy.tolist() == [[0, 0, 10, 10]]
    assert joined.scores.tolist() == pytest.approx([1 - 0.6 * 0.4])


@pytest.mark.parametrize("grid", [[], [(0.0, 0.0, 10.0, 10.0, 0.5, 1.0)]])
@pytest.mark.parametrize("regions", [[], [(20.0, 0.0, 30.0, 10.0, 0.4, 1.0)]])
def test_either_may_have_found_nothing(
    grid: list[tuple[float, ...]], regions: list[tuple[float, ...]]
) -> None:
    joined = join_regions(found(grid), found(regions), CONFIG)
    wanted = rows_of(found([*grid, *regions]))
    assert rows_of(joined) == [pytest.approx(row) for row in wanted]


def test_nothing_hangs_on_the_type_of_numbers() -> None:
    half = region_boxes(scores_of(["220", "000"]).bfloat16(), CLASSES, 1e-6)
    assert rows_of(half)[0][:4] == [0, 0, 2, 1]
