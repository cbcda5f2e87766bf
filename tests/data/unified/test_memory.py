"""Which images are kept of a task."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from mtl.data.unified.memory import remembered_rows
from tests.data.unified.test_sampler import sampler, write_sets


def test_rows_are_distinct_sorted_and_inside() -> None:
    rows = remembered_rows(3, "det", 50, 12)
    assert len(set(rows)) == 12
    assert list(rows) == sorted(rows)
    assert 0 <= rows[0] <= rows[-1] < 50


def test_rows_depend_on_seed_and_task_only() -> None:
    assert remembered_rows(3, "det", 50, 12) == remembered_rows(3, "det", 50, 12)
    assert remembered_rows(3, "det", 50, 12) != remembered_rows(4, "det", 50, 12)
    assert remembered_rows(3, "det", 50, 12) != remembered_rows(3, "seg", 50, 12)


def test_a_smaller_memory_is_part_of_a_larger_one() -> None:
    assert set(remembered_rows(3, "cls", 50, 5)) < set(remembered_rows(3, "cls", 50, 20))


def test_training_shows_remembered_images_only_and_each_as_often(tmp_path: Path) -> None:
    replay = sampler(write_sets(tmp_path)).remembering({"det": (1, 4), "seg": (2,)})
    samples = [replay.sample(number) for number in range(8)]
    assert Counter(int(s["det_index"]) for s in samples) == {1: 4, 4: 4}
    assert Counter(int(s["seg_index"]) for s in samples) == {2: 8}
    assert Counter(int(s["cls_index"]) for s in samples) == {0: 2, 1: 2, 2: 2, 3: 2}


def test_a_replayed_sample_is_a_function_of_its_number(tmp_path: Path) -> None:
    root = write_sets(tmp_path)
    memory = {"det": (1, 4), "seg": (0, 2)}
    forwards, backwards = (sampler(root).remembering(memory) for _ in range(2))
    first = [forwards.sample(number) for number in range(6)]
    second = [backwards.sample(number) for number in reversed(range(6))][::-1]
    for one, other in zip(first, second, strict=True):
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[key], other[key]) for key in one)


def test_a_memory_leaves_the_sampler_it_was_made_from_alone(tmp_path: Path) -> None:
    whole = sampler(write_sets(tmp_path))
    before = [whole.row("det", number) for number in range(10)]
    whole.remembering({"det": (1,)}).row("det", 0)
    assert [whole.row("det", number) for number in range(10)] == before


def test_a_bad_image_is_replaced_by_another_of_the_memory(tmp_path: Path) -> None:
    root = write_sets(tmp_path)
    replay = sampler(root, on_error="skip").remembering({"cls": (0, 3)})
    Path(replay.index.cls.image_uri(0)).write_bytes(b"no picture")
    samples = [replay.sample(number) for number in range(6)]
    assert {int(s["cls_index"]) for s in samples} == {3}
    assert sum(int(s["skipped"]) for s in samples) >= 3
