from __future__ import annotations

import json
import re

import numpy as np
import pytest

from mtl.config.schema import DataConfig
from mtl.data import computed_conditions as rules
from mtl.data.bad_items import BadItems
from mtl.data.index import build_index, read_split_folder
from mtl.data.label_writer import computed_records, write_computed_labels
from mtl.errors import DataError
from tests.data.sequence_files import write_root


@pytest.mark.parametrize(
    ("side", "flag"), [(70.0, False), (69.9, True), (140.0, False), (140.1, True), (100.0, False)]
)
def test_scale_varies_outside_its_limits(side, flag):
    assert rules.scale_variation((0, 0, side, side), (5, 5, 100, 100)) is flag


def test_areas_below_one_pixel_count_as_one():
    assert not rules.scale_variation((0, 0, 0.1, 0.1), (0, 0, 1, 1))


@pytest.mark.parametrize(
    ("size", "flag"),
    [
        ((24, 38), False),
        ((23.4, 100), True),
        ((23.6, 100), False),
        ((29, 31), True),
        ((30, 30), False),
    ],
)
def test_resolution_is_low_by_side_or_area(size, flag):
    assert rules.low_resolution((0, 0, *size)) is flag


def noisy(inner: float, outer: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    image = rng.normal(128, outer, (80, 80, 1)).repeat(3, axis=2)
    image[30:50, 30:50] = rng.normal(128, inner, (20, 20, 1))
    return image.clip(0, 255).astype(np.uint8)


def test_contrast_compares_the_spread_inside_and_around():
    box = (30, 30, 20, 20)
    assert rules.contrast_ratio(noisy(20, 10), box) == pytest.approx(2, rel=0.15)
    assert not rules.low_contrast(noisy(20, 10), box)
    assert rules.low_contrast(noisy(10, 20), box)


def test_box_over_the_border_is_clipped_before_the_ring_is_laid():
    image = noisy(20, 20)
    image[:, :12] = 128  # flat: the box and the left part of its ring
    assert rules.contrast_ratio(image, (-10, 20, 22, 30)) < 0.1


def test_box_of_the_whole_picture_compares_with_itself():
    assert rules.contrast_ratio(noisy(9, 9), (0, 0, 80, 80)) == pytest.approx(1)


def test_box_outside_the_picture_has_no_contrast():
    assert rules.contrast_ratio(noisy(9, 9), (200, 200, 5, 5)) == 0


@pytest.mark.parametrize(
    ("box", "flag"),
    [
        ((1, 5, 5, 5), True),
        ((1.1, 5, 5, 5), False),
        ((5, 5, 94, 5), True),
        ((5, 5, 93.9, 5), False),
    ],
)
def test_box_within_a_pixel_of_the_border_is_cut(box, flag):
    assert rules.cut_by_image(box, 50, 100) is flag


def test_written_labels_are_read_back(tmp_path):
    root, out = write_root(tmp_path / "data", train=2, val=1), tmp_path / "labels"
    told = []
    counts = write_computed_labels(str(root), str(out), on_sequence=lambda *what: told.append(what))
    assert [what[:2] for what in told] == [
        ("train", "train-0"),
        ("train", "train-1"),
        ("val", "val-0"),
    ]
    assert counts["frames"] == 72
    assert counts["low_res"] == 72  # 16 x 12 pixels
    file = out / "train_computed" / "train-0" / "train-0.jsonl"
    assert json.loads(file.read_text().splitlines()[0])["frame_id"] == 1
    index = build_index(DataConfig(root=str(root), labels=str(out)), "train")
    assert index.label_rule_counts == {"computed": 48, "unlabelled": 0}
    assert set(index.conditions) <= {6, 8}


def test_held_out_sequences_are_labelled_too(tmp_path):
    root = write_root(tmp_path / "data", train=3, val=0)
    assert write_computed_labels(str(root), str(tmp_path / "labels"))["frames"] == 72


def test_bad_picture_stops_or_has_no_label(tmp_path):
    root = write_root(tmp_path / "data", train=1, val=0)
    (root / "train" / "train-0" / "00000002.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match="00000002"):
        write_computed_labels(str(root), str(tmp_path / "labels"))
    counts = write_computed_labels(str(root), str(tmp_path / "labels"), on_error="skip")
    assert (counts["frames"], counts["skipped"]) == (23, 1)


def test_missing_root_is_named(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        write_computed_labels(str(tmp_path / "none"), str(tmp_path / "labels"))


@pytest.mark.real_data
def test_rules_give_the_known_counts_on_real_sequences(data_root):
    table = {
        cells[1]: [int(number) for number in cells[3:7]]
        for cells in (
            re.split(r"\s*\|\s*", line.strip().strip("|").strip())
            for line in (data_root / "tracking" / "README.md").read_text().splitlines()
            if re.match(r"\| \S+ \| \d+ \| \d+ \| \d+ \| \d+ \| \d+ \|", line)
        )
        for cells in [["", *cells]]
    }
    assert len(table) == 22
    for split in ("train", "val", "test"):
        index = read_split_folder(DataConfig(root=str(data_root / "tracking")), split)
        for number in range(index.num_sequences):
            sequence = index.sequence(number)
            records = computed_records(sequence, 10**7, BadItems("stop"))
            flags = [
                [
                    *record["cv_response"].values(),
                    record["vlm_response"]["partial_visibility"]["flag"],
                ]
                for record in records
            ]
            difference = np.abs(np.sum(flags, axis=0) - table[sequence.name])
            assert difference.max() <= 2, (sequence.name, np.sum(flags, axis=0))
