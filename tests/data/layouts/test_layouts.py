from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mtl.data.images import read_image
from mtl.data.layouts.sequence_set import SequenceSet, detect_layout, open_sequences
from mtl.data.layouts.uav123 import PARTS
from mtl.errors import AwayError, DataError
from tests.data.sequence_files import jpeg, picture, write_root
from tests.data.stale_files import StaleFiles

PICTURE = jpeg(picture(0))


def pictures(folder: Path, count: int, first: int = 1, digits: int = 8) -> Path:
    folder.mkdir(parents=True)
    for number in range(first, first + count):
        (folder / f"{number:0{digits}d}.jpg").write_bytes(PICTURE)
    return folder


def boxes(file: Path, count: int, separator: str = ",") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(separator.join((f"{i}", "2", "8", "6")) + "\n" for i in range(count)))
    return file


def lasot(root: Path, name: str, count: int = 4, flat: bool = False) -> Path:
    folder = root / name if flat else root / name.split("-")[0] / name
    pictures(folder / "img", count)
    boxes(folder / "groundtruth.txt", count)
    (folder / "full_occlusion.txt").write_text(",".join(["0", "1", *["0"] * (count - 2)]) + "\n")
    (folder / "out_of_view.txt").write_text(",".join([*["0"] * (count - 1), "1"]))
    return folder


def otb(root: Path, name: str, count: int = 3, separator: str = ",") -> Path:
    pictures(root / name / "img", count, digits=4)
    boxes(root / name / "groundtruth_rect.txt", count, separator)
    return root / name


def frame_names(data: SequenceSet, number: int) -> list[str]:
    return [uri.rsplit("/", 1)[1] for uri in data[number].frame_uris]


@pytest.mark.parametrize("flat", [False, True])
def test_lasot_hides_frames_with_either_flag(tmp_path: Path, flat: bool) -> None:
    for name in ("boat-10", "boat-2", "bus-1"):
        lasot(tmp_path, name, flat=flat)
    data = open_sequences(str(tmp_path))
    assert (data.layout, data.names) == ("lasot", ("boat-2", "boat-10", "bus-1"))
    assert data[0].visible.tolist() == [True, False, True, False]
    assert data[0].boxes_xywh[3].tolist() == [3, 2, 8, 6]
    assert read_image(data[1].frame_uris[0], 10**6).shape == (48, 64, 3)


def test_lasot_test_list_parts_the_sequences(tmp_path: Path) -> None:
    for name in ("boat-1", "boat-2"):
        lasot(tmp_path, name)
    (tmp_path / "testing_set.txt").write_text("boat-2\n")
    assert open_sequences(str(tmp_path)).names == ("boat-2",)
    assert open_sequences(str(tmp_path), split="train").names == ("boat-1",)
    (tmp_path / "testing_set.txt").write_text("boat-2\nboat-3\n")
    with pytest.raises(DataError, match=r"testing_set\.txt, line 2: .* 'boat-3'"):
        open_sequences(str(tmp_path))


def test_trackingnet_counts_from_zero_in_numeric_order_and_knows_one_box(tmp_path: Path) -> None:
    pictures(tmp_path / "TEST" / "frames" / "-abc_0", 12, first=0, digits=1)
    boxes(tmp_path / "TEST" / "anno" / "-abc_0.txt", 1)
    pictures(tmp_path / "TRAIN_0" / "frames" / "x_1", 3, first=0, digits=1)
    boxes(tmp_path / "TRAIN_0" / "anno" / "x_1.txt", 3)
    data = open_sequences(str(tmp_path))
    assert (data.layout, data.names) == ("trackingnet", ("-abc_0",))
    assert frame_names(data, 0) == [f"{i}.jpg" for i in range(12)]
    assert data[0].visible.tolist() == [True, *[False] * 11]
    assert open_sequences(str(tmp_path), split="TRAIN_0")[0].visible.all()
    assert open_sequences(str(tmp_path / "TEST")).names == ("-abc_0",)
    with pytest.raises(DataError, match="has TEST, TRAIN_0 but not TRAIN_7"):
        open_sequences(str(tmp_path), split="TRAIN_7")


@pytest.mark.parametrize("separator", [",", "\t", " ", ", "])
def test_otb_boxes_are_read_with_any_separator(tmp_path: Path, separator: str) -> None:
    otb(tmp_path, "Boat", separator=separator)
    data = open_sequences(str(tmp_path))
    assert data.layout == "otb"
    assert data[0].boxes_xywh.tolist() == [[i, 2, 8, 6] for i in range(3)]


