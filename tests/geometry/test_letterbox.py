from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mtl.geometry.letterbox import Letterbox

sides = st.integers(1, 3000)


def test_longer_side_fills_the_square_and_the_rest_is_padded_evenly() -> None:
    assert Letterbox.of(640, 480, 512)[:4] == (512, 384, 0, 64)
    assert Letterbox.of(100, 201, 512)[:4] == (255, 512, 128, 0)  # 257 columns: 128 and 129
    assert Letterbox.of(50, 50, 512)[:4] == (512, 512, 0, 0)


@given(width=sides, height=sides, side=st.integers(32, 1024))
def test_a_box_comes_back_and_the_whole_image_lies_inside(
    width: int, height: int, side: int
) -> None:
    at = Letterbox.of(width, height, side)
    whole = at.to_square(np.array([0, 0, width, height]))
    np.testing.assert_allclose(whole, [at.left, at.top, at.width, at.height])
    assert (whole[:2] >= 0).all()
    assert (whole[:2] + whole[2:] <= side + 1e-6).all()
    assert max(at.width, at.height) == side
    boxes = np.array([[0.25 * width, 0.5 * height, 0.5 * width, 0.1 * height]])
    np.testing.assert_allclose(at.to_image(at.to_square(boxes)), boxes, atol=1e-6)


def test_no_boxes_are_no_boxes() -> None:
    assert Letterbox.of(64, 48, 128).to_square(np.zeros((0, 4))).shape == (0, 4)
