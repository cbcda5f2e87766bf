from __future__ import annotations

import numpy as np
import pytest

from mtl.errors import ShapeError
from mtl.report.predictions import (
    GAP,
    PANEL,
    STRIP,
    LabelledBox,
    class_color,
    draw_classification,
    draw_detection,
    draw_segmentation,
)

GREY = np.full((80, 160, 3), 90, dtype=np.uint8)
NAMES = ("background", "buoy", "vessel", "water")


def panel(image: np.ndarray, number: int) -> np.ndarray:
    left = number * (PANEL + GAP)
    return image[STRIP : STRIP + PANEL, left : left + PANEL]


def has(image: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return (image == np.array(color)).all(axis=-1)


def test_boxes_stand_where_they_are_on_either_side() -> None:
    truth = [LabelledBox(np.array([16, 16, 64, 48]), 1, "buoy")]
    found = [LabelledBox(np.array([80, 24, 40, 40]), 2, "vessel", 0.75)]
    picture = draw_detection(GREY, truth, found, "an image")
    assert picture.title == "an image"
    assert picture.image.shape == (STRIP + PANEL, 2 * PANEL + GAP, 3)
    for number, (box, color) in enumerate(
        [((32, 32 + 80, 128, 96), class_color(1)), ((160, 48 + 80, 80, 80), class_color(2))]
    ):
        drawn = panel(picture.image, number)
        x, y, w, h = box  # doubled, 80 rows of margin above
        for row in (y, y + h):
            assert has(drawn[row - 1 : row + 2, x + 2 : x + w - 2], color).any(axis=0).mean() > 0.9
        for column in (x, x + w):
            side = has(drawn[y + 2 : y + h - 2, column - 1 : column + 2], color)
            assert side.any(axis=1).mean() > 0.9
    assert not has(panel(picture.image, 0), class_color(2)).any()


def test_boxes_outside_or_not_finite_do_no_harm() -> None:
    boxes = [
        LabelledBox(np.array([-50, -50, 500, 500]), 0, "a very long name of a class", 0.5),
        LabelledBox(np.array([150, -20, 30, 15]), 1, "b", 0.1),
        LabelledBox(np.array([np.nan, 0, 1, 1]), 2, "c", 0.2),
        LabelledBox(np.array([1e30, 0, 1, 1]), 2, "c", None),
    ]
    assert draw_detection(GREY, [], boxes, "x").image.shape[0] == STRIP + PANEL
    with pytest.raises(ShapeError, match=r"must be \(4,\)"):
        draw_detection(GREY, [LabelledBox(np.zeros(3), 0, "a")], [], "x")


def test_masks_are_laid_over_the_image_and_the_key_names_what_is_seen() -> None:
    truth, said = np.zeros((80, 160), dtype=np.uint8), np.zeros((80, 160), dtype=np.uint8)
    truth[40:], said[40:, 80:] = 3, 3
    truth[:5] = 255
    picture = draw_segmentation(GREY, truth, said, NAMES, "x").image
    assert picture.shape == (2 * STRIP + PANEL, 3 * PANEL + 2 * GAP, 3)
    mixed = np.round(0.4 * 90 + 0.6 * np.array(class_color(3)))
    lower = [panel(picture, number)[200, 100] for number in range(3)]
    np.testing.assert_array_equal(lower[0], [90, 90, 90])
    np.testing.assert_allclose(lower[1], mixed, atol=1)
    np.testing.assert_array_equal(lower[2], [90, 90, 90])
    np.testing.assert_allclose(panel(picture, 2)[200, 250], mixed, atol=1)
    key = picture[STRIP + PANEL :]
    assert has(key, class_color(3)).sum() > 100
    assert not has(key, class_color(1)).any()
    assert has(key, (150, 150, 150)).sum() > 100  # not counted
    with pytest.raises(ShapeError, match="masks must have the image's size"):
        draw_segmentation(GREY, truth[1:], said, NAMES, "x")


def test_many_classes_need_more_lines_of_the_key() -> None:
    names = tuple(f"a class with a long name {k}" for k in range(21))
    mask = np.arange(160, dtype=np.uint8)[None].repeat(80, axis=0) % 21
    picture = draw_segmentation(GREY, mask, mask, names, "x").image
    assert picture.shape[0] >= PANEL + STRIP * 5


def test_bars_are_as_long_as_their_probabilities_and_the_true_one_is_green() -> None:
    probabilities = np.array([0.1, 0.6, 0.3, 0.0])
    picture = draw_classification(GREY, 2, probabilities, NAMES, "x").image
    side = panel(picture, 1)
    blue, green = has(side, (198, 216, 229)), has(side, (150, 214, 176))
    longest = max(np.flatnonzero(blue.any(axis=0))) - 14
    assert longest == pytest.approx(0.6 * (PANEL - 28), abs=2)
    right = max(np.flatnonzero(green.any(axis=0))) - 14
    assert right == pytest.approx(0.3 * (PANEL - 28), abs=2)
    with pytest.raises(ShapeError, match=r"probabilities must be \(4,\)"):
        draw_classification(GREY, 2, probabilities[:3], NAMES, "x")


def test_classes_have_colours_of_their_own() -> None:
    colors = np.array([class_color(number) for number in range(21)], dtype=int)
    apart = np.abs(colors[:, None] - colors[None]).sum(axis=-1) + 1000 * np.eye(21, dtype=int)
    assert apart.min() > 20
    assert min(apart[k, k + 1] for k in range(20)) > 150