def test_otb_targets_of_one_video_are_sequences(tmp_path: Path) -> None:
    (otb(tmp_path, "Jogging") / "groundtruth_rect.txt").unlink()
    for target in (1, 2):
        boxes(tmp_path / "Jogging" / f"groundtruth_rect.{target}.txt", 3)
    assert open_sequences(str(tmp_path)).names == ("Jogging-1", "Jogging-2")


def test_otb_football1_ends_within_its_folder(tmp_path: Path) -> None:
    pictures(tmp_path / "Football1" / "img", 80, digits=4)
    boxes(tmp_path / "Football1" / "groundtruth_rect.txt", 74)
    assert frame_names(open_sequences(str(tmp_path)), 0)[-1] == "0074.jpg"


def test_otb_david_is_found_in_whole_folders_and_in_copies_of_its_part(tmp_path: Path) -> None:
    for copy, first in (("whole", 1), ("part", 300)):
        pictures(tmp_path / copy / "David" / "img", 770 - first + 1, first, digits=4)
        boxes(tmp_path / copy / "David" / "groundtruth_rect.txt", 471)
        names = frame_names(open_sequences(str(tmp_path / copy)), 0)
        assert (names[0], names[-1], len(names)) == ("0300.jpg", "0770.jpg", 471)


def test_uav123_knows_absent_targets_and_parts_of_folders(tmp_path: Path) -> None:
    folder, first, last = PARTS["person8_2"]
    root = tmp_path / "UAV123"
    pictures(root / "data_seq" / "UAV123" / folder, last, digits=6)
    pictures(root / "data_seq" / "UAV123" / "boat1", 3, digits=6)
    boxes(root / "anno" / "UAV123" / "person8_2.txt", last - first + 1)
    (root / "anno" / "UAV123" / "boat1.txt").write_text("1,2,3,4\nNaN,NaN,NaN,NaN\n1,2,3,4\n")
    for place in (root, tmp_path):
        data = open_sequences(str(place))
        assert (data.layout, data.names) == ("uav123", ("boat1", "person8_2"))
        assert data[0].visible.tolist() == [True, False, True]
        assert data[0].boxes_xywh[1].tolist() == [0, 0, 0, 0]
        names = frame_names(data, 1)
        assert (names[0], names[-1]) == (f"{first:06d}.jpg", f"{last:06d}.jpg")


def test_uav123_parts_of_an_incomplete_folder_are_named(tmp_path: Path) -> None:
    pictures(tmp_path / "data_seq" / "UAV123" / "bird1", 9, digits=6)
    boxes(tmp_path / "anno" / "UAV123" / "bird1_2.txt", 703)
    with pytest.raises(
        DataError, match=r"bird1 has 9 pictures, but bird1_2 is made of .* 775 to 1477"
    ):
        open_sequences(str(tmp_path))


def test_a_plain_folder_needs_pictures_and_a_first_box(tmp_path: Path) -> None:
    boxes(pictures(tmp_path / "clip10", 3, digits=1) / "boxes.txt", 1)
    boxes(pictures(tmp_path / "clip9", 11, digits=1) / "groundtruth.txt", 11)
    data = open_sequences(str(tmp_path))
    assert (data.layout, data.names) == ("plain", ("clip9", "clip10"))
    assert frame_names(data, 0)[-2:] == ["10.jpg", "11.jpg"]
    assert data[1].visible.tolist() == [True, False, False]


def test_got10k_is_read_with_its_splits(tmp_path: Path) -> None:
    write_root(tmp_path, train=3, val=2)
    data = open_sequences(str(tmp_path))
    assert (data.layout, data.split, len(data)) == ("got10k", "val", 2)
    assert len(open_sequences(str(tmp_path), split="train")) == 3
    with pytest.raises(DataError, match="the split must be one of train, val, test, got 'dev'"):
        open_sequences(str(tmp_path), split="dev")


def test_an_unknown_or_ambiguous_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is in none of the layouts got10k, lasot"):
        detect_layout(str(tmp_path))
    lasot(tmp_path, "boat-1")
    otb(tmp_path, "Boat")
    with pytest.raises(DataError, match="could be in lasot or otb layout"):
        open_sequences(str(tmp_path))
    assert open_sequences(str(tmp_path), layout="otb").names == ("Boat",)
    with pytest.raises(DataError, match=r"the layout must be one of got10k, .* got 'vot'"):
        open_sequences(str(tmp_path), layout="vot")


