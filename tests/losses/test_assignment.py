"""Which slots learn which objects, on grids small enough to see."""

from __future__ import annotations

import torch

from mtl.losses.assignment import Assignment, Objects, assign
from mtl.models.unified.grid import DetectionGrid

SIZE = (40, 80)  # 4 rows and 8 columns of 10 pixels


def grid_of(raw: torch.Tensor | None = None, batch: int = 1) -> DetectionGrid:
    """Two slots, three classes."""
    return DetectionGrid.of_raw(torch.zeros(batch, 13, 4, 8) if raw is None else raw, 2)


def objects_of(*boxes: tuple[float, float, float, float], image: int = 0) -> Objects:
    """Labels 0, 1, 2 in turn."""
    number = torch.arange(len(boxes))
    return Objects(torch.tensor(boxes), number % 3, torch.full_like(number, image))


def slots_of(target: Assignment) -> list[list[int]]:
    """(image, slot, row, column) of the slots that learn an object."""
    return target.taken.nonzero().tolist()


def test_an_object_is_learned_by_the_cell_of_its_centre() -> None:
    target = assign(objects_of((43.0, 21.0, 8.0, 10.0)), grid_of(), SIZE, "first_free")
    assert slots_of(target) == [[0, 0, 2, 4]]
    x, y, sqrt_w, sqrt_h = target.coordinates[0, 0, :, 2, 4].tolist()
    assert (round(x, 5), round(y, 5)) == (0.7, 0.6)
    assert (round(sqrt_w**2, 5), round(sqrt_h**2, 5)) == (0.1, 0.25)
    assert target.classes[0, :, 2, 4].tolist() == [1.0, 0.0, 0.0]


def test_objects_of_one_cell_take_slots_in_order_and_the_third_is_left_out() -> None:
    box = (40.0, 20.0, 8.0, 8.0)
    target = assign(objects_of(box, box, box), grid_of(), SIZE, "first_free")
    assert slots_of(target) == [[0, 0, 2, 4], [0, 1, 2, 4]]
    assert target.classes[0, :, 2, 4].tolist() == [1.0, 1.0, 0.0]


def test_images_do_not_share_cells() -> None:
    box = (40.0, 20.0, 8.0, 8.0)
    first, second = objects_of(box, image=0), objects_of(box, image=2)
    both = Objects(*(torch.cat(parts) for parts in zip(first, second, strict=True)))
    target = assign(both, grid_of(batch=3), SIZE, "first_free")
    assert slots_of(target) == [[0, 0, 2, 4], [2, 0, 2, 4]]


def test_no_objects_are_no_targets() -> None:
    nothing = Objects(torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0).long())
    for kind in ("first_free", "responsible", "center_sampling"):
        target = assign(nothing, grid_of(), SIZE, kind, 2.0)
        assert not target.to_map().any()


def test_a_centre_on_the_border_or_beyond_belongs_to_the_last_cell() -> None:
    target = assign(objects_of((76.0, 36.0, 8.0, 8.0)), grid_of(), SIZE, "first_free")
    assert slots_of(target) == [[0, 0, 3, 7]]
    target = assign(objects_of((-20.0, -20.0, 8.0, 8.0)), grid_of(), SIZE, "first_free")
    assert slots_of(target) == [[0, 0, 0, 0]]


def test_the_slot_that_overlaps_the_object_most_is_responsible() -> None:
    raw = torch.zeros(1, 13, 4, 8)
    raw[:, 2:4] = -3.0  # slot 0 says tiny boxes, slot 1 boxes of a quarter of each side
    target = assign(objects_of((35.0, 20.0, 20.0, 10.0)), grid_of(raw), SIZE, "responsible")
    assert slots_of(target) == [[0, 1, 2, 4]]


def test_a_second_object_takes_the_slot_that_is_left() -> None:
    raw = torch.zeros(1, 13, 4, 8)
    raw[:, 2:4] = -3.0
    box = (35.0, 20.0, 20.0, 10.0)
    target = assign(objects_of(box, box), grid_of(raw), SIZE, "responsible")
    assert slots_of(target) == [[0, 0, 2, 4], [0, 1, 2, 4]]


def test_every_cell_that_reaches_the_centre_learns_it() -> None:
    objects = objects_of((40.0, 20.0, 6.0, 6.0))  # centre at column 4.3, row 2.3
    grid = grid_of()
    target = assign(objects, grid, SIZE, "center_sampling", 2.0)
    cells = sorted((row, column) for _, _, row, column in slots_of(target))
    assert cells == [(1, 3), (1, 4), (2, 3), (2, 4)]
    values = torch.zeros(1, 13, 4, 8)
    values[:, :4] = target.coordinates.sum(dim=1)
    learned = DetectionGrid(values, values, 2).boxes_xyxy(2.0)[0, 0]
    sides = torch.tensor([80.0, 40.0, 80.0, 40.0])
    for row, column in cells:  # whichever cell says it, it is the same box
        corners = (learned[row, column] * sides).round(decimals=3).tolist()
        assert corners == [40.0, 20.0, 46.0, 26.0]


def test_neighbours_give_way_to_objects_whose_centre_is_in_the_cell() -> None:
    near, own = (40.0, 20.0, 6.0, 6.0), (33.0, 23.0, 4.0, 4.0)  # centres 4.3, 2.3 and 3.5, 2.5
    twice = objects_of(near, own, own)
    target = assign(twice, grid_of(), SIZE, "center_sampling", 2.0)
    assert target.classes[0, :, 2, 3].tolist() == [0.0, 1.0, 1.0]


def test_a_map_of_targets_says_the_same_as_the_targets() -> None:
    target = assign(objects_of((43.0, 21.0, 8.0, 10.0)), grid_of(), SIZE, "first_free")
    again = Assignment.of_map(target.to_map(), 2)
    assert all(torch.equal(a, b) for a, b in zip(again, target, strict=True))
