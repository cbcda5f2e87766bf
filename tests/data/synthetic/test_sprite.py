from __future__ import annotations

import numpy as np
import pytest

from mtl.data.synthetic.sprite import (
    Placement,
    box_of,
    draw_solid,
    edges_of,
    paste,
    visible_box,
)
from mtl.data.synthetic.vessels import KINDS, build_vessel, draw_look, other_side

LIGHT = np.array([0.5, 0.7, -0.5]) / np.sqrt(0.99)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("yaw", [0.0, 1.3, 2.5, np.pi])
def test_box_is_that_of_the_drawn_pixels(kind: str, yaw: float) -> None:
    solid = build_vessel(draw_look(np.random.default_rng(1), kind))
    sprite = draw_solid(solid, yaw, 80.0, LIGHT)
    at = Placement(100.3, 120.7, 71.0, roll=0.1)
    picture = np.zeros((200, 200, 3), np.float32)
    touched = paste(picture, sprite, at)
    assert touched is not None
    alpha = np.zeros((200, 200))
    alpha[touched[0]] = touched[1]
    rows, columns = np.nonzero(alpha > 0.3)
    x, y, w, h = visible_box(edges_of(solid, yaw), at, 200, 200)
    drawn = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose([x, y, x + w, y + h], drawn, atol=1.6)
    np.testing.assert_allclose(box_of(sprite, at), [x, y, w, h], atol=1e-3)


def test_visible_box_follows_what_the_border_leaves() -> None:
    # a triangle with its tip above the border: cut at y = 0 it is as wide as there, not as below
    edges = np.array([[[0, 0], [2, 2]], [[2, 2], [-2, 2]], [[-2, 2], [0, 0]]], dtype=float)
    at = Placement(10.0, -1.0, 1.0)
    np.testing.assert_allclose(visible_box(edges, at, 20, 20), [8, 0, 4, 1])
    upside_down = Placement(10.0, 1.0, 1.0, stretch_y=-1.0)
    np.testing.assert_allclose(visible_box(edges, upside_down, 20, 20), [9, 0, 2, 1])
    assert not visible_box(edges, Placement(50.0, 50.0, 1.0), 20, 20).any()


def test_pasting_outside_the_picture_touches_nothing() -> None:
    solid = build_vessel(draw_look(np.random.default_rng(0), "tug"))
    sprite = draw_solid(solid, 0.0, 40.0, LIGHT)
    picture = np.full((50, 50, 3), 7.0, np.float32)
    assert paste(picture, sprite, Placement(-100.0, 25.0, 40.0)) is None
    assert (picture == 7.0).all()


def test_turned_vessel_shows_its_other_paint() -> None:
    rng = np.random.default_rng(3)
    look = other_side(draw_look(rng, "ferry"), rng)
    solid = build_vessel(look)
    means = []
    for yaw in (0.0, np.pi):
        sprite = draw_solid(solid, yaw, 60.0, LIGHT)
        pixels = sprite.levels[0]
        means.append(pixels[pixels[..., 3] > 0.9][:, :3].mean(axis=0))
    assert np.abs(means[0] - means[1]).max() > 15


def test_lamps_stay_inside_the_box() -> None:
    solid = build_vessel(draw_look(np.random.default_rng(0), "tug"))
    dark, lit = (draw_solid(solid, 0.2, 60.0, LIGHT, lit=on) for on in (False, True))
    assert not np.array_equal(dark.levels[0], lit.levels[0])
    rows = [np.nonzero(s.levels[0][..., 3].max(axis=1) > 0.3)[0][0] for s in (dark, lit)]
    assert rows[1] >= rows[0] - 1
