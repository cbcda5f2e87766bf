from __future__ import annotations

import numpy as np
import pytest

from mtl.errors import ShapeError
from mtl.report.frames import MIN_WIDTH, PREDICTED, TRUTH, draw_tracked

GREY = np.full((360, 640, 3), 90, np.uint8)
BOX = np.array([100.0, 80.0, 60.0, 40.0])


def _has(image: np.ndarray, color: tuple[int, int, int]) -> bool:
    return bool((image == color).all(axis=-1).any())


def test_both_boxes_are_drawn_where_they_are() -> None:
    drawn = draw_tracked(GREY, BOX, BOX + np.array([200, 100, 0, 0]), "frame 3")
    assert drawn.shape[1] == 640
    assert drawn.shape[0] > 360
    assert drawn.dtype == np.uint8
    assert _has(drawn[70:130, 90:170], PREDICTED)
    assert not _has(drawn[70:130, 90:170], TRUTH)
    assert _has(drawn[170:230, 290:370], TRUTH)
    assert (drawn[105, 130] == 90).all()


def test_the_frame_is_not_changed() -> None:
    frame = GREY.copy()
    draw_tracked(frame, BOX, BOX, "")
    assert (frame == GREY).all()


def test_a_small_frame_is_enlarged_with_its_boxes() -> None:
    drawn = draw_tracked(GREY[:180, :240], BOX, None, "")
    assert drawn.shape[1] == MIN_WIDTH
    assert _has(drawn[150:250, 190:330], PREDICTED)


def test_a_caption_of_any_length_fits() -> None:
    shapes = {draw_tracked(GREY, BOX, BOX, text).shape for text in ("", "short", "long " * 200)}
    assert len(shapes) == 1


@pytest.mark.parametrize(
    "box",
    [[-500, -500, 2000, 2000], [1e12, 1e12, 5, 5], [0, 0, 1e12, 1e12], [5, 5, 0, 0], [np.nan] * 4],
)
def test_a_box_outside_the_picture_or_without_size_does_no_harm(box: list[float]) -> None:
    assert draw_tracked(GREY, np.array(box), np.array(box), "").shape[1] == 640


@pytest.mark.parametrize("frame", [GREY[..., 0], GREY.astype(float), GREY[:0]])
def test_what_is_no_picture_is_refused(frame: np.ndarray) -> None:
    with pytest.raises(ShapeError, match=r"must be \(H, W, 3\) uint8"):
        draw_tracked(frame, BOX, None, "")


def test_a_box_of_other_shape_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"must be \(4,\)"):
        draw_tracked(GREY, np.zeros((1, 4)), None, "")