def test_labels_are_refused_where_they_cannot_be_read(tmp_path: Path) -> None:
    otb(tmp_path, "Boat")
    with pytest.raises(DataError, match="in otb layout, for which condition labels cannot"):
        open_sequences(str(tmp_path), labels=str(tmp_path))


BAD = {
    "1,2,8,6\n1,2,8,6\n": r"groundtruth_rect\.txt has 2 boxes for 3 pictures",
    "1,2,8,6\n" * 4: r"groundtruth_rect\.txt has 4 boxes for 3 pictures",
    "1,2,8,6\n1,2,x,6\n1,2,8,6\n": r"groundtruth_rect\.txt, line 2: must be 4 numbers",
    "1,2,8,6\n1,2,8\n1,2,8,6\n": r"groundtruth_rect\.txt, line 2: must be 4 numbers",
    "0,0,0,0\n1,2,8,6\n1,2,8,6\n": r"groundtruth_rect\.txt, line 1: a box must be finite",
    "": r"groundtruth_rect\.txt has 0 boxes for 3 pictures",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_truth_is_named_or_left_out_and_counted(tmp_path: Path, text: str) -> None:
    otb(tmp_path, "Good")
    (otb(tmp_path, "Bad") / "groundtruth_rect.txt").write_text(text)
    with pytest.raises(DataError, match=BAD[text]):
        open_sequences(str(tmp_path))
    data = open_sequences(str(tmp_path), on_error="skip")
    assert data.names == ("Good",)
    assert sum(data.skipped.values()) >= 1


def test_a_bad_box_in_the_middle_is_counted_and_not_scored(tmp_path: Path) -> None:
    (otb(tmp_path, "Boat") / "groundtruth_rect.txt").write_text("1,2,8,6\n1,nan,8,6\n1,2,8,6\n")
    data = open_sequences(str(tmp_path), on_error="skip")
    assert data[0].visible.tolist() == [True, False, True]
    assert np.isfinite(data[0].boxes_xywh).all()
    assert data.skipped == {"box not finite or without size": 1}


def test_missing_boxes_and_pictures_are_named(tmp_path: Path) -> None:
    (otb(tmp_path / "a", "Boat") / "groundtruth_rect.txt").unlink()
    with pytest.raises(DataError, match=r"groundtruth_rect\.txt is absent"):
        open_sequences(str(tmp_path / "a"), layout="otb")
    otb(tmp_path / "b", "Boat", count=1)
    with pytest.raises(DataError, match="has 1 pictures, so there is nothing to track for Boat"):
        open_sequences(str(tmp_path / "b"))
    otb(tmp_path / "c", "Boat", count=0)
    with pytest.raises(DataError, match=r"no usable sequence in otb layout \(sequence with less"):
        open_sequences(str(tmp_path / "c"), on_error="skip")


def test_flags_of_another_length_are_named(tmp_path: Path) -> None:
    (lasot(tmp_path, "boat-1") / "out_of_view.txt").write_text("0,0")
    with pytest.raises(DataError, match=r"out_of_view\.txt has 2 flags for 4 pictures"):
        open_sequences(str(tmp_path))


@pytest.mark.real_data
def test_real_sequences_are_read_as_got10k_and_as_a_plain_folder(data_root: Path) -> None:
    root = data_root / "tracking"
    data, plain = open_sequences(str(root)), open_sequences(str(root / "test"))
    assert (data.layout, data.split, plain.layout) == ("got10k", "test", "plain")
    assert set(data.names) == set(plain.names)  # list.txt has an order of its own
    for ours, name in zip(data, data.names, strict=True):
        same = plain[plain.names.index(name)]
        np.testing.assert_array_equal(ours.visible, same.visible)
        np.testing.assert_array_equal(ours.boxes_xywh, same.boxes_xywh)
        assert ours.frame_uris == same.frame_uris


def test_a_storage_that_is_away_is_no_fault_of_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lasot(tmp_path, "boat-1")
    StaleFiles(monkeypatch, "out_of_view.txt")
    with pytest.raises(AwayError, match="Stale file handle"):
        open_sequences(str(tmp_path), "lasot", on_error="skip")
