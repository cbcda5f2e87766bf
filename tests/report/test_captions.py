from __future__ import annotations

import numpy as np
import pytest

from mtl.report.captions import PAPER, TRACK, draw_captioned
from mtl.report.frames import MIN_WIDTH, PREDICTED

BOX = np.array([30.0, 20.0, 24.0, 16.0])


def drawn(
    width: int = 640, height: int = 480, box_xywh: np.ndarray = BOX, **changes: object
) -> np.ndarray:
    values = {"text": "frame 7", "score": 0.5, "conditions": None, **changes}
    image = np.full((height, width, 3), 90, np.uint8)
    return draw_captioned(image, box_xywh, **values)  # type: ignore[arg-type]


def colored(picture: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return (picture == color).all(axis=-1)


@pytest.mark.parametrize("size", [(640, 480), (641, 479), (256, 192), (3840, 2160), (90, 160)])
def test_sizes_are_even_and_do_not_depend_on_what_is_said(size: tuple[int, int]) -> None:
    many = [(f"condition_{number}", 0.9, True) for number in range(10)]
    shapes = {
        drawn(*size, conditions=conditions, score=score, broken=broken).shape
        for conditions in ([], many)
        for score in (None, 0.9)
        for broken in (False, True)
    }
    ((height, width, _),) = shapes
    assert height % 2 == width % 2 == 0
    assert width >= max(MIN_WIDTH, size[0])
    assert height > size[1] * width // (size[0] + 1)


def test_box_and_strip_leave_the_target_and_the_frame_alone() -> None:
    picture = drawn()
    target = picture[21:35, 31:53]  # one pixel of black edge lies on the box's own border
    assert (target == 90).all()
    assert colored(picture[:480], PREDICTED).any()
    assert (picture[480:, 0] == PAPER).all()
    assert (picture[100:480] == 90).all()


def test_a_box_at_the_border_of_the_frame_shows_all_its_sides() -> None:
    for box in ([600.0, 440.0, 40.0, 40.0], [0.0, 0.0, 640.0, 480.0]):
        picture = drawn(box_xywh=np.array(box), score=None)
        lit = colored(picture[:480], PREDICTED)
        assert lit[-3:].sum() >= 3 * 40  # the bottom
        assert lit[:, -3:].sum() >= 3 * 40  # the right
        assert not colored(picture[480:], PREDICTED).any()


def test_the_bar_is_as_long_as_the_score() -> None:
    lengths = [
        colored(drawn(score=score)[480:], PREDICTED).any(axis=0).sum()
        for score in (None, 0.25, 0.5, 1.0)
    ]
    assert lengths[0] == 0
    assert lengths[3] == pytest.approx(2 * lengths[2], abs=2)
    assert lengths[2] == pytest.approx(2 * lengths[1], abs=2)


def test_conditions_that_hold_are_lit_and_others_are_not() -> None:
    row = drawn(conditions=[("occlusion", 0.9, True)], score=None)[480 + 38 :]
    assert colored(row, PREDICTED).any()
    row = drawn(conditions=[("normal", 0.9, False)], score=None)[480 + 38 :]
    assert not colored(row, PREDICTED).any()
    assert colored(row, TRACK).any()


def test_conditions_that_do_not_fit_are_counted() -> None:
    four = [(name, 0.9, True) for name in ("illumination_change", "low_resolution", "occlusion")]
    rows = [drawn(conditions=four[:count])[480 + 38 :] for count in (2, 3)]
    shown = [colored(row, PREDICTED).any(axis=0).sum() for row in rows]
    assert shown[0] == shown[1]  # the third has no room,
    assert (rows[0] != rows[1]).any()  # which is said


def test_a_broken_frame_has_no_orange_on_it() -> None:
    assert not colored(drawn(broken=True), PREDICTED).any()
