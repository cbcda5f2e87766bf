from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mtl.errors import DataError, ShapeError
from mtl.evaluation.got10k_files import (
    find_results,
    read_boxes,
    read_result,
    read_seconds,
    write_result,
)
from mtl.evaluation.one_pass import TrackedSequence

TRACKED = TrackedSequence(
    np.array([[1, 2, 3, 4], [10.123456, -2.5, 3.00004, 100.0]]), np.array([0.25, 0.0123456789])
)


def test_files_lie_and_read_as_the_got10k_toolkit_has_them(tmp_path: Path) -> None:
    write_result(tmp_path, "ours", "boat-1", TRACKED)
    folder = tmp_path / "ours" / "boat-1"
    assert sorted(f.name for f in folder.iterdir()) == ["boat-1_001.txt", "boat-1_time.txt"]
    assert (folder / "boat-1_001.txt").read_text() == (
        "1.0000,2.0000,3.0000,4.0000\n10.1235,-2.5000,3.0000,100.0000\n"
    )
    assert (folder / "boat-1_time.txt").read_text() == "0.25000000\n0.01234568\n"
    assert np.loadtxt(folder / "boat-1_001.txt", delimiter=",").shape == (2, 4)
    assert np.loadtxt(folder / "boat-1_time.txt", delimiter=",").shape == (2,)


def test_what_is_written_returns_as_what_is_read(tmp_path: Path) -> None:
    written = write_result(tmp_path, "ours", "boat", TRACKED)
    read = read_result(tmp_path, "ours", "boat")
    np.testing.assert_array_equal(written.boxes_xywh, read.boxes_xywh)
    np.testing.assert_array_equal(written.seconds, read.seconds)
    np.testing.assert_allclose(read.boxes_xywh, TRACKED.boxes_xywh, atol=5e-5)
    assert read.boxes_xywh.dtype == read.seconds.dtype == np.float64


def test_a_sequence_of_one_frame_reads_as_one_box(tmp_path: Path) -> None:
    one = TrackedSequence(TRACKED.boxes_xywh[:1], TRACKED.seconds[:1])
    write_result(tmp_path, "ours", "boat", one)
    assert read_result(tmp_path, "ours", "boat").boxes_xywh.shape == (1, 4)


def test_results_are_found_by_tracker_and_sequence(tmp_path: Path) -> None:
    for tracker, sequence in (("b", "y"), ("a", "x"), ("a", "w_001")):
        write_result(tmp_path, tracker, sequence, TRACKED)
    (tmp_path / "a" / "x" / "other_001.txt").write_text("1,1,1,1\n")
    assert list(find_results(tmp_path)) == [("a", "w_001"), ("a", "x"), ("b", "y")]
    assert list(find_results(tmp_path / "absent")) == []


def test_a_write_that_fails_leaves_the_old_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_result(tmp_path, "ours", "boat", TRACKED)
    before = {f: f.read_bytes() for f in (tmp_path / "ours" / "boat").iterdir()}

    def full_disk(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mtl.files.os.replace", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_result(tmp_path, "ours", "boat", TRACKED._replace(seconds=np.ones(2)))
    assert {f: f.read_bytes() for f in (tmp_path / "ours" / "boat").iterdir()} == before


@pytest.mark.parametrize(
    "line",
    ["1,2,3", "1,2,3,4,5", "1,2,three,4", "", "1 2 3 4", "1,2,nan,4", "1,2,inf,4", "1,2,-3,4"],
)
def test_a_bad_line_is_named_with_its_file(tmp_path: Path, line: str) -> None:
    path = tmp_path / "boat_001.txt"
    path.write_text(f"1,2,3,4\n{line}\n1,2,3,4\n")
    with pytest.raises(DataError, match=r"boat_001\.txt, line 2: a box must be x,y,w,h"):
        read_boxes(path)


@pytest.mark.parametrize("line", ["fast", "-0.1", "nan", ""])
def test_a_bad_time_is_named_with_its_file(tmp_path: Path, line: str) -> None:
    path = tmp_path / "boat_time.txt"
    path.write_text(f"0.1\n0.1\n{line}\n0.1\n")
    with pytest.raises(DataError, match=r"boat_time\.txt, line 3: a time must be seconds"):
        read_seconds(path)


def test_of_repeated_times_the_first_is_read(tmp_path: Path) -> None:
    path = tmp_path / "boat_time.txt"
    path.write_text("0.1,0.2\n0.3,0.4\n")
    np.testing.assert_array_equal(read_seconds(path), [0.1, 0.3])


def test_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "boat_001.txt"
    path.write_bytes(b"1,2,3,4\r\n5,6,7,8\r\n")
    np.testing.assert_array_equal(read_boxes(path), [[1, 2, 3, 4], [5, 6, 7, 8]])


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "is absent"), (b"", "is empty"), (b"\n \n", "is empty"), (b"\xff\xfe", "cannot be")],
)
def test_a_file_without_boxes_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "boat_001.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=rf"boat_001\.txt {message}"):
        read_boxes(path)


def test_missing_lines_of_times_are_refused(tmp_path: Path) -> None:
    write_result(tmp_path, "ours", "boat", TRACKED)
    (tmp_path / "ours" / "boat" / "boat_time.txt").write_text("0.1\n")
    with pytest.raises(ShapeError, match=r"boat: .* 2 boxes but .* 1 times"):
        read_result(tmp_path, "ours", "boat")


@pytest.mark.parametrize("name", ["", "..", "../boat", "a/b", "a\\b", ".hidden", "a\0b"])
def test_a_name_that_leads_out_of_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"sequence name .* must be a plain folder name"):
        write_result(tmp_path, "ours", name, TRACKED)
    with pytest.raises(DataError, match=r"tracker name .* must be a plain folder name"):
        read_result(tmp_path, name, "boat")


def test_boxes_and_times_that_do_not_fit_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match=r"boat: boxes and times must be"):
        write_result(tmp_path, "ours", "boat", TRACKED._replace(seconds=np.ones(3)))
    with pytest.raises(DataError, match="boat: boxes and times must be finite"):
        write_result(tmp_path, "ours", "boat", TRACKED._replace(seconds=np.full(2, np.nan)))
    assert not list(tmp_path.iterdir())
