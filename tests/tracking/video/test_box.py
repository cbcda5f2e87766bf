from __future__ import annotations

import numpy as np
import pytest

from mtl.errors import ConfigError
from mtl.tracking.video.box import parse_box, pick_box


def test_four_numbers_are_a_box() -> None:
    np.testing.assert_array_equal(parse_box("120, 80,60.5,40"), [120, 80, 60.5, 40])
    np.testing.assert_array_equal(parse_box("-3,-4,60,40"), [-3, -4, 60, 40])


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "1 2 3 4", "a,b,c,d", "1,2,nan,4"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match="must be four numbers x,y,w,h in pixels, got"):
        parse_box(text)


@pytest.mark.parametrize("text", ["1,2,0,4", "1,2,3,-4"])
def test_a_box_without_area_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="must have width and height above 0"):
        parse_box(text)


def test_without_a_window_the_box_must_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(ConfigError, match=r"cannot be drawn here.*give --box.*which has 64 x 48"):
        pick_box(np.zeros((48, 64, 3), np.uint8))
